"""Which files a repository has, in two looks: the index at once, what differs from it a moment later.

Names come as the file system has them: bytes that are no UTF-8 are kept as surrogates.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.workspace.repo import git_sync

_FEW = 500  # paths that git is asked about by name
_KEPT = 4_000  # bytes of output kept twice: the names are taken as they come


@dataclass(frozen=True, slots=True)
class Differences:
    """What the working tree has that the index has not. ``changed`` are modified and new files alike."""

    changed: frozenset[str]
    new: tuple[str, ...]
    gone: frozenset[str]


def tracked(root: Path) -> list[str] | None:
    """The files in git's index that are meant to be on disk; None where git cannot tell. Reads one file."""
    fields = _names(root, "ls-files", "-c", "-t", "-z")
    if fields is None:
        return None
    skipped = "S "  # not checked out, in a sparse working tree
    return [field[2:] for field in fields if not field.startswith(skipped)]


def differences(root: Path) -> Differences | None:
    """What ``git status`` finds, ignored files left out; None where git cannot tell. Looks at every file."""
    fields = _names(
        root,
        "status",
        "--porcelain",
        "-z",
        "--untracked-files=all",
        "--no-renames",
        "--ignore-submodules=all",
    )
    if fields is None:
        return None
    new = tuple(field[3:] for field in fields if field.startswith("??"))
    gone = {field[3:] for field in fields if "D" in field[:2]}.difference(new)
    changed = {field[3:] for field in fields}.difference(gone)
    return Differences(frozenset(changed), new, frozenset(gone))


def changed_among(root: Path, paths: Collection[str]) -> set[str]:
    """Which of these files git has as changed, staged or new, without a look at the others where these are
    few; where they are many, new files are not told."""
    if not paths:
        return set()
    few = sorted(paths) if len(paths) <= _FEW else []
    asked: list[tuple[str, ...]] = [
        ("diff", "--cached", "--name-only", "--no-renames", "--ignore-submodules", "--no-ext-diff", "-z")
    ]
    asked += [("ls-files", "-m", "-z"), *([("ls-files", "-o", "--exclude-standard", "-z")] if few else [])]
    found: set[str] = set()
    for arguments in asked:
        found.update(_names(root, "--literal-pathspecs", *arguments, "--", *few) or ())
    return found.intersection(paths)


def _names(root: Path, *arguments: str) -> list[str] | None:
    """The NUL-ended fields that git writes."""
    written = bytearray()
    try:
        done = git_sync(root, *arguments, max_output=_KEPT, on_output=written.extend)
    except EnvironmentProblem:
        return None
    if done.code or done.timed_out:
        return None
    return [field for field in written.decode("utf-8", "surrogateescape").split("\0") if field]
