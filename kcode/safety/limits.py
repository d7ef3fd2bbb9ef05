"""What one command may use: memory, processes, the size of a file, the amount of output.

Memory and processes are looked at some times a second, because the kernel's own limits count per process
(node and Go reserve address space they never use) or per user.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kcode.safety import leftovers

_LOOK_S = 0.1
_ROOM_S = 4096  # processes and threads a user may start beyond those that run, for the kernel's own limit
_LINUX = sys.platform.startswith("linux")


@dataclass(frozen=True, slots=True)
class Limits:
    """``memory`` (bytes) and ``processes`` are of a command with all that it started; ``file`` is the size
    of any one file, ``output`` of what it prints, in bytes. 0 is no limit; of memory, three quarters of
    what the machine has."""

    memory: int = 0
    processes: int = 1000
    file: int = 20_000_000_000
    output: int = 1_000_000_000


class Watch:
    """Looks at a running command until :meth:`close`; ``too_much`` is called once, on a thread, with the
    reason in words."""

    def __init__(self, pid: int, limits: Limits, too_much: Callable[[str], None]) -> None:
        self._pid, self._limits, self._too_much = pid, limits, too_much
        self._memory = limits.memory or _three_quarters()
        self._limited: set[int] = set()
        self._over = threading.Event()
        if _LINUX:
            self._limit(pid)
            threading.Thread(target=self._look, name=f"limits of {pid}", daemon=True).start()

    def close(self) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            members = leftovers.family(self._pid)
            for pid in members:
                if pid not in self._limited:
                    self._limit(pid)
            if why := self._exceeded(members):
                self._halt()
                self._too_much(why)
                return

    def _halt(self) -> None:
        """What multiplies must not go on doing so while it is being ended: nothing that is stopped forks."""
        seen: set[int] = set()
        for _ in range(100):
            more = [pid for pid in leftovers.family(self._pid) if pid not in seen]
            if not more:
                return
            for pid in more:
                with suppress(OSError):
                    os.kill(pid, signal.SIGSTOP)
            seen.update(more)

    def _exceeded(self, members: list[int]) -> str:
        if self._limits.processes and len(members) > self._limits.processes:
            return f"it started more than {self._limits.processes:,} processes"
        if sum(map(_resident, members)) > self._memory and sum(map(_own, members)) > self._memory:
            return f"it used more than {self._memory // 1_000_000:,} MB of memory"
        return ""

    def _limit(self, pid: int) -> None:
        import resource

        self._limited.add(pid)
        wanted = [(resource.RLIMIT_CORE, 0)]
        if self._limits.file:
            wanted.append((resource.RLIMIT_FSIZE, self._limits.file))
        with suppress(OSError, ValueError, IndexError):
            running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
            wanted.append((resource.RLIMIT_NPROC, running + _ROOM_S))
        for what, most in wanted:
            with suppress(OSError, ValueError):
                hard = resource.prlimit(pid, what)[1]
                most = most if hard == resource.RLIM_INFINITY else min(most, hard)
                resource.prlimit(pid, what, (most, most))


def _three_quarters() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4
    except (ValueError, OSError, AttributeError):
        return sys.maxsize


def _resident(pid: int) -> int:
    """Bytes of memory, what is shared counted in full."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _own(pid: int) -> int:
    """Bytes of memory, each process's share of what is shared: slower to find out."""
    with suppress(OSError, ValueError, IndexError):
        for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if row.startswith("Pss:"):
                return int(row.split()[1]) * 1024
    return _resident(pid)
