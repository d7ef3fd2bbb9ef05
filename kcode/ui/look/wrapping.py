"""Text in lines of so many terminal cells, Latin and Chinese."""

from __future__ import annotations

import re
import textwrap
from unicodedata import east_asian_width

_WIDE = r"\u2e80-\ud7a3\uff01-\uff60"
_CLOSING = "，。、：；！？）》」…"  # begin no line
_PIECES = re.compile(rf"[{_WIDE}][{_CLOSING}]*|[^\s{_WIDE}]+[{_CLOSING}]*|\s+")


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` cells: words stay whole (one that is longer has a line of its own), Chinese
    breaks between any two letters, but before no closing sign."""
    if text.isascii():
        return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    lines, line = [], ""
    for piece in _PIECES.findall(text):
        if line and cells(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines


def cells(text: str) -> int:
    """The width of ``text`` on a terminal."""
    return len(text) if text.isascii() else sum(2 if east_asian_width(char) in "WF" else 1 for char in text)
