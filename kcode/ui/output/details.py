"""What was folded away (reasoning, results of calls) and can be opened by a key, newest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kcode.i18n import _, n_
from kcode.safety.sanitize import clean
from kcode.ui.look import figures
from kcode.ui.look.marks import marks_of
from kcode.ui.look.terminal import Look
from kcode.ui.look.theme import theme_of

if TYPE_CHECKING:
    from kcode.ui.output.markdown import Drawer
    from kcode.workspace.change import FileEdit

Kind = Literal["reasoning", "call"]

KEPT = 200  # items
BODY_LIMIT = 40_000  # characters kept of one text
ROWS_LIMIT = 300  # shown of one item


@dataclass(slots=True)
class _Detail:
    title: str
    body: str | tuple[FileEdit, ...]
    kind: Kind
    opened: bool = False


class Details:
    """A bounded list of what was folded. Opening one item does not remove it: ``next`` then goes on to the
    newest one that was not opened yet.

    ``running`` gives the title and the text of what is still being thought (``""``: nothing is): that comes
    first, as far as it was not shown yet.
    """

    def __init__(self) -> None:
        self._items: deque[_Detail] = deque(maxlen=KEPT)
        self.running: Callable[[], tuple[str, str]] = lambda: ("", "")
        self._shown = 0  # characters of it

    def add(self, title: str, body: str | Sequence[FileEdit], kind: Kind) -> None:
        """Keep ``body`` under ``title`` (one line): a text, or edits that are shown as a diff."""
        self._shown = 0
        kept = _bounded(body) if isinstance(body, str) else tuple(body)
        if kept:
            self._items.append(_Detail(title, kept, kind))

    def next(self, width: int, look: Look) -> list[str]:
        """The newest item not yet opened, as styled lines for ``width`` columns; ``[]`` when none is left."""
        from kcode.ui.output.markdown import Drawer

        waiting = [item for item in self._items if not item.opened]
        title, text = self.running()
        if news := _bounded(text[self._shown :]):
            self._shown = len(text)
            before = waiting[-1].title if waiting else ""
            return _drawn(_Detail(title, news, "reasoning"), before, Drawer(look), width, look)
        if not waiting:
            return []
        item = waiting[-1]
        item.opened = True
        before = waiting[-2].title if len(waiting) > 1 else ""
        return _drawn(item, before, Drawer(look), width, look)

    def reset(self) -> None:
        """Forget everything: another conversation begins."""
        self._items.clear()


def _drawn(item: _Detail, before: str, drawer: Drawer, width: int, look: Look) -> list[str]:
    from rich.text import Text

    marks, theme = marks_of(look), theme_of(look)
    title = figures.one_line(item.title, width - 4)
    lines = drawer.text(Text.assemble((f"{marks.opened} ", theme.accent), (title, "bold")), width)
    if isinstance(item.body, str):
        style = f"{theme.dim} italic" if item.kind == "reasoning" else theme.dim
        rows = [row for line in item.body.split("\n") for row in _row(drawer, line, style, width - 2)]
    else:
        rows = _diff(item.body, drawer, look, width - 2)
    edge = drawer.text(Text(marks.under, style=theme.dim), width)[0]
    lines += [f"{edge} {row}".rstrip() for row in _within(rows)]
    if before:
        hint = _("Ctrl-O again: {title}").format(title=figures.one_line(before))
        lines += drawer.text(Text(figures.cut(hint, width - 2), style=theme.dim), width)
    return lines


def _row(drawer: Drawer, line: str, style: str, width: int) -> list[str]:
    from rich.text import Text

    return drawer.text(Text(line, style=style), width) if line.strip() else [""]


def _diff(edits: tuple[FileEdit, ...], drawer: Drawer, look: Look, width: int) -> list[str]:
    from kcode.ui.approval.diffview import edit_rows, headline

    rows: list[str] = []
    for edit in edits:
        rows += drawer.text(headline(edit), width)
        for text in edit_rows(edit, look, width - 1):
            rows += drawer.text(text, width)
            if len(rows) > 2 * ROWS_LIMIT:
                return rows
    return rows


def _within(rows: list[str]) -> list[str]:
    if len(rows) <= ROWS_LIMIT:
        return rows
    half = ROWS_LIMIT // 2
    left_out = len(rows) - 2 * half
    note = n_("… {count} line left out …", "… {count} lines left out …", left_out).format(count=left_out)
    return [*rows[:half], note, *rows[-half:]]


def _bounded(body: str) -> str:
    body = clean(body).strip("\n")
    if len(body) <= BODY_LIMIT:
        return body
    half = BODY_LIMIT // 2
    left_out = len(body) - 2 * half
    note = n_("… {count} character left out …", "… {count} characters left out …", left_out)
    return f"{body[:half]}\n{note.format(count=left_out)}\n{body[-half:]}"
