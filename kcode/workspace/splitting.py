"""One change as parts that can be committed apart: hunks, and files that are only whole.

Every state between is built from git's own objects, line for line, so that a part that is not taken leaves
no trace and the last state is the change itself, to the byte.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kcode.errors import EnvironmentProblem
from kcode.safety.process import child_environment, run
from kcode.workspace import repo, staging
from kcode.workspace.private_git import USERS, git_bytes
from kcode.workspace.staging import HOOKS_TIMEOUT_S, Committed, Draftable
from kcode.workspace.unidiff import DiffFile, DiffHunk, parse

MOST_HUNKS = 150  # more of them are not told apart: their files are
_GONE = "000000"
_REGULAR = ("100644", "100755")

Entry = tuple[str, str]
"""(mode, object name) as the index has it."""


@dataclass(frozen=True, slots=True)
class Part:
    """``number`` counts from 1. A hunk replaces ``old`` lines by ``new`` ones (start from 0, count); both are
    empty where the part is a whole file or a change of mode."""

    number: int
    path: str
    kind: Literal["hunk", "file", "mode"]
    file: DiffFile
    hunk: DiffHunk | None = None
    old: tuple[int, int] = (0, 0)
    new: tuple[int, int] = (0, 0)

    @property
    def added(self) -> int:
        return sum(line.sign == "+" for hunk in self.hunks for line in hunk.lines)

    @property
    def removed(self) -> int:
        return sum(line.sign == "-" for hunk in self.hunks for line in hunk.lines)

    @property
    def hunks(self) -> tuple[DiffHunk, ...]:
        if self.kind == "mode":
            return ()
        return (self.hunk,) if self.hunk is not None else self.file.hunks


@dataclass(frozen=True, slots=True)
class Splittable:
    """``base`` and ``tree`` are the trees before and after; ``was`` and ``now`` their entries of the changed
    paths (None: not there), a renamed file under both of its names."""

    base: str
    tree: str
    parts: tuple[Part, ...]
    was: Mapping[str, Entry | None]
    now: Mapping[str, Entry | None]


def splittable(root: Path, change: Draftable) -> Splittable:
    """The parts of what would be committed. Raises EnvironmentProblem in git's own words."""
    base = _git(root, "rev-parse", "HEAD^{tree}").decode().strip() if staging.head(root) else _nothing(root)
    was, now = _entries(root, base, change.tree)
    files = parse(change.diff)
    apart = sum(len(file.hunks) for file in files) <= MOST_HUNKS
    parts: list[Part] = []
    for file in files:
        for kind, hunk in _pieces(file, was, now, apart):
            old, new = _ranges(hunk) if hunk else ((0, 0), (0, 0))
            parts.append(Part(len(parts) + 1, file.path, kind, file, hunk, old, new))
    known = {name for file in files for name in (file.path, file.was) if name}
    for path in sorted({*was, *now} - known):  # what was left out of a diff that is too large
        parts.append(Part(len(parts) + 1, path, "file", DiffFile(path)))
    return Splittable(base, change.tree, tuple(parts), was, now)


def tree_with(
    root: Path, found: Splittable, taken: Collection[int], other: Mapping[str, Entry | None]
) -> str:
    """The tree that holds these parts and no others; ``other`` stands instead of what would be there."""
    entries: dict[str, Entry | None] = {}
    for path in dict.fromkeys(part.path for part in found.parts):
        mine = [part for part in found.parts if part.path == path]
        chosen = [part for part in mine if part.number in taken]
        if not chosen:
            continue
        if len(chosen) == len(mine):
            entries[path] = found.now[path]
            if was := mine[0].file.was if mine[0].file.status == "renamed" else "":
                entries[was] = found.now.get(was)
        else:
            entries[path] = _between(root, found, path, chosen)
    return _written(root, found.base, {**entries, **other})


