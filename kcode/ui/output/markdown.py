"""Streamed Markdown as terminal lines: finished lines come out once, the unfinished block on demand."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kcode.safety.sanitize import clean
from kcode.ui.look import widths
from kcode.ui.look.terminal import CONTROL_SEQUENCE, Look, make_console
from kcode.ui.look.theme import syntax_theme, theme_of
from kcode.ui.output import tables
from kcode.ui.output.blocks import FENCE_OPENER, Piece, cut_pieces, is_list_item
from kcode.ui.output.highlight import highlight_lines

if TYPE_CHECKING:
    from rich.text import Text

CONTEXT_LINES = 40  # of a code block, kept so that the lexer knows where it is
CODE_INDENT = 2


class Drawer:
    """Renders Markdown blocks, code and dim text into styled lines narrower than the terminal."""

    def __init__(self, look: Look) -> None:
        self._console = make_console(io.StringIO(), look, width=80)
        self._look = look
        self._code_theme = syntax_theme(theme_of(look))

    def markdown(self, block: str, width: int) -> list[str]:
        return _trimmed(self._lines(_markdown(block, self._code_theme), width))

    def more_rows(self, table: tables.OpenTable, rows: str, width: int) -> list[str]:
        """Rows that follow those which settled the table's columns."""
        whole = table.head + table.settling + rows
        lines = self._lines(_markdown(whole, self._code_theme, skip=tables.SETTLING_ROWS), width)
        while lines and not CONTROL_SEQUENCE.sub("", lines[-1]).strip():
            lines.pop()
        return lines[1:]  # rich sets a table apart by an empty line

    def code(self, context: list[str], lines: list[str], language: str, width: int) -> list[str]:
        """Colour ``lines`` of a code block, ``context`` being the lines before them."""
        from rich.text import Text

        shown = highlight_lines("\n".join([*context, *lines, ""]), language, self._look)[len(context) :]
        for text in shown:
            text.expand_tabs(4)
        whole = Text("\n", overflow="fold").join(shown)  # one print for all: each costs as much as a line
        whole.overflow = "fold"
        return [row and " " * CODE_INDENT + row for row in self._lines(whole, width - CODE_INDENT)]

    def dim(self, line: str, width: int) -> list[str]:
        from rich.text import Text

        return self._lines(Text(line, style="dim italic"), width) if line.strip() else [""]

    def text(self, text: Text, width: int) -> list[str]:
        return self._lines(text, width)

    def _lines(self, renderable: object, width: int) -> list[str]:
        self._console.width = max(10, width - 1)  # a print may be narrower than its console, not wider
        with self._console.capture() as captured:
            self._console.print(renderable, markup=False)
        lines = captured.get().removesuffix("\n").split("\n")
        return [row for line in lines for row in widths.fold(line.rstrip(" "), max(10, width - 1))]


@dataclass
class _Fence:
    """An open code block at the top level: its lines are finished one by one."""

    mark: str
    language: str
    context: list[str] = field(default_factory=list)

    def closes(self, line: str) -> bool:
        stripped = line.strip()
        return (
            len(stripped) >= len(self.mark)
            and set(stripped) == {self.mark[0]}
            and len(line) - len(line.lstrip(" ")) < 4
        )


