"""Places in a text as the protocol counts them: lines from 0, and units of an encoding within a line."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Literal

Units = Literal["utf-8", "utf-16", "utf-32"]
_BREAK = re.compile(r"\r\n|\n|\r")


class Overlapping(ValueError):
    """Edits that change the same text, or places that are not there."""


class Lines:
    """The lines of one text, and how its characters are counted."""

    def __init__(self, text: str, units: Units = "utf-16") -> None:
        self._text, self._units = text, units
        breaks = list(_BREAK.finditer(text))
        self._starts = [0, *(found.end() for found in breaks)]
        self._ends = [*(found.start() for found in breaks), len(text)]

    def index(self, place: Any) -> int:
        """The index in the text of ``{"line", "character"}``. As the protocol wants, a place beyond its
        line is the line's end, one within a character its beginning, and a line beyond the text its end.
        """
        line, units = int(place["line"]), int(place["character"])
        if line < 0 or units < 0:
            raise Overlapping(f"no place: {line}, {units}")
        if line >= len(self._starts):
            return len(self._text)
        start, end = self._starts[line], self._ends[line]
        piece = self._text[start:end]
        if self._units == "utf-32" or piece.isascii():
            return min(start + units, end)
        for offset, character in enumerate(piece):
            units -= self._width(character)
            if units < 0:
                return start + offset
        return end

    def column(self, place: Any) -> int:
        """The characters before a place in its line."""
        line = int(place["line"])
        return self.index(place) - self._starts[line] if 0 <= line < len(self._starts) else 0

    def place(self, index: int) -> dict[str, int]:
        line = bisect_right(self._starts, index) - 1
        piece = self._text[self._starts[line] : index]
        return {"line": line, "character": sum(map(self._width, piece))}

    def _width(self, character: str) -> int:
        if self._units == "utf-32":
            return 1
        if self._units == "utf-16":
            return 2 if ord(character) > 0xFFFF else 1
        return len(character.encode("utf-8", "surrogatepass"))


def applied(text: str, edits: Sequence[Any], units: Units = "utf-16") -> str:
    """``text`` with the protocol's ``TextEdit`` objects made, all of which speak of ``text`` as it is.

    Raises :class:`Overlapping` where two change the same place.
    """
    lines = Lines(text, units)
    spans = [
        (lines.index(each["range"]["start"]), lines.index(each["range"]["end"]), str(each["newText"]))
        for each in edits
    ]
    pieces, at = [], 0
    for start, end, new in sorted(spans, key=lambda span: span[:2]):  # of insertions at one place, in order
        if start < at or end < start:
            raise Overlapping("edits that overlap")
        pieces += [text[at:start], new]
        at = end
    return "".join([*pieces, text[at:]])
