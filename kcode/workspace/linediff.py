"""Which lines of two texts differ, in a time that does not grow with the square of what it is given."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Literal, NamedTuple

PRODUCT_LIMIT = 250_000  # old lines times new lines that difflib compares at once

Tag = Literal["equal", "replace", "delete", "insert"]


class Opcode(NamedTuple):
    """Old lines ``[a0:a1]`` stand against new lines ``[b0:b1]``, as difflib tells it."""

    tag: Tag
    a0: int
    a1: int
    b0: int
    b1: int


def opcodes(old: Sequence[str], new: Sequence[str]) -> list[Opcode]:
    """The way from ``old`` to ``new``: it covers both from end to end, equal and changed in turn.

    Where the part that differs is large, lines that occur once in both are the anchors and only what is
    between them is compared; a stretch without anchors that is still too large counts as replaced.
    """
    return _alternating(_matches(old, new), len(old), len(new))


def _matches(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Equal stretches as (old start, new start, length), in order."""
    todo = [(0, len(old), 0, len(new))]
    while todo:
        a0, a1, b0, b1 = todo.pop()
        head = 0
        while a0 + head < a1 and b0 + head < b1 and old[a0 + head] == new[b0 + head]:
            head += 1
        if head:
            yield a0, b0, head
            a0, b0 = a0 + head, b0 + head
        tail = 0
        while a0 < a1 - tail and b0 < b1 - tail and old[a1 - 1 - tail] == new[b1 - 1 - tail]:
            tail += 1
        if tail:
            todo.append((a1 - tail, a1, b1 - tail, b1))
            a1, b1 = a1 - tail, b1 - tail
        if a0 == a1 or b0 == b1:
            continue
        if (a1 - a0) * (b1 - b0) <= PRODUCT_LIMIT:
            for a, b, size in SequenceMatcher(None, old[a0:a1], new[b0:b1]).get_matching_blocks():
                if size:
                    yield a0 + a, b0 + b, size
            continue
        anchors = _anchors(old, new, a0, a1, b0, b1)
        edges = [(a0, b0), *anchors, (a1, b1)]
        if anchors:
            todo += reversed([(a, c, b, d) for (a, b), (c, d) in pairwise(edges)])


def _anchors(
    old: Sequence[str], new: Sequence[str], a0: int, a1: int, b0: int, b1: int
) -> list[tuple[int, int]]:
    """Lines that occur once on both sides, the longest run of them that keeps its order."""
    once_old, once_new = _once(old, a0, a1), _once(new, b0, b1)
    pairs = sorted((at, once_new[line]) for line, at in once_old.items() if line in once_new)
    tops: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for number, (_, b) in enumerate(pairs):
        pile = bisect_left(tops, b)
        before.append(ends[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(b)
            ends.append(number)
        else:
            tops[pile], ends[pile] = b, number
    found: list[tuple[int, int]] = []
    number = ends[-1] if ends else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]


def _once(lines: Sequence[str], start: int, end: int) -> dict[str, int]:
    at: dict[str, int] = {}
    for number in range(start, end):
        at[lines[number]] = -1 if lines[number] in at else number
    return {line: number for line, number in at.items() if number >= 0}


def _alternating(matches: Iterator[tuple[int, int, int]], old_size: int, new_size: int) -> list[Opcode]:
    found: list[Opcode] = []
    a = b = 0
    for start_a, start_b, size in [*matches, (old_size, new_size, 0)]:
        if start_a > a or start_b > b:
            tag: Tag = "replace" if start_a > a and start_b > b else "delete" if start_a > a else "insert"
            found.append(Opcode(tag, a, start_a, b, start_b))
        a, b = start_a + size, start_b + size
        if size and found and found[-1].tag == "equal":
            found[-1] = found[-1]._replace(a1=a, b1=b)
        elif size:
            found.append(Opcode("equal", start_a, a, start_b, b))
    return found
