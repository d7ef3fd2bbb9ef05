"""One language server as a process: requests go out, answers and notifications come back.

Reading and writing have a thread each, so that a server that does not read its input holds nothing up. The
server's whole group ends with kcode: a guard in it sees a FIFO close that only kcode holds open, where kcode
is killed.
"""

from __future__ import annotations

import itertools
import os
import queue
import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from kcode.diagnostics.lsp.wire import Garbage, Reader, encoded
from kcode.safety.output import HeadTail, Pump
from kcode.safety.process import spawn

if TYPE_CHECKING:
    from kcode.safety.sandbox import Confinement

_GUARD = """watch=$1; shift
{ trap '' TERM; read -r _ < "$watch"; rm -f "$watch"; kill -TERM 0; sleep 1; kill -KILL 0
} </dev/null >/dev/null 2>&1 &
exec "$@"
"""
_STDERR = 8_000  # bytes of what it complains about
METHOD_NOT_FOUND = -32601


class ServerGone(Exception):
    """The server ended, or speaks something else; the message says which."""


class ServerError(Exception):
    """The server's answer is an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Link:
    """``on_notice`` gets notifications, ``on_request`` answers the server's own requests (KeyError: unknown);
    both are called on the reading thread. Raises :class:`kcode.errors.EnvironmentProblem` where the program
    cannot be started."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        confine: Confinement | None,
        scratch: Path,
        on_notice: Callable[[str, Any], None],
        on_request: Callable[[str, Any], Any],
    ) -> None:
        self.gone = ""  # why, once it is
        self._on_notice, self._on_request = on_notice, on_request
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._lock = threading.Lock()
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._guard = _Guard(scratch)
        try:
            self._child = spawn(self._guard.guarded(argv), cwd=cwd, env=env, confine=confine)
        except BaseException:
            self._guard.close()
            raise
        self._complaints = HeadTail(_STDERR)
        self._pump = Pump(self._child.process.stderr, self._complaints, None)
        for work in (self._read, self._write):
            threading.Thread(target=work, name=f"{work.__name__} {argv[0]}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._child.process.pid

    def request(self, method: str, params: Any) -> Future[Any]:
        """The answer's ``result`` comes as the future's; :class:`ServerError`, :class:`ServerGone` else.
        Cancelling the future tells the server."""
        answer: Future[Any] = Future()
        number = next(self._numbers)
        with self._lock:
            if self.gone:
                answer.set_exception(ServerGone(self.gone))
                return answer
            self._waiting[number] = answer
        self._send({"id": number, "method": method, "params": params})
        answer.add_done_callback(lambda done: self._cancelled(number) if done.cancelled() else None)
        return answer

    def notify(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def end(self) -> None:
        """End the process and all it started. Blocks for a moment."""
        self._lose("it was ended")
        self._child.kill_group(0.5)
        self._pump.stop()
        self._guard.close()

    def _cancelled(self, number: int) -> None:
        with self._lock:
            known = self._waiting.pop(number, None) is not None
        if known:
            self.notify("$/cancelRequest", {"id": number})

    def _send(self, message: dict[str, Any]) -> None:
        self._outgoing.put(encoded(message))

    def _write(self) -> None:
        pipe = cast(IO[bytes], self._child.process.stdin)
        while (data := self._outgoing.get()) is not None:
            try:
                pipe.write(data)
                pipe.flush()
            except (OSError, ValueError):  # its end is seen by the reading thread
                break
        with suppress(OSError, ValueError):
            pipe.close()

    def _read(self) -> None:
        reader = Reader()
        out = cast(IO[bytes], self._child.process.stdout)
        why = ""
        try:
            while chunk := os.read(out.fileno(), 65_536):
                for message in reader.feed(chunk):
                    self._take(message)
        except Garbage as problem:
            why = f"it sent {problem}"
        except (OSError, ValueError):
            why = ""
        self._lose(why or self._ended())
        with suppress(OSError):
            out.close()

    def _ended(self) -> str:
        self._pump.thread.join(0.2)
        last = self._complaints.text().strip().splitlines()[-1:]
        return "it ended" + (f": {last[0].strip()[:200]}" if last else "")

    def _lose(self, why: str) -> None:
        with self._lock:
            if not self.gone:
                self.gone = why
            waiting, self._waiting = list(self._waiting.values()), {}
        self._outgoing.put(None)
        for answer in waiting:
            with suppress(InvalidStateError):  # cancelled meanwhile
                answer.set_exception(ServerGone(self.gone))

    def _take(self, message: dict[str, Any]) -> None:
        method = message.get("method")
        if isinstance(method, str) and "id" in message:
            try:
                self._send({"id": message["id"], "result": self._on_request(method, message.get("params"))})
            except KeyError:
                error = {"code": METHOD_NOT_FOUND, "message": f"{method} is not known here"}
                self._send({"id": message["id"], "error": error})
        elif isinstance(method, str):
            self._on_notice(method, message.get("params"))
        else:
            self._answered(message)

    def _answered(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        with self._lock:
            answer = self._waiting.pop(number, None) if isinstance(number, int) else None
        if answer is None:
            return
        error = message.get("error")
        with suppress(InvalidStateError):  # cancelled meanwhile
            if isinstance(error, dict):
                code = error.get("code")
                answer.set_exception(
                    ServerError(code if isinstance(code, int) else 0, str(error.get("message", "")))
                )
            else:
                answer.set_result(message.get("result"))


class _Guard:
    """The FIFO of one process; nothing on Windows, whose servers see their input end."""

    def __init__(self, scratch: Path) -> None:
        self._fd = -1
        self._path = scratch / f"watch-{secrets.token_hex(4)}"
        if sys.platform != "win32":
            os.mkfifo(self._path, 0o600)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def guarded(self, argv: Sequence[str]) -> list[str]:
        if self._fd < 0:
            return list(argv)
        return ["/bin/sh", "-c", _GUARD, "guard", str(self._path), *argv]

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._path.unlink(missing_ok=True)
