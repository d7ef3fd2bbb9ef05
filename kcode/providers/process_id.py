"""Which process this is, and whether another one still lives: its id with the moment it started, so that an
id that was given to a new process is not taken for the old one."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path


def this_process() -> str:
    """``pid:start``; the start is empty where the system does not tell it cheaply."""
    return _named(os.getpid())


def alive(owner: str) -> bool:
    """Whether the process named by :func:`this_process` still runs. An unreadable name is nobody."""
    pid, _, start = owner.partition(":")
    if not pid.isdigit() or int(pid) <= 0:
        return False
    if owner == this_process():
        return True
    number = int(pid)
    if sys.platform == "win32":
        return _open_on_windows(number)
    now = _start(number)
    if now or start:
        return bool(now) and now == start
    try:
        os.kill(number, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


@lru_cache(maxsize=2)
def _named(pid: int) -> str:
    return f"{pid}:{_start(pid)}"


def _start(pid: int) -> str:
    """Clock ticks after boot (Linux). Nothing for a zombie, and for a process that was stopped (Ctrl-Z): what
    it holds would be held until somebody continues it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if len(fields) < 20 or fields[0] in "ZXT" else fields[19]


def _open_on_windows(pid: int) -> bool:
    """``os.kill(pid, 0)`` would end the process there."""
    import ctypes

    still_active, query = 259, 0x1000
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  # not there on other systems
    handle = kernel.OpenProcess(query, False, pid)
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == still_active
