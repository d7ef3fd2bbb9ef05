"""What one git command does: git reads, changes the repository, publishes, or runs something else."""

from __future__ import annotations

import re
from collections.abc import Callable

from kcode.safety import programs
from kcode.safety.options import has, positionals
from kcode.safety.shell_builtins import Said
from kcode.safety.shell_words import Word, names

_HARMLESS_FIRST = names(
    "--no-pager -P --no-optional-locks --literal-pathspecs --no-replace-objects --version"
)
_HARMLESS_SETTINGS = re.compile(
    r"(color\.\w+|core\.quotepath|core\.abbrev|advice\.\w+|diff\.renames|log\.\w+|column\.ui|core\.preloadindex)=\w+",
    re.IGNORECASE,
)
_RUNS = names(
    "--exec --upload-pack --receive-pack --exec-path --config --template -x --run --recurse-submodules-cmd"
)


def judge_git(words: tuple[Word, ...], plain: Callable[[tuple[Word, ...]], Said | None]) -> Said:
    """``words`` without ``git``; ``plain`` says what speaks against words as names of files."""
    rest = list(words)
    while rest and rest[0].text.startswith("-"):
        text = rest.pop(0).text
        if text in _HARMLESS_FIRST:
            continue
        if text == "-c" and rest and rest[0].known and _HARMLESS_SETTINGS.fullmatch(rest[0].text):
            rest.pop(0)
            continue
        if text.startswith(("-c", "--config-env", "--exec-path")):
            return "danger", f"git {text} can name programs that git runs"
        if text.startswith(("-C", "--git-dir", "--work-tree", "--namespace", "--super-prefix")):
            return "danger" if _away(text, rest) else "write", f"git {text} works on another repository"
        return "unknown", f"git {text} is not known"
    if not rest or not rest[0].known:
        return "unknown" if rest else "write", "git without a command"
    name, arguments = rest[0].text, tuple(rest[1:])
    if name in programs.GIT_PUBLISHES or (name == "subtree" and any(w.text == "push" for w in arguments)):
        return "danger", f"git {name} changes what others see"
    if said := _runs_programs(name, arguments) or _destroys(name, arguments):
        return said
    lines = [place for place, word in enumerate(arguments) if word.text in ("-L", "-S", "-G", "--grep")]
    if said := plain(tuple(word for place, word in enumerate(arguments) if place - 1 not in lines)):
        return said
    if name in programs.GIT_READS and (said := _reads(name, arguments)):
        return said
    return "write", f"git {name} changes the repository"


_LOSES: dict[str, frozenset[str]] = {
    "reset": names("--hard --merge --keep"),
    "checkout": names("-f --force -B --orphan --ours --theirs --"),
    "switch": names("-f --force --discard-changes -C --force-create --orphan"),
    "branch": names("-d -D -f -M -C --delete --force"),
    "tag": names("-d -f --delete --force"),
    "commit": names("--amend"),
    "merge": names("--abort --quit"),
    "am": names("--abort --quit --skip"),
    "cherry-pick": names("--abort --quit --skip"),
    "revert": names("--abort --quit --skip"),
    "rm": names("-f --force"),
    "mv": names("-f --force"),
    "worktree": names("-f --force"),
    "remote": names("prune rm remove"),
    "reflog": names("expire delete drop"),
    "stash": names("drop clear"),
    "notes": names("prune remove"),
    "fetch": names("-f --force"),
    "pull": names("-f --force --rebase -r"),
    "gc": names("--prune --aggressive"),
}
"""What of a git command throws work or history away that git itself does not bring back."""
_ALWAYS_LOSES = names("rebase filter-repo replace update-ref symbolic-ref prune read-tree checkout-index")


