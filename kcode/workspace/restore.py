"""Bringing files back to what a snapshot holds, and nothing but them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.workspace.errors import WorkspaceError
from kcode.workspace.files import Stored, read_stored
from kcode.workspace.snapshots import Difference, Item
from kcode.workspace.transaction import commit, remove_empty
from kcode.workspace.workspace import Workspace, umask

_AT_ONCE = 64_000_000  # bytes of files that are replaced in one transaction


def restore(
    workspace: Workspace, differences: Sequence[Difference], modes: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Make every path hold its ``before``. ``modes`` has permission bits by path, where they are known.

    Content that is borrowed from the user's repository and gone is found out before anything is touched.
    Returns the paths that were left alone, each with the reason. Raises :class:`EnvironmentProblem`, after
    which the files of the transaction that failed are as they were.
    """
    left: list[tuple[str, str]] = []
    wanted = []
    for difference in differences:
        why = _out_of_reach(workspace, difference.path)
        if why:
            left.append((difference.path, why))
        else:
            wanted.append(difference)
    items = [difference.before for difference in wanted if difference.before is not None]
    missing = workspace.snapshots.missing(items) if items else set()
    left += [
        (d.path, "its content is gone from the repository, from which it was borrowed")
        for d in wanted
        if d.before is not None and d.before.object in missing
    ]
    wanted = [d for d in wanted if d.before is None or d.before.object not in missing]

    writes = [d for d in wanted if d.before is not None]
    deletes = [d for d in wanted if d.before is None]
    first = [d for d in deletes if _in_the_way(d.path, writes)]
    _delete(workspace, first)
    for batch in _batches(workspace.root, writes):
        _write(workspace, batch, modes)
    _delete(workspace, [d for d in deletes if d not in first])
    return left


def restore_modes(workspace: Workspace, wanted: Mapping[str, int]) -> list[str]:
    """Give files these permission bits; the paths whose bits were others."""
    changed = []
    for path, mode in wanted.items():
        real = workspace.locate(path)
        with suppress(OSError):
            info = real.lstat()
            if stat.S_ISREG(info.st_mode) and stat.S_IMODE(info.st_mode) != mode:
                real.chmod(mode)
                changed.append(path)
    return changed


def _out_of_reach(workspace: Workspace, path: str) -> str:
    """Why ``path`` cannot be written as that path: a folder above it is a link now, or a repository."""
    try:
        if workspace.locate(path) != workspace.root / path:
            return "a folder above it is a link now"
    except WorkspaceError:
        return "it leads outside the workspace now"
    real = workspace.root / path
    for folder in real.parents:
        if folder == workspace.root:
            break
        if os.path.lexists(folder / ".git"):
            return "it is inside another repository now"
    return ""


def _in_the_way(path: str, writes: Iterable[Difference]) -> bool:
    """Whether a file stands where a folder has to be, or the other way round."""
    return any(d.path.startswith(f"{path}/") or path.startswith(f"{d.path}/") for d in writes)


def _batches(root: Path, writes: Sequence[Difference]) -> Iterator[list[Difference]]:
    """Small enough to be held in memory; by the size on disk, which the former size will be near to."""
    batch: list[Difference] = []
    size = 0
    for difference in writes:
        with suppress(OSError):
            size += (root / difference.path).lstat().st_size
        batch.append(difference)
        if size > _AT_ONCE or len(batch) >= 2_000:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _delete(workspace: Workspace, differences: Sequence[Difference]) -> None:
    folders: set[Path] = set()
    for batch in _batches(workspace.root, differences):
        changes = {}
        for difference in batch:
            path = workspace.root / difference.path
            if os.path.lexists(path):
                changes[path] = (read_stored(path, difference.path), None)
        commit(workspace.root, changes)
        folders.update(folder for path in changes for folder in path.parents)
    remove_empty(f for f in folders if f != workspace.root and f.is_relative_to(workspace.root))


def _write(workspace: Workspace, batch: Sequence[Difference], modes: Mapping[str, int]) -> None:
    contents = workspace.snapshots.contents([d.before for d in batch if d.before is not None])
    changes = {}
    for difference in batch:
        item, path = difference.before, workspace.root / difference.path
        assert item is not None
        if path.is_dir() and not path.is_symlink():
            raise EnvironmentProblem(f"{difference.path} is a folder now", "move the folder away")
        now = read_stored(path, difference.path) if os.path.lexists(path) else None
        mode = _mode(item, now, modes.get(difference.path))
        changes[path] = (now, Stored(contents[item.object], mode, item.link))
    commit(workspace.root, changes)


def _mode(item: Item, now: Stored | None, known: int | None) -> int:
    """The bits that were noted, or today's with the executable ones as git kept them."""
    if known is not None and bool(known & 0o100) == item.executable:
        return known
    base = now.mode if now is not None and not now.link else 0o666 & ~umask()
    if item.executable:
        return base | (base & 0o444) >> 2
    return base & ~0o111
