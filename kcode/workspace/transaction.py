"""Several files changed as one: all of them, or none."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.workspace.files import Stored, disk_problem, stage, sync_folder

Changes = Mapping[Path, tuple[Stored | None, Stored | None]]  # path -> (before, after); None: not there


def missing_folders(root: Path, paths: Iterable[Path]) -> list[Path]:
    """Folders that writing ``paths`` would create, outermost first."""
    missing: set[Path] = set()
    for path in paths:
        folder = path.parent
        while folder != root and not folder.exists():
            missing.add(folder)
            folder = folder.parent
    return sorted(missing)


def bare_folders(top: Path) -> list[Path]:
    """The folders at and below ``top`` that nothing is in; none for a file or a link."""
    if top.is_symlink():
        return []
    return [Path(folder) for folder, folders, names in os.walk(top) if not folders and not names]


def commit(root: Path, changes: Changes) -> None:
    """Bring every path from its first to its second state.

    Everything new is written and synced under temporary names before the first file changes, so that a
    full disk is met while nothing has happened; a failure after that is rolled back.
    Raises :class:`EnvironmentProblem`.
    """
    created = missing_folders(root, [path for path, (_, after) in changes.items() if after is not None])
    staged: dict[Path, Path] = {}
    try:
        for path, (_, after) in changes.items():
            if after is not None:
                staged[path] = stage(path, after)
    except OSError as problem:
        _discard(staged.values(), created)
        raise disk_problem(problem, f"cannot write {_shown(root, path)}") from problem
    except BaseException:
        _discard(staged.values(), created)
        raise
    _replace_all(root, changes, staged, created)
    for folder in {path.parent for path in changes}:
        sync_folder(folder)


def _replace_all(root: Path, changes: Changes, staged: dict[Path, Path], created: list[Path]) -> None:
    done: list[Path] = []
    try:
        for path in changes:
            if path in staged:
                staged[path].replace(path)
            else:
                path.unlink(missing_ok=True)
            done.append(path)
    except BaseException as problem:
        lost = _roll_back(root, changes, done)
        _discard([staged[path] for path in staged if path not in done], created)
        if not isinstance(problem, OSError):
            raise
        error = disk_problem(problem, f"cannot change {_shown(root, path)}")
        if lost:
            error = EnvironmentProblem(
                f"{error.message}; and these could not be put back: {', '.join(lost)}", "use /undo, or git"
            )
        raise error from problem


def _roll_back(root: Path, changes: Changes, done: list[Path]) -> list[str]:
    lost = []
    for path in reversed(done):
        before = changes[path][0]
        try:
            if before is None:
                path.unlink(missing_ok=True)
            else:
                stage(path, before).replace(path)
        except OSError:
            lost.append(_shown(root, path))
    return lost


def _discard(temporaries: Iterable[Path], folders: list[Path]) -> None:
    for temporary in temporaries:
        with suppress(OSError):
            temporary.unlink()
    remove_empty(folders)


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of ``folders`` that are empty, innermost first."""
    for folder in sorted(folders, reverse=True):
        with suppress(OSError):
            folder.rmdir()


def _shown(root: Path, path: Path) -> str:
    return os.path.relpath(path, root).replace(os.sep, "/")
