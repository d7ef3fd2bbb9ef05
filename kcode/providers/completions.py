"""Text completions of self-hosted engines: K2's template goes out, K2's markup comes back (facts E, I).

For engines without a tool parser. Chosen with ``provider.wire = completions``; a chat server that says it
has no tool parser is gone on with in this way by :class:`kcode.providers.chat.ChatProvider`.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from kcode.providers.answer import AnswerReader, read_answer
from kcode.providers.base import Chunk, Request
from kcode.providers.body import answer_room, temperature
from kcode.providers.catalog import Model
from kcode.providers.dialect import Dialect
from kcode.providers.healing import healed, reader_for
from kcode.providers.k2_template import END, render
from kcode.providers.service import HttpProvider

PATH = "/completions"


class CompletionsProvider(HttpProvider):
    """A service that completes text."""

    @property
    def dialect(self) -> Dialect:
        return raw_dialect(super().dialect)

    def _attempt(self, request: Request) -> AsyncGenerator[Chunk, None]:
        return raw_answer(self, request)


def raw_dialect(dialect: Dialect) -> Dialect:
    """The dialect of raw text: ids in K2's form, a cut answer can always be gone on with."""
    return replace(
        dialect, wire="completions", call_ids="k2", heal=True, partial="continue", tool_choice=False
    )


def is_k2(model: Model) -> bool:
    """Whether the id speaks of Kimi K2, so that its template is this model's."""
    return re.search(r"kimi|(?<![a-z0-9])k2(?![0-9])", model.id.lower()) is not None


async def raw_answer(provider: HttpProvider, request: Request) -> AsyncGenerator[Chunk, None]:
    """One attempt at the request as text: chunks up to the Finish, or a ProviderError."""
    model = provider.model
    inside = model.thinking != "no" and _inside_thinking(request, model)
    parser = reader_for(request, quotes=False, thinking=inside)
    reader = AnswerReader()
    body = spell_raw(request, model, provider.dialect)
    answer = read_answer(provider, PATH, body, reader, stream=True)
    async with aclosing(healed(answer, parser, reader)) as chunks:
        async for chunk in chunks:
            yield chunk
    for last in reader.ending():
        yield last


def spell_raw(request: Request, model: Model, dialect: Dialect) -> bytes:
    """The body: model and prompt first, so that a longer conversation extends the bytes of a shorter one."""
    prompt = render(
        request.tools,
        request.messages,
        thinking=model.thinking != "no",
        keep_reasoning=model.reasoning_history != "loop",
        opens_thinking=model.thinking == "toggle",
        partial=request.partial,
    )
    body: dict[str, Any] = {"model": request.model or model.id, "prompt": prompt}
    body["max_tokens"] = answer_room(request, model)
    degree = temperature(request, model, dialect)
    if degree is not None:
        body["temperature"] = degree
    body |= {"stop": [END], "stream": True}
    if dialect.stream_usage:
        body["stream_options"] = {"include_usage": True}
    body.update(dialect.raw_body)
    body.update(dialect.extra_body)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _inside_thinking(request: Request, model: Model) -> bool:
    """Whether the prompt ends inside ``<think>``: opened by the template, or gone on with."""
    if request.partial:
        return not json.loads(request.partial).get("content")
    return model.thinking == "toggle"
