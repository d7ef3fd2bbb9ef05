"""The rows of a diff before they are painted: line numbers, signs, and the words that changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from kcode.ui.approval import hunks as parts
from kcode.ui.approval.linepairs import Spans, pairs, word_marks
from kcode.workspace.change import FileEdit
from kcode.workspace.diff import split_lines
from kcode.workspace.linediff import Opcode, opcodes

CONTEXT = parts.CONTEXT
NO_END = "no newline"
Sign = Literal[" ", "-", "+"]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a hunk. ``index`` counts from 0 in the old text for ``-``, else in the new one.

    ``spans`` are the characters that changed against the row's counterpart, ``end`` names the line's end
    where that is what differs.
    """

    sign: Sign
    index: int
    text: str
    spans: Spans = ()
    end: str = ""


Pair = tuple[Row | None, Row | None]  # what stands side by side; both None is never


@dataclass(frozen=True, slots=True)
class Shown:
    """A hunk to show: equal and changed stretches of two texts, given as lines with their ends."""

    old: Sequence[str]
    new: Sequence[str]
    codes: tuple[Opcode, ...]
    ends: bool = False  # lines that differ in their ends alone say so

    @property
    def size(self) -> int:
        """Rows of the unified form."""
        return sum(c.a1 - c.a0 if c.tag == "equal" else c.a1 - c.a0 + c.b1 - c.b0 for c in self.codes)

    @property
    def last(self) -> int:
        """The largest line number, from 1."""
        return max((max(code.a1, code.b1) for code in self.codes), default=0)

    def pairs(self) -> Iterator[Pair]:
        """The rows side by side, each change with its counterpart where it has one."""
        for code in self.codes:
            if code.tag == "equal":
                for n in range(code.a1 - code.a0):
                    text = bare(self.new[code.b0 + n])
                    yield Row(" ", code.a0 + n, text), Row(" ", code.b0 + n, text)
            else:
                yield from self._changed(code)

    def rows(self) -> Iterator[Row]:
        """The unified form: of each change what was removed, then what was added."""
        for code in self.codes:
            if code.tag == "equal":
                yield from (Row(" ", n, bare(self.new[n])) for n in range(code.b0, code.b1))
                continue
            both = list(self._changed(code))
            yield from (left for left, _ in both if left is not None)
            yield from (right for _, right in both if right is not None)

    def _changed(self, code: Opcode) -> Iterator[Pair]:
        old, new = self.old[code.a0 : code.a1], self.new[code.b0 : code.b1]
        bare_old, bare_new = [*map(bare, old)], [*map(bare, new)]
        i = j = 0
        for a, b in [*pairs(bare_old, bare_new), (len(old), len(new))]:
            for n in range(max(a - i, b - j)):  # what has no counterpart shares rows, too
                yield (
                    Row("-", code.a0 + i + n, bare_old[i + n]) if i + n < a else None,
                    Row("+", code.b0 + j + n, bare_new[j + n]) if j + n < b else None,
                )
            if a < len(old) and b < len(new):
                left, right = word_marks(bare_old[a], bare_new[b])
                ends = (
                    (_end(old[a]), _end(new[b])) if self.ends and _end(old[a]) != _end(new[b]) else ("", "")
                )
                yield (
                    Row("-", code.a0 + a, bare_old[a], left, ends[0]),
                    Row("+", code.b0 + b, bare_new[b], right, ends[1]),
                )
            i, j = a + 1, b + 1


def shown_hunks(edit: FileEdit) -> list[Shown]:
    """The changed regions of an edit with three lines of context, line ends not looked at."""
    old, new = _bare_lines(edit.before), _bare_lines(edit.after)
    groups: list[list[Opcode]] = []
    codes = _codes(edit.before, edit.after)
    for number, code in enumerate(codes):
        if code.tag != "equal":
            if not groups:
                groups.append([])
            groups[-1].append(code)
            continue
        before = min(CONTEXT, code.a1 - code.a0) if number else 0
        after = min(CONTEXT, code.a1 - code.a0) if number < len(codes) - 1 else 0
        if number and code.a1 - code.a0 <= before + after and after:
            groups[-1].append(code)
            continue
        if before:
            groups[-1].append(Opcode("equal", code.a0, code.a0 + before, code.b0, code.b0 + before))
        if after:
            groups.append([Opcode("equal", code.a1 - after, code.a1, code.b1 - after, code.b1)])
    return [Shown(old, new, tuple(group)) for group in groups if any(code.tag != "equal" for code in group)]


def shown_part(edit: FileEdit, hunk: parts.Hunk) -> Shown:
    """One hunk that is decided on, numbered as the whole change would be, its line ends looked at."""
    old = split_lines(edit.before or "")
    new = list(split_lines(edit.after or ""))
    codes: list[Opcode] = []
    if not hunk.blocks:
        return Shown(old, new, ())
    first, shift = hunk.blocks[0], hunk.blocks[0].place - hunk.start
    at = max(0, first.start - CONTEXT)
    after: dict[int, str] = {}  # the lines of the text after, at their numbers there
    for block in hunk.blocks:
        if block.start > at:
            codes.append(Opcode("equal", at, block.start, at + shift, block.start + shift))
        place = block.start + shift
        after.update({place + n: line for n, line in enumerate(block.new)})
        codes.append(Opcode("replace", block.start, block.end, place, place + len(block.new)))
        shift += len(block.new) - len(block.old)
        at = block.end
    last = min(len(old), at + CONTEXT)
    if last > at:
        codes.append(Opcode("equal", at, last, at + shift, last + shift))
    for code in codes:
        if code.tag == "equal":
            after.update({code.b0 + n: old[code.a0 + n] for n in range(code.a1 - code.a0)})
    padded = [after.get(n, "") for n in range(max(after, default=-1) + 1)]
    return Shown(old, padded, tuple(codes), ends=True)


def counts(edit: FileEdit) -> tuple[int, int]:
    """Lines added and removed; changes of line ends alone are none."""
    codes = [code for code in _codes(edit.before, edit.after) if code.tag != "equal"]
    return sum(code.b1 - code.b0 for code in codes), sum(code.a1 - code.a0 for code in codes)


def bare(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _end(line: str) -> str:
    return "CRLF" if line.endswith("\r\n") else "LF" if line.endswith("\n") else NO_END


def _bare_lines(text: str | None) -> list[str]:
    return [bare(line) for line in split_lines(text or "")]


@lru_cache(maxsize=16)
def _codes(before: str | None, after: str | None) -> tuple[Opcode, ...]:
    return tuple(opcodes(_bare_lines(before), _bare_lines(after)))
