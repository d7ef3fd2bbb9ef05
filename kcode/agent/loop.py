"""The turn: project, stream, collect, run the calls, repeat until the model has answered.

Every entry is recorded (and so on disk) before it has an effect. Whatever ends a turn, the history that
it leaves is true and legal: what ran has its result, what did not run is answered as not run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kcode.agent.calls import run_calls
from kcode.agent.collect import Answer, cut_off
from kcode.agent.compaction import compact, worth_compacting
from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    Event,
    FinishReason,
    Notice,
    ReasoningText,
    RequestStarted,
    TurnFinished,
    TurnStarted,
)
from kcode.agent.guard import Guard, Stop
from kcode.config.prompts import load_prompt
from kcode.conversation.ledger import Assistant, Note, ToolResult, User, open_calls
from kcode.conversation.projection import NOT_RUN
from kcode.errors import KcodeError, LimitReached
from kcode.providers.base import ProviderError, ReasoningDelta, Retrying, TextDelta

if TYPE_CHECKING:
    from kcode.agent.session import Session

Emit = Callable[[Event], None]
MAX_CONTINUATIONS = 3
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
        turn.finish("limit" if isinstance(error, LimitReached) else "error", error=error)


class _Turn:
    def __init__(self, session: Session, emit: Emit) -> None:
        self.session = session
        self.emit = emit
        self.guard = Guard(session.settings.agent, session.provider.model.currency)
        self.text: list[str] = []
        self.changed: dict[str, None] = {}
        self.streaming: Answer | None = None

    async def run(self, text: str) -> None:
        self.emit(TurnStarted(text))
        self.session.say(text)
        continuations = nudges = 0
        while True:
            if stop := self.guard.before_request(self.session.spent()):
                return self._stopped(stop)
            assistant = await self._ask()
            if assistant.calls:
                self.text.clear()
                if stop := await self._run(assistant):
                    return self._stopped(stop)
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
                return self.finish("answered")

    async def _ask(self) -> Assistant:
        """One model request, recorded."""
        session = self.session
        if worth_compacting(session):
            try:
                self.emit(Notice("info", await compact(session)))
            except LimitReached as refused:
                self.emit(Notice("warning", refused.message))
        request = session.request()
        self.emit(RequestStarted(self.guard.steps, session.context_tokens()))
        started = time.monotonic()
        self.streaming = answer = Answer()
        async for chunk in session.provider.stream(request):
            if isinstance(chunk, Retrying):
                session.record(Note("retry", chunk.why))
                self.emit(AnswerDiscarded(chunk.why, chunk.wait_s))
                self.streaming = answer = Answer()
                continue
            answer.take(chunk)
            if isinstance(chunk, TextDelta):
                self.emit(AnswerText(chunk.text))
            elif isinstance(chunk, ReasoningDelta):
                self.emit(ReasoningText(chunk.text))
        assistant = session.take_answer(answer)
        self.streaming = None
        self.emit(session.take_usage(answer, request, time.monotonic() - started))
        if assistant.content:
            self.text.append(assistant.content)
        return assistant

    async def _run(self, assistant: Assistant) -> Stop | None:
        outcomes = await run_calls(self.session, assistant, self.emit, cut_off(assistant))
        stop = None
        for call, outcome in zip(assistant.calls, outcomes, strict=True):
            self.changed.update(dict.fromkeys(outcome.changed))
            stop = self.guard.after_call(call.name, call.arguments, outcome.text) or stop
        return stop

    def _nudge(self, prompt: str) -> None:
        self.session.record(User(load_prompt(prompt)))

    def _stopped(self, stop: Stop) -> None:
        self.finish("loop" if stop.kind == "loop" else "limit", error=LimitReached(stop.text))

    def close_history(self, why: str) -> None:
        """Keep the words that were streamed and answer the calls that did not run."""
        session = self.session
        try:
            if self.streaming is not None and self.streaming.begun:
                session.take_unreported()
            if self.streaming is not None and self.streaming.content:
                session.record(self.streaming.partial())
                self.text.append(self.streaming.content)
            for call in open_calls(session.ledger):
                session.record(
                    ToolResult(call.id, call.name, f"{NOT_RUN} ({why})", ok=False, brief="not run")
                )
            session.record(Note("turn-ended", why))
        except KcodeError as error:  # the disk is what failed: projection answers open calls by itself
            self.emit(Notice("error", error.message))

    def finish(self, reason: FinishReason, error: KcodeError | None = None) -> None:
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
