"""Landlock for the calling thread, by system calls: files are written only below given folders, and read
everywhere but where secrets are.

It has no right for chmod, chown and utime, and cannot carve a hole into a writable folder; SECURITY.md
says so. Numbers are from the kernel's ``include/uapi/linux/landlock.h``.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # the same on every architecture
_PATH_BENEATH, _NET_PORT = 1, 2
_CONNECT = 2
_NO_NEW_PRIVS = 38  # prctl
_WRITE_FILE, _READ_FILE, _TRUNCATE, _REFER = 1 << 1, 1 << 2, 1 << 14, 1 << 13
_CHANGE_FOLDERS = sum(1 << bit for bit in range(4, 13))  # remove and make of every kind
_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract unix sockets, signals
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx")
_DEVICE_FOLDERS = ("/dev/pts", "/dev/shm")  # noqa: S108 - what a command may use, not what kcode writes


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc().syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


@cache
def version() -> int:
    """The kernel's Landlock ABI; 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        return _call(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    except (OSError, AttributeError, ValueError):
        return 0


def restrict_thread(
    writable: Sequence[Path], unreadable: Iterable[Path], *, tcp: bool, port: int = 0
) -> None:
    """Confine the calling thread, and what it starts, for ever. Paths are real ones. Raises OSError.

    Without ``tcp`` no TCP connection can be made but to ``port``, where the kernel can tell (ABI 4).
    Below ``unreadable`` names can be listed and files not opened; what is ``writable`` can be read too.
    """
    abi = version()
    files = _WRITE_FILE | (_TRUNCATE if abi >= 3 else 0)
    folders = files | _CHANGE_FOLDERS | (_REFER if abi >= 2 else 0)
    hidden = frozenset(map(str, unreadable))
    reading = _READ_FILE if hidden else 0
    attributes = struct.pack("=Q", folders | reading)
    if abi >= 4:
        attributes += struct.pack("=Q", 0 if tcp else _TCP)
    if abi >= 6:
        attributes += struct.pack("=Q", _SCOPES)
    ruleset = _ruleset(attributes)
    try:
        for path in readable("/", hidden) if hidden else ():
            _allow(ruleset, path, reading, reading, links=False)
        for path in (*map(str, writable), *_DEVICE_FOLDERS):
            whole = not any(secret.startswith(f"{path}/") for secret in hidden)
            _allow(ruleset, path, folders | reading * whole, files | reading)
        for device in _DEVICES:
            _allow(ruleset, device, files, files)
        if port and not tcp:
            _add(ruleset, _NET_PORT, struct.pack("=QQ", _CONNECT, port))
        _restrict(ruleset)
    finally:
        os.close(ruleset)


def restrict_scope() -> bool:
    """Keep the calling thread from abstract unix sockets and processes outside; whether the kernel can.

    Mounts stay possible, so that another sandbox may be built below it. Raises OSError.
    """
    if version() < 6:
        return False
    ruleset = _ruleset(struct.pack("=QQQ", 0, 0, _SCOPES))
    try:
        _restrict(ruleset)
    finally:
        os.close(ruleset)
    return True


def readable(folder: str, hidden: frozenset[str]) -> Iterator[str]:
    """The folders and files that together are all of ``folder`` but ``hidden``; links are left out: what
    they lead to is there under its own name."""
    if folder in hidden:
        return
    below = folder.rstrip("/") + "/"
    if not any(path.startswith(below) for path in hidden):
        yield folder
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_symlink():
                yield from readable(entry.path, hidden)


def _ruleset(attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return _call(_CREATE, buffer, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))


def _restrict(ruleset: int) -> None:
    if _libc().prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs is refused")
    _call(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))


def _allow(ruleset: int, path: str, folder_rights: int, file_rights: int, *, links: bool = True) -> None:
    with suppress(FileNotFoundError, PermissionError):  # not every system has every device
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW))
        try:
            is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
            _add(ruleset, _PATH_BENEATH, struct.pack("=Qi", folder_rights if is_folder else file_rights, fd))
        finally:
            os.close(fd)


def _add(ruleset: int, kind: int, rule: bytes) -> None:
    buffer = ctypes.create_string_buffer(rule, len(rule))
    _call(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(kind), buffer, ctypes.c_uint32(0))
