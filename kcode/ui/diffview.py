"""Changes as people read them: line numbers, syntax colour, and the words that changed within a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal

from kcode.safety.sanitize import clean
from kcode.ui import figures
from kcode.ui.terminal import Look
from kcode.ui.theme import theme_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from kcode.tools.base import FileEdit

CONTEXT = 3
SIMILAR = 0.5  # below this share of equal text two lines are not shown as one that changed
WORDS_LIMIT = 2_000  # characters: longer lines are not compared word by word

Sign = Literal[" ", "-", "+"]
Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a hunk. ``index`` counts from 0 in the old text for ``-``, else in the new one.

    ``spans`` are the characters that changed against the row's counterpart.
    """

    sign: Sign
    index: int
    text: str
    spans: Spans = ()


@dataclass(frozen=True, slots=True)
class Hunk:
    rows: tuple[Row, ...]


def hunks(before: str | None, after: str | None) -> list[Hunk]:
    """The changed regions with three lines of context."""
    old, new = _lines(before), _lines(after)
    found = []
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT):
        rows: list[Row] = []
        for tag, a0, a1, b0, b1 in group:
            if tag == "equal":
                rows += [Row(" ", b0 + n, new[b0 + n]) for n in range(b1 - b0)]
            else:
                rows += _changed_rows(old[a0:a1], new[b0:b1], a0, b0)
        found.append(Hunk(tuple(rows)))
    return found


def counts(edit: FileEdit) -> tuple[int, int]:
    """Lines added and removed."""
    rows = [row for hunk in hunks(edit.before, edit.after) for row in hunk.rows]
    return sum(r.sign == "+" for r in rows), sum(r.sign == "-" for r in rows)


def headline(edit: FileEdit) -> Text:
    """``edit src/a.py +3 -1``."""
    from rich.text import Text

    verb = "create" if edit.before is None else "delete" if edit.after is None else "edit"
    added, removed = counts(edit)
    text = Text.assemble((verb, "bold"), " ", (figures.one_line(edit.path), "bold"))
    if added:
        text.append(f" +{added}", style="green")
    if removed:
        text.append(f" -{removed}", style="red")
    if (edit.before is not None and edit.after is not None) and not (added or removed):
        text.append(" (only line endings or the end of the file)", style="dim")
    return text


def print_edits(
    console: Console, edits: Sequence[FileEdit], look: Look, *, max_rows: int | None = None
) -> int:
    """Show ``edits``, at most ``max_rows`` rows of them; the number of rows that were left out."""
    left_out = 0
    room = max_rows
    for edit in edits:
        console.print(headline(edit))
        for text in edit_rows(edit, look, console.width):
            if room is not None and room <= 0:
                left_out += 1
                continue
            console.print(text, no_wrap=True, overflow="ignore", crop=False)
            room = None if room is None else room - 1
    return left_out


def edit_rows(edit: FileEdit, look: Look, width: int) -> Iterator[Text]:
    """The hunks of one edit as rows of at most ``width`` columns, long lines continued below."""
    from rich.text import Text

    found = hunks(edit.before, edit.after)
    if not found:
        return
    gutter = len(str(max(row.index + 1 for hunk in found for row in hunk.rows)))
    painter = _Painter(edit, look, gutter, width)
    for position, hunk in enumerate(found):
        if position:
            yield Text(" " * gutter + "  ⋮" if look.unicode else " " * gutter + "  ...", style="dim")
        for row in hunk.rows:
            yield from painter.row(row)


class _Painter:
    """Colours rows; the two texts are highlighted once, whole, so that multi-line strings are right."""

    def __init__(self, edit: FileEdit, look: Look, gutter: int, width: int) -> None:
        from kcode.ui.highlight import highlight_lines, language_of

        self._look, self._gutter, self._width = look, gutter, width
        language = "" if look.plain else language_of(edit.path)
        self._old = highlight_lines(edit.before or "", language, look)
        self._new = highlight_lines(edit.after or "", language, look)
        theme = theme_of(look)
        self._styles = {"-": theme.removed, "+": theme.added}
        self._words = {"-": theme.removed_word, "+": theme.added_word}
        self._signs = {"-": theme.removed_sign, "+": theme.added_sign}
        self._dim = theme.dim

    def row(self, row: Row) -> Iterator[Text]:
        from rich.text import Text

        source = self._old if row.sign == "-" else self._new
        line = source[row.index].copy() if row.index < len(source) else Text(clean(row.text))
        background = self._styles.get(row.sign, "")
        line.stylize(background)
        if len(line.plain) == len(row.text):  # cleaning may have changed the positions
            for start, end in row.spans:
                line.stylize(self._words[row.sign], start, end)
        line.expand_tabs(4)
        room = max(10, self._width - self._gutter - 4)
        number = str(row.index + 1).rjust(self._gutter)
        for position, part in enumerate(_folded(line, room)):
            gutter = number if position == 0 else " " * self._gutter
            sign = (row.sign if position == 0 else " ", self._signs.get(row.sign, ""))
            out = Text.assemble((gutter, self._dim), " ", sign, " ")
            out.append_text(part)
            if background:
                out.append(" " * (room - part.cell_len), style=background)
            yield out


def _folded(line: Text, width: int) -> list[Text]:
    """``line`` cut into pieces of at most ``width`` columns, wide characters kept whole."""
    from rich.cells import cell_len

    cuts, used = [], 0
    for position, character in enumerate(line.plain):
        columns = cell_len(character)
        if used + columns > width:
            cuts.append(position)
            used = 0
        used += columns
    return list(line.divide(cuts)) if cuts else [line]


def _lines(text: str | None) -> list[str]:
    return [] if not text else text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _changed_rows(old: list[str], new: list[str], a0: int, b0: int) -> list[Row]:
    """Removed lines, then added ones; where they pair up, the words that differ are marked."""
    marks_old: dict[int, Spans] = {}
    marks_new: dict[int, Spans] = {}
    if len(old) == len(new):
        for n, (a, b) in enumerate(zip(old, new, strict=True)):
            marks_old[n], marks_new[n] = word_marks(a, b)
    rows = [Row("-", a0 + n, line, marks_old.get(n, ())) for n, line in enumerate(old)]
    return rows + [Row("+", b0 + n, line, marks_new.get(n, ())) for n, line in enumerate(new)]


def word_marks(old: str, new: str) -> tuple[Spans, Spans]:
    """Character ranges that differ, by words; nothing where the lines have little in common."""
    if max(len(old), len(new)) > WORDS_LIMIT:
        return (), ()
    a, b = re.findall(r"\w+|\s+|[^\w\s]", old), re.findall(r"\w+|\s+|[^\w\s]", new)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < SIMILAR:
        return (), ()
    spans_old: list[tuple[int, int]] = []
    spans_new: list[tuple[int, int]] = []
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag != "equal":
            spans_old += _span(a, a0, a1)
            spans_new += _span(b, b0, b1)
    return tuple(spans_old), tuple(spans_new)


def _span(words: list[str], start: int, end: int) -> list[tuple[int, int]]:
    if start == end:
        return []
    first = sum(map(len, words[:start]))
    return [(first, first + sum(map(len, words[start:end])))]
