"""Tool-call arguments as K2 and its servers spell them when they slip, read where one meaning is possible.

Open servers deliver up to a quarter of K2's calls with malformed arguments (facts H.2), Ark warns of it
(facts C.2). A slip of spelling is mended; what is cut off or could mean two things is not guessed at.
"""

from __future__ import annotations

import ast
import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

_LONGEST = 4 * 1024 * 1024  # characters; a longer text is read as it is or not at all
_FENCE = re.compile(r"```[\w-]*+[^\S\n]*+\n(.*?)\n?```", re.DOTALL)
_MARKER = re.compile(r"<\|[a-z_]+\|>")
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)
_TOKENS = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)


class Arguments(NamedTuple):
    """``value`` as the call means it, ``text`` its strict JSON, ``repairs`` what was mended, in words."""

    value: dict[str, Any]
    text: str
    repairs: tuple[str, ...] = ()


class NotArguments(ValueError):
    """The text has no meaning as a JSON object, or more than one; the message says why."""


class _Twice(Exception):
    """A key with two values: which is meant, nobody can say."""


@lru_cache(maxsize=64)
def read_arguments(text: str) -> Arguments:
    """The object that the text of a call's arguments means. Raises :class:`NotArguments`.

    Callers must not change the value: it is shared between them.
    """
    if not text.strip():
        return Arguments({}, "{}")
    try:
        return _read(text)
    except _Twice as twice:
        raise NotArguments(f"the key {twice.args[0]!r} is there twice, with different values") from None


def _read(text: str) -> Arguments:
    value = _strict(text)
    if isinstance(value, dict):
        return Arguments(value, text)
    repairs: list[str] = []
    value = _mended(text, repairs)
    if isinstance(value, str):
        repairs.append("encoded twice")
        value = _mended(value, repairs) if value.strip() else {}
    if not isinstance(value, dict):
        raise NotArguments(f"they must be a JSON object, not {_kind(value)}")
    return Arguments(value, json.dumps(value, ensure_ascii=False, separators=(",", ":")), tuple(repairs))


def _mended(text: str, repairs: list[str]) -> Any:
    """The value of ``text`` after the fewest of the known slips are mended, in this order."""
    value = _loose(text, repairs)
    if value is not None or text.strip() == "null":
        return value
    if len(text) > _LONGEST:
        raise NotArguments("not valid JSON, and too long to be looked into")
    stripped = _unwrapped(text.strip(), repairs)
    for mend in (_without_trailing_commas, _first_of_repeated, _closed, _python):
        found = mend(stripped, repairs)
        if found is not None:
            return found
    raise NotArguments(_why(text))


def _strict(text: str) -> Any:
    """The JSON value as servers read it (no NaN, no raw control characters), or None."""

    def refuse(constant: str) -> Any:
        raise ValueError(constant)

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found and found[key] != value:
            raise _Twice(key)
        found[key] = value
    return found


def _loose(text: str, repairs: list[str]) -> Any:
    value = _strict(text)
    if value is not None:
        return value
    try:
        value = json.loads(text, strict=False, object_pairs_hook=_object)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    repairs.append("raw line feeds or control characters in a string")
    return value


def _unwrapped(text: str, repairs: list[str]) -> str:
    fenced = _FENCE.fullmatch(text)
    if fenced:
        repairs.append("inside a code fence")
        text = fenced.group(1).strip()
    without = _without_markers(text)
    if without != text:
        repairs.append("a marker of the chat template behind it")
        text = without
    return text


def _without_markers(text: str) -> str:
    end = len(text)
    while text.endswith("|>", 0, end):
        at = text.rfind("<|", 0, end)
        if at < 0 or not _MARKER.fullmatch(text, at, end):
            break
        end = _blanks_before(text, at)
    return text[:end]


def _blanks_before(text: str, at: int) -> int:
    """Where the blanks begin that end at ``at``."""
    while at and text[at - 1].isspace():
        at -= 1
    return at


def _without_trailing_commas(text: str, repairs: list[str]) -> Any:
    mended = _COMMA.sub(lambda m: m.group(1) or "", text)
    if mended == text:
        return _loose(text, repairs) if repairs else None
    value = _loose(mended, repairs)
    if value is not None:
        repairs.append("a comma before a closing bracket")
    return value


def _first_of_repeated(text: str, repairs: list[str]) -> Any:
    """``{…}{…}`` with the same object again, or one with nothing but closing brackets behind it."""
    decoder = json.JSONDecoder(strict=False)
    try:
        value, end = decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    rest = text[end:].strip()
    if not isinstance(value, dict) or not rest:
        return None
    if not rest.strip("}] \n"):
        repairs.append("a closing bracket too many")
        return value
    again = _loose(rest, [])
    if again == value:
        repairs.append("the same object twice")
        return value
    return None


def _closed(text: str, repairs: list[str]) -> Any:
    """Only closing brackets are missing at the end: every string is whole, every key has its value."""
    opened: list[str] = []
    for sign in _TOKENS.findall(text):
        if sign in "[{":
            opened.append("]" if sign == "[" else "}")
        elif sign in "]}" and (not opened or opened.pop() != sign):
            return None
    if not opened or not text.startswith("{") or text[-1].isdigit():  # 1 might have become 12
        return None
    value = _loose(text + "".join(reversed(opened)), [])
    if not value:  # nothing but brackets: what was in them is lost
        return None
    repairs.append("closing brackets missing at the end")
    return value


def _python(text: str, repairs: list[str]) -> Any:
    """Python's spelling: single quotes, True, False, None."""
    if not text.startswith("{"):
        return None
    try:
        value = ast.literal_eval(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        return None
    repairs.append("Python's spelling instead of JSON's")
    return value


def _why(text: str) -> str:
    try:
        json.loads(text, strict=False)
    except json.JSONDecodeError as problem:
        if problem.msg.startswith("Unterminated string") or problem.pos >= len(text.rstrip()):
            return f"not valid JSON: cut off after {len(text)} characters"
        near = text[max(problem.pos - 20, 0) : problem.pos + 20]
        return f"not valid JSON: {problem.msg} at character {problem.pos}, near {near!r}"
    except RecursionError:
        return "not valid JSON: nested too deeply"
    except ValueError:
        return "not valid JSON: a number of thousands of digits"
    return "not valid JSON: NaN and Infinity are no JSON numbers"


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", int: "a number", float: "a number", bool: "a boolean"}
    return names.get(type(value), "null")
