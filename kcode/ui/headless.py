"""One-shot runs (``kcode -p``): stdout carries the answer or JSON, stderr everything else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeGuard, cast

from kcode.agent.events import (
    AnswerDiscarded,
    BackgroundEnded,
    CallFinished,
    CallProgress,
    CallStarted,
    Event,
    Notice,
    RequestStarted,
    Steered,
    TurnFinished,
    TurnStarted,
    UsageReported,
    WaitingToSend,
)
from kcode.agent.filehistory import NOTE as SNAPSHOT
from kcode.conversation.cost import SessionCost
from kcode.conversation.ledger import Entry, Note
from kcode.errors import ExitCode, KcodeError
from kcode.i18n import _, from_below
from kcode.safety.sanitize import clean
from kcode.ui.look import figures
from kcode.ui.look.terminal import tolerate
from kcode.ui.output.callgroup import plain_line as finished_call
from kcode.ui.output.tally import Tally
from kcode.ui.output.words import held_back, trying_again
from kcode.ui.wire import encode, event_object, result_object

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kcode.agent.session import Session

Output = Literal["text", "json", "stream-json"]

EXIT_CODES: dict[str, ExitCode] = {
    "answered": ExitCode.OK,
    "interrupted": ExitCode.INTERRUPTED,
    "limit": ExitCode.LIMIT,
    "loop": ExitCode.LIMIT,
    "refused": ExitCode.NOT_ACHIEVED,
    "error": ExitCode.INTERNAL,
}


async def run_headless(session: Session, prompt: str, output: Output) -> int:
    """Run one turn and write it as ``output`` says. The exit code is one of :class:`ExitCode`.

    Where stdout's reader goes away during ``stream-json``, the turn is interrupted: nobody listens.
    """
    tolerate(sys.stdout)
    tolerate(sys.stderr)
    report = _Report(session, output)
    with _signals(session):
        turn = session.turn(prompt)
        async with contextlib.aclosing(cast("AsyncGenerator[Event, None]", turn)):
            await report.follow(turn)
    return int(report.conclude(await _changed_by_anything(session, report.begun)))


async def _changed_by_anything(session: Session, begun: int) -> list[str]:
    """Paths that differ between the snapshots around the turn: what its commands changed, too."""
    await session.files.settle()
    taken = {e.text: e.data.get("commit", "") for e in session.ledger[begun:] if _is_snapshot(e)}
    if not taken.get("start") or not taken.get("end"):
        return []
    try:
        found = await asyncio.to_thread(session.workspace.snapshots.between, taken["start"], taken["end"])
    except KcodeError:
        return []
    return [difference.path for difference in found]


def _is_snapshot(entry: Entry) -> TypeGuard[Note]:
    return isinstance(entry, Note) and entry.kind == SNAPSHOT


def exit_code(finished: TurnFinished | None) -> ExitCode:
    """An error's own code where there is one, else the one of the reason the turn ended for."""
    if finished is None:
        return ExitCode.INTERRUPTED
    if finished.reason == "error" and finished.error is not None:
        return finished.error.exit_code
    return EXIT_CODES[finished.reason]


