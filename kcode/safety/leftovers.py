"""Daemons: what a command left running outside its process group is found and ended with it (Linux).

kcode makes itself the parent that orphans get, so that a daemon cannot get away from it; whose it is says a
variable that each command gets, or the filter that no confined process can take off.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

VARIABLE = "KCODE_COMMAND"
_LINUX = sys.platform.startswith("linux")
_ADOPT = 36  # prctl: PR_SET_CHILD_SUBREAPER
_GRACE_S = 0.3  # between SIGTERM and SIGKILL
_PATIENCE_S = 2.0  # for all of them to be gone
_FORGOTTEN_S = 10.0  # a zombie that nobody waited for until then has nobody

_lock = threading.Lock()
_started: set[int] = set()  # commands that run
_marks: dict[int, str] = {}
_zombies: dict[int, float] = {}


def start(call: Callable[[dict[str, str]], Popen[bytes]]) -> Popen[bytes]:
    """Start a command: ``call`` gets the variables to add to its environment. Raises what it raises."""
    if not _LINUX:
        return call({})
    mark = secrets.token_hex(8)
    with _lock:  # a child that is not yet in the list would be taken for an orphan
        ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)
        process = call({VARIABLE: mark})
        _started.add(process.pid)
        _marks[process.pid] = mark
    return process


def family(pid: int) -> list[int]:
    """The command ``pid`` and all that it started and that still runs, daemons too."""
    if not _LINUX:
        return [pid]
    mark = _marks.get(pid, "")
    roots = [pid, *(child for child in _orphans() if _leads(child, pid) or (mark and _mark(child) == mark))]
    found: dict[int, None] = {}
    while roots:
        each = roots.pop()
        if each not in found:
            found[each] = None
            roots.extend(_children(each))
    return list(found)


def sweep(pid: int) -> int:
    """End what the command ``pid``, which has ended, left running; how many processes that were."""
    if not _LINUX:
        return 0
    with _lock:
        _started.discard(pid)
        mark = _marks.pop(pid, "")
        if not mark:
            return 0
        ended: set[int] = set()
        began = time.monotonic()
        while (waited := time.monotonic() - began) < _PATIENCE_S:
            lost = [child for child in _orphans() if _is_lost(child, mark)]
            if not lost:
                break
            for each in lost:
                _signal(each, signal.SIGTERM if waited < _GRACE_S else signal.SIGKILL)
            ended.update(lost)
            time.sleep(0.02)
            for each in lost:
                _collect(each)
        _collect_forgotten()
    return len(ended)


def _is_lost(pid: int, mark: str) -> bool:
    """Whether a child of ours that we did not start is left over from a command that has ended."""
    its = _mark(pid)
    if its == mark:
        return True
    if its in _marks.values() or (not its and _marks):
        return False  # perhaps of one that runs: it goes when the last one has ended
    return _filters(pid) > _filters(os.getpid())


def _leads(pid: int, group: int) -> bool:
    with suppress(OSError):
        return os.getpgid(pid) == group
    return False


def _orphans() -> list[int]:
    """Children of ours that are no running command and no zombie."""
    return [pid for pid in _children(os.getpid()) if pid not in _started and not _is_zombie(pid)]


def _children(pid: int) -> Iterator[int]:
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                yield from map(int, (thread / "children").read_bytes().split())


def _mark(pid: int) -> str:
    with suppress(OSError):
        for row in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if row.startswith(f"{VARIABLE}=".encode()):
                return row.partition(b"=")[2].decode("ascii", "replace")
    return ""


def _filters(pid: int) -> int:
    """How many system call filters hold for a process; none can be taken off."""
    with suppress(OSError, ValueError):
        for row in Path(f"/proc/{pid}/status").read_text().splitlines():
            if row.startswith("Seccomp_filters:"):
                return int(row.partition(":")[2])
    return 0


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return True


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _collect(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _collect_forgotten() -> None:
    """Orphans that ended by themselves; somebody who waits for a child of his own has done so by then."""
    now = time.monotonic()
    dead = [pid for pid in _children(os.getpid()) if pid not in _started and _is_zombie(pid)]
    for pid in dead:
        if now - _zombies.setdefault(pid, now) > _FORGOTTEN_S:
            _collect(pid)
    for pid in [pid for pid in _zombies if pid not in dead]:
        del _zombies[pid]
