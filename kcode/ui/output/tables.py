"""Tables of streamed Markdown: the first rows settle the columns, every later row is finished as it comes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcode.ui.look import widths
from kcode.ui.output.blocks import parser

if TYPE_CHECKING:
    from rich.text import Text

SETTLING_ROWS = 12
NARROWEST = 6  # columns of a column: where there is room for less, rows are written as records
BETWEEN = 3  # columns between two columns
_LOOKS_LIKE = re.compile(r"\n*[^\n]*\n {0,3}[|:-][ \t|:-]*\n")


@dataclass(frozen=True, slots=True)
class OpenTable:
    """A table that goes on: its heading (two lines) and the rows that settled its columns."""

    head: str
    settling: str

    def rows_of(self, text: str) -> int:
        """How many lines at the beginning of ``text`` (complete lines) are rows of the table."""
        return max(0, _extent(self.head + text) - 2)


def settled(text: str) -> tuple[OpenTable, str] | None:
    """The table that ``text`` begins with and what follows its settling rows; None where there is no table,
    or not enough rows yet."""
    if not _LOOKS_LIKE.match(text):
        return None
    bare = text.lstrip("\n")
    complete = bare[: bare.rfind("\n") + 1]
    if _extent(complete) < 2 + SETTLING_ROWS:
        return None
    lines = [line + "\n" for line in complete.split("\n")]
    head, rows = "".join(lines[:2]), "".join(lines[2 : 2 + SETTLING_ROWS])
    return OpenTable(head, rows), bare[len(head) + len(rows) :]


def _extent(text: str) -> int:
    """Lines of the table that ``text`` begins with; 0 where it begins with something else."""
    tokens = parser().parse(text)
    if not tokens or tokens[0].type != "table_open" or tokens[0].map is None:
        return 0
    return tokens[0].map[1] if tokens[0].map[0] == 0 else 0


def column_widths(cells: list[list[Text]], room: int) -> list[int] | None:
    """Widths for the columns of ``cells`` (the heading's row first) in ``room`` columns; None where rows
    are better written as records."""
    count = len(cells[0])
    wanted = [max(1, *(_widest(row[n]) for row in cells if n < len(row))) for n in range(count)]
    free = room - BETWEEN * (count - 1)
    if free < sum(min(NARROWEST, width) for width in wanted):
        return None
    if len(cells) > SETTLING_ROWS:  # later rows may need more than those seen
        spare = max(0, free - sum(wanted)) // count
        return [width + min(spare, width // 2) for width in wanted] if spare else _shared(wanted, free)
    return _shared(wanted, free)


def _shared(wanted: list[int], free: int) -> list[int]:
    """Narrow columns get what they want, the others share the rest evenly."""
    given = dict.fromkeys(range(len(wanted)), 0)
    open_columns = sorted(given, key=lambda n: wanted[n])
    while open_columns:
        share = free // len(open_columns)
        column = open_columns.pop(0)
        given[column] = max(1, min(wanted[column], share))
        free -= given[column]
    return [given[n] for n in range(len(wanted))]


def _widest(cell: Text) -> int:
    return max((widths.columns(line) for line in cell.plain.expandtabs(4).split("\n")), default=0)


def drawn(heading: list[Any], rows: list[list[Any]], room: int, settling: int, skip: int) -> Any:
    """A renderable of the cells of a Markdown table (rich's own elements): columns settled by the first
    ``settling`` rows, the first ``skip`` rows left out together with the heading."""
    from rich import box
    from rich.console import Group
    from rich.table import Table

    texts = [[cell.content for cell in row] for row in rows]
    sizes = column_widths([[cell.content for cell in heading], *texts[:settling]], room)
    if sizes is None:
        return Group(*_records([cell.content for cell in heading], texts[skip:], after=bool(skip)))
    table = Table(
        box=box.SIMPLE,
        pad_edge=False,
        show_edge=False,
        style="markdown.table.border",
        show_header=not skip,
        collapse_padding=True,
    )
    for cell, size in zip(heading, sizes, strict=True):
        title = cell.content.copy()
        title.stylize("markdown.table.header")
        table.add_column(title, width=size, justify=cell.justify, overflow="fold")
    for row in texts[skip:]:
        table.add_row(*row)
    return table


def _records(heading: list[Text], rows: list[list[Text]], after: bool) -> list[Text]:
    """Each row as lines ``heading: cell``, rows set apart by an empty line; ``after``: others came before."""
    from rich.text import Text

    lines: list[Text] = []
    for number, row in enumerate(rows):
        lines += [Text("")] if number or after else []
        for title, cell in zip(heading, row, strict=False):
            name = title.copy()
            name.stylize("markdown.table.header")
            line = Text.assemble(name, ": ", cell) if name.plain else cell.copy()
            line.overflow = "fold"
            lines.append(line)
    return lines or [Text.assemble(*_between(heading))]


def _between(heading: list[Text]) -> list[Any]:
    return [part for title in heading for part in (title, "  ")]
