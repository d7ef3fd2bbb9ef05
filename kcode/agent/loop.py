"""The turn: project, stream, collect, run the calls, repeat until the model has answered.

Every entry is recorded (and so on disk) before it has an effect. Whatever ends a turn, the history that
it leaves is true and legal: what ran has its result, what did not run is answered as not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from kcode.agent.accounting import record_unreported
from kcode.agent.answering import ENDLESS, ENDLESS_THOUGHTS, MAX_CONTINUATIONS, Answering, GoesRound
from kcode.agent.calls import run_calls
from kcode.agent.circles import DIFFERENTLY
from kcode.agent.collect import Answer, cut_off
from kcode.agent.compaction import compact, worth_compacting
from kcode.agent.events import (
    Event,
    FinishReason,
    Notice,
    Steered,
    TurnFinished,
    TurnStarted,
)
from kcode.agent.guard import Guard, Stop
from kcode.agent.official import declare
from kcode.agent.repetition import repeats
from kcode.config.prompts import load_prompt
from kcode.conversation.ledger import Assistant, Note, ToolResult, User, open_calls
from kcode.conversation.projection import NOT_RUN
from kcode.errors import KcodeError, LimitReached
from kcode.providers.base import ContentFiltered, ContextOverflow, ProviderError

if TYPE_CHECKING:
    from kcode.agent.session import Session

Emit = Callable[[Event], None]
MAX_NUDGES = 2


async def run_turn(session: Session, text: str, emit: Emit) -> None:
    """One turn of the user's, to its end. Never raises a KcodeError: the last event carries it."""
    turn = _Turn(session, emit)
    try:
        await turn.run(text)
    except asyncio.CancelledError:
        turn.close_history("interrupted by the user")
        turn.finish("interrupted")
    except KcodeError as error:
        turn.close_history(error.message)
        turn.finish(_reason(error), error=error)
    finally:
        session.steering.close()
        session.files.end()


def _reason(error: KcodeError) -> FinishReason:
    if isinstance(error, GoesRound):
        return "loop"
    return "limit" if isinstance(error, LimitReached) else "error"


