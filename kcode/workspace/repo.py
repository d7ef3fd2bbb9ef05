"""The git repository: commands through the process door, state of HEAD through GitPython.

Commands are one spawn each and bounded like any other process. What a repository's own configuration
could make them execute (file system monitor, external diff, text conversion, hooks, pager) is off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.safety.process import OUTPUT_LIMIT, Finished, child_environment, run, run_sync

TIMEOUT_S = 60.0
# What somebody set for their own eyes, back to git's defaults: what is printed here is read by kcode.
PLAIN = tuple(
    word
    for setting in (
        "color.branch=false", "color.diff=false", "color.grep=false", "color.status=false", "color.ui=false",
        "core.abbrev=auto", "core.quotePath=false", "diff.colorMoved=no", "diff.context=3",
        "diff.dstPrefix=b/", "diff.external=", "diff.interHunkContext=0", "diff.mnemonicPrefix=false",
        "diff.noprefix=false", "diff.orderFile=/dev/null", "diff.relative=false", "diff.renames=true",
        "diff.srcPrefix=a/", "diff.statGraphWidth=0", "diff.submodule=short", "diff.suppressBlankEmpty=false",
        "format.pretty=medium", "grep.column=false", "grep.fullName=false", "grep.lineNumber=false",
        "grep.patternType=default", "i18n.logOutputEncoding=UTF-8", "log.abbrevCommit=false",
        "log.decorate=false", "log.follow=false", "log.showRoot=true", "log.showSignature=false",
        "status.renames=true",
    )
    for word in ("-c", setting)
)  # fmt: skip
_GUARDED = (
    "git", "--no-pager", "--no-optional-locks", "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null", *PLAIN,
)  # fmt: skip
NO_PROGRAMS = ("--no-ext-diff", "--no-textconv")  # for diff, log -p and show


@dataclass(frozen=True, slots=True)
class Head:
    """Where HEAD is. ``commit`` is empty in a repository without commits, ``branch`` when detached."""

    branch: str
    commit: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One line of ``git status``: the two-letter code and the path (the new one of a rename)."""

    code: str
    path: str


def find_root(start: Path) -> Path | None:
    """The top level of the working tree that ``start`` is in, without starting git."""
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder
    return None


def environment() -> dict[str, str]:
    return child_environment({"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":", "LC_ALL": "C.UTF-8"})


async def git(
    root: Path,
    *arguments: str,
    timeout_s: float = TIMEOUT_S,
    max_output: int = OUTPUT_LIMIT,
    enough: Callable[[bytes], bool] | None = None,
    more: Mapping[str, str] | None = None,
) -> Finished:
    """Run a git command in ``root``, with ``more`` variables. The caller judges the exit code."""
    return await run(
        [*_GUARDED, *arguments],
        cwd=root,
        env={**environment(), **(more or {})},
        timeout_s=timeout_s,
        max_output=max_output,
        enough=enough,
    )


def git_sync(
    root: Path,
    *arguments: str,
    timeout_s: float = TIMEOUT_S,
    max_output: int = OUTPUT_LIMIT,
    input: bytes | None = None,
    on_output: Callable[[bytes], None] | None = None,
) -> Finished:
    return run_sync(
        [*_GUARDED, *arguments],
        cwd=root,
        env=environment(),
        timeout_s=timeout_s,
        max_output=max_output,
        input=input,
        on_output=on_output,
    )


def head(root: Path) -> Head:
    """The branch and commit of HEAD; works detached and without commits.

    Raises :class:`EnvironmentProblem` where this is no repository or a damaged one.
    """
    import git as gitpython

    try:
        with gitpython.Repo(root) as repo:
            commit = repo.head.commit.hexsha if repo.head.is_valid() else ""
            return Head("" if repo.head.is_detached else repo.active_branch.name, commit)
    except (gitpython.GitError, OSError, ValueError, TypeError) as problem:
        raise EnvironmentProblem(
            f"the git repository at {root} cannot be read", "run: git status; git fsck"
        ) from problem


def changed_files(root: Path) -> list[Changed]:
    """What ``git status`` lists, untracked files included. Raises :class:`EnvironmentProblem`."""
    done = git_sync(root, "status", "--porcelain", "-z", "--untracked-files=all", max_output=64_000_000)
    check(done, "git status")
    fields = iter(done.stdout.split("\0"))
    found = []
    for field in fields:
        if len(field) < 4:
            continue
        found.append(Changed(field[:2], field[3:]))
        if field[0] in "RC":
            next(fields, "")  # the old name
    return found


def branch_and_changes(root: Path) -> tuple[str, int]:
    """The branch in words (``main``, ``(detached)``) and how many files differ, in one spawn of git."""
    done = git_sync(root, "status", "--porcelain=v2", "--branch", "-z", max_output=64_000_000)
    check(done, "git status")
    lines = [line for line in done.stdout.split("\0") if line]
    mark = "# branch.head "
    name = next((line.removeprefix(mark) for line in lines if line.startswith(mark)), "?")
    return name, sum(line[0] in "12u?" for line in lines)


def list_files(root: Path) -> list[str] | None:
    """Tracked and untracked files that are on disk and not ignored; None where git cannot tell."""
    try:
        listed = git_sync(
            root, "ls-files", "-co", "--exclude-standard", "--deduplicate", "-z", max_output=256_000_000
        )
        deleted = git_sync(root, "ls-files", "-d", "-z", max_output=256_000_000)
    except EnvironmentProblem:
        return None
    if listed.code or listed.cut_bytes or deleted.code or deleted.cut_bytes:
        return None
    gone = set(deleted.stdout.split("\0"))
    return sorted(path for path in listed.stdout.split("\0") if path and path not in gone)


def check(done: Finished, what: str, allowed: Sequence[int] = (0,)) -> None:
    """Raise :class:`EnvironmentProblem` in git's own words where a command failed."""
    if done.timed_out:
        raise EnvironmentProblem(f"{what} took too long and was stopped")
    if done.code in allowed:
        return
    words = done.stderr.strip().splitlines()
    message = words[0].removeprefix("fatal: ").removeprefix("error: ") if words else f"exit code {done.code}"
    raise EnvironmentProblem(f"{what}: {message}", remedy(done.stderr))


_REMEDIES = (
    (
        "dubious ownership",
        "the repository belongs to another user: git config --global --add safe.directory FOLDER",
    ),
    ("index.lock", "another git is at work here; if none is, remove .git/index.lock"),
    ("index file", "the index is damaged, your files are not: rm .git/index; git reset"),
    ("bad signature", "the index is damaged, your files are not: rm .git/index; git reset"),
    ("not a git repository", "there is a .git that git does not take for one: git fsck, or clone anew"),
    ("unknown repository", "this repository needs a newer git"),
)


def remedy(words: str) -> str:
    """What helps against what git says; ``""`` where that is not known."""
    return next((help_ for sign, help_ in _REMEDIES if sign in words), "")


def check_repository(root: Path) -> None:
    """Raises :class:`EnvironmentProblem` where git refuses to work in ``root``, or somebody's git is at work
    there: before a model is asked for what could not be done."""
    done = git_sync(root, "rev-parse", "--absolute-git-dir")
    check(done, "git rev-parse")
    if (Path(done.stdout.rstrip("\n")) / "index.lock").exists():
        raise EnvironmentProblem(
            "git's index is locked: .git/index.lock is there",
            "another git is at work here; if none is, remove .git/index.lock",
        )


def is_bare(root: Path) -> bool:
    """Whether ``root`` is a repository without a work tree, by its files."""
    return (root / "HEAD").is_file() and (root / "objects").is_dir() and (root / "refs").is_dir()
