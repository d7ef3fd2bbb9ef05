"""Namespaces that the commands of a session share: a network with nothing but its own loopback, and a /tmp
of their own.

A helper makes them once (some 30 ms), hands over their descriptors with a socket that listens inside, and
ends; they live as long as kcode holds them. Servers on localhost work there, from one command to the next,
and what comes in through the socket is the only way out: see :mod:`kcode.safety.proxy`. Root enters them in
the thread that starts a command; others through ``nsenter``, which needs no rights for a namespace of theirs.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PATIENCE_S = 10.0
_READ_ONLY, _BIND = 0x1, 0x1000  # MS_RDONLY, MS_BIND
_NEWNET, _NEWNS, _OWN_FOLDER = 0x40000000, 0x00020000, 0x00000200  # CLONE_NEWNET, CLONE_NEWNS, CLONE_FS
_SHARED = Path("/tmp")  # noqa: S108 - its name, to put a private folder in its place

# Runs alone, in a process with one thread: only such a one may enter a user namespace of its own.
_HELPER = r"""
import ctypes, fcntl, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)

def call(result):
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def mount(source, target, flags, kind=""):
    kind = kind.encode() or None
    call(libc.mount(source.encode(), target.encode(), kind, ctypes.c_ulong(flags), None))

SYSTEM = ("/run/current-system", "/run/booted-system", "/run/opengl-driver")  # NixOS: the PATH itself

def write(name, text):
    with open("/proc/self/" + name, "w") as file:
        file.write(text)

channel, temporary, *places = int(sys.argv[1]), *sys.argv[2:]
uid, gid = os.getuid(), os.getgid()
own_user = uid != 0
call(libc.unshare(0x40000000 | 0x00020000 | (0x10000000 if own_user else 0)))
if own_user:
    write("setgroups", "deny")
    write("uid_map", f"{uid} {uid} 1")
    write("gid_map", f"{gid} {gid} 1")
mount("none", "/", 0x80000 | 0x4000)  # what is mounted outside later is seen, what is mounted here stays here
if temporary:
    kept = [(os.open(place, os.O_PATH), place) for place in SYSTEM if os.path.isdir(place)]
    mount("none", "/run", 0, "tmpfs")
    for handle, place in kept:
        os.makedirs(place, exist_ok=True)
        mount(f"/proc/self/fd/{handle}", place, 0x1000 | 0x4000)
    below = [(os.open(place, os.O_PATH | os.O_DIRECTORY), place) for place in places]
    mount(temporary, "/tmp", 0x1000 | 0x4000)  # bind
    for handle, place in below:
        os.makedirs(place, exist_ok=True)
        mount(f"/proc/self/fd/{handle}", place, 0x1000 | 0x4000)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # up and running
listener = socket.create_server(("127.0.0.1", 0), backlog=128)
spaces = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt", "user")]
with socket.socket(fileno=channel) as parent:
    port = listener.getsockname()[1].to_bytes(2, "big")
    socket.send_fds(parent, [port], [listener.fileno(), *spaces])
