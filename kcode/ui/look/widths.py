"""How many columns a text takes, counted so that no terminal takes more.

Terminals disagree about emoji: a family joined by ZWJ is two columns in one and six in another, a heart
with VS16 one or two, a flag two or four. The widest reading is taken here: a line that fits by it wraps
nowhere, so the rows of the live region are as many as were counted. Other text has its usual width.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from kcode.ui.look.terminal import CONTROL_SEQUENCE

RESET = "\x1b[0m"
WIDENS = "\ufe0f"  # asks for the emoji shape of the character before it
_PIECES = re.compile(f"({CONTROL_SEQUENCE.pattern})")


def columns(text: str) -> int:
    """The columns of ``text``, which holds neither tabs nor control sequences, where it takes the most."""
    return len(text) if text.isascii() else sum(map(_width, text))


def head(text: str, room: int) -> str:
    """As much of the beginning of ``text`` as fits ``room`` columns, emoji and marked letters kept whole."""
    used = end = 0
    for piece in _graphemes(text):
        used += columns(piece)
        if used > room:
            break
        end += len(piece)
    return text[:end]


def fold(line: str, width: int) -> list[str]:
    """A styled line cut into rows of at most ``width`` columns; each row carries its own styles."""
    if columns(CONTROL_SEQUENCE.sub("", line)) <= width:
        return [line]
    rows, row, used = [], "", 0
    styles = ""
    for piece in _PIECES.split(line):
        if CONTROL_SEQUENCE.fullmatch(piece):
            styles = "" if piece in (RESET, "\x1b[m") else styles + piece
            row += piece
            continue
        for part in _graphemes(piece):
            taken = columns(part)
            if used and used + taken > width:
                rows.append(row + (RESET if styles else ""))
                row, used = styles, 0
            row, used = row + part, used + taken
    return [*rows, row]


@lru_cache(maxsize=4096)
def _width(character: str) -> int:
    from rich.cells import get_character_cell_size

    code = ord(character)
    if character == WIDENS:
        return 1
    if 0x1F1E6 <= code <= 0x1FAFF:  # flags' letters, skin tones, pictographs that VS16 makes wide
        return 2
    return get_character_cell_size(character)


def _graphemes(text: str) -> Iterator[str]:
    """The parts of ``text`` that must not be cut apart, as far as that is to be had."""
    if text.isascii():
        yield from text
        return
    from rich.cells import split_graphemes

    for start, end, _width in split_graphemes(text)[0]:
        yield text[start:end]
