"""Reading an answer: payloads of a stream, or a whole response, become typed chunks."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from kcode.providers.base import (
    CallDelta,
    Chunk,
    Finish,
    ReasoningDelta,
    ServerFailed,
    TextDelta,
    Usage,
)

if TYPE_CHECKING:
    from kcode.providers.service import HttpProvider

Payload = Mapping[str, Any]
_REASONING_NAMES = ("reasoning_content", "reasoning")  # the older first; vLLM renamed it (facts F.7)


async def read_answer(
    provider: HttpProvider, path: str, body: bytes, reader: AnswerReader, *, stream: bool
) -> AsyncGenerator[Chunk, None]:
    """What the server answers to ``body``, but for the reader's ``ending``. Raises the ProviderError that a
    refusal, a truncated stream or an empty answer means."""
    async with provider.post(path, body, stream=stream) as (response, number):
        payloads = provider.payloads(response, number, lambda: bool(reader.finish_reason))
        async with aclosing(payloads) as parts:
            async for payload in parts:
                for chunk in reader.read(payload):
                    yield chunk
        if not reader.anything:
            from kcode.providers.service import facts, lower

            raise ServerFailed(
                f"{provider.endpoint.label} answered without an answer.", "Try again.", facts(lower(response))
            )


class AnswerReader:
    """Collects one answer. ``read`` yields what is new; ``ending`` yields usage and finish, last of all.

    ``reasoning_name`` is the field under which reasoning came, ``""`` while none did. Usage is read wherever
    servers put it: on the choice (Moonshot), beside the choices, and in a last payload without choices; the
    last one that is not null wins (facts B.4).
    """

    def __init__(self) -> None:
        self.finish_reason = ""
        self.usage: Usage | None = None
        self.anything = False
        self.reasoning_name = ""
        self._slots: dict[object, int] = {}  # the server's index, or the id, to our running number
        self._ids: list[str] = []
        self._named: list[bool] = []
        self._reasoned = False

    @property
    def call_count(self) -> int:
        return len(self._ids)

    def read(self, payload: Payload) -> Iterator[Chunk]:
        """The chunks of one stream payload, or of a whole response."""
        self._take_usage(payload.get("usage"))
        for choice in payload.get("choices") or ():
            if not isinstance(choice, dict) or choice.get("index") not in (0, None):
                continue
            self.anything = True
            self._take_usage(choice.get("usage"))
            delta = choice.get("delta") or choice.get("message")
            if isinstance(delta, dict):
                yield from self._delta(delta)
            elif _word(choice.get("text")):  # a completion of plain text
                yield TextDelta(choice["text"])
            if choice.get("finish_reason"):
                self.finish_reason = str(choice["finish_reason"])

    def ending(self) -> list[Chunk]:
        last = Finish(self.finish_reason or "stop")
        return [self.usage, last] if self.usage is not None else [last]

    def _delta(self, delta: Payload) -> Iterator[Chunk]:
        name = next((n for n in _REASONING_NAMES if isinstance(delta.get(n), str)), "")
        if name and (delta[name] or not self._reasoned):
            self._reasoned = True
            # a server that sends both knows the newer one, and may read only that
            both = all(isinstance(delta.get(n), str) for n in _REASONING_NAMES)
            self.reasoning_name = self.reasoning_name or (_REASONING_NAMES[-1] if both else name)
            yield ReasoningDelta(delta[name])
        text = _text(delta.get("content"))
        if text:
            yield TextDelta(text)
        for call in delta.get("tool_calls") or ():
            if isinstance(call, dict):
                yield self._call(call)

    def _call(self, call: Payload) -> CallDelta:
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        call_id, name = _word(call.get("id")), _word(function.get("name"))
        slot, fresh = self._slot(call.get("index"), call_id, name)
        arguments = function.get("arguments")
        if arguments is None:
            arguments = ""
        elif not isinstance(arguments, str):  # an object instead of its JSON text
            arguments = json.dumps(arguments, ensure_ascii=False)
        new_name = name if name and not self._named[slot] else None
        self._named[slot] = self._named[slot] or bool(name)
        builtin = call.get("type") == "builtin_function"
        return CallDelta(slot, (call_id or None) if fresh else None, new_name, arguments, builtin)

    def _slot(self, index: object, call_id: str, name: str) -> tuple[int, bool]:
        """Our number for the call of a fragment, and whether its id is news.

        Some servers leave the index out (the id tells), some send 0 for every parallel call: a fragment
        with another id and a name of its own starts a new call.
        """
        key: object = index if isinstance(index, int) else call_id
        known = self._slots.get(key)
        if known is None and not isinstance(index, int) and not call_id and self._ids:
            known = len(self._ids) - 1
        if known is not None and call_id and name and self._ids[known] not in ("", call_id):
            known = None
        if known is None:
            self._ids.append(call_id)
            self._named.append(False)
            self._slots[key] = len(self._ids) - 1
            return len(self._ids) - 1, True
        fresh = bool(call_id) and not self._ids[known]
        if fresh:
            self._ids[known] = call_id
        return known, fresh

    def _take_usage(self, usage: object) -> None:
        if isinstance(usage, dict) and usage:
            self.usage = read_usage(usage)


def read_usage(usage: Payload) -> Usage:
    """Tokens of one request; cached tokens from Moonshot's own field first, then from OpenAI's.

    Numbers that cannot be (negative ones, more cached than prompt tokens) are brought into bounds.
    """
    cached = usage.get("cached_tokens")
    if cached is None:
        cached = _within(usage, "prompt_tokens_details", "cached_tokens")
    prompt = _count(usage.get("prompt_tokens"))
    return Usage(
        prompt=prompt,
        completion=_count(usage.get("completion_tokens")),
        cached=min(_count(cached), prompt),
        reasoning=_count(_within(usage, "completion_tokens_details", "reasoning_tokens")),
    )


def _within(usage: Payload, outer: str, inner: str) -> object:
    details = usage.get(outer)
    return details.get(inner) if isinstance(details, dict) else None


def _count(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 < value < math.inf else 0


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(_word(part.get("text")) for part in content if isinstance(part, dict))
    return _word(content)
