"""Which files a repository has, in two looks: the index at once, what differs from it a moment later.

Names come as the file system has them: bytes that are no UTF-8 are kept as surrogates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.workspace.repo import git_sync

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
