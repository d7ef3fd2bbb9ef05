"""A text as the stages of matching look at it: its lines, where they begin, and their keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from kcode.workspace.diff import split_lines
from kcode.workspace.files import dominant_newline
from kcode.workspace.indentation import file_step
from kcode.workspace.lookalikes import folded, plain


class Document:
    """``lines`` lack their endings; ``starts`` has one offset more than there are lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.raw = split_lines(text)
        self.lines = [bare(line) for line in self.raw]
        self.starts = [0]
        for line in self.raw:
            self.starts.append(self.starts[-1] + len(line))

    @cached_property
    def newline(self) -> str:
        return dominant_newline(self.text)

    @cached_property
    def step(self) -> str:
        """What one more level of indentation is here."""
        return file_step(self.lines)

    @cached_property
    def rstripped(self) -> list[str]:
        return [line.rstrip() for line in self.lines]

    @cached_property
    def stripped(self) -> list[str]:
        return [line.strip() for line in self.lines]

    @cached_property
    def seen(self) -> list[str]:
        """The lines as they look, without the blanks around them."""
        return self.stripped if self.text.isascii() else [key(line) for line in self.lines]

    @cached_property
    def known(self) -> frozenset[str]:
        """The lines that are not blank, as they look."""
        return frozenset(self.seen) - {""}

    @cached_property
    def filled(self) -> list[int]:
        """The indices of the lines that are not blank."""
        return [at for at, line in enumerate(self.seen) if line]

    @cached_property
    def plain(self) -> str:
        """The text with look-alikes in ASCII, as long as the text."""
        return plain(self.text)

    def line_number(self, offset: int) -> int:
        """From 1."""
        return self.text.count("\n", 0, offset) + 1


def bare(line: str) -> str:
    """A line without its ending."""
    return line.removesuffix("\n").removesuffix("\r")


def key(line: str) -> str:
    return folded(line).strip()


def occurrences(where: Sequence[str], part: Sequence[str]) -> list[int]:
    """Where ``part`` begins in ``where``, overlaps included."""
    if not part:
        return []
    first, size = part[0], len(part)
    wanted = list(part)
    found: list[int] = []
    at = -1
    while True:
        try:
            at = where.index(first, at + 1)
        except ValueError:
            return found
        if list(where[at : at + size]) == wanted:
            found.append(at)


def with_blanks(document: Document, lines: Sequence[str], there: list[int]) -> None:
    """Let blank ``lines`` without a place stand for the blank lines beside their neighbours' places."""
    taken = set(there)
    size = len(lines)
    for order, step in ((range(1, size), 1), (range(size - 2, -1, -1), -1)):
        for at in order:
            beside = there[at - step] + step
            if lines[at].strip() or there[at] >= 0 or there[at - step] < 0 or beside in taken:
                continue
            if 0 <= beside < len(document.seen) and not document.seen[beside]:
                there[at] = beside
                taken.add(beside)
