"""What the simulator says: an answer, when it fits, how it is cut into chunks, what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Call:
    """A tool call; ``arguments`` is its raw JSON text. An empty ``id`` is filled in by the shape."""

    name: str
    arguments: str = "{}"
    id: str = ""


@dataclass(frozen=True)
class Chunking:
    """How a streamed answer is cut: characters per delta, milliseconds between deltas.

    ``wire_bytes`` cuts the SSE text into pieces of that many bytes wherever they fall, inside a line or
    a UTF-8 character too. ``comments`` puts an SSE comment line before every event.
    """

    text_chars: int = 12
    argument_chars: int = 24
    delay_ms: float = 0.0
    first_delay_ms: float = 0.0
    wire_bytes: int = 0
    comments: bool = False


@dataclass(frozen=True)
class Match:
    """When an answer fits; every condition given must hold, none given fits anything.

    ``user_contains`` looks at the last user message, ``tool`` at the name of the tool whose result is the
    last message (``""``: the last message is not a tool result), ``result_contains`` at that result,
    ``step`` at the number of the chat request, from 1, counting only those the rules let through.
    """

    user_contains: str | None = None
    tool: str | None = None
    result_contains: str | None = None
    step: int | None = None
    model: str | None = None


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong. ``kind`` is one of :data:`tests.k2sim.faults.KINDS`.

    ``after_chunks`` counts SSE events (or, for a plain answer, its one body), ``seconds`` is for stalls,
    ``retry_after`` is the header's value as sent, ``status`` and ``body`` are for ``http``.
    """

    kind: str
    after_chunks: int = 1
    seconds: float = 30.0
    retry_after: str = ""
    status: int = 500
    body: str = ""


@dataclass(frozen=True)
class Answer:
    """One scripted answer. ``finish`` "" means ``tool_calls`` where there are calls, else ``stop``.

    ``usage`` overrides single fields of the computed usage. ``repeat`` lets the answer be used any number
    of times; it is then taken only when no unused answer before it fits.
    """

    text: str = ""
    reasoning: str | None = None
    calls: tuple[Call, ...] = ()
    finish: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    when: Match = Match()
    repeat: bool = False
    chunking: Chunking = Chunking()
    faults: tuple[Fault, ...] = ()

    @property
    def finish_reason(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")

    def fault(self, kind: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.kind == kind), None)


def say(text: str, **more: Any) -> Answer:
    """An answer of plain text."""
    return replace(Answer(text=text), **more)


def call(name: str, /, **arguments: Any) -> Call:
    """A tool call with these arguments."""
    return Call(name, json.dumps(arguments, ensure_ascii=False))


def use(*calls: Call, **more: Any) -> Answer:
    """An answer of tool calls."""
    return replace(Answer(calls=calls), **more)


def fail(kind: str, **more: Any) -> Answer:
    """An answer that goes wrong: ``fail("rate_limit_rpm", retry_after="1")``."""
    return Answer(text="An answer with a fault.", faults=(Fault(kind, **more),))
