"""What Linux tells of the changes in folders (inotify), so that not every file has to be looked at.

It tells nothing of what another machine changes, of what is written through a mapping whose file is closed,
or of files with a second name elsewhere: it is asked on file systems of this machine only, and whoever asks
it looks at everything from time to time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

MOST = 30_000  # folders: the system has a limit that editors need too
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "zfs", "f2fs", "overlay", "bcachefs"})
_MODIFIED, _ATTRIBUTES, _WRITTEN, _FROM, _TO, _CREATED, _DELETED = 2, 4, 8, 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _FOLDER = 0x4000, 0x4000_0000
_APPEARED = _FROM | _TO | _CREATED | _DELETED  # another name in the folder
_WANTED = _MODIFIED | _ATTRIBUTES | _WRITTEN | _APPEARED | 0x0100_0000 | 0x0200_0000  # folders, no links
_HEAD = struct.Struct("iIII")
_AT_ONCE = 1 << 16  # bytes


@dataclass(frozen=True, slots=True)
class Told:
    """``files``: paths of what was changed, made or removed; ``folders``: those whose names are others.
    ``all``: it is not known what has changed."""

    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    all: bool = False


class Notices:
    """Of the folders in ``root``, as paths relative to it. To be used by one thread at a time; it ends when
    nobody has it any more."""

    def __init__(self, root: Path) -> None:
        """Raises OSError where the system does not tell."""
        self._descriptor = -1
        if sys.platform != "linux" or not _local(root):
            raise OSError("this file system tells nothing")
        self._library = ctypes.CDLL(None, use_errno=True)
        self._add: Callable[..., int] = self._library.inotify_add_watch
        self._root = os.fsencode(root)
        self._folders: dict[int, str] = {}
        self._known: set[str] = set()
        self._stale = False  # a watched folder may have another name now
        self._descriptor = self._opened()

    def _opened(self) -> int:
        descriptor: int = self._library.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        return descriptor

    def watch(self, folders: Iterable[str]) -> bool:
        """Whether any of them is new. Raises OSError where there are too many."""
        if self._stale:
            self.close()
            self._folders, self._known, self._stale = {}, set(), False
            self._descriptor = self._opened()
        new = [folder for folder in folders if folder not in self._known]
        if len(self._known) + len(new) > MOST:
            raise OSError("too many folders")
        for folder in new:
            number = self._add(self._descriptor, self._root + b"/" + os.fsencode(folder), _WANTED)
            if number >= 0:
                self._folders[number] = folder
                self._known.add(folder)
            elif os.path.isdir(os.path.join(self._root, os.fsencode(folder))):  # noqa: PTH112, PTH118 - bytes
                raise OSError(ctypes.get_errno(), "inotify")
        return bool(new)

    def told(self) -> Told:
        """What has changed since the last question."""
        files, folders = set(), set()
        unsure = False
        while data := self._read():
            at = 0
            while at < len(data):
                number, mask, _, size = _HEAD.unpack_from(data, at)
                name = os.fsdecode(data[at + _HEAD.size : at + _HEAD.size + size].rstrip(b"\0"))
                at += _HEAD.size + size
                folder = self._folders.get(number)
                if folder is None or mask & (_OVERFLOW | _FOLDER) or not name:
                    unsure = True
                    self._stale = self._stale or not name or bool(mask & (_FROM | _DELETED))
                    continue
                files.add(f"{folder}/{name}" if folder else name)
                if mask & _APPEARED:
                    folders.add(folder)
        return Told(frozenset(files), frozenset(folders), unsure)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self._descriptor, _AT_ONCE)
        return b""


def _local(root: Path) -> bool:
    """Whether ``root`` and all that is below it is on one file system of this machine."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    here = str(root.resolve())
    best, kind = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        place = before.split(" ")[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
        if place.startswith(f"{here}/"):
            return False
        if (here == place or here.startswith(f"{place.rstrip('/')}/")) and len(place) >= len(best):
            best, kind = place, after.split(" ")[0]
    return kind in _LOCAL
