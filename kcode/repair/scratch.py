"""A scratch copy of the project: candidates are tried there, never in the user's tree.

What is big and not the project's own is shared with the original instead of copied: see
:mod:`kcode.repair.sharing`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.providers.process_id import this_process
from kcode.repair.sharing import is_build_output, share_modules

PREFIX = "kcode-fix-"
_OWNER = "owner"  # a file with the process id of the kcode that works in the folder, and when that started
_STALE_S = 3600.0  # a folder without an owner's name is somebody's who was killed while making it
_NOT_COPIED = frozenset({".git", ".hg", ".svn", "__pycache__", ".tox", ".nox", ".kcode", ".gradle"}) | {
    *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".idea", ".vscode")
}
_BIG_FILE = 64 << 20  # bytes; bigger ones are linked to, not copied
_MOST = 4 << 30  # bytes copied at most


@asynccontextmanager
async def scratch_folder() -> AsyncIterator[Path]:
    """A temporary folder of this repair, removed at the end whatever happens; those of killed ones too."""
    await asyncio.to_thread(_remove_stale)
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix=PREFIX)))  # noqa: ASYNC240
    try:
        (folder / _OWNER).write_text(this_process())
        yield folder
    finally:
        await asyncio.shield(asyncio.to_thread(remove, folder))


@asynccontextmanager
async def scratch_copy(root: Path, *, modules: bool = False) -> AsyncIterator[Path]:
    """A copy of ``root`` that is removed at the end, whatever happens.

    Ignored files are copied too (tests need built modules and generated versions); repositories'
    own folders, virtual environments and caches are not. Raises :class:`EnvironmentProblem` where
    there is no room.
    """
    async with scratch_folder() as folder:
        scratch = folder / (root.name or "project")
        await copied(root, scratch, modules=modules)
        yield scratch


async def copied(root: Path, into: Path, *, modules: bool = True) -> None:
    """:func:`copy_project`, ended where the repair is interrupted: nothing is written after that."""
    stop = threading.Event()
    work = asyncio.ensure_future(asyncio.to_thread(copy_project, root, into, modules, stop))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({work})
        raise


def copy_project(root: Path, into: Path, modules: bool = False, stop: threading.Event | None = None) -> None:
    """Copy ``root`` to the new folder ``into``; see :func:`scratch_copy` for what is left out. ``modules``:
    with node_modules, shared; where ``stop`` is set it ends half-way."""
    root = root.resolve()
    size = 0
    try:
        for folder, folders, files in os.walk(root):
            if stop is not None and stop.is_set():
                return
            here = Path(folder)
            there = into / here.relative_to(root)
            there.mkdir(parents=True, exist_ok=True)
            links = [name for name in folders if (here / name).is_symlink()]
            for name in folders:
                if modules and name == "node_modules" and name not in links:
                    share_modules(here / name, there / name, root, into)
            folders[:] = [name for name in folders if name not in links and _wanted(here / name)]
            for name in links:
                copy_link(here / name, there / name, root, into)
            for name in files:
                if name == ".git":  # of a submodule or a worktree: it names a folder that is not there
                    continue
                size += _copy_file(here / name, there / name, root, into)
                if size > _MOST:
                    raise EnvironmentProblem(
                        f"{root} holds more than {_MOST >> 30} GB, too much for a scratch copy",
                        "run kcode fix in the folder of the package that fails",
                    )
    except OSError as error:
        raise EnvironmentProblem(
            f"no scratch copy of the project could be made: {error}",
            "free some space in the temporary folder",
        ) from error


def copy_link(source: Path, target: Path, root: Path, into: Path) -> None:
    """A link into the project points into the copy; others point where they pointed."""
    pointed = source.readlink()
    if pointed.is_absolute() and pointed.is_relative_to(root):
        pointed = into / pointed.relative_to(root)
    elif not pointed.is_absolute() and not (source.parent / pointed).resolve().is_relative_to(root):
        pointed = (source.parent / pointed).resolve()
    target.symlink_to(pointed)


def remove(folder: Path) -> None:
    """Remove a scratch folder; what a test made unreadable or unwritable goes too."""
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for here, folders, _ in os.walk(folder):
            for name in folders:
                with contextlib.suppress(OSError):
                    (Path(here) / name).chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _remove_stale() -> None:
    """Folders of repairs whose kcode is gone: it was killed before it could remove them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            owner = (folder / _OWNER).read_text()
            gone = not _lives(owner) if owner else _is_old(folder)
        except FileNotFoundError:
            gone = _is_old(folder)
        except (OSError, ValueError, AttributeError):
            continue
        if gone:
            remove(folder)


def _is_old(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > _STALE_S
    except OSError:
        return False


def _lives(owner: str) -> bool:
    """An id that another process has got since is not the owner's; one that was stopped (Ctrl-Z) goes on."""
    pid, _, start = owner.partition(":")
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    now = _start(int(pid))
    return not (start and now) or start == now


def _start(pid: int) -> str:
    """When a process started, in clock ticks after boot; empty where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19] if len(fields) > 19 else ""


def _wanted(folder: Path) -> bool:
    return folder.name not in _NOT_COPIED and folder.name != "node_modules" and not is_build_output(folder)


def _copy_file(source: Path, target: Path, root: Path, into: Path) -> int:
    if source.is_symlink():
        copy_link(source, target, root, into)
        return 0
    if not source.is_file():  # a socket, a pipe, a device
        return 0
    size = source.stat().st_size
    if size > _BIG_FILE:
        target.symlink_to(source)
        return 0
    shutil.copy2(source, target)
    return size
