"""Does one request begin with the bytes of the one before? The prefix law, seen from the server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_SPACE = " \t\r\n"


def extends(previous: bytes, following: bytes) -> bool:
    """Whether ``following`` begins with ``previous`` up to the end of its last message, byte for byte.

    Bodies that spell another field before their messages are compared with that field too. False when
    ``previous`` has no messages.
    """
    end = end_of_messages(previous)
    return end is not None and following[:end] == previous[:end]


def extends_json(previous: Any, following: Any) -> bool:
    """The same question of parsed bodies: same model, same tools, messages that begin with the old ones."""
    if not (isinstance(previous, dict) and isinstance(following, dict)):
        return False
    before, after = previous.get("messages"), following.get("messages")
    if not (isinstance(before, list) and before and isinstance(after, list)):
        return False
    same_head = all(previous.get(key) == following.get(key) for key in ("model", "tools"))
    return same_head and after[: len(before)] == before


def end_of_messages(body: bytes) -> int | None:
    """The offset in bytes just behind the last element of the body's ``messages``, or None."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    try:
        end = _scan(text)
    except (ValueError, IndexError):
        return None
    return None if end is None else len(text[:end].encode())


def _scan(text: str) -> int | None:
    """Walk the top-level object; the end of the last element of ``messages`` in characters."""
    decoder = json.JSONDecoder()
    place = _skip(text, 0)
    if text[place] != "{":
        return None
    place = _skip(text, place + 1)
    while text[place] != "}":
        key, place = decoder.raw_decode(text, place)
        place = _skip(text, place)
        if text[place] != ":":
            return None
        place = _skip(text, place + 1)
        if key == "messages" and text[place] == "[":
            return _end_of_last_element(text, _skip(text, place + 1), decoder)
        _, place = decoder.raw_decode(text, place)
        place = _skip(text, place)
        if text[place] == ",":
            place = _skip(text, place + 1)
    return None


def _end_of_last_element(text: str, place: int, decoder: json.JSONDecoder) -> int | None:
    end = None
    while text[place] != "]":
        _, end = decoder.raw_decode(text, place)
        place = _skip(text, end)
        if text[place] == ",":
            place = _skip(text, place + 1)
    return end


def _skip(text: str, place: int) -> int:
    while text[place] in _SPACE:
        place += 1
    return place


@dataclass(frozen=True)
class PrefixStep:
    """Request ``following`` against the one before it; ``broke_at`` says where they part, "" nowhere."""

    previous: int
    following: int
    extends: bool
    extends_json: bool
    broke_at: str


def prefix_steps(bodies: Sequence[tuple[int, bytes]]) -> list[PrefixStep]:
    """Compare consecutive bodies, given with their request numbers."""
    steps = []
    for (number, raw), (next_number, next_raw) in pairwise(bodies):
        before, after = json.loads(raw), json.loads(next_raw)
        same = extends(raw, next_raw)
        steps.append(
            PrefixStep(
                number, next_number, same, extends_json(before, after), "" if same else _break(raw, next_raw)
            )
        )
    return steps


def _break(previous: bytes, following: bytes) -> str:
    end = end_of_messages(previous) or len(previous)
    place = next(
        (i for i, (a, b) in enumerate(zip(previous[:end], following, strict=False)) if a != b),
        min(end, len(following)),
    )
    near = slice(max(place - 30, 0), place + 30)
    return f"byte {place}: {previous[near]!r} became {following[near]!r}"