"""


@dataclass(frozen=True, slots=True)
class Room:
    """``way_out`` listens inside on 127.0.0.1:``port``, and is ours. ``temporary`` is seen as /tmp inside, or
    None where /tmp is everybody's."""

    net: int
    mnt: int
    user: int
    way_out: socket.socket
    port: int
    temporary: Path | None
    direct: bool

    def enter(self, *, mounts: bool, hidden: Sequence[Path] = ()) -> None:
        """Take the calling thread in, and what it starts, where ``hidden`` is empty. Only where ``direct``.

        Raises OSError.
        """
        libc = ctypes.CDLL(None, use_errno=True)
        steps: list[Callable[[], int]] = [lambda: int(libc.setns(self.net, _NEWNET))]
        if mounts:
            steps += [lambda: int(libc.unshare(_OWN_FOLDER)), lambda: int(libc.setns(self.mnt, _NEWNS))]
        if mounts and hidden:
            steps.append(lambda: int(libc.unshare(_NEWNS)))
            steps += [functools.partial(_cover, libc, path) for path in hidden]
        for step in steps:
            if step():
                code = ctypes.get_errno()
                raise OSError(code, f"namespaces: {os.strerror(code)}")

    def argv(self, command: Sequence[str], cwd: Path, *, mounts: bool) -> list[str]:
        """``command`` behind what takes it in; the descriptors of :meth:`handles` go with it."""
        words = [_nsenter(), "--preserve-credentials"]
        words += [f"--user=/proc/self/fd/{self.user}", f"--net=/proc/self/fd/{self.net}"]
        if not mounts:
            return [*words, "--", *command]
        # a namespace of mounts is entered at its root: the folder is gone into from there
        words.append(f"--mount=/proc/self/fd/{self.mnt}")
        return [*words, "--", "/bin/sh", "-c", 'cd "$0" && exec "$@"', str(cwd), *command]

    @property
    def handles(self) -> tuple[int, ...]:
        return (self.net, self.mnt, self.user)


def _cover(libc: ctypes.CDLL, path: Path) -> int:
    """Nothing, in its place; what has gone meanwhile needs no cover."""
    target = os.fsencode(path)
    if path.is_dir():
        return int(libc.mount(b"none", target, b"tmpfs", ctypes.c_ulong(_READ_ONLY), None))
    if not path.exists():
        return 0
    return int(libc.mount(b"/dev/null", target, None, ctypes.c_ulong(_BIND), None))


def _nsenter() -> str:
    found = shutil.which("nsenter", path="/usr/bin:/bin:/usr/sbin:/sbin:/run/current-system/sw/bin")
    return found or ""


_rooms: dict[tuple[Path | None, tuple[Path, ...]], Room | None] = {}
_lock = threading.Lock()


def room_for(temporary: Path | None, writable: Sequence[Path]) -> Room | None:
    """The room of the commands that write below ``writable`` and have ``temporary`` as their /tmp; None where
    this machine allows no such namespaces. Made when it is first asked for."""
    places = tuple(path for path in writable if path.is_relative_to(_SHARED) and path != _SHARED)
    key = (temporary, places if temporary is not None else ())
    with _lock:
        if key not in _rooms:
            _rooms[key] = _made(*key)
        return _rooms[key]


def rooms_below(folder: Path) -> list[Room]:
    """The rooms whose /tmp is at or below ``folder``: given up, their descriptors but that of the way out
    closed."""
    with _lock:
        keys = [key for key in _rooms if key[0] is not None and key[0].is_relative_to(folder)]
        left = [room for key in keys if (room := _rooms.pop(key)) is not None]
    for room in left:
        for handle in room.handles:
            os.close(handle)
    return left


def _made(temporary: Path | None, places: tuple[Path, ...]) -> Room | None:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if not sys.platform.startswith("linux") or not sys.executable or not (root or _nsenter()):
        return None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    words = [sys.executable, "-I", "-S", "-c", _HELPER, str(theirs.fileno()), str(temporary or "")]
    with ours, theirs:
        ours.settimeout(_PATIENCE_S)
        try:
            helper = subprocess.Popen(  # noqa: S603 - this Python, and a text of ours
                [*words, *map(str, places)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            return None
        theirs.close()
        port, handles = b"", list[int]()
        with suppress(OSError):
            port, handles, _, _ = socket.recv_fds(ours, 2, 4)
        if not port:
            helper.kill()
        helper.wait()
    if len(handles) != 4:
        for handle in handles:
            os.close(handle)
        return None
    listener, net, mnt, user = handles
    for handle in handles:
        os.set_inheritable(handle, False)
    return Room(
        net, mnt, user, socket.socket(fileno=listener), int.from_bytes(port, "big"), temporary, direct=root
    )