class MarkdownStream:
    """Feed text as it comes; ``take`` yields lines that are finished, ``pending`` draws the rest."""

    def __init__(self, drawer: Drawer) -> None:
        self._drawer = drawer
        self._text = ""
        self._fence: _Fence | None = None
        self._table: tables.OpenTable | None = None
        self._outer = ""  # the list item that the text goes on with, as its beginning
        self._last = ""  # the block drawn last, which decides on the blank line before the next

    def feed(self, text: str) -> None:
        self._text += text.replace("\r", "")

    def discard(self) -> None:
        """Forget what has not been taken."""
        self._text, self._fence, self._table, self._outer, self._last = "", None, None, "", ""

    @property
    def started(self) -> bool:
        """Whether lines were taken since the beginning or the last ``finish``."""
        return bool(self._last)

    def take(self, width: int) -> list[str]:
        """The lines that became finished since the last call."""
        out: list[str] = []
        while True:
            if self._fence is not None:
                more = self._take_code(width)
            elif self._table is not None:
                more = self._take_rows(width)
            else:
                more = self._take_blocks(width)
            if more is None:
                return out
            out += more

    def pending(self, width: int) -> list[str]:
        """The unfinished block as it looks now."""
        if self._fence is not None:
            line = self._text
            return self._code([line], width) if line and not _may_close(line, self._fence) else []
        if self._table is not None:
            row = f"{self._text}\n" if self._text.strip() else ""
            return self._drawer.more_rows(self._table, clean(row), width) if self._table.rows_of(row) else []
        if not self._text.strip() or FENCE_OPENER.match(self._text + "\n"):
            return []
        out: list[str] = []
        last = self._last
        for piece in self._all_pieces():
            out += self._piece(piece, width, last)
            last = piece.outer + piece.text
        return out

    def finish(self, width: int) -> list[str]:
        """All that is left, as finished lines. The stream is then as new."""
        if self._text and not self._text.endswith("\n"):
            self._text += "\n"
        out = self.take(width)
        if self._fence is None and self._text.strip():
            for piece in self._all_pieces():
                out += self._piece(piece, width, self._last)
                self._last = piece.outer + piece.text
        self.discard()
        return out

    def _take_blocks(self, width: int) -> list[str] | None:
        opener = FENCE_OPENER.match(self._text.lstrip("\n"))
        if opener is not None:
            text = self._text.lstrip("\n")
            language = (opener["info"].split() or [""])[0]
            self._fence = _Fence(opener["mark"], re.sub(r"[^\w+#.-]", "", language))
            self._text = text[opener.end() :]
            gap = [""] if self._last else []
            self._last = "```"
            return gap
        finished, rest = cut_pieces(self._text, self._outer)
        if not finished:
            return None if self._outer else self._open_table(width)
        out: list[str] = []
        for number, piece in enumerate(finished):
            # A code block among the finished ones is drawn by the other way: stop in front of it.
            if number and FENCE_OPENER.match(piece.text.lstrip("\n")):
                break
            out += self._piece(piece, width, self._last)
            self._last = piece.outer + piece.text
            self._text = self._text[len(piece.text) :]
            self._outer = [*finished, rest][number + 1].outer
        return out

    def _all_pieces(self) -> list[Piece]:
        """What is left, as if it were complete."""
        text = self._text if self._text.endswith("\n") else self._text + "\n"
        finished, rest = cut_pieces(text, self._outer)
        return [piece for piece in (*finished, rest) if piece.text.strip()]

    def _open_table(self, width: int) -> list[str] | None:
        """The first rows of a long table, which goes on."""
        found = tables.settled(self._text)
        if found is None:
            return None
        self._table, self._text = found
        block = self._table.head + self._table.settling
        out = self._block(block, width, self._last)
        self._last = block
        return out

    def _take_rows(self, width: int) -> list[str] | None:
        assert self._table is not None
        complete = self._text[: self._text.rfind("\n") + 1]
        if not complete:
            return None
        lines = complete.split("\n")[:-1]
        count = self._table.rows_of(complete)
        rows = "".join(f"{line}\n" for line in lines[:count])
        out = self._drawer.more_rows(self._table, clean(rows), width) if rows else []
        self._text = self._text[len(rows) :]
        if count < len(lines):
            self._table = None
        return out

    def _take_code(self, width: int) -> list[str] | None:
        assert self._fence is not None
        complete, newline, rest = self._text.rpartition("\n")
        if not newline:
            return None
        lines = complete.split("\n")
        closing = next((n for n, line in enumerate(lines) if self._fence.closes(line)), None)
        code = lines if closing is None else lines[:closing]
        out = self._code(code, width) if code else []
        self._fence.context = (self._fence.context + code)[-CONTEXT_LINES:]
        if closing is None:
            self._text = rest
        else:
            self._text = "\n".join([*lines[closing + 1 :], rest])
            self._fence = None
        return out

    def _code(self, lines: list[str], width: int) -> list[str]:
        assert self._fence is not None
        return self._drawer.code(self._fence.context, lines, self._fence.language, width)

    def _piece(self, piece: Piece, width: int, last: str) -> list[str]:
        if not piece.outer:
            return self._block(piece.text, width, last)
        lines = self._drawer.markdown(clean(piece.outer + piece.text), width)[1:]
        while lines and not CONTROL_SEQUENCE.sub("", lines[0]).strip():
            lines.pop(0)
        return lines

    def _block(self, block: str, width: int, last: str) -> list[str]:
        lines = self._drawer.markdown(clean(block), width)
        if not lines:
            return []
        tight = is_list_item(block) and is_list_item(last) and not last.endswith("\n\n")
        return lines if tight or not last else ["", *lines]


def _may_close(line: str, fence: _Fence) -> bool:
    """Whether an unfinished line looks like the beginning of the closing fence."""
    return bool(line.strip()) and set(line.strip()) == {fence.mark[0]}


def _trimmed(lines: list[str]) -> list[str]:
    shown = [n for n, line in enumerate(lines) if CONTROL_SEQUENCE.sub("", line).strip()]
    return lines[shown[0] : shown[-1] + 1] if shown else []


def _markdown(block: str, code_theme: Any, skip: int = 0) -> object:
    """``block`` for rich; of its table, if it is one, without the heading and the first ``skip`` rows."""
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.markdown import CodeBlock, Heading, Markdown, TableElement
    from rich.padding import Padding
    from rich.syntax import Syntax

    from kcode.ui.output.blocks import parser

    class LeftHeading(Heading):
        LEVEL_ALIGN = {f"h{n}": "left" for n in range(1, 7)}

    class BareCode(CodeBlock):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            code = str(self.text).rstrip()
            syntax = Syntax(
                code, self.lexer_name, theme=self.theme, word_wrap=True, background_color="default"
            )
            yield Padding(syntax, (0, 0, 0, CODE_INDENT))

    class SettledTable(TableElement):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            if self.header is None or self.header.row is None:
                return
            rows = [row.cells for row in self.body.rows] if self.body is not None else []
            heading = self.header.row.cells
            yield tables.drawn(heading, rows, options.max_width, tables.SETTLING_ROWS, skip)

    class Block(Markdown):
        elements = {
            **Markdown.elements,
            "heading_open": LeftHeading,
            "fence": BareCode,
            "code_block": BareCode,
            "table_open": SettledTable,
        }

    # A shown link names its address: OSC 8 would let a text hide where it leads.
    rendered = Block(block, code_theme=code_theme, hyperlinks=False)
    rendered.parsed = parser().parse(block)
    return rendered
