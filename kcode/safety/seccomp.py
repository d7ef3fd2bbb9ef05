"""A seccomp filter of some hundred instructions: no debugging of others, no mounts, no namespaces, and only
the network families that are told.

A classic BPF program, assembled here because the alternatives are a C library or a compiler.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from dataclasses import dataclass
from functools import cache
from typing import Literal

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06  # ld abs word …, ret
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data, little endian
_ARGUMENTS = (16, 24, 32, 40)
_SET_SECCOMP, _FILTER, _NO_NEW_PRIVS = 22, 2, 38
_X32 = 0x40000000  # x86-64's second set of numbers, which would pass a list of the first
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16
_STREAM, _TYPE_BITS, _TCP = 1, 0xF, 6
_FAST_OPEN = 0x20000000  # MSG_FASTOPEN: a connection that no one is asked about
_NAMESPACES = 0x7E020000  # every CLONE_NEW… flag of clone
_CLONE3 = 435  # its flags are in memory, where no filter looks: C libraries go on with clone then

Network = Literal["none", "own", "whole", "one port"]
"""``own`` is that of a room; with ``one port``, TCP connections that something else confines to one port."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """Numbers from the kernel's tables. ``sending`` are sendto, sendmsg and sendmmsg, with the place of their
    flags among the arguments."""

    architecture: int
    socket: int
    listen: int
    clone: int
    setns: int
    sending: tuple[tuple[int, int], ...]
    refused: tuple[int, ...]


_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, 41, 50, 56, 308, ((44, 3), (46, 2), (307, 3)),
        # ptrace process_vm_readv process_vm_writev mount umount2 pivot_root unshare add_key request_key
        # keyctl bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register kexec_load
        # kexec_file_load open_by_handle_at init_module finit_module delete_module move_mount fsopen
        (101, 310, 311, 165, 166, 155, 272, 248, 249, 250, 321, 298, 323, 425, 426, 427, 246, 320, 304,
         175, 313, 176, 429, 430),
    ),
    "aarch64": _Machine(
        0xC00000B7, 198, 201, 220, 268, ((206, 3), (211, 2), (269, 3)),
        (117, 270, 271, 40, 39, 41, 97, 217, 218, 219, 280, 241, 282, 425, 426, 427, 104, 294, 265,
         105, 273, 106, 429, 430),
    ),
}  # fmt: skip


_Instruction = tuple[int, int, int, int]


@cache
def program(*, network: Network, unix: bool = True, entering: bool = False) -> bytes | None:
    """The filter's instructions; None on a machine whose system call numbers are not known here.

    Without ``unix`` no unix socket can be made; pairs of connected ones can. ``entering`` lets a namespace be
    entered that there is, which without rights over it is none but one's own.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None or not sys.platform.startswith("linux") or sys.byteorder != "little":
        return None
    refuse = _ERRNO | errno.EPERM
    code: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, refuse),
    ]
    for number in (*machine.refused, *(() if entering else (machine.setns,))):
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    code += [(_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    code += _flagged(machine.clone, 0, _NAMESPACES, refuse)
    if network == "one port":  # what waits for connections would be reached from outside
        code += [(_EQUAL, 0, 1, machine.listen), (_RETURN, 0, 0, refuse)]
        for number, place in machine.sending:
            code += _flagged(number, place, _FAST_OPEN, refuse)
    code += _sockets(machine.socket, refuse, network, unix)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _flagged(number: int, place: int, flags: int, refuse: int) -> list[_Instruction]:
    """The system call ``number`` is refused with any of ``flags`` in its argument ``place``."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _ARGUMENTS[place]),
        (_ANY_BIT, 0, 1, flags),
        (_RETURN, 0, 0, refuse),
        (_LOAD, 0, 0, _NUMBER),
    ]


def _sockets(socket: int, refuse: int, network: Network, unix: bool) -> list[_Instruction]:
    """What ``socket()`` may make. The kernel's list of interfaces (netlink) is no way out; a machine's own
    host (vsock), Bluetooth and the like are, in every network namespace."""
    internet = () if network == "none" else (_INET, _INET6)
    plain = [_NETLINK] + [_UNIX] * unix + (list(internet) if network != "one port" else [])
    body: list[_Instruction] = [(_LOAD, 0, 0, _ARGUMENTS[0])]
    for family in plain:
        body += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    if network == "one port":
        body += [
            (_EQUAL, 2, 0, _INET),
            (_EQUAL, 1, 0, _INET6),
            (_RETURN, 0, 0, refuse),
            (_LOAD, 0, 0, _ARGUMENTS[1]),
            (_AND, 0, 0, _TYPE_BITS),
            (_EQUAL, 1, 0, _STREAM),
            (_RETURN, 0, 0, refuse),
            (_LOAD, 0, 0, _ARGUMENTS[2]),
            (_EQUAL, 2, 0, 0),
            (_EQUAL, 1, 0, _TCP),
            (_RETURN, 0, 0, refuse),
            (_RETURN, 0, 0, _ALLOW),
        ]
    body.append((_RETURN, 0, 0, refuse))
    return [(_EQUAL, 0, len(body), socket), *body]


def restrict_thread(*, network: Network, unix: bool = True, entering: bool = False) -> None:
    """Confine the calling thread, and what it starts, for ever. Raises OSError."""
    code = program(network=network, unix=unix, entering=entering)
    if code is None:
        if network == "whole" and unix:
            return
        raise OSError(errno.ENOSYS, f"no filter is known for {platform.machine()}")
    instructions = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _SET_SECCOMP, _FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0
    ):
        code_number = ctypes.get_errno()
        raise OSError(code_number, f"seccomp: {os.strerror(code_number)}")


_LIMIT_CAPABILITY = 24  # prctl: PR_CAPBSET_DROP
_KEPT_RIGHTS = frozenset(
    {0, 1, 2, 3, 4, 6, 7}
)  # root's way with files and users: chown, dac, fowner, fsetid, setid
_LAST_RIGHT = 63


def drop_rights() -> None:
    """What root starts from this thread makes no devices, loads nothing into the kernel, mounts nothing.

    Root without these rights still reads and writes files of any owner, where the rest lets it.
    """
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for right in range(_LAST_RIGHT + 1):
        if right not in _KEPT_RIGHTS:
            libc.prctl(_LIMIT_CAPABILITY, right, 0, 0, 0)  # refused for numbers that are none
