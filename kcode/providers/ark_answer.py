"""Reading a response of the Responses API: its events, or the whole object, become typed chunks.

Event names and their order: facts C.3. What decides is each event's ``type``; the response object at the end
has the usage, the state and the items that the server keeps.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kcode.providers.ark_chain import meaning
from kcode.providers.base import CallDelta, Chunk, Finish, ReasoningDelta, TextDelta, Usage

Payload = Mapping[str, Any]

_TERMINAL = ("response.completed", "response.incomplete", "response.failed")
_FINISH = {"max_output_tokens": "length", "length": "length", "content_filter": "content_filter"}


@dataclass(slots=True)
class _Call:
    """A call as it streams: where its fragments go, and how much of its arguments was handed on."""

    slot: int
    call_id: str = ""
    name: str = ""
    sent: list[str] = field(default_factory=list)


class ResponseReader:
    """Collects one response. ``read`` yields what is new; ``ending`` yields usage and finish, last of all.

    ``failure`` is the error object of a response that failed on the way; ``response`` is the final object.
    """

    def __init__(self) -> None:
        self.response: Payload | None = None
        self.failure: Payload | None = None
        self._text: list[str] = []
        self._reasoned = False
        self._calls: dict[object, _Call] = {}
        self._last: Payload = {}

    @property
    def finished(self) -> bool:
        return self.response is not None or self.failure is not None

    @property
    def complete(self) -> bool:
        """The model said all it wanted: only then is the response something to build upon."""
        return self.response is not None and self.response.get("status", "completed") == "completed"

    @property
    def anything(self) -> bool:
        return bool(self._text or self._calls or self._reasoned)

    def read(self, payload: Payload) -> Iterator[Chunk]:
        """The chunks of one event, or of a whole response object."""
        if payload.get("sequence_number") and payload == self._last:
            return  # an event sent twice keeps its number
        self._last = payload
        kind = payload.get("type")
        if kind is None and "output" in payload:
            yield from self._end(payload)
        elif kind == "response.output_text.delta":
            yield from self._say(_word(payload.get("delta")))
        elif kind == "response.reasoning_summary_text.delta":
            yield from self._reason(_word(payload.get("delta")))
        elif kind == "response.output_item.added":
            yield from self._item(payload)
        elif kind == "response.function_call_arguments.delta":
            yield from self._arguments(payload, _word(payload.get("delta")))
        elif kind == "response.output_item.done":
            yield from self._item(payload, whole=True)
        elif kind == "error":
            self.failure = payload
        elif kind in _TERMINAL:
            response = payload.get("response")
            yield from self._end(response if isinstance(response, dict) else {})

    def ending(self, planned_hours: int = 0) -> list[Chunk]:
        """``planned_hours``: what is stored for that long where the server does not say; 0 for not stored."""
        usage = self.usage(planned_hours)
        last = Finish(self.finish_reason)
        return [last] if usage is None else [usage, last]

    @property
    def finish_reason(self) -> str:
        response = self.response or {}
        if response.get("status") == "incomplete":
            details = response.get("incomplete_details")
            reason = details.get("reason") if isinstance(details, dict) else ""
            return _FINISH.get(str(reason), "length")
        return "tool_calls" if self._calls else "stop"

    def usage(self, planned_hours: int = 0) -> Usage | None:
        raw = (self.response or {}).get("usage")
        if not isinstance(raw, dict):
            return None
        prompt, completion = _count(raw.get("input_tokens")), _count(raw.get("output_tokens"))
        reasoning = min(_within(raw, "output_tokens_details", "reasoning_tokens"), completion)
        hours = self._stored_hours(planned_hours)
        return Usage(
            prompt=prompt,
            completion=completion,
            cached=min(_within(raw, "input_tokens_details", "cached_tokens"), prompt),
            reasoning=reasoning,
            stored=prompt + completion - reasoning if hours else 0,  # reasoning is not kept (facts C.3)
            stored_hours=hours,
        )

    def expires(self, planned: float) -> float:
        """When the server forgets the response, in unix seconds."""
        named = (self.response or {}).get("expire_at")
        return float(named) if isinstance(named, (int, float)) and named > 0 else planned

    def kept(self) -> tuple[str, str, tuple[str, ...]]:
        """What the server keeps: the response's id, the answer's meaning, the ids of its calls."""
        response = self.response or {}
        items = _items(response)
        calls = [item for item in items if item.get("type") == "function_call"]
        text = "".join(_item_text(item) for item in items if item.get("type") == "message")
        said = meaning(text, ((_word(c.get("name")), _arguments_of(c)) for c in calls))
        return _word(response.get("id")), said, tuple(_word(c.get("call_id")) for c in calls)

    # --- inside ----------------------------------------------------------------------------------

    def _say(self, text: str) -> Iterator[Chunk]:
        if text:
            self._text.append(text)
            yield TextDelta(text)

    def _reason(self, text: str) -> Iterator[Chunk]:
        if text or not self._reasoned:
            self._reasoned = True
            yield ReasoningDelta(text)

    def _item(self, payload: Payload, *, whole: bool = False) -> Iterator[Chunk]:
        item = payload.get("item")
        if not isinstance(item, dict) or item.get("type") != "function_call":
            return
        key = _key(payload) if "output_index" in payload else item.get("id")
        yield from self._call(key, item, _arguments_of(item) if whole else "")

    def _call(self, key: object, item: Payload, arguments: str) -> Iterator[Chunk]:
        known = self._calls.get(key)
        if known is None:
            call_id = _word(item.get("call_id")) or _word(item.get("id"))
            known = self._calls[key] = _Call(len(self._calls), call_id, _word(item.get("name")))
            yield CallDelta(known.slot, known.call_id or None, known.name or None)
        streamed = "".join(known.sent)
        if arguments.startswith(streamed) and len(arguments) > len(streamed):
            known.sent.append(arguments[len(streamed) :])
            yield CallDelta(known.slot, arguments=known.sent[-1])

    def _arguments(self, payload: Payload, delta: str) -> Iterator[Chunk]:
        known = self._calls.get(_key(payload))
        if known is not None and delta:
            known.sent.append(delta)
            yield CallDelta(known.slot, arguments=delta)

    def _end(self, response: Payload) -> Iterator[Chunk]:
        """Takes the final object and hands on what no delta had brought."""
        if response.get("status") == "failed":
            error = response.get("error")
            self.failure = error if isinstance(error, dict) else {"message": "the response failed"}
            return
        self.response = response
        items = _items(response)
        if not self._reasoned:
            for item in items:
                if item.get("type") == "reasoning":
                    yield from self._reason(_summary(item))
        if not self._text:
            yield from self._say("".join(_item_text(i) for i in items if i.get("type") == "message"))
        for position, item in enumerate(items):
            if item.get("type") == "function_call":
                yield from self._call(self._known_as(item, position), item, _arguments_of(item))

    def _known_as(self, item: Payload, position: int) -> object:
        call_id = _word(item.get("call_id"))
        same = (key for key, call in self._calls.items() if call_id and call.call_id == call_id)
        return next(same, position)

    def _stored_hours(self, planned: int) -> int:
        response = self.response or {}
        created, expires = response.get("created_at"), response.get("expire_at")
        if response.get("store") is False or not planned:
            return 0
        if isinstance(created, (int, float)) and isinstance(expires, (int, float)) and expires > created > 0:
            return math.ceil((expires - created) / 3600)
        return planned


def _key(payload: Payload) -> object:
    """Fragments name their item by its place in the output, and by its id."""
    index = payload.get("output_index")
    return index if isinstance(index, int) else payload.get("item_id")


def _items(response: Payload) -> list[Payload]:
    output = response.get("output")
    return [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []


def _item_text(item: Payload) -> str:
    content = item.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "".join(_word(part.get("text")) for part in parts if isinstance(part, dict))


def _summary(item: Payload) -> str:
    parts = item.get("summary")
    parts = parts if isinstance(parts, list) else ()
    return "".join(_word(part.get("text")) for part in parts if isinstance(part, dict))


def _arguments_of(item: Payload) -> str:
    arguments = item.get("arguments")
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else json.dumps(arguments, ensure_ascii=False)


def _within(usage: Payload, outer: str, inner: str) -> int:
    details = usage.get(outer)
    return _count(details.get(inner)) if isinstance(details, dict) else 0


def _count(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and value > 0 else 0


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
