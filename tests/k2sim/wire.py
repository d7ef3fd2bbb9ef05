"""An answer as bytes: the JSON body, or the stream's events, as a little program the server plays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.k2sim.answers import Answer, Call
from tests.k2sim.shapes import Shape


@dataclass(frozen=True)
class Begin:
    """Status line and headers; a body of ``length`` bytes follows, or a chunked one if None."""

    status: int
    headers: tuple[tuple[str, str], ...]
    length: int | None = None


@dataclass(frozen=True)
class Send:
    """One write; ``event`` marks the writes that faults count."""

    data: bytes
    event: bool = True


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class End:
    """The body's proper end: the terminating chunk where the body is chunked."""


@dataclass(frozen=True)
class Hangup:
    """Close the connection without the body's end."""


@dataclass(frozen=True)
class Reset:
    """Close the connection with a TCP reset."""


Action = Begin | Send | Wait | End | Hangup | Reset
Program = list[Action]


@dataclass(frozen=True)
class Frame:
    """What the answers' JSON carries around the message."""

    id: str
    created: int
    model: str
    shape: Shape
    usage: Mapping[str, Any] | None
    include_usage: bool
    reasoning_field: str = "reasoning_content"


def dumps(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def json_program(status: int, body: Any, headers: Iterable[tuple[str, str]] = ()) -> Program:
    return plain_program(status, dumps(body), "application/json", headers)


def plain_program(
    status: int, data: bytes, content_type: str, headers: Iterable[tuple[str, str]] = ()
) -> Program:
    return [
        Begin(status, (("Content-Type", content_type), *headers), len(data)),
        Send(data),
        End(),
    ]


def completion(answer: Answer, frame: Frame) -> dict[str, Any]:
    """The body of a non-streamed answer."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.calls and not answer.text:
        message["content"] = None
    if answer.reasoning is not None:
        message[frame.reasoning_field] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [_wire_call(call) for call in answer.calls]
    body: dict[str, Any] = {
        "id": frame.id,
        "object": "chat.completion",
        "created": frame.created,
        "model": frame.model,
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
    }
    if frame.usage is not None:
        body["usage"] = dict(frame.usage)
    return body


def _wire_call(call: Call) -> dict[str, Any]:
    kind = "builtin_function" if call.name.startswith("$") else "function"
    return {"id": call.id, "type": kind, "function": {"name": call.name, "arguments": call.arguments}}


def chunks(answer: Answer, frame: Frame) -> list[dict[str, Any]]:
    """The stream's JSON chunks in order: role, reasoning, text, calls, finish, then usage if asked for."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if answer.reasoning is not None:
        pieces = split_text(answer.reasoning, answer.chunking.text_chars) or [""]
        deltas += [{frame.reasoning_field: piece} for piece in pieces]
    deltas += [{"content": piece} for piece in split_text(answer.text, answer.chunking.text_chars)]
    for index, call in enumerate(answer.calls):
        head = _wire_call(call)
        head["function"]["arguments"] = ""
        deltas.append({"tool_calls": [{"index": index, **head}]})
        for piece in split_text(call.arguments, answer.chunking.argument_chars):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    made = [_chunk(frame, {"index": 0, "delta": delta, "finish_reason": None}) for delta in deltas]
    finish: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": answer.finish_reason}
    if frame.usage is not None and frame.shape.usage_in_finish_choice:
        finish["usage"] = dict(frame.usage)
    made.append(_chunk(frame, finish))
    if frame.usage is not None and frame.include_usage:
        made.append({**_chunk(frame, None), "usage": dict(frame.usage)})
    return made


def _chunk(frame: Frame, choice: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": frame.id,
        "object": "chat.completion.chunk",
        "created": frame.created,
        "model": frame.model,
        "choices": [] if choice is None else [choice],
    }


def split_text(text: str, size: int) -> list[str]:
    step = size if size > 0 else max(len(text), 1)
    return [text[start : start + step] for start in range(0, len(text), step)]


def stream_program(
    answer: Answer, lines: Sequence[bytes], shape: Shape, headers: Iterable[tuple[str, str]], *, done: bool
) -> Program:
    """``lines`` are the events' payloads; each becomes ``data: …`` and one chunk on the wire."""
    program: Program = [
        Begin(
            200,
            (("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache"), *headers),
        )
    ]
    payloads = [*lines, b"[DONE]"] if done else list(lines)
    for position, payload in enumerate(payloads):
        delay = answer.chunking.first_delay_ms if position == 0 else answer.chunking.delay_ms
        if delay > 0:
            program.append(Wait(delay / 1000))
        comment = b": keep-alive\n\n" if answer.chunking.comments else b""
        event = comment + shape.data_prefix + payload + b"\n\n"
        pieces = [event]
        if answer.chunking.wire_bytes > 0:
            size = answer.chunking.wire_bytes
            pieces = [event[start : start + size] for start in range(0, len(event), size)]
        for number, piece in enumerate(pieces):
            program.append(Send(piece, event=number == len(pieces) - 1))
    program.append(End())
    return program
