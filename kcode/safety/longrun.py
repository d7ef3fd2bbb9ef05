"""A command that goes on while others run: its whole group ends with it, when told, and with kcode.

A guard in the command's own group holds the reading end of a pipe whose writing end only kcode has: where
kcode is killed, the guard sees the pipe close and ends the group, so that no server is left behind.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.safety.output import DRAIN_S, HeadTail, Pump, drain
from kcode.safety.process import spawn

if TYPE_CHECKING:
    from kcode.safety.sandbox import Confinement

LOG_LIMIT = 4_000_000  # bytes of output in the file; as many before them in a second one
UNREAD_LIMIT = 64_000  # bytes of news kept between two readings, head and tail

_GUARD = """exec 3<&0 </dev/null
{ trap '' TERM; read -r _ <&3; kill -TERM 0; sleep 1; kill -KILL 0; } >/dev/null 2>&1 &
guard=$! told=
trap 'told=yes' TERM
"$@" 3<&- &
wait $!
code=$?
[ -z "$told" ] || { wait $!; code=$?; }
kill -KILL $guard 2>/dev/null
exit $code
"""


class LongRun:
    """One running command. ``code`` is None until it has ended: the exit status, or minus a signal's number.

    Raises :class:`EnvironmentProblem` where the command
    cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        confine: Confinement | None = None,
        timeout_s: float | None = None,
    ) -> None:
        self.code: int | None = None
        self.stopped = False
        self.log = log
        self.began = time.monotonic()
        self.seconds = 0.0
        self._unread = HeadTail(UNREAD_LIMIT)
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        guarded = argv if sys.platform == "win32" else ["/bin/sh", "-c", _GUARD, "guard", *argv]
        self._child = spawn(
            guarded, cwd=cwd, env=env, stderr=subprocess.STDOUT, confine=confine, too_much=self.stop
        )
        self._sink = _Log(log)
        self._pump = Pump(self._child.process.stdout, HeadTail(2), self._heard)
        self._timer = threading.Timer(timeout_s, self.stop) if timeout_s else None
        threading.Thread(target=self._watch, name=f"watch {log.stem}", daemon=True).start()
        if self._timer is not None:  # one that was cancelled before it starts does nothing
            self._timer.daemon = True
            self._timer.start()

    @property
    def running(self) -> bool:
        return self.code is None

    def when_ended(self, call: Callable[[], None]) -> None:
        """``call`` is called when it has ended, on a thread of its own, or now where it has already."""
        with self._lock:
            if self.code is None:
                self._listeners.append(call)
                return
        call()

    def news(self) -> tuple[str, int]:
        """What was printed since the last call, head and tail, and how many bytes between were left out."""
        with self._lock:
            unread, self._unread = self._unread, HeadTail(UNREAD_LIMIT)
        return unread.text(), unread.cut

    def stop(self) -> None:
        """End the command and everything it started; returns when they are gone, or after some seconds."""
        if self.running:
            self.stopped = True
            self._child.end_group()
            until = time.monotonic() + 5.0
            while self.running and time.monotonic() < until:
                time.sleep(0.01)

    def _heard(self, chunk: bytes) -> None:
        with self._lock:
            self._unread.add(chunk)
        with suppress(OSError):  # a full disk: the news are still told
            self._sink.write(chunk)

    def _watch(self) -> None:
        code = self._child.wait()
        notes = self._child.close()
        drain([self._pump], DRAIN_S)
        self._pump.stop()
        for note in notes:
            self._heard(f"\n[{note}]\n".encode())
        for end in (self._child.process.stdin, self._sink):
            if end is not None:
                with suppress(OSError):
                    end.close()
        if self._timer is not None:
            self._timer.cancel()
        self.seconds = time.monotonic() - self.began
        with self._lock:
            self.code = code
        for listener in self._listeners:
            listener()


class _Log:
    """A file that keeps the newest output, and the part before it under the same name with ``.1``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._size = 0

    def write(self, chunk: bytes) -> None:
        if self._size + len(chunk) > LOG_LIMIT:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file, self._size = self._path.open("wb", buffering=0), 0
        self._file.write(chunk)
        self._size += len(chunk)

    def close(self) -> None:
        self._file.close()
