"""Reads the constrained answer while it streams: text of an answer, or the fragments of a call."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field

from kcode.providers.base import CallDelta, TextDelta

Piece = TextDelta | CallDelta

_ANSWER = re.compile(r'\s*\{\s*"answer"\s*:\s*"')
_CALL = re.compile(r'\s*\{\s*"tool"\s*:\s*"([A-Za-z0-9_.-]+)"\s*,\s*"arguments"\s*:\s*')
_BEGINNING = re.compile(r'\s*(\{\s*("([a-z]*("(\s*(:.*)?)?)?)?)?)?', re.DOTALL)
_LONGEST_BEGINNING = 400  # characters in which an object must show what it is
# As much of a string's inside as can be decoded by itself: no cut escape, no half of a surrogate pair.
_WHOLE = re.compile(
    r'(?:[^"\\]|\\["\\/bfnrt]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}'
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*"
)


@dataclass(slots=True)
class AnswerReader:
    """Feed it the raw text as it comes; it gives the pieces that are certain. One object per turn."""

    called: bool = False
    _buffer: str = ""
    _state: str = "start"
    _depth: int = 0
    _in_string: bool = False
    _escaped: bool = False
    _id: str = field(default_factory=lambda: f"call_{secrets.token_hex(8)}")

    def feed(self, text: str) -> list[Piece]:
        self._buffer += text
        pieces: list[Piece] = []
        if self._state == "start":
            self._recognise(pieces)
        if self._state == "answer":
            self._read_answer(pieces)
        elif self._state == "call":
            self._read_arguments(pieces)
        elif self._state == "plain" and self._buffer:
            pieces.append(TextDelta(self._buffer))
            self._buffer = ""
        return pieces

    def finish(self) -> list[Piece]:
        """What is left when the stream ended: text that never became an object is shown as it is."""
        rest, self._buffer = self._buffer, ""
        return [TextDelta(rest)] if self._state == "start" and rest.strip() else []

    def _recognise(self, pieces: list[Piece]) -> None:
        if match := _ANSWER.match(self._buffer):
            self._state = "answer"
        elif match := _CALL.match(self._buffer):
            self._state, self.called = "call", True
            pieces.append(CallDelta(0, self._id, match.group(1)))
        elif len(self._buffer) > _LONGEST_BEGINNING or not _BEGINNING.fullmatch(self._buffer):
            self._state = "plain"
        if match:
            self._buffer = self._buffer[match.end() :]

    def _read_answer(self, pieces: list[Piece]) -> None:
        match = _WHOLE.match(self._buffer)
        if match and match.end():
            pieces.append(TextDelta(json.loads(f'"{match.group()}"', strict=False)))
            self._buffer = self._buffer[match.end() :]
        if self._buffer.startswith('"'):
            self._state, self._buffer = "done", ""

    def _read_arguments(self, pieces: list[Piece]) -> None:
        if self._depth == 0:
            self._buffer = self._buffer.lstrip()
        for position, char in enumerate(self._buffer):
            if self._in_string:
                if self._escaped:
                    self._escaped = False
                elif char == "\\":
                    self._escaped = True
                elif char == '"':
                    self._in_string = False
            elif char == '"':
                self._in_string = True
            elif char in "{[":
                self._depth += 1
            elif char in "}]":
                self._depth -= 1
                if self._depth == 0:
                    pieces.append(CallDelta(0, arguments=self._buffer[: position + 1]))
                    self._state, self._buffer = "done", ""
                    return
        if self._buffer:
            pieces.append(CallDelta(0, arguments=self._buffer))
            self._buffer = ""
