"""One step's answer: asked for, and gone on with where the output limit cut it.

A cut text is continued through Partial Mode: the server goes on behind the words that are there, and the
ledger gets one whole message (facts B.5). A cut tool call is continued in the same way, its arguments as
text, so that a long edit is completed instead of lost. An answer that was all reasoning is asked for again
with more room (facts F.9).
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from kcode.agent.accounting import record_usage
from kcode.agent.circles import DIFFERENTLY
from kcode.agent.collect import Answer
from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    Event,
    Notice,
    ReasoningText,
    RequestStarted,
    WaitingToSend,
)
from kcode.agent.repetition import Repetition, repeats
from kcode.conversation.ledger import Assistant, Note
from kcode.conversation.projection import project
from kcode.errors import LimitReached
from kcode.providers.base import Chunk, ReasoningDelta, Request, Retrying, TextDelta, Waiting

if TYPE_CHECKING:
    from kcode.agent.session import Session

MAX_CONTINUATIONS = 3
ENDLESS = "stopped: the answer repeats itself without end"
ENDLESS_THOUGHTS = "stopped: the model's thoughts repeat themselves without end"


class GoesRound(LimitReached):
    """The model says the same again and again."""


class Answering:
    """One answer under way. ``admit`` is asked before every further request; False ends the continuing."""

    def __init__(
        self, session: Session, emit: Callable[[Event], None], step: int, admit: Callable[[], bool]
    ) -> None:
        self._session = session
        self._emit = emit
        self._step = step
        self._admit = admit
        self._whole = Answer()
        self._piece: Answer | None = None
        self._hidden = False  # what comes now is the rest of a call's arguments, not words for people

    async def ask(self) -> Assistant:
        """The whole answer, recorded. Raises ProviderError."""
        session = self._session
        request = session.request()
        await self._stream(request)
        for _ in range(MAX_CONTINUATIONS):
            if self._whole.finish != "length" or self.repeats or not await self._go_on(request):
                break
        return session.take_answer(self._whole)

    @property
    def repeats(self) -> bool:
        """What has arrived only repeats itself at its end: more of it would be the same."""
        whole = self._whole
        begun = "".join(whole.last_call()[1].arguments) if whole.calls else whole.content
        return repeats(begun or whole.thought or "")

    @property
    def so_far(self) -> Answer:
        """What has arrived, for a turn that ends in the middle."""
        if self._piece is None:
            return self._whole
        piece = Answer(begun_anyway=True) if self._hidden else self._piece
        return self._whole.joined(piece)

    # --- one request -----------------------------------------------------------------------------

    async def _stream(self, request: Request, *, hidden: bool = False) -> None:
        """Ask, and join what came to the whole (not where it is hidden); usage is recorded."""
        session, started = self._session, time.monotonic()
        self._emit(RequestStarted(self._step, session.context_tokens()))
        self._piece, self._hidden = Answer(), hidden
        words, thoughts = Repetition(), Repetition()
        async with contextlib.aclosing(_generator(session.provider.stream(request))) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Waiting):
                    self._emit(WaitingToSend(chunk.wait_s, chunk.why))
                elif isinstance(chunk, Retrying):
                    session.record(Note("retry", chunk.why))
                    self._emit(AnswerDiscarded(chunk.why, chunk.wait_s))
                    self._piece, words, thoughts = Answer(), Repetition(), Repetition()
                else:
                    self._piece.take(chunk)
                    if isinstance(chunk, TextDelta) and not hidden:
                        self._emit(AnswerText(chunk.text))
                        if words.feed(chunk.text):
                            raise GoesRound(ENDLESS, DIFFERENTLY)
                    elif isinstance(chunk, ReasoningDelta):
                        self._emit(ReasoningText(chunk.text))
                        if thoughts.feed(chunk.text):
                            raise GoesRound(ENDLESS_THOUGHTS, DIFFERENTLY)
        self._emit(record_usage(session, self._piece, request, time.monotonic() - started))
        if not hidden:
            self._whole, self._piece = self._whole.joined(self._piece), None

    # --- going on --------------------------------------------------------------------------------

    async def _go_on(self, first: Request) -> bool:
        """Continue the cut answer once; False where it cannot be, or not any further."""
        whole = self._whole
        if not whole.content.strip() and not whole.calls:
            return await self._more_room(first)
        if self._session.provider.dialect.partial == "no" or (whole.calls and not whole.cut_call):
            return False
        if not self._admit():
            return False
        if whole.cut_call:
            return await self._rest_of_call()
        self._keep()
        await self._stream(self._session.request(partial=self._spelled(whole.content)))
        return True

    async def _more_room(self, first: Request) -> bool:
        session = self._session
        room = session.room_for(2 * first.max_output_tokens)
        if room <= first.max_output_tokens or not self._admit():
            return False
        self._emit(
            Notice("info", f"all of the answer's room went into reasoning; asking again with {room} tokens")
        )
        self._whole = Answer()
        await self._stream(session.request(reserve=room))
        return True

    async def _rest_of_call(self) -> bool:
        """Let the model write on at the cut arguments, as text; True where they are longer now."""
        whole = self._whole
        index, call = whole.last_call()
        begun = "".join(call.arguments)
        before = f"{whole.content}\n\n" if whole.content else ""
        self._keep()
        request = self._session.request(partial=self._spelled(before + begun), no_calls=True)
        await self._stream(request, hidden=True)
        piece, self._piece = self._piece, None
        assert piece is not None
        others = ["".join(one.arguments) for at, one in whole.calls.items() if at != index]
        complete = _completed(call.name, begun, piece, others)
        if complete:
            whole.calls[index].arguments = [complete]
            whole.finish = "tool_calls"
        elif piece.finish == "length" and piece.content:
            whole.calls[index].arguments = [begun, piece.content]
        else:
            return False
        return True

    def _spelled(self, content: str) -> bytes:
        """The message that the answer continues, with its reasoning (facts B.5)."""
        whole = self._whole
        message = Assistant(content, whole.thought, (), "length", whole.signature)
        return project([message], self._session.provider.dialect).messages[0]

    def _keep(self) -> None:
        """To the journal before the next request: an answer that was paid for outlives a crash."""
        whole = self._whole
        data = {} if whole.thought is None else {"reasoning": whole.thought}
        self._session.record(Note("cut-off", whole.content, data))


async def _generator(chunks: AsyncIterator[Chunk]) -> AsyncGenerator[Chunk, None]:
    """One that can be closed: what it reads from is, too, where it can be."""
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        if isinstance(chunks, AsyncGenerator):
            await chunks.aclose()


def _completed(name: str, begun: str, piece: Answer, others: list[str]) -> str:
    """The call's arguments, whole, or ``""``: continued as text or as a call, or the call sent again.

    A model that sends the whole answer again repeats ``others`` too, the answer's calls that were not cut:
    none of them may run twice in the place of the cut one.
    """
    candidates = [begun + piece.content]
    for call in piece.calls.values():
        again = "".join(call.arguments)
        candidates += [again, begun + again] if call.name in ("", name) else []
    held = [_object(text)[0] for text in others]
    for text in candidates:
        value, whole = _object(text)
        if value is not None and value not in held:
            return whole
    return ""


def _object(text: str) -> tuple[dict[str, Any] | None, str]:
    """The object that ``text`` begins with, and its text."""
    text = text.lstrip()
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text)
    except (ValueError, RecursionError):
        return None, ""
    return (value, text[:end]) if isinstance(value, dict) else (None, "")