async def commit_tree(root: Path, tree: str, message: str) -> Committed:
    """Commit ``tree`` on HEAD by ``git commit``, from a copy of the index: the real one stays as it is.

    Hooks, signing and identity are the user's. ``commit`` is ``""`` where git or a hook said no; the message
    then waits in :func:`kcode.workspace.staging.kept_message`.
    """
    keep = staging.kept_message(root)
    keep.write_text(message.rstrip() + "\n", encoding="utf-8")
    before = staging.head(root)
    with tempfile.TemporaryDirectory(prefix="kcode-index-") as folder:
        index = Path(folder) / "index"
        real = _git_path(root, "index")
        if real.exists():
            shutil.copy2(real, index)  # what has not changed keeps what git knows of it
        more = {"GIT_INDEX_FILE": str(index)}
        _git(root, "read-tree", "-i", "-m", tree, more=more)
        done = await run(
            ["git", "commit", "--quiet", "--cleanup=whitespace", f"--file={keep}"],
            cwd=root,
            env=child_environment({"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":", **more}),
            timeout_s=HOOKS_TIMEOUT_S,
            merge_stderr=True,
        )
    if staging.head(root) == before:
        return Committed("", done.stdout, done.code)
    keep.unlink(missing_ok=True)
    short = _git(root, "rev-parse", "--short", "HEAD").decode().strip()
    made = _git(root, "rev-parse", "HEAD^{tree}").decode().strip()
    return Committed(short, done.stdout, done.code, made)


def changed_by_hook(root: Path, tree: str, made: str) -> dict[str, Entry | None]:
    """What a hook committed otherwise than it was told to."""
    return {} if tree == made else _entries(root, tree, made)[1]


def into_index(root: Path, entries: Mapping[str, Entry | None]) -> None:
    """Bring these paths of the real index to what was committed. Raises EnvironmentProblem."""
    if entries:
        _git(root, "update-index", "-z", "--index-info", input=_index_info(root, entries))
        repo.git_sync(root, "update-index", "-q", "--refresh")


def entries_of(root: Path, tree: str, paths: Collection[str]) -> dict[str, Entry | None]:
    """What ``tree`` has of these paths."""
    found: dict[str, Entry | None] = dict.fromkeys(paths)
    for row in _git(root, "ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0"):
        if row:
            info, _, name = row.partition(b"\t")
            path = os.fsdecode(name)
            if path in found:
                mode, _kind, sha = info.decode("ascii").split()
                found[path] = (mode, sha)
    return found


# --- parts -----------------------------------------------------------------------------------------


def _pieces(
    file: DiffFile, was: Mapping[str, Entry | None], now: Mapping[str, Entry | None], apart: bool
) -> list[tuple[Literal["hunk", "file", "mode"], DiffHunk | None]]:
    """A file whole, or its hunks and its change of mode."""
    before, after = was.get(file.path), now.get(file.path)
    plain = before is not None and after is not None and before[0] in _REGULAR and after[0] in _REGULAR
    if not (apart and plain and file.hunks and file.status == "modified") or before is None or after is None:
        return [("file", None)]
    mode: list[tuple[Literal["hunk", "file", "mode"], DiffHunk | None]] = []
    if before[0] != after[0]:
        mode.append(("mode", None))
    return [*mode, *(("hunk", hunk) for hunk in file.hunks)]


def _ranges(hunk: DiffHunk) -> tuple[tuple[int, int], tuple[int, int]]:
    old = [line.old for line in hunk.lines if line.sign != "+"]
    new = [line.new for line in hunk.lines if line.sign != "-"]
    return (min(old, default=1) - 1, len(old)), (min(new, default=1) - 1, len(new))


def _between(root: Path, found: Splittable, path: str, chosen: Sequence[Part]) -> Entry:
    """A file with some of its parts."""
    was, now = found.was[path], found.now[path]
    assert was is not None
    assert now is not None
    mode = now[0] if any(part.kind == "mode" for part in chosen) else was[0]
    old, new = (_lines(_git(root, "cat-file", "blob", entry[1])) for entry in (was, now))
    out: list[bytes] = []
    at = 0
    for part in sorted((part for part in chosen if part.kind == "hunk"), key=lambda part: part.old[0]):
        out += old[at : part.old[0]] + new[part.new[0] : sum(part.new)]
        at = sum(part.old)
    content = b"".join(out + old[at:])
    sha = _git(root, "hash-object", "-w", "--stdin", "--no-filters", input=content)
    return mode, sha.decode().strip()


def _lines(data: bytes) -> list[bytes]:
    return re.findall(rb"[^\n]*\n|[^\n]+", data)


# --- git -------------------------------------------------------------------------------------------


def _entries(root: Path, base: str, tree: str) -> tuple[dict[str, Entry | None], dict[str, Entry | None]]:
    """The entries of both trees that differ."""
    raw = _git(root, "diff-tree", "-r", "-z", "--raw", "--no-renames", "--full-index", base, tree)
    fields = raw.split(b"\0")
    was: dict[str, Entry | None] = {}
    now: dict[str, Entry | None] = {}
    for info, name in zip(fields[::2], fields[1::2], strict=False):
        old_mode, new_mode, old, new, _status = info.decode("ascii").lstrip(":").split()
        path = os.fsdecode(name)
        was[path] = None if old_mode == _GONE else (old_mode, old)
        now[path] = None if new_mode == _GONE else (new_mode, new)
    return was, now


def _written(root: Path, base: str, entries: Mapping[str, Entry | None]) -> str:
    with tempfile.TemporaryDirectory(prefix="kcode-index-") as folder:
        more = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        _git(root, "read-tree", base, more=more)
        _git(root, "update-index", "-z", "--index-info", more=more, input=_index_info(root, entries))
        return _git(root, "write-tree", more=more).decode().strip()


def _index_info(root: Path, entries: Mapping[str, Entry | None]) -> bytes:
    gone = len(_nothing(root)) * "0"
    rows = []
    for path, entry in sorted(
        entries.items(), key=lambda item: item[1] is not None
    ):  # a file may become a folder
        mode, sha = entry or ("0", gone)
        rows.append(f"{mode} {sha}\t".encode() + os.fsencode(path) + b"\0")
    return b"".join(rows)


def _nothing(root: Path) -> str:
    """The tree without anything."""
    return _git(root, "hash-object", "-t", "tree", "-w", "--stdin").decode().strip()


def _git_path(root: Path, name: str) -> Path:
    return root / os.fsdecode(_git(root, "rev-parse", "--git-path", name)).rstrip("\n")


def _git(root: Path, *arguments: str, input: bytes = b"", more: Mapping[str, str] | None = None) -> bytes:
    try:
        return git_bytes([*USERS, *arguments], root, more, input)
    except EnvironmentProblem as problem:
        words = problem.message.removeprefix("git: ")
        raise EnvironmentProblem(f"git {arguments[0]}: {words}", repo.remedy(words)) from None
