"""One call of K2's raw markup: which tool its id names, and where its arguments end (facts E.4, E.5)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass

SECTION_BEGIN = "<|tool_calls_section_begin|>"
SECTION_END = "<|tool_calls_section_end|>"
CALL_BEGIN = "<|tool_call_begin|>"
ARGUMENTS = "<|tool_call_argument_begin|>"
CALL_END = "<|tool_call_end|>"
MESSAGE_END = "<|im_end|>"
SECTION_BEGINS = (SECTION_BEGIN, "<|tool_call_section_begin|>")  # engines take the singular too: facts E.1
SECTION_ENDS = (SECTION_END, "<|tool_call_section_end|>")
STOPS = (CALL_END, CALL_BEGIN, *SECTION_ENDS, *SECTION_BEGINS, MESSAGE_END)
"""What can follow a call's arguments: its end, or, where that is missing, whatever comes next."""

CUT = "<cut off>"
"""Ends the arguments of a call that never got its end and whose arguments are no JSON object: so nothing
mends and runs them, and the model sees in its history why nothing was done."""

_STOP = re.compile("|".join(map(re.escape, STOPS)))
_ID = re.compile(r"(?:functions\.)?(?P<name>.+):\s*(?P<index>\d{1,9})", re.DOTALL)
_BEGUN_ID = re.compile(r"[\w.-]*(?:\s*:\s*\d*)?")
_SIGNS = re.compile(r'["\\{}\[\]]')


def resolve(call_id: str, declared: Collection[str]) -> tuple[str, str]:
    """The tool that an id names, and the id in its regular form.

    The name is looked up exactly, then behind its last dot. One that is not declared keeps its name, and an
    id of another form (``call_59ad``) is its own name: nothing is guessed, the refusal of that name tells
    the model which tools there are.
    """
    call_id = call_id.strip()
    matched = _ID.fullmatch(call_id)
    if matched is None:
        return call_id.removeprefix("functions."), call_id
    name = matched["name"].strip()
    behind = name.rpartition(".")[2]
    if name not in declared and behind in declared:
        name = behind
    return name, f"functions.{name}:{int(matched['index'])}"


@dataclass(frozen=True, slots=True)
class Closed:
    """A call's arguments, and the text behind them from its next marker on. ``ended``: by its own marker."""

    arguments: str
    rest: str
    ended: bool


class OpenCall:
    """A call whose arguments are under way. Their JSON object is followed while it comes, so that markers
    inside its strings end nothing; only where there is no such object the next marker is the end."""

    def __init__(self, call_id: str, *, bare: bool = False) -> None:
        """``bare``: read without any marker, so it is a call only if a whole JSON object follows."""
        self.id = call_id
        self.bare = bare
        self._pieces: list[str] = []
        self._length = 0
        self._first = ""
        self._depth = 0
        self._in_string = False
        self._skip = False
        self._object_end = 0  # the offset behind the object, 0 while it is open

    def feed(self, text: str) -> bool:
        """Take the next piece; whether it is worth asking for a decision."""
        self._pieces.append(text)
        self._first = self._first or text.lstrip()[:1]
        if self._first == "{" and not self._object_end:
            self._follow(text)
        self._length += len(text)
        return bool(self._object_end) or self._first not in ("", "{")

    @property
    def text(self) -> str:
        """All that came since the arguments' beginning."""
        self._pieces = ["".join(self._pieces)]
        return self._pieces[0]

    def decide(self, *, final: bool) -> Closed | None:
        """The call as it was closed, None where more must come first. ``final``: no more comes."""
        text, end = self.text, self._object_end
        if not end:
            if self._first == "{":
                return self._never_closed(text) if final else None
            return self._until_marker(text, 0, final)
        inside, rest = text[:end], text[end:].lstrip()
        if self.bare:
            return Closed(inside, text[end:], ended=is_object(inside))
        if _STOP.search(inside) and not is_object(inside):
            return self._until_marker(text, 0, final)
        if rest.startswith(STOPS) or (final and not rest):
            return _closed(inside, rest)
        if not final and may_begin(rest, STOPS):
            return None
        return self._until_marker(text, end, final)

    def _until_marker(self, text: str, start: int, final: bool) -> Closed | None:
        stop = _STOP.search(text, start)
        if stop is not None:
            return _closed(text[: stop.start()], text[stop.start() :])
        return _closed(text, "") if final else None

    def _never_closed(self, text: str) -> Closed | None:
        """The answer is over inside the object. Either it is right as far as it goes: cut off, and markers
        in it are a file's. Or it was never right, and the next marker is its end."""
        if self.bare:
            return Closed(text, "", ended=False)
        if _is_beginning(text):
            return _closed(without_tail(text), "")
        return self._until_marker(text, 0, final=True)

    def _follow(self, text: str) -> None:
        place, self._skip = int(self._skip and bool(text)), self._skip and not text
        while found := _SIGNS.search(text, place):
            place, sign = found.end(), found.group()
            if sign == "\\":
                self._skip = self._in_string and place == len(text)
                place += int(self._in_string)
            elif sign == '"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if sign in "{[" else -1
                if self._depth <= 0:
                    self._object_end = self._length + place
                    return


def without_tail(text: str) -> str:
    """``text`` without the markers and blanks at its end."""
    end = len(text)
    while end:
        ending = next((stop for stop in STOPS if text.endswith(stop, 0, end)), "")
        if not ending and not text[end - 1].isspace():
            break
        end -= len(ending) or 1
    return text[:end]


def is_object(text: str) -> bool:
    """Whether the text is one JSON object; raw line feeds in its strings are let pass."""
    try:
        return isinstance(json.loads(text, strict=False), dict)
    except (ValueError, RecursionError):
        return False


def may_begin(text: str, markers: Collection[str]) -> bool:
    """Whether one of the markers may begin with the text, as more comes."""
    return any(marker.startswith(text) for marker in markers)


def may_be_id(text: str) -> bool:
    """Whether the text is a call's id, or the beginning of one."""
    return _BEGUN_ID.fullmatch(text) is not None


def _closed(arguments: str, rest: str) -> Closed:
    return Closed(arguments.strip(), rest.removeprefix(CALL_END), rest.startswith(CALL_END))


def _is_beginning(text: str) -> bool:
    """Whether the text is the beginning of a JSON value."""
    try:
        json.loads(text, strict=False)
    except json.JSONDecodeError as problem:
        near_the_end = problem.pos >= len(text.rstrip()) - 5  # `fals`, `\u12`: reported where they begin
        return problem.msg.startswith("Unterminated string") or near_the_end
    except RecursionError:
        return False
    return True
