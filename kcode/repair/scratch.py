"""A scratch copy of the project: candidates are tried there, never in the user's tree."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kcode.errors import EnvironmentProblem

_NOT_COPIED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".tox", ".nox", ".kcode"}) | {
    *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".idea", ".vscode", "target", ".gradle")
}
_BIG_FILE = 64 << 20  # bytes; bigger ones are linked to, not copied
_MOST = 4 << 30  # bytes copied at most


@asynccontextmanager
async def scratch_copy(root: Path) -> AsyncIterator[Path]:
    """A copy of ``root`` that is removed at the end, whatever happens.

    Ignored files are copied too (tests need built modules and generated versions); repositories'
    own folders, virtual environments and caches are not. Raises :class:`EnvironmentProblem` where
    there is no room.
    """
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="kcode-fix-")))  # noqa: ASYNC240
    scratch = folder / (root.name or "project")
    try:
        await asyncio.to_thread(copy_project, root, scratch)
        yield scratch
    finally:
        await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, True))


def copy_project(root: Path, into: Path) -> None:
    """Copy ``root`` to the new folder ``into``; see :func:`scratch_copy` for what is left out."""
    root = root.resolve()
    copied = 0
    try:
        for folder, folders, files in os.walk(root):
            here = Path(folder)
            there = into / here.relative_to(root)
            there.mkdir(parents=True, exist_ok=True)
            links = [name for name in folders if (here / name).is_symlink()]
            folders[:] = [name for name in folders if name not in links and _wanted(here / name)]
            for name in links:
                _copy_link(here / name, there / name, root, into)
            for name in files:
                copied += _copy_file(here / name, there / name, root, into)
                if copied > _MOST:
                    raise EnvironmentProblem(
                        f"{root} holds more than {_MOST >> 30} GB, too much for a scratch copy",
                        "run kcode fix in the folder of the package that fails",
                    )
    except OSError as error:
        raise EnvironmentProblem(
            f"no scratch copy of the project could be made: {error}",
            "free some space in the temporary folder",
        ) from error


def _wanted(folder: Path) -> bool:
    return folder.name not in _NOT_COPIED and not (folder / "pyvenv.cfg").exists()


def _copy_file(source: Path, target: Path, root: Path, into: Path) -> int:
    if source.is_symlink():
        _copy_link(source, target, root, into)
        return 0
    if not source.is_file():  # a socket, a pipe, a device
        return 0
    size = source.stat().st_size
    if size > _BIG_FILE:
        target.symlink_to(source)
        return 0
    shutil.copy2(source, target)
    return size


def _copy_link(source: Path, target: Path, root: Path, into: Path) -> None:
    """A link into the project points into the copy; others point where they pointed."""
    pointed = source.readlink()
    if pointed.is_absolute() and pointed.is_relative_to(root):
        pointed = into / pointed.relative_to(root)
    elif not pointed.is_absolute() and not (source.parent / pointed).resolve().is_relative_to(root):
        pointed = (source.parent / pointed).resolve()
    target.symlink_to(pointed)
