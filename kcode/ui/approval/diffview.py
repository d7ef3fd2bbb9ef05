"""Changes as people read them: line numbers, syntax colour, and the words that changed within a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from kcode.i18n import _
from kcode.safety.sanitize import reveal
from kcode.ui.approval.diffrows import NO_END, Row, Shown, counts, shown_hunks, shown_part
from kcode.ui.approval.hunks import Hunk
from kcode.ui.approval.linepairs import word_marks as word_marks
from kcode.ui.look import figures
from kcode.ui.look.terminal import Look
from kcode.ui.look.theme import theme_of
from kcode.workspace.change import FileEdit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SPLIT_FROM = 140  # columns of the terminal from which `auto` shows both sides side by side
LINE_LIMIT = 5_000  # characters of one line that are shown
COLOUR_LIMIT = 150_000  # characters of both texts: larger changes are shown without syntax colour


def headline(edit: FileEdit, look: Look | None = None, moved_from: str = "") -> Text:
    """``edit src/a.py +3 -1``, and what the text does not show: line ends, the end of the file, its kind."""
    from rich.text import Text

    theme = theme_of(look or Look(plain=True))
    name = figures.one_line(edit.path)
    if moved_from:
        verb, name = _("move"), f"{figures.one_line(moved_from)} → {name}"
    else:
        verb = _("create") if edit.before is None else _("delete") if edit.after is None else _("edit")
    added, removed = counts(edit)
    text = Text.assemble((verb, "bold"), " ", (name, "bold"))
    if added:
        text.append(f" +{added}", style=theme.good)
    if removed:
        text.append(f" -{removed}", style=theme.bad)
    for remark in _remarks(edit, moved=bool(moved_from)):
        text.append(f" ({remark})", style=theme.dim)
    return text


def print_edits(
    console: Console,
    edits: Sequence[FileEdit],
    look: Look,
    *,
    max_rows: int | None = None,
    layout: str = "auto",
    moves: Sequence[tuple[str, str]] = (),
) -> int:
    """Show ``edits``, at most ``max_rows`` rows of them; the number of rows that were left out.

    ``layout`` is ``unified``, ``split``, or ``auto``: side by side on a wide terminal. ``moves`` are pairs
    of paths (from, to) among the edits that are one file moved.
    """
    left_out = 0
    room = max_rows
    for edit, moved_from in moved(edits, moves):
        console.print(headline(edit, look, moved_from))
        found = shown_hunks(edit)
        rows = _painted(edit, found, look, console.width, layout)
        shown = 0
        for text, lines in rows:
            if room is not None and room <= 0:
                left_out += sum(one.size for one in found) - shown
                break
            console.print(text, no_wrap=True, overflow="ignore", crop=False)
            shown += lines
            room = None if room is None else room - 1
    return left_out


def print_hunk(console: Console, edit: FileEdit, hunk: Hunk, look: Look, layout: str = "auto") -> None:
    """Show one hunk of ``edit``, changes of line ends marked."""
    for text, _lines in _painted(edit, [shown_part(edit, hunk)], look, console.width, layout):
        console.print(text, no_wrap=True, overflow="ignore", crop=False)


def edit_rows(edit: FileEdit, look: Look, width: int, layout: str = "unified") -> Iterator[Text]:
    """The hunks of one edit as rows of at most ``width`` columns, long lines continued below."""
    yield from (text for text, _lines in _painted(edit, shown_hunks(edit), look, width, layout))


def moved(edits: Sequence[FileEdit], moves: Sequence[tuple[str, str]]) -> Iterator[tuple[FileEdit, str]]:
    """The edits as they are shown: of a moved file one, with the path it came from."""
    by_path = {edit.path: edit for edit in edits}
    source = {new: old for old, new in moves if old in by_path and new in by_path}
    gone = set(source.values())
    for edit in edits:
        if edit.path in source:
            before = by_path[source[edit.path]]
            note = before.note or edit.note
            yield FileEdit(edit.path, before.before, edit.after, note), source[edit.path]
        elif edit.path not in gone:
            yield edit, ""


def _remarks(edit: FileEdit, *, moved: bool) -> Iterable[str]:
    if edit.note:
        yield figures.one_line(edit.note)
    if edit.before is None or edit.after is None:
        return
    if edit.before == edit.after:
        if not moved and not edit.note:
            yield _("only its mode bits")
        return
    old, new = _ends(edit.before), _ends(edit.after)
    if old and new and old != new:
        yield _("line endings: {old} → {new}").format(old=old, new=new)
    had, has = edit.before.endswith("\n"), edit.after.endswith("\n")
    if had != has and edit.before and edit.after:
        yield _("a newline at the end now") if has else _("no newline at the end any more")


def _ends(text: str) -> str:
    """What lines end with: ``LF``, ``CRLF``, ``mixed``, or nothing where there is one line."""
    crlf = text.count("\r\n")
    lf = text.count("\n") - crlf
    return _("mixed") if crlf and lf else "CRLF" if crlf else "LF" if lf else ""


def _painted(
    edit: FileEdit, found: Sequence[Shown], look: Look, width: int, layout: str
) -> Iterator[tuple[Text, int]]:
    """Painted rows, each with how many lines of the diff it completes."""
    from rich.text import Text

    if not any(shown.codes for shown in found):
        return
    gutter = len(str(max(shown.last for shown in found)))
    side_by_side = layout == "split" or (layout == "auto" and width >= SPLIT_FROM)
    one_sided = edit.before is None or edit.after is None
    painter = _Painter(edit, found, look, gutter)
    theme = theme_of(look)
    for position, shown in enumerate(found):
        if position:
            yield Text(" " * gutter + ("  ⋮" if look.unicode else "  ..."), style=theme.dim), 0
        if side_by_side and not one_sided:
            yield from painter.both_sides(shown, width)
        else:
            for row in shown.rows():
                rows = painter.cells(row, width)
                yield from ((text, int(n == len(rows) - 1)) for n, text in enumerate(rows))


class _Painter:
    """Colours rows; the two texts are highlighted once, whole, so that multi-line strings are right."""

    def __init__(self, edit: FileEdit, found: Sequence[Shown], look: Look, gutter: int) -> None:
        from kcode.ui.output.highlight import highlight_lines, language_of

        self._gutter = gutter
        self._separator = " │ " if look.unicode else " | "
        theme = theme_of(look)
        self._lines: Mapping[str, list[Text]] = {}
        if len(edit.before or "") + len(edit.after or "") <= COLOUR_LIMIT and look.colour:
            language = language_of(edit.path)
            old = highlight_lines(edit.before or "", language, look)
            self._lines = {"-": old, "+": highlight_lines(edit.after or "", language, look)}
        self._styles = {"-": theme.removed, "+": theme.added}
        self._words = {"-": theme.removed_word, "+": theme.added_word}
        self._signs = {"-": theme.removed_sign, "+": theme.added_sign}
        self._dim = theme.dim

    def cells(self, row: Row, width: int, *, old: bool = False) -> list[Text]:
        """One row in ``width`` columns: the number, the sign and the line, folded."""
        from rich.text import Text

        line = self._line(row, old=old)
        if more := max(0, len(line) - LINE_LIMIT):
            line = line[:LINE_LIMIT]
            line.append(_(" … (+{count} characters)").format(count=f"{more:,}"), style=self._dim)
        background = self._styles.get(row.sign, "")
        line.stylize(background)
        if not more and len(line.plain) == len(row.text):  # cleaning may have changed the positions
            for start, end in row.spans:
                line.stylize(self._words[row.sign], start, end)
        if row.end:
            told = _("no newline") if row.end == NO_END else row.end
            line.append(f"  [{told}]", style=self._dim)
        line.expand_tabs(4)
        room = max(10, width - self._gutter - 4)
        number = str(row.index + 1).rjust(self._gutter)
        out = []
        for position, part in enumerate(_folded(line, room)):
            gutter = number if position == 0 else " " * self._gutter
            sign = (row.sign if position == 0 else " ", self._signs.get(row.sign, ""))
            cell = Text.assemble((gutter, self._dim), " ", sign, " ")
            cell.append_text(part)
            if background:
                cell.append(" " * (room - part.cell_len), style=background)
            out.append(cell)
        return out

    def both_sides(self, shown: Shown, width: int) -> Iterator[tuple[Text, int]]:
        """Old and new side by side; a line that is folded on one side leaves the other side free."""
        from rich.text import Text

        left_width = (width - len(self._separator)) // 2
        right_width = width - len(self._separator) - left_width
        for left, right in shown.pairs():
            lefts = self.cells(left, left_width, old=True) if left is not None else []
            rights = self.cells(right, right_width) if right is not None else []
            for n in range(max(len(lefts), len(rights))):
                row = lefts[n] if n < len(lefts) else Text("")
                row.append(" " * (left_width - row.cell_len))
                row.append(self._separator, style=self._dim)
                row.append_text(rights[n] if n < len(rights) else Text(""))
                done = n == max(len(lefts), len(rights)) - 1
                changed = (left is not None and left.sign == "-") + (right is not None and right.sign == "+")
                yield row, (changed or 1) if done else 0

    def _line(self, row: Row, *, old: bool) -> Text:
        """The coloured line where the texts have it; one that was changed by hand is plain."""
        from rich.text import Text

        text = reveal(row.text)
        source = self._lines.get("-" if old or row.sign == "-" else "+", [])
        if row.index < len(source) and source[row.index].plain == text:
            return source[row.index].copy()
        return Text(text)


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