class _Turn:
    def __init__(self, session: Session, emit: Emit) -> None:
        self.session = session
        self.emit = emit
        session.waited.clear()
        self.guard = Guard(session.settings.agent)
        self.text: list[str] = []
        self.changed: dict[str, None] = {}
        self.answering: Answering | None = None

    async def run(self, text: str) -> None:
        self.emit(TurnStarted(text))
        if problem := await declare(self.session):
            self.emit(Notice("warning", problem))
        await self.session.files.settle()
        self.session.say(text)
        self.session.steering.open = True
        self.session.files.begin(self.emit)
        continuations = nudges = 0
        while True:
            self._warn_of_limits()
            if stop := self._step():
                return self._stopped(stop)
            assistant = await self._ask()
            if assistant.calls:
                self.text.clear()
                if stop := await self._run(assistant):
                    return self._stopped(stop)
            elif assistant.finish == "length" and repeats(assistant.content or assistant.reasoning or ""):
                why = ENDLESS if assistant.content else ENDLESS_THOUGHTS
                return self._stopped(Stop("loop", why, DIFFERENTLY))
            elif not assistant.content.strip():
                nudges += 1
                if nudges > MAX_NUDGES:
                    raise ProviderError(
                        "the model gave no answer and no tool call, several times",
                        "try again, or choose another model with --model",
                    )
                self._nudge("empty")
            elif assistant.finish == "length" and continuations < MAX_CONTINUATIONS:
                continuations += 1
                self._nudge("continue")
            else:
                if assistant.finish == "length":
                    self.emit(Notice("warning", "the answer was cut off at the output limit"))
                self._warn_of_limits()
                if self.session.steering.waiting:
                    continue  # it came while the answer did: the turn goes on with it
                return self.finish("answered")

    async def _ask(self) -> Assistant:
        """One step's answer, recorded."""
        session = self.session
        if worth_compacting(session):
            try:
                self.emit(Notice("info", await compact(session)))
            except LimitReached as refused:
                self.emit(Notice("warning", refused.message))
        await self._let_join()
        assistant = await self._answer()
        if assistant.content:
            self.text.append(assistant.content)
        if assistant.finish == "content_filter":
            raise ContentFiltered(
                "the provider's content filter ended the answer",
                "rephrase the last message; if it keeps happening, /clear starts afresh",
            )
        return assistant

    async def _let_join(self) -> None:
        """Messages that the user has typed meanwhile join the turn: each as a message of its own, with the
        files as they are at that moment on record, so that it can be gone back to."""
        session = self.session
        if not session.steering.waiting:
            return
        session.files.end()
        await session.files.settle()
        while session.steering.waiting:
            text, joined = session.steering.take()
            try:
                session.say(text, joined)
            except ContextOverflow as refused:
                self.emit(Notice("warning", f"your message does not fit and comes back: {refused.message}"))
                continue
            self.text.clear()
            self.guard.circles.forget()
            self.emit(Steered(text))
        session.files.begin(self.emit)

    async def _answer(self) -> Assistant:
        """The model's answer. Where the server finds the conversation longer than kcode does, it is compacted
        and the request made once more (facts D.1); raises the server's refusal where that cannot be."""
        session = self.session
        self.answering = Answering(session, self.emit, self.guard.steps, self._admit)
        try:
            assistant = await self.answering.ask()
        except ContextOverflow as refused:
            if self.answering.so_far.begun or not self._admit():
                raise
            try:
                done = await compact(session)
            except (ContextOverflow, LimitReached):
                raise refused from None
            self.emit(Notice("info", f"the server finds the conversation too long: {done}"))
            self.answering = Answering(session, self.emit, self.guard.steps, self._admit)
            assistant = await self.answering.ask()
        self.answering = None
        return assistant

    def _admit(self) -> bool:
        """Whether the limits allow one more request within the step."""
        return self.session.allowance.affords() and self._step() is None

    def _step(self) -> Stop | None:
        return self.guard.before_request(sum(self.session.waited.values()))

    def _warn_of_limits(self) -> None:
        for warning in self.session.allowance.warnings():
            self.emit(Notice("warning", warning))

    async def _run(self, assistant: Assistant) -> Stop | None:
        outcomes = await run_calls(self.session, assistant, self.emit, cut_off(assistant))
        stop = None
        for call, outcome in zip(assistant.calls, outcomes, strict=True):
            self.changed.update(dict.fromkeys(outcome.changed))
            found = self.guard.after_call(
                call.name,
                call.arguments,
                outcome.text,
                ok=outcome.ok,
                changed=bool(outcome.changed),
                busy=any(task.running for task in self.session.background),
            )
            stop = found or stop
        return stop

    def _nudge(self, prompt: str) -> None:
        self.session.record(User(load_prompt(prompt)))

    def _stopped(self, stop: Stop) -> None:
        self.finish("loop" if stop.kind == "loop" else "limit", error=LimitReached(stop.text, stop.remedy))

    def close_history(self, why: str) -> None:
        """Keep the words that were streamed and answer the calls that did not run."""
        session = self.session
        try:
            answer = self.answering.so_far if self.answering is not None else Answer()
            if answer.begun:
                record_unreported(session)
            if answer.content:
                session.record(answer.partial())
                self.text.append(answer.content)
            for call in open_calls(session.ledger):
                session.record(
                    ToolResult(call.id, call.name, f"{NOT_RUN} ({why})", ok=False, brief="not run")
                )
            session.record(Note("turn-ended", why))
        except KcodeError as error:  # the disk is what failed: projection answers open calls by itself
            self.emit(Notice("error", error.message))

    def finish(self, reason: FinishReason, error: KcodeError | None = None) -> None:
        if masked := self.session.secrets.report():
            self.emit(Notice("info", masked))
        self.emit(
            TurnFinished(
                reason,
                "".join(self.text),
                self.guard.steps,
                tuple(self.changed),
                error.message if error else "",
                error,
            )
        )
