"""Reading an answer of the Messages (Anthropic) form: events, or a whole message, become typed chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kcode.providers.base import CallDelta, Chunk, Finish, ReasoningDelta, TextDelta, Usage
from kcode.providers.messages_form import join_seals

Payload = Mapping[str, Any]
_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}


@dataclass(slots=True)
class _Block:
    """A content block under way. ``number`` is the call's, ``whole`` the input that came with its start."""

    kind: str
    number: int = -1
    whole: str = ""
    fragments: bool = False
    text: str = ""
    signature: str = ""


class MessageReader:
    """Collects one answer. ``read`` yields what is new; ``ending`` yields what was held back, usage and
    finish, last of all."""

    def __init__(self) -> None:
        self.finish_reason = ""
        self.stopped = False
        self.anything = False
        self.call_count = 0
        self._blocks: dict[int, _Block] = {}
        self._prompt = (0, 0, 0)  # input tokens, of them read from the cache and written to it, apart
        self._output = 0
        self._counted = False

    @property
    def usage(self) -> Usage | None:
        """Tokens so far; this wire counts cached ones apart, kcode within the prompt (facts B.7)."""
        if not self._counted:
            return None
        fresh, read, written = self._prompt
        return Usage(fresh + read + written, self._output, cached=read, cache_write=written)

    def read(self, payload: Payload) -> Iterator[Chunk]:
        """The chunks of one event's payload, or of a whole message."""
        kind = payload.get("type")
        if kind == "message_start":
            self._message(_object(payload.get("message")))
        elif kind == "content_block_start":
            yield from self._start(self._index(payload), _object(payload.get("content_block")))
        elif kind == "content_block_delta":
            yield from self._delta(self._index(payload), _object(payload.get("delta")))
        elif kind == "content_block_stop":
            yield from self._stop(self._index(payload))
        elif kind == "message_delta":
            self._message({**_object(payload.get("delta")), "usage": payload.get("usage")})
        elif kind == "message_stop":
            self.stopped = True
        elif kind == "message":
            yield from self._whole(payload)

    def ending(self) -> list[Chunk]:
        """Inputs that never got a fragment are empty objects, except where the limit cut the last one off."""
        calls = [block for block in self._blocks.values() if block.number >= 0]
        held: list[Chunk] = []
        for block in calls:
            cut = self.finish_reason == "length" and block is calls[-1]
            if not block.fragments and not (cut and not block.whole):
                held.append(CallDelta(block.number, arguments=block.whole or "{}"))
                block.fragments = True
        last = Finish(self.finish_reason or "stop")
        return [*held, self.usage, last] if self.usage is not None else [*held, last]

    def _whole(self, message: Payload) -> Iterator[Chunk]:
        for index, content in enumerate(message.get("content") or ()):
            yield from self._start(index, _object(content))
            yield from self._stop(index)
        self._message(message)
        self.stopped = True

    def _message(self, message: Payload) -> None:
        """What ``message_start`` and ``message_delta`` tell: the reason and the tokens.

        The counts of a delta are totals, not increments. Some servers count the prompt in the start only,
        some put zeros there and the truth in the delta.
        """
        self.anything = True
        reason = message.get("stop_reason")
        if isinstance(reason, str) and reason:
            self.finish_reason = _REASONS.get(reason, "stop")
        usage = message.get("usage")
        if not isinstance(usage, Mapping) or not usage:
            return
        self._counted = True
        fields = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        fresh, read, written = (_count(usage.get(name)) for name in fields)
        if fresh + read + written > 0:
            self._prompt = (fresh, read, written)
        self._output = _count(usage.get("output_tokens")) or self._output

    def _start(self, index: int, content: Payload) -> Iterator[Chunk]:
        self.anything = True
        kind = str(content.get("type"))
        block = self._blocks[index] = _Block(kind)
        if kind == "tool_use":
            block.number = self.call_count
            self.call_count += 1
            given = content.get("input")
            if isinstance(given, str):
                block.whole = given
            elif given:
                block.whole = json.dumps(given, ensure_ascii=False)
            yield CallDelta(
                block.number, _word(content.get("id")) or None, _word(content.get("name")) or None
            )
        elif kind == "text" and _word(content.get("text")):
            yield TextDelta(_word(content.get("text")))
        elif kind == "thinking":
            block.text = _word(content.get("thinking"))
            block.signature = _word(content.get("signature"))
            yield ReasoningDelta(block.text, self._seal() if block.signature else "")

    def _delta(self, index: int, delta: Payload) -> Iterator[Chunk]:
        kind, block = delta.get("type"), self._blocks.get(index)
        if kind == "text_delta" and _word(delta.get("text")):
            yield TextDelta(_word(delta.get("text")))
        elif kind == "thinking_delta" and block is not None:
            text = _word(delta.get("thinking"))
            block.text += text
            if text:
                yield ReasoningDelta(text)
        elif kind == "signature_delta" and block is not None:
            block.signature += _word(delta.get("signature"))
            yield ReasoningDelta("", self._seal())
        elif kind == "input_json_delta" and block is not None and block.number >= 0:
            piece = _word(delta.get("partial_json"))
            if piece:
                block.fragments = True
                yield CallDelta(block.number, arguments=piece)

    def _stop(self, index: int) -> Iterator[Chunk]:
        """The input that came whole with the block's start, unless fragments repeated it."""
        block = self._blocks.get(index)
        if block is not None and block.whole and not block.fragments:
            block.fragments = True
            yield CallDelta(block.number, arguments=block.whole)

    def _seal(self) -> str:
        thoughts = [block for block in self._blocks.values() if block.kind == "thinking"]
        return join_seals([(block.text, block.signature) for block in thoughts])

    def _index(self, payload: Payload) -> int:
        """The block's index; where a server leaves it out, the last block's, or a new one's for a start."""
        index = payload.get("index")
        if isinstance(index, int):
            return index
        last = max(self._blocks, default=-1)
        return last + 1 if payload.get("type") == "content_block_start" else last


def _object(value: object) -> Payload:
    return value if isinstance(value, Mapping) else {}


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and value > 0 else 0