def _destroys(name: str, arguments: tuple[Word, ...]) -> Said | None:
    """``danger`` for what discards changes, removes branches and stashes, or rewrites history."""
    loses: Said = ("danger", f"git {name} throws changes or history away")
    texts = [word.text for word in arguments]
    if name == "clean":
        return None if {"-n", "--dry-run"} & {*texts} else loses
    if name == "restore":
        index_only = {"--staged", "-S"} & {*texts} and not {"--worktree", "-W"} & {*texts}
        return None if index_only else loses
    if name == "checkout" and "." in texts:
        return loses
    if name in ("fetch", "pull") and any(text.startswith("+") for text in texts):
        return loses
    wanted = _LOSES.get(name, frozenset())
    found = has(arguments, wanted) or next((text for text in texts if text in wanted), "")
    return loses if name in _ALWAYS_LOSES or found else None


def _away(text: str, rest: list[Word]) -> bool:
    value = text.partition("=")[2] or (rest[0].text if rest else "")
    return value.startswith(("/", "~", ".."))


def _runs_programs(name: str, arguments: tuple[Word, ...]) -> Said | None:
    texts = [word.text for word in arguments]
    if name == "submodule" and texts == ["status"]:
        return None
    if name in ("bisect", "rebase", "submodule"):
        run = ("run", "foreach", "-x", "--exec", "--ex", "--exe", "-i", "--interactive")
        if any(text.startswith(run) for text in texts):
            return "danger", f"git {name} runs other programs"
        return None
    if name in programs.GIT_RUNS:
        return "danger", f"git {name} runs other programs"
    if name == "remote" and texts[:1] in (["set-url"], ["add"]):
        return "danger", "changes where code is sent"
    if name == "config" and _reads(name, arguments) is None:
        return "danger", "changes git's settings, which name programs"
    if any(re.match(r"ext::|fd::", text) for text in texts):
        return "danger", "an address that runs a program"
    if name in ("fetch", "pull", "clone", "ls-remote", "archive", "init") and (
        found := has(arguments, _RUNS, clusters=False)
    ):
        return "danger", f"git {name} {found} runs other programs"
    if name in ("clone", "fetch", "pull", "ls-remote", "archive") and any(
        text.startswith(("-u", "-c")) for text in texts
    ):
        return "danger", f"git {name} with a program or setting of its own"
    return None


def _reads(name: str, arguments: tuple[Word, ...]) -> Said | None:
    """None where the command does more than read."""
    read: Said = ("read", "only reads")
    allowed = programs.GIT_READS[name]
    texts = [word.text for word in arguments]
    if any(not word.known for word in arguments):
        return None
    if name == "ls-files":
        texts = [text for text in texts if text not in ("-o", "--others")]
        return None if has(tuple(w for w in arguments if w.text in texts), programs.GIT_DANGER) else read
    if not allowed:
        found = has(arguments, programs.GIT_DANGER, clusters=False)
        return ("danger", f"git {name} {found} writes a file or runs a program") if found else read
    if name == "config":
        given = positionals(arguments)
        reading = any(text in ("--get", "--list", "-l", "--get-all", "--get-regexp") for text in texts)
        plain = all(text in allowed or not text.startswith("-") for text in texts if text != "--get-all")
        return read if plain and (len(given) <= 1 if reading else len(texts) == 1 and given) else None
    if name in ("branch", "tag"):
        wanted = ("-l", "--list", "--merged", "--no-merged", "--contains", "--points-at", "--sort", "-n")
        listing = any(text.partition("=")[0] in wanted for text in texts)
        fine = (*allowed, "--contains", "--points-at")
        strange = [text for text in texts if text not in fine and not text.startswith("--sort=")]
        return read if not strange or (listing and not any(t.startswith("-") for t in strange)) else None
    if name == "remote" and texts[:1] == ["get-url"] and len(texts) == 2:
        return read
    if name == "stash" and texts[:1] == ["show"]:
        return None if has(arguments, programs.GIT_DANGER, clusters=False) else read
    if name in ("stash", "worktree", "submodule") and not texts:
        return None
    return read if all(text in allowed for text in texts) else None
