"""What can be said of a shell command by looking at it: does it plainly only read, what does it touch.

Conservative on purpose: one simple command of known programs with known-harmless flags, paths inside
the workspace, no character that means anything to a shell beyond quotes. All else is asked about.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from kcode.safety import sensitive

_META = re.compile(r"[|&;<>()$`\\*?\[\]#~!{}\n\r\x00]")
_PLAIN = frozenset(
    [
        "ls",
        "pwd",
        "cat",
        "head",
        "tail",
        "wc",
        "nl",
        "stat",
        "du",
        "df",
        "which",
        "basename",
        "dirname",
        "realpath",
        "readlink",
        "echo",
        "true",
        "uname",
        "whoami",
        "id",
        "cmp",
        "grep",
        "egrep",
        "fgrep",
        "cut",
    ]
)
_VERSIONED = frozenset(
    [
        "python",
        "python3",
        "pip",
        "pip3",
        "node",
        "npm",
        "go",
        "cargo",
        "rustc",
        "gcc",
        "clang",
        "make",
        "cmake",
        "java",
        "ruby",
        "git",
        "pytest",
        "ruff",
        "mypy",
        "uv",
    ]
)
_GIT_READS = frozenset(
    [
        "status",
        "diff",
        "log",
        "show",
        "blame",
        "ls-files",
        "rev-parse",
        "describe",
        "shortlog",
        "rev-list",
        "name-rev",
        "merge-base",
    ]
)
_GIT_LISTS = {
    "branch": frozenset(
        ["-a", "-r", "-v", "-vv", "--all", "--list", "--show-current", "--remotes", "--verbose"]
    ),
    "tag": frozenset(["-l", "-n", "--list"]),
    "remote": frozenset(["-v", "--verbose"]),
    "stash": frozenset(["list"]),
    "worktree": frozenset(["list"]),
}
# git takes any unambiguous beginning of a long option, so these are compared as prefixes.
_GIT_DANGER = (
    "--output", "--ext-diff", "--textconv", "--exec-path", "--open-files-in-pager", "--contents",
    "--no-index", "--parseopt", "--sq-quote", "--show-signature",
)  # fmt: skip
_RG_DANGER = ("--pre", "--hostname-bin", "--search-zip", "--ignore-file", "--file")
_FIND_FLAGS = frozenset(
    [
        "-name",
        "-iname",
        "-path",
        "-ipath",
        "-type",
        "-maxdepth",
        "-mindepth",
        "-not",
        "-o",
        "-a",
        "-print",
        "-size",
        "-empty",
    ]
)


def only_reads(command: str) -> bool:
    """Whether ``command`` plainly changes nothing and shows nothing sensitive. When in doubt: no."""
    if _META.search(command) or touches_sensitive(command):
        return False
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    if not words or any(_leads_away(word) for word in words[1:]):
        return False
    program, arguments = words[0], words[1:]
    if arguments == ["--version"]:
        return program in _VERSIONED or program in _PLAIN
    judge = _JUDGES.get(program)
    return judge(arguments) if judge else program in _PLAIN


def touches_sensitive(command: str) -> str:
    """Why the command needs a yes in every mode: it names a sensitive file. Empty where it names none."""
    for word in re.split(r"[\s'\"|&;<>()$`=,:]+", command):
        if word and not word.startswith("-") and sensitive.reason(word.replace("\\", "/")):
            return sensitive.reason(word.replace("\\", "/"))
    return ""


def _leads_away(word: str) -> bool:
    value = word.rpartition("=")[2] if word.startswith("-") else word
    return (
        value.startswith(("/", "~"))
        or ".." in re.split(r"[/\\]", value)
        or bool(re.match(r"[A-Za-z]:", value))
    )


def _git(arguments: list[str]) -> bool:
    if not arguments:
        return False
    name, rest = arguments[0], arguments[1:]
    if name in _GIT_LISTS:
        return all(word in _GIT_LISTS[name] for word in rest) and (
            name not in ("stash", "worktree") or bool(rest)
        )
    if name not in _GIT_READS:
        return False
    options = [word.partition("=")[0] for word in rest if word.startswith("-") and word != "--"]
    return not any(
        option.startswith(("-o", "-O"))
        or any(long.startswith(option) for long in _GIT_DANGER if option != "-")
        for option in options
    )


def _rg(arguments: list[str]) -> bool:
    options = [word.partition("=")[0] for word in arguments if word.startswith("-")]
    short = [option for option in options if not option.startswith("--")]
    return not any(option.startswith(_RG_DANGER) for option in options) and not any(
        letter in option for option in short for letter in "zf"
    )


def _grep(arguments: list[str]) -> bool:
    return not any(word.startswith(("-f", "--file")) for word in arguments)


def _find(arguments: list[str]) -> bool:
    return all(word in _FIND_FLAGS for word in arguments if word.startswith("-"))


def _tree(arguments: list[str]) -> bool:
    return not any(word.startswith("-") and ("o" in word or "R" in word) for word in arguments)


_JUDGES: dict[str, Callable[[list[str]], bool]] = {
    "git": _git,
    "rg": _rg,
    "grep": _grep,
    "egrep": _grep,
    "fgrep": _grep,
    "find": _find,
    "tree": _tree,
}
