"""Which files a repository has, in two looks: the index at once, what differs from it a moment later.

Names come as the file system has them: bytes that are no UTF-8 are kept as surrogates.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.workspace.repo import git_sync

_FEW = 500  # paths that git is asked about by name
_LARGEST = 10_000_000  # bytes of a file that is compared with what git has
_OBJECT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256 = 64  # digits
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
    """Which of these files are not as in the last commit: changed, staged or new. None of the other files
    is looked at. Where more than some hundred are not in it, new ones are not told; without a commit, none.
    """
    asked = sorted(path for path in paths if "\n" not in path)
    if not asked:
        return set()
    committed = _in_last_commit(root, asked)
    missing = [path for path in asked if path not in committed]
    if len(missing) == len(asked) and not _in_last_commit(root, ["."]):
        return set()
    found = {path for path, name in committed.items() if _differs(root / path, name)}
    if 0 < len(missing) <= _FEW:
        listed = _names(
            root, "--literal-pathspecs", "ls-files", "-c", "-o", "--exclude-standard", "-z", "--", *missing
        )
        found.update(path for path in listed or () if os.path.lexists(root / path))
    return found.intersection(paths)


def _in_last_commit(root: Path, paths: Sequence[str]) -> dict[str, str]:
    """The object names that HEAD has for these paths; those that it does not have are left out. One process,
    which reads the folders of these files alone: ``ls-files`` and ``status`` hold each path that is named
    against each of the index."""
    written = bytearray()
    lines = "".join(f"HEAD:./{path}\n" for path in paths).encode("utf-8", "surrogateescape")
    try:
        done = git_sync(
            root,
            "cat-file",
            "--batch-check=%(objectname)",
            max_output=_KEPT,
            input=lines,
            on_output=written.extend,
        )
    except EnvironmentProblem:
        return {}
    answers = written.decode("ascii", "replace").split("\n")
    if done.code or done.timed_out or len(answers) != len(paths) + 1:
        return {}
    return {path: name for path, name in zip(paths, answers, strict=False) if _OBJECT.fullmatch(name)}


def _differs(file: Path, name: str) -> bool:
    """Whether a file is not the object that git names so, line ends aside."""
    try:
        if file.is_symlink() or file.stat().st_size > _LARGEST:
            return False
        data = file.read_bytes()
    except OSError:
        return False
    return name not in (_object_name(data, name), _object_name(data.replace(b"\r\n", b"\n"), name))


def _object_name(data: bytes, like: str) -> str:
    kind = "sha256" if len(like) == _SHA256 else "sha1"
    return hashlib.new(kind, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


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
