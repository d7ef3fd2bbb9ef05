"""Tool calls that a server left as raw markup in its text are read out of it (facts E.5, E.6).

Only where the dialect says that the server may do so, only for a request with tools, and never in an answer
whose server sent proper calls. What was read is a call like any other: its tool must be declared, its
arguments must fit, and the user is asked. A marked call of an undeclared tool stays a call of that name, so
that the model is told which tools there are (facts H.2); without markers it stays text.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import lru_cache

from kcode.providers.answer import AnswerReader
from kcode.providers.base import CallDelta, Chunk, ReasoningDelta, Request, TextDelta
from kcode.providers.k2_markup import MarkupParser


def reader_for(request: Request, *, quotes: bool = True, thinking: bool = False) -> MarkupParser:
    """A parser for one answer to the request. Text that goes on with a call's arguments holds no calls."""
    arguments = bool(request.partial) and request.no_calls
    declared = () if arguments else tool_names(request.tools)
    return MarkupParser(
        declared, quotes=quotes, thinking=thinking, begun=bool(request.partial) and not thinking
    )


async def healed(
    chunks: AsyncGenerator[Chunk, None], parser: MarkupParser, reader: AnswerReader
) -> AsyncGenerator[Chunk, None]:
    """The chunks that ``reader`` reads, with calls in the place of their markup, at the answer's end."""
    proper = False
    async with aclosing(chunks) as source:
        async for chunk in source:
            if isinstance(chunk, CallDelta) and not proper:
                proper = True
                for rest in parser.release():
                    yield rest
            if proper or not isinstance(chunk, (TextDelta, ReasoningDelta)) or not chunk.text:
                yield chunk
                continue
            is_text = isinstance(chunk, TextDelta)
            for read in parser.content(chunk.text) if is_text else parser.reasoning(chunk.text):
                yield read
    if not proper:
        for rest in parser.end(limit=reader.finish_reason == "length"):
            yield rest


@lru_cache(maxsize=8)
def tool_names(tools: bytes) -> frozenset[str]:
    """The names that a request declares."""
    declared = json.loads(tools) if tools else []
    return frozenset(str(tool["function"]["name"]) for tool in declared if "function" in tool)
