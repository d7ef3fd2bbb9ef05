"""The model's to-do list: a few rows that are updated in place, and the words for where nothing moves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kcode.i18n import _
from kcode.ui.look import figures
from kcode.ui.look.marks import marks_of
from kcode.ui.look.terminal import Look
from kcode.ui.look.theme import theme_of

if TYPE_CHECKING:
    from rich.text import Text

Items = Sequence[tuple[str, str]]  # a text and ``pending``, ``in_progress`` or ``done``


def finished(items: Items) -> bool:
    return bool(items) and all(status == "done" for _text, status in items)


def heading(items: Items) -> str:
    """``To-do · 2 of 5 done``."""
    done = sum(status == "done" for _text, status in items)
    return _("To-do · {done} of {total} done").format(done=done, total=len(items))


def rows(items: Items, look: Look, width: int, limit: int) -> list[Text]:
    """The heading and at most ``limit`` rows: what is done is collapsed first, then what comes last."""
    from rich.text import Text

    theme, marks = theme_of(look), marks_of(look)
    out = [Text(figures.cut(heading(items), width), style=theme.dim)]
    shown, done, later = _chosen(items, limit)
    if done:
        out.append(Text(f"{marks.done} " + _("{count} done").format(count=done), style=theme.dim))
    for text, status in shown:
        line = figures.one_line(text, width - 2)
        if status == "done":
            row = Text.assemble((f"{marks.done} ", theme.good), (line, f"{theme.dim} strike"))
        elif status == "in_progress":
            row = Text.assemble((f"{marks.current} ", theme.accent), (line, "bold"))
        else:
            row = Text.assemble((f"{marks.waiting} ", theme.dim), line)
        out.append(row)
    if later:
        out.append(Text("  " + _("… {count} more").format(count=later), style=theme.dim))
    return out


def words(items: Items) -> list[str]:
    """The whole list as plain lines."""
    boxes = {"done": "[x]", "in_progress": "[>]"}
    lines = [f"  {boxes.get(status, '[ ]')} {figures.one_line(text)}" for text, status in items]
    return [f"[{heading(items)}]", *lines]


def step(items: Items) -> str:
    """Where the list stands, in one plain line: ``To-do · 2 of 5 done: read the parser``."""
    current = next((text for text, status in items if status == "in_progress"), "")
    return heading(items) + (f": {figures.one_line(current)}" if current else "")


def _chosen(items: Items, limit: int) -> tuple[Items, int, int]:
    """The rows to show one by one, how many done ones are collapsed, how many later ones are left out."""
    if len(items) <= limit:
        return items, 0, 0
    done = [item for item in items if item[1] == "done"]
    rest = [item for item in items if item[1] != "done"]
    room = max(1, limit - bool(done))
    if len(rest) <= room:
        return rest, len(done), 0
    at = next((n for n, item in enumerate(rest) if item[1] == "in_progress"), 0)
    room = max(1, room - 1)
    start = min(at, len(rest) - room) if at >= room else 0
    return rest[start : start + room], len(done), len(rest) - room
