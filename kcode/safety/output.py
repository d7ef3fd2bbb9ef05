"""What is kept of a process's output: its head and its tail, read by threads that can be told to stop."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_WINDOWS = sys.platform == "win32"
DRAIN_S = 0.25  # how long pipes are read after the main child is gone; a background child may hold them


class HeadTail:
    """Keeps the first and the last bytes of a stream of any length."""

    def __init__(self, limit: int) -> None:
        self._head_limit = max(limit // 2, 1)
        self._tail_limit = max(limit - self._head_limit, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._seen = 0

    def add(self, chunk: bytes) -> None:
        self._seen += len(chunk)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if chunk:
            self._tail += chunk
            if len(self._tail) > 2 * self._tail_limit:  # trimmed rarely: one memmove per tail length
                del self._tail[: -self._tail_limit]

    @property
    def cut(self) -> int:
        """Bytes left out."""
        return self._seen - len(self._head) - min(len(self._tail), self._tail_limit)

    def text(self) -> str:
        tail = bytes(self._tail[-self._tail_limit :]) if self._tail else b""
        if not self.cut:
            return (bytes(self._head) + tail).decode("utf-8", "replace")
        head = self._head.decode("utf-8", "replace")
        return f"{head}\n[... {self.cut:,} bytes left out ...]\n{tail.decode('utf-8', 'replace')}"


class Relay:
    """Hands output to a callback on the loop's thread; a slow loop sees only the newest 64 kB."""

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[bytes], None]) -> None:
        self._loop, self._callback = loop, callback
        self._pending = bytearray()
        self._lock = threading.Lock()

    def __call__(self, chunk: bytes) -> None:
        with self._lock:
            scheduled = bool(self._pending)
            self._pending += chunk
            if len(self._pending) > 65_536:
                del self._pending[:-65_536]
        if not scheduled:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        with self._lock:
            chunk = bytes(self._pending)
            self._pending.clear()
        self._callback(chunk)


class Pump:
    """A thread that reads one pipe into a :class:`HeadTail` until its end or until it is told to stop."""

    def __init__(
        self, pipe: IO[bytes] | None, sink: HeadTail, on_output: Callable[[bytes], None] | None
    ) -> None:
        assert pipe is not None
        self._pipe, self._sink, self._on_output = pipe, sink, on_output
        self._stop_read, self._stop_write = os.pipe()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        fd = self._pipe.fileno()
        try:
            while self._ready(fd):
                chunk = os.read(fd, 65_536)
                if not chunk:
                    return
                self._sink.add(chunk)
                if self._on_output:
                    self._on_output(chunk)
        except OSError:
            return
        finally:
            with suppress(OSError):
                self._pipe.close()

    def _ready(self, fd: int) -> bool:
        if _WINDOWS:  # pipes cannot be polled there; the job's kill closes them
            return True
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        poller.register(self._stop_read, select.POLLIN)
        ready = [who for who, _ in poller.poll()]
        return self._stop_read not in ready

    def stop(self) -> None:
        os.close(self._stop_write)  # the reading end becomes ready
        self.thread.join(DRAIN_S if _WINDOWS else None)
        os.close(self._stop_read)


def drain(pumps: list[Pump], seconds: float) -> None:
    until = time.monotonic() + seconds
    for pump in pumps:
        pump.thread.join(max(0.0, until - time.monotonic()))


def feed(stdin: IO[bytes], data: bytes) -> None:
    with suppress(OSError):  # the child may end without reading
        stdin.write(data)
    with suppress(OSError):
        stdin.close()
