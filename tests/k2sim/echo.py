"""Does the answer come back as it was given? Models that think in a loop need the whole message back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.k2sim.answers import Answer
from tests.k2sim.exchange import Record
from tests.k2sim.tokens import plain_text


@dataclass(frozen=True)
class Echo:
    """The answer to request ``answered`` as request ``following`` repeats it.

    ``differs`` names the parts that came back changed (``text``, ``reasoning``, ``calls``, ``ids``); a part
    that was left out counts as changed.
    """

    answered: int
    following: int
    differs: tuple[str, ...]


def echoes(records: Sequence[Record], reasoning_field: str) -> list[Echo]:
    """For each request that appends to an earlier one's messages: is the next message that answer?

    Left out: pairs where an assistant message is not what was appended, answers not read to their end.
    """
    found = []
    for position, record in enumerate(records):
        before = record.json["messages"]
        for later in records[position + 1 :]:
            after = later.json["messages"]
            appended = after[len(before) :]
            if after[: len(before)] == before and appended and appended[0]["role"] == "assistant":
                if record.answer is not None and not record.client_left:
                    differs = _differences(record.answer, appended[0], reasoning_field)
                    found.append(Echo(record.number, later.number, differs))
                break
    return found


def _differences(answer: Answer, message: Mapping[str, Any], reasoning_field: str) -> tuple[str, ...]:
    calls = message.get("tool_calls") or []
    functions = [(call["function"]["name"], call["function"]["arguments"]) for call in calls]
    same = {
        "text": plain_text(message.get("content")) == answer.text,
        "reasoning": message.get(reasoning_field) == answer.reasoning,
        "calls": functions == [(call.name, call.arguments) for call in answer.calls],
        "ids": [call["id"] for call in calls] == [call.id for call in answer.calls],
    }
    return tuple(part for part, kept in same.items() if not kept)
