"""A terminal's scrollback and screen as a small SVG that needs no fonts and no files of anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

import pyte

from tests.ui.screen import Terminal

WIDTH, HEIGHT, SIZE = 8.4, 18, 14  # of a cell, and of the letters, in the picture's units
EDGE, TOP = 14, 36
BACKGROUND, FOREGROUND = "#16181d", "#d8dade"
NAMED = {
    "black": BACKGROUND,
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
    "white": FOREGROUND,
}

Row = dict[int, pyte.screens.Char]
Style = tuple[str, str, bool, bool, bool]  # colour, background, bold, italic, underlined


def picture(terminal: Terminal, title: str = "kcode") -> str:
    """All lines that were written, on a dark ground."""
    screen = terminal.screen
    rows = [*screen.history.top, *(screen.buffer[n] for n in range(screen.lines))]
    drawn = ["".join(_row(row, screen.columns, TOP + n * HEIGHT)) for n, row in enumerate(rows)]
    while drawn and not drawn[-1]:
        drawn.pop()
    width, height = round(screen.columns * WIDTH + 2 * EDGE), TOP + len(drawn) * HEIGHT + EDGE
    dots = "".join(
        f'<circle cx="{EDGE + 6 + 18 * n}" cy="17" r="5" fill="{colour}"/>'
        for n, colour in enumerate(("#e06c75", "#e5c07b", "#98c379"))
    )
    lines = "\n".join(line for line in drawn if line)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f"font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace\" "
        f'font-size="{SIZE}" fill="{FOREGROUND}" xml:space="preserve"><title>{escape(title)}</title>'
        f'<rect width="{width}" height="{height}" rx="8" fill="{BACKGROUND}"/>{dots}\n{lines}\n</svg>\n'
    )


def _row(row: Row, columns: int, y: int) -> Iterator[str]:
    """The backgrounds of a line, then its words, each run of one look as long as its cells are."""
    # The second half of a wide character is an empty cell; its first half is measured for both.
    cells = [(column, row[column]) for column in range(columns) if row[column].data]
    for (_, ground, *_), run in groupby(cells, key=lambda cell: _style(cell[1])):
        part = list(run)
        if ground != BACKGROUND:
            x, length = _span(part)
            yield f'<rect x="{x}" y="{y}" width="{length}" height="{HEIGHT}" fill="{ground}"/>'
    for (style, wide), run in groupby(cells, key=lambda cell: (_style(cell[1]), _is_wide(cell[1]))):
        part = list(run)
        while part and part[-1][1].data == " " and not style[4]:
            part.pop()
        while part and part[0][1].data == " " and not style[4]:
            part.pop(0)
        if part:
            yield _text(part, style, y, wide=wide)


def _text(part: list[tuple[int, pyte.screens.Char]], style: Style, y: int, *, wide: bool) -> str:
    colour, _, bold, italic, underlined = style
    x, length = _span(part)
    looks = (
        (f' fill="{colour}"' if colour != FOREGROUND else "")
        + (' font-weight="bold"' if bold else "")
        + (' font-style="italic"' if italic else "")
        + (' text-decoration="underline"' if underlined else "")
    )
    words = escape("".join(cell.data for _, cell in part), quote=False)
    return f'<text x="{x}" y="{y + 13}" textLength="{length}"{looks}>{words}</text>'


def _span(part: list[tuple[int, pyte.screens.Char]]) -> tuple[float, float]:
    """Where a run of cells begins and how long it is."""
    first, (last, cell) = part[0][0], part[-1]
    cells = last - first + (2 if _is_wide(cell) else 1)
    return round(EDGE + first * WIDTH, 1), round(cells * WIDTH, 1)


def _is_wide(cell: pyte.screens.Char) -> bool:
    return pyte.screens.wcwidth(cell.data[0]) == 2


def _style(cell: pyte.screens.Char) -> Style:
    colour, ground = _colour(cell.fg, FOREGROUND), _colour(cell.bg, BACKGROUND)
    if cell.reverse:
        colour, ground = ground, colour
    return colour, ground, cell.bold, cell.italics, cell.underscore


def _colour(name: str, default: str) -> str:
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return NAMED.get(name.removeprefix("bright"), default)
