"""The parent's side of the worker: start it, send requests, hear of its death.

A thread reads the worker's frames and hands them to whichever event loop is waiting, so that one worker
serves several loops one after another.
"""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from kcode.config.paths import make_private, state_dir
from kcode.providers.base import ContextOverflow, EmbeddedUnavailable, InvalidRequest
from kcode.providers.embedded.frames import BrokenFrame, encode, read_frame
from kcode.safety.process import Spawned, child_environment, spawn

LOG_KEPT = 1024 * 1024  # bytes of the log that survive a new start
_RUNTIME_REMEDY = "pip install 'kcode[embedded]', or run install.sh again"
_SMALLER = (
    "choose the smaller model (`kcode config set embedded.model qwen2.5-coder-0.5b`) "
    "or a smaller embedded.context"
)


@dataclass(slots=True)
class _Waiting:
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[dict[str, Any]]

    def put(self, message: dict[str, Any]) -> None:
        with suppress(RuntimeError):  # its loop was closed: nobody waits any more
            self.loop.call_soon_threadsafe(self.queue.put_nowait, message)


class WorkerClient:
    """One worker process with the model loaded. ``facts`` is what it said about itself."""

    def __init__(self, child: Spawned, facts: Mapping[str, Any], log: Path) -> None:
        self.facts = dict(facts)
        self._child = child
        self._log = log
        self._ids = itertools.count(1)
        self._waiting: dict[int, _Waiting] = {}
        self._lock = threading.Lock()
        self._dead = False
        threading.Thread(target=self._read, name="embedded worker", daemon=True).start()

    @classmethod
    def start(cls, order: dict[str, Any]) -> WorkerClient:
        """Start a worker and wait until the model is loaded. Blocks; raises :class:`EmbeddedUnavailable`."""
        log = _open_place(state_dir() / "embedded.log")
        with log.open("ab") as errors:
            child = spawn(
                # -P: the current folder is the user's and must not be where modules come from
                [sys.executable, "-P", "-m", "kcode.providers.embedded.worker"],
                cwd=log.parent,
                env=child_environment(),
                stderr=errors,
            )
        try:
            _write(child, {"op": "load", **order})
            answer = read_frame(_pipe(child.process.stdout))
        except (OSError, BrokenFrame):
            answer = None
        if answer is not None and answer.get("event") == "ready":
            return cls(child, answer, log)
        code = _exit_code(child)
        if answer is None:
            raise _death(code, log, "while it loaded the model")
        raise _load_failure(answer, log)

    @property
    def pid(self) -> int:
        return self._child.process.pid

    @property
    def alive(self) -> bool:
        return not self._dead and self._child.process.poll() is None

    async def stream(self, op: str, **fields: Any) -> AsyncGenerator[dict[str, Any], None]:
        """Send one request; yield its ``chunk`` data, then ``{"result": …}`` last.

        Leaving the iteration early, or cancelling it, tells the worker to stop. Raises
        :class:`EmbeddedUnavailable` if the worker dies meanwhile.
        """
        request_id = next(self._ids)
        waiting = _Waiting(asyncio.get_running_loop(), asyncio.Queue())
        with self._lock:
            self._waiting[request_id] = waiting
        finished = False
        try:
            if self._dead:
                raise _death(_exit_code(self._child), self._log, "before it was asked")
            self._send({"op": op, "id": request_id, **fields})
            while True:
                message = await waiting.queue.get()
                match message["event"]:
                    case "chunk":
                        yield message["data"]
                    case "done":
                        finished = True
                        yield {"result": message.get("result")}
                        return
                    case "died":
                        finished = True
                        raise _death(_exit_code(self._child), self._log, "while it answered")
                    case _:
                        finished = True
                        raise _request_failure(message)
        finally:
            with self._lock:
                self._waiting.pop(request_id, None)
            if not finished and not self._dead:
                with suppress(EmbeddedUnavailable):
                    self._send({"op": "cancel", "id": request_id})

    async def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send one request and return its result."""
        async with aclosing(self.stream(op, **fields)) as stream:
            async for item in stream:
                if "result" in item:
                    return dict(item["result"] or {})
        return {}

    def stop(self) -> None:
        """End the worker now."""
        self._dead = True
        with suppress(OSError):
            _pipe(self._child.process.stdin).close()
        self._child.kill_group(grace_s=0.5)

    def _send(self, message: dict[str, Any]) -> None:
        try:
            with self._lock:
                _write(self._child, message)
        except (OSError, ValueError) as error:
            raise _death(_exit_code(self._child), self._log, "before it was asked") from error

    def _read(self) -> None:
        source = _pipe(self._child.process.stdout)
        while True:
            try:
                message = read_frame(source)
            except (BrokenFrame, OSError, ValueError):
                message = None
            if message is None:
                break
            with self._lock:
                waiting = self._waiting.get(int(message.get("id", 0)))
            if waiting is not None:
                waiting.put(message)
        with self._lock:
            self._dead = True
            orphans = list(self._waiting.values())
        for waiting in orphans:
            waiting.put({"event": "died"})


def _open_place(log: Path) -> Path:
    try:
        make_private(log.parent)
        if log.exists() and log.stat().st_size > LOG_KEPT:
            log.replace(log.with_suffix(".log.1"))
    except OSError as error:
        raise EmbeddedUnavailable(
            f"the folder {log.parent} cannot be written: {error.strerror}",
            "check its permissions and the disk",
        ) from error
    return log


def _pipe(stream: Any) -> BinaryIO:
    return cast("BinaryIO", stream)


def _write(child: Spawned, message: dict[str, Any]) -> None:
    pipe = _pipe(child.process.stdin)
    pipe.write(encode(message))
    pipe.flush()


def _exit_code(child: Spawned) -> int:
    child.kill_group(grace_s=1.0)
    return child.process.returncode or 0


def _death(code: int, log: Path, when: str) -> EmbeddedUnavailable:
    if code in (-signal.SIGILL, -1073741795):  # the second is Windows' illegal instruction
        return EmbeddedUnavailable(
            "the embedded runtime does not run on this processor: it needs AVX2, FMA and F16C",
            "use a provider with an API key, or build llama-cpp-python for this machine",
        )
    if hasattr(signal, "SIGKILL") and code == -signal.SIGKILL:
        return EmbeddedUnavailable(
            f"the embedded model's process was killed {when}; the system may be out of memory",
            f"try again; if it happens again, {_SMALLER}",
        )
    name = f"signal {-code}" if code < 0 else f"exit status {code}"
    return EmbeddedUnavailable(
        f"the embedded model's process ended {when} ({name})", f"try again; its log is {log}"
    )


def _load_failure(answer: Mapping[str, Any], log: Path) -> EmbeddedUnavailable:
    remedies = {
        "missing": _RUNTIME_REMEDY,
        "cpu": "use a provider with an API key, or build llama-cpp-python for this machine",
        "model": f"check the file with `kcode models verify`; its log is {log}; "
        f"if memory is short, {_SMALLER}",
    }
    kind = str(answer.get("kind", ""))
    return EmbeddedUnavailable(
        str(answer.get("message", "the worker did not start")), remedies.get(kind, f"its log is {log}")
    )


def _request_failure(message: Mapping[str, Any]) -> Exception:
    text = str(message.get("message", ""))
    if message.get("kind") == "overflow":
        return ContextOverflow(
            f"the prompt does not fit the embedded model's window: {text}",
            "use /compact or /clear, or raise embedded.context",
        )
    return InvalidRequest(f"the embedded model refused the request: {text}")
