"""Rows of the stage that are shown and not edited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prompt_toolkit.data_structures import Point
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.layout import ConditionalContainer, Dimension, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.utils import get_cwidth

if TYPE_CHECKING:
    from prompt_toolkit.layout.screen import Screen

_REMEMBERED = 500  # lines that need not be read again


class LiveWindow:
    """Lines with their own styles (SGR sequences). Where there is no room for all, the last are seen."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._fragments: StyleAndTextTuples = []
        self._read: dict[str, StyleAndTextTuples] = {}
        window = Window(
            FormattedTextControl(lambda: self._fragments, get_cursor_position=self._end),
            height=self._height,
            dont_extend_height=True,
            wrap_lines=False,
        )
        self.container = ConditionalContainer(window, Condition(lambda: bool(self._lines)))

    def show(self, lines: Sequence[str]) -> bool:
        """Show ``lines`` from now on; whether they are others than before."""
        if list(lines) == self._lines:
            return False
        self._lines = list(lines)
        self._fragments = []
        for number, line in enumerate(self._lines):
            if number:
                self._fragments.append(("", "\n"))
            self._fragments += self._styled(line)
        return True

    def _styled(self, line: str) -> StyleAndTextTuples:
        if line not in self._read:
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            self._read[line] = list(to_formatted_text(ANSI(line)))
        return self._read[line]

    def _end(self) -> Point:
        return Point(0, max(0, len(self._lines) - 1))

    def _height(self) -> Dimension:
        return Dimension(min=0, max=len(self._lines), preferred=len(self._lines))


def text_window(text: Callable[[], StyleAndTextTuples]) -> ConditionalContainer:
    """A window that is as high as ``text`` and not there without."""

    def height() -> Dimension:
        rows = sum(part[1].count("\n") for part in text()) + 1
        return Dimension(min=min(1, rows), max=rows, preferred=rows)

    window = Window(FormattedTextControl(text), height=height, dont_extend_height=True, wrap_lines=False)
    return ConditionalContainer(window, Condition(lambda: bool(text())))


def rows_after_reflow(painted: Screen, cursor: Point, columns: int) -> int:
    """How many rows are above the cursor once a terminal has broken the painted ones to ``columns``."""
    above = 0
    for y in range(cursor.y):
        row = painted.data_buffer[y]
        last = max((x for x, cell in row.items() if cell.char != " "), default=0)
        above += _breaks(painted, y, last + 1, columns) + 1
    return above + _breaks(painted, cursor.y, cursor.x, columns)


def _breaks(painted: Screen, y: int, end: int, columns: int) -> int:
    """How often the first ``end`` cells of a row are broken; a wide character is not cut in two."""
    row = painted.data_buffer[y]
    breaks = filled = x = 0
    while x < end:
        width = max(1, get_cwidth(row[x].char)) if x in row else 1
        if filled + width > columns:
            breaks, filled = breaks + 1, 0
        filled += width
        x += width
    return breaks
