"""Has grammars parse in a process of its own: one that faults or hangs takes that process, not the session.

``python -m kcode.workspace.apart`` is that process. A question is a function of kcode's, as ``module:name``,
and its arguments; it and the answer are marshalled, each behind its length in four bytes. The process is
started by the first question and ends with whoever asks, or when nobody has asked for :data:`IDLE_S`.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import subprocess
import sys
import threading
from importlib import import_module
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from kcode.safety.process import Spawned

IDLE_S = 300.0
ANSWER_S = 20.0  # longest time for an answer
Value = str | bytes | int | None
Answer = Value | tuple["Answer", ...]
"""What marshal can carry."""


class NoAnswerError(Exception):
    """The process has ended, or did not answer in time: the grammar fails on this text."""


class _Asked:
    """The process, which may not have been started or have ended. To be used by one thread at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._child: Spawned | None = None

    def ask(self, question: tuple[str, tuple[Answer, ...]]) -> Answer:
        for first in (True, False):
            fresh = self._child is None
            answer = self._answered(marshal.dumps(question))
            if answer is not None:
                return marshal.loads(answer)  # type: ignore[no-any-return]  # noqa: S302 - our own process's
            if fresh or not first:  # else it may have ended before it was asked, having stood by for long
                break
        raise NoAnswerError(question[0])

    def _answered(self, question: bytes) -> bytes | None:
        child = self._child = self._child or _started()
        put, got = child.process.stdin, child.process.stdout
        if put is None or got is None:
            raise NoAnswerError("it has no pipes")
        late = threading.Timer(ANSWER_S, child.kill_group, (0.0,))
        late.daemon = True
        late.start()
        try:
            with contextlib.suppress(OSError):  # it has ended: there is no answer
                _write(put, question)
            answer = _read(got)
        finally:
            late.cancel()
        if answer is None:
            self._child = None
            child.kill_group(0.0)
            for pipe in (put, got):
                with contextlib.suppress(OSError):  # what was not written yet
                    pipe.close()
        return answer


_ASKED = _Asked()


def ask(function: str, *arguments: Answer) -> Answer:
    """What ``function`` answers, in the process apart. Raises NoAnswerError where it fails."""
    from kcode.errors import EnvironmentProblem

    with _ASKED.lock:
        try:
            return _ASKED.ask((function, arguments))
        except EnvironmentProblem as problem:
            raise NoAnswerError(problem.message) from problem


def _started() -> Spawned:
    from kcode.safety.process import child_environment, spawn

    return spawn(
        [sys.executable, "-m", "kcode.workspace.apart"],
        env=child_environment({"PYTHONSAFEPATH": "1"}),  # the workspace is no place to import from
        stderr=subprocess.DEVNULL,
    )


def _write(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(4, "little") + data)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes | None:
    head = stream.read(4)
    size = int.from_bytes(head, "little")
    data = stream.read(size) if len(head) == 4 else b""
    return data if len(head) == 4 and len(data) == size else None


def main() -> int:
    """Answer what comes on stdin. An error of a function ends the process, as a fault of a grammar does."""
    while True:
        idle = threading.Timer(IDLE_S, os._exit, (0,))
        idle.daemon = True
        idle.start()
        question = _read(sys.stdin.buffer)
        idle.cancel()
        if question is None:
            return 0
        function, arguments = marshal.loads(question)  # noqa: S302 - of the process that started this one
        module, _, name = function.partition(":")
        _write(sys.stdout.buffer, marshal.dumps(getattr(import_module(module), name)(*arguments)))


if __name__ == "__main__":
    raise SystemExit(main())