class _Report:
    """What is written while the turn runs and when it has ended."""

    def __init__(self, session: Session, output: Output) -> None:
        self._session = session
        self._output = output
        self._out = _Pipe(sys.stdout)
        self._err = _Pipe(sys.stderr)
        self._titles: dict[str, str] = {}
        self._tally = Tally()
        self.begun = len(session.ledger)
        self._held_for = ""  # what the running request was last said to wait for
        self._finished: TurnFinished | None = None

    async def follow(self, events: AsyncIterator[Event]) -> None:
        endpoint = getattr(self._session.provider, "endpoint", None)  # the embedded model has none
        if endpoint is not None and endpoint.notice and self._output != "stream-json":
            self._err.write_text(f"[note] {figures.one_line(from_below(endpoint.notice))}\n")
        async for event in events:
            if isinstance(event, UsageReported):
                self._tally.add(event)
            elif isinstance(event, TurnFinished):
                self._finished = event
            if self._output == "stream-json":
                self._out.write(encode(event_object(self._as_sent(event))))
                if self._out.broken:
                    self._session.interrupt()
            else:
                self._narrate(event)

    def conclude(self, changed: Sequence[str]) -> ExitCode:
        """``changed`` are paths beyond those that the turn's own tools changed."""
        code = exit_code(self._finished)
        answer = self._finished.text if self._finished is not None else ""
        if self._output == "text":
            if answer.strip():
                self._out.write_text(clean(answer).rstrip("\n") + "\n")
        else:
            self._out.write(encode(self._result(answer, code, changed)))
        return code

    def _as_sent(self, event: Event) -> Event:
        """A message or a result as the model gets it: what is written here is kept in the logs of builds."""
        kept = self._session.secrets.text
        if isinstance(event, TurnStarted):
            return replace(event, prompt=kept(event.prompt))
        if isinstance(event, Steered | CallProgress):
            return replace(event, text=kept(event.text))
        if isinstance(event, CallFinished):
            return replace(event, outcome=replace(event.outcome, text=kept(event.outcome.text)))
        return event

    def _narrate(self, event: Event) -> None:
        if isinstance(event, CallStarted):
            self._titles[event.call_id] = from_below(event.title) or event.name
        elif isinstance(event, CallFinished):
            self._err.write_text(finished_call(self._titles.pop(event.call_id, event.name), event) + "\n")
        elif isinstance(event, AnswerDiscarded):
            self._err.write_text(
                f"[retry] {figures.one_line(from_below(event.why))}; {trying_again(event.wait_s)}\n"
            )
        elif isinstance(event, WaitingToSend):
            if event.why != self._held_for:
                self._err.write_text(f"[wait] {held_back(event)}\n")
            self._held_for = event.why
        elif isinstance(event, RequestStarted):
            self._held_for = ""
        elif isinstance(event, BackgroundEnded):
            self._err.write_text(f"[background] {figures.one_line(event.command)}: exit {event.code}\n")
        elif isinstance(event, Notice):
            self._err.write_text(f"[{event.level}] {figures.one_line(from_below(event.text))}\n")
        elif isinstance(event, TurnFinished):
            self._narrate_end(event)

    def _narrate_end(self, event: TurnFinished) -> None:
        if event.reason != "answered":
            detail = f": {figures.one_line(from_below(event.detail))}" if event.detail else ""
            self._err.write_text(f"[{event.reason}]{detail}\n")
            if event.error is not None and event.error.remedy:
                self._err.write_text(f"{_('  try:')} {figures.one_line(from_below(event.error.remedy))}\n")
        self._err.write_text(f"[usage] {self._tally.line()}\n")

    def _result(self, answer: str, code: ExitCode, changed: Sequence[str]) -> dict[str, Any]:
        finished, session = self._finished, self._session
        error = finished.error if finished is not None else None
        edited = finished.files_changed if finished is not None else ()
        return result_object(
            reason=finished.reason if finished is not None else "interrupted",
            code=int(code),
            answer=answer,
            session=session.id,
            provider=session.provider.name,
            model=session.provider.model.id,
            detail=finished.detail if finished is not None else "",
            remedy=error.remedy if error is not None else "",
            steps=finished.steps if finished is not None else 0,
            files_changed=[*dict.fromkeys([*edited, *changed])],
            spent=SessionCost.of(session.ledger[self.begun :]),
            session_cost=session.cost.money,
            seconds=self._tally.seconds,
            masked_secrets=session.secrets.masked,
        )


def write_failure(output: Output, error: BaseException) -> None:
    """The result of a run that ended before its turn, or outside of it, for outputs that promise one."""
    if output == "text":
        return
    interrupted = isinstance(error, KeyboardInterrupt | asyncio.CancelledError)
    code = error.exit_code if isinstance(error, KcodeError) else ExitCode.INTERNAL
    if isinstance(error, OSError):
        code = ExitCode.ENVIRONMENT
    _Pipe(sys.stdout).write(
        encode(
            result_object(
                reason="interrupted" if interrupted else "error",
                code=int(ExitCode.INTERRUPTED if interrupted else code),
                detail=error.message if isinstance(error, KcodeError) else f"{type(error).__name__}: {error}",
                remedy=error.remedy if isinstance(error, KcodeError) else "",
            )
        )
    )


class _Pipe:
    """A stream whose reader may go away: from then on, what is written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.broken = False

    def write_text(self, text: str) -> None:
        self.write(text.encode(self._stream.encoding or "utf-8", "replace"))

    def write(self, data: bytes) -> None:
        if self.broken:
            return
        try:
            self._stream.flush()
            self._stream.buffer.write(data)
            self._stream.buffer.flush()
        except BrokenPipeError:
            self.broken = True
            # At exit Python flushes the stream once more: let that go nowhere.
            descriptor = os.open(os.devnull, os.O_WRONLY)
            os.dup2(descriptor, self._stream.fileno())
            os.close(descriptor)


@contextlib.contextmanager
def _signals(session: Session) -> Iterator[None]:
    """Ctrl-C and a polite kill interrupt the turn, so that its history stays true."""
    loop = asyncio.get_running_loop()
    caught = []
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, session.interrupt)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
