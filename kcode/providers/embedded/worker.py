"""The worker process: ``python -m kcode.providers.embedded.worker``. It holds the model.

It reads frames from standard input and writes frames to standard output; what the runtime prints goes
to standard error, which the parent points at a log file. A crash in here is a message there.

From the parent, after one ``load``: ``complete``, ``weigh``, ``chat``, ``save``, ``restore`` (each with an
``id``) and ``cancel`` (with the ``id`` to stop). To the parent: ``ready`` or ``failed`` once; then per
request any number of ``chunk`` and one ``done`` or ``error``.

It ends when its standard input ends, which is when the parent is gone. A grandchild that was forked
without exec may hold the pipe open, so the parent's process id is watched too. PR_SET_PDEATHSIG is not
used: it fires when the *thread* that started the worker ends, and that may be a pool's.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from kcode.providers.embedded.frames import BrokenFrame, encode, read_frame

if TYPE_CHECKING:
    from kcode.providers.embedded.runtime import Runtime

LOG_LIMIT = 1024 * 1024  # bytes of runtime log kept


class Connection:
    """The pipe to the parent, written by several threads."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._lock = threading.Lock()

    def receive(self) -> dict[str, Any] | None:
        return read_frame(self._source)

    def send(self, message: dict[str, Any]) -> None:
        with self._lock:
            try:
                self._sink.write(encode(message))
                self._sink.flush()
            except OSError:
                os._exit(0)  # nobody listens any more


def main() -> None:
    # Before the runtime's import: with OpenMP's default spinning, decoding falls to a tenth of its
    # speed as soon as another process wants the cores (4 against 22 tokens/s measured).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    connection = _take_over_pipes()
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()
    first = connection.receive()
    if first is None:
        os._exit(0)
    runtime = _load(connection, first)
    try:
        _serve(connection, runtime)
    except BrokenFrame as error:
        print(f"protocol: {error}", file=sys.stderr, flush=True)
    os._exit(0)  # the runtime's own threads may be deep in a matrix product: do not wait for them


def _take_over_pipes() -> Connection:
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # a stray print must not land between two frames
    return Connection(source, sink)


def _watch_parent(parent: int) -> None:
    while hasattr(os, "getppid") and os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


def _load(connection: Connection, order: dict[str, Any]) -> Runtime:
    from kcode.providers.embedded.runtime import RuntimeProblem, open_runtime

    try:
        runtime = open_runtime(order)
    except RuntimeProblem as problem:
        connection.send({"event": "failed", "kind": problem.kind, "message": str(problem)})
        os._exit(1)
    connection.send({"event": "ready", **runtime.facts()})
    return runtime


def _serve(connection: Connection, runtime: Runtime) -> None:
    cancelled: dict[int, threading.Event] = {}
    running: dict[int, threading.Thread] = {}
    while (message := connection.receive()) is not None:
        op, request_id = message.get("op"), int(message.get("id", 0))
        if op == "cancel":
            if request_id in cancelled:
                cancelled[request_id].set()
            continue
        flag = cancelled[request_id] = threading.Event()
        worker = threading.Thread(target=_answer, args=(connection, runtime, message, flag), daemon=True)
        worker.start()
        for finished in [known for known, thread in running.items() if not thread.is_alive()]:
            del running[finished], cancelled[finished]
        running[request_id] = worker
        _bound_log()


def _answer(
    connection: Connection, runtime: Runtime, message: dict[str, Any], cancelled: threading.Event
) -> None:
    from kcode.providers.embedded.runtime import RuntimeProblem

    request_id = message["id"]

    def emit(data: dict[str, Any]) -> bool:
        """Pass one chunk on; True asks the runtime to stop."""
        if not cancelled.is_set():
            connection.send({"id": request_id, "event": "chunk", "data": data})
        return cancelled.is_set()

    try:
        match message["op"]:
            case "complete":
                result = runtime.complete(message["body"], cancelled.is_set)
            case "weigh":
                result = runtime.weigh(message["body"])
            case "chat":
                result = runtime.chat(message["body"], emit)
            case "save" | "restore" as op:
                result = runtime.slot_file(op, message["slot"], message["filename"])
            case unknown:
                raise RuntimeProblem("request", f"no such operation: {unknown}")
    except RuntimeProblem as problem:
        connection.send(
            {
                "id": request_id,
                "event": "error",
                "kind": problem.kind,
                "message": str(problem),
                **problem.facts,
            }
        )
    except Exception as error:  # outer door
        connection.send({"id": request_id, "event": "error", "kind": "internal", "message": repr(error)})
    else:
        connection.send({"id": request_id, "event": "done", "result": result})


def _bound_log() -> None:
    try:
        if os.fstat(2).st_size > LOG_LIMIT:
            os.ftruncate(2, 0)  # the parent opened it for appending
    except OSError:
        pass  # a pipe or a terminal


if __name__ == "__main__":
    main()
