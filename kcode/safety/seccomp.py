"""A seccomp filter of a few dozen instructions: no debugging of others, no mounts, no network families.

A classic BPF program, assembled here because the alternatives are a C library or a compiler.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from functools import cache

_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # ld abs word, jeq, jge, ret
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little endian
_SET_SECCOMP, _FILTER, _NO_NEW_PRIVS = 22, 2, 38
_X32 = 0x40000000  # x86-64's second set of numbers, which would pass a list of the first
_UNIX, _NETLINK = 1, 16

# (audit architecture, socket, what is refused), numbers from the kernel's tables
_MACHINES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        41,
        # ptrace process_vm_readv process_vm_writev mount umount2 pivot_root unshare setns add_key request_key
        # keyctl bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register kexec_load
        # kexec_file_load open_by_handle_at init_module finit_module delete_module move_mount fsopen
        (101, 310, 311, 165, 166, 155, 272, 308, 248, 249, 250, 321, 298, 323, 425, 426, 427, 246, 320, 304,
         175, 313, 176, 429, 430),
    ),
    "aarch64": (
        0xC00000B7,
        198,
        (117, 270, 271, 40, 39, 41, 97, 268, 217, 218, 219, 280, 241, 282, 425, 426, 427, 104, 294, 265,
         105, 273, 106, 429, 430),
    ),
}  # fmt: skip


@cache
def program(*, network: bool, unix: bool = True) -> bytes | None:
    """The filter's instructions; None on a machine whose system call numbers are not known here.

    Without ``unix`` no unix socket can be made; pairs of connected ones can.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None or not sys.platform.startswith("linux") or sys.byteorder != "little":
        return None
    architecture, socket, refused = machine
    refuse = _ERRNO | errno.EPERM
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, refuse),
    ]
    for number in refused:
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    code += _sockets(socket, refuse, network, unix)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _sockets(socket: int, refuse: int, network: bool, unix: bool) -> list[tuple[int, int, int, int]]:
    """What ``socket()`` may make. The kernel's list of interfaces (netlink) is no way out."""
    if network and unix:
        return []
    if network:
        body = [(_EQUAL, 0, 1, _UNIX), (_RETURN, 0, 0, refuse)]
    else:
        allowed = [_UNIX, _NETLINK] if unix else [_NETLINK]
        body = [(_EQUAL, len(allowed) - place, 0, family) for place, family in enumerate(allowed)]
        body.append((_RETURN, 0, 0, refuse))
    return [(_EQUAL, 0, len(body) + 1, socket), (_LOAD, 0, 0, _FIRST_ARGUMENT), *body]


def restrict_thread(*, network: bool, unix: bool = True) -> None:
    """Confine the calling thread, and what it starts, for ever. Raises OSError."""
    code = program(network=network, unix=unix)
    if code is None:
        if network and unix:
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
