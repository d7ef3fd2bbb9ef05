"""One question beside the conversation: it is no part of it, its cost and its limits are."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kcode.agent.accounting import record_aside, record_unreported
from kcode.agent.collect import Answer
from kcode.agent.narrow import MATERIAL, is_narrow
from kcode.conversation.ledger import System, User
from kcode.conversation.projection import project
from kcode.providers.base import (
    ContentFiltered,
    ContextOverflow,
    ProviderError,
    Request,
    Retrying,
    Usage,
    Waiting,
)
from kcode.providers.structured import ask_json

if TYPE_CHECKING:
    from kcode.agent.session import Session

SMALLEST_ANSWER = 128  # tokens
_CHARACTERS_A_TOKEN = 2.5  # of a diff, on the safe side: code and paths have more tokens than prose
_OVERHEAD = 1_200  # tokens of instructions and frames beside what is asked about


def room_for_text(session: Session, reserve: int, most: int) -> int:
    """Characters of material that a question can carry beside an answer of ``reserve`` tokens, at most
    ``most``; for a model on this machine's cores what a person can wait for."""
    if is_narrow(session):
        most = min(most, MATERIAL)
    left = session.window - answer_room(session, reserve) - _OVERHEAD
    return max(1_000, min(most, int(left * _CHARACTERS_A_TOKEN)))


def answer_room(session: Session, reserve: int) -> int:
    """Output tokens to ask for: models that think need room for that beside the answer."""
    if session.provider.model.thinking != "no":
        return session.answer_tokens()
    return min(reserve, session.provider.model.max_output, max(session.window // 4, SMALLEST_ANSWER))


async def ask_text(
    session: Session,
    purpose: str,
    system: str,
    *parts: str,
    reserve: int,
    shape: Mapping[str, Any] | None = None,
) -> str:
    """The answer's text. ``purpose`` names what it was for in the bill; ``parts`` are user messages, the
    ones that several questions share first. ``shape`` is a JSON schema that holds the text of a model that
    follows schemas, without words about it. Raises ProviderError, LimitReached."""
    request = replace(_request(session, system, parts, reserve), response_schema=shape)
    answer, began = Answer(), time.monotonic()
    stream: Any = session.provider.stream(request)
    try:
        async with aclosing(stream) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, Retrying):
                    answer = Answer()
                elif not isinstance(chunk, Waiting):
                    answer.take(chunk)
    finally:
        if answer.usage is not None:
            record_aside(session, answer.usage, time.monotonic() - began, purpose)
        elif answer.begun:
            record_unreported(session, purpose)
    if answer.finish == "content_filter":
        raise ContentFiltered("the provider's content filter ended the answer", "choose another model")
    if not answer.content.strip():
        why = " (all of its room went into reasoning)" if answer.finish == "length" else ""
        raise ProviderError(
            f"the model gave no answer{why}", "try again, or choose another model with --model"
        )
    return answer.content


async def ask_object(
    session: Session, purpose: str, system: str, *parts: str, schema: Mapping[str, Any], reserve: int
) -> dict[str, Any]:
    """The answer as an object that follows ``schema``; see :func:`ask_text`. Raises NoStructuredAnswer."""
    request = _request(session, system, parts, reserve)
    began = time.monotonic()

    def bill(usage: Usage) -> None:
        nonlocal began
        record_aside(session, usage, time.monotonic() - began, purpose)
        began = time.monotonic()

    return await ask_json(session.provider, request, schema, bill)


def filled(prompt: str, **values: str) -> str:
    """``prompt`` with its ``{places}`` filled in one pass: what a value holds stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), prompt)


def _request(session: Session, system: str, parts: tuple[str, ...], reserve: int) -> Request:
    kept = [User(session.secrets.text(part)) for part in parts]
    projection = project([System(system), *kept], session.provider.dialect)
    wanted = answer_room(session, reserve)
    room = session.budget.room_for_output(projection, wanted)
    if room < min(SMALLEST_ANSWER, wanted):
        raise ContextOverflow(
            f"the question fills the window of {session.window} tokens",
            "ask about less, or use a model with a larger window",
        )
    return Request(
        model=session.provider.model.id,
        tools=b"",
        messages=projection.messages,
        max_output_tokens=session.allowance.answer_tokens(projection, room),
        session_id=session.id,
        temperature=session.settings.provider.temperature,
    )
