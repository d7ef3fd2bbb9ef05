"""A regular expression's work counted in steps, not seconds: a plain backtracking matcher over the tree that
``re`` itself parses, and texts made from that tree to make it work."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from re import _constants as op  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]

REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_CATEGORY = {
    op.CATEGORY_SPACE: r"\s", op.CATEGORY_NOT_SPACE: r"\S", op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D", op.CATEGORY_WORD: r"\w", op.CATEGORY_NOT_WORD: r"\W",
}  # fmt: skip
_SAMPLES = " \n\ta0.-_=:,;<>(){}[]`*#@!/\\\"'\x1bZ|é\xa0中"
_MANY = 8  # a repeat that may go on so often counts as one without an end


class TooMany(Exception):
    """More steps than were allowed."""


class Matcher:
    """One pattern. ``steps`` after a match counts how often a part of it was tried at a place."""

    def __init__(self, pattern: str, flags: int = 0, limit: int = 200_000) -> None:
        self.tree = parser.parse(pattern, flags)
        self.flags = self.tree.state.flags
        self.limit = limit
        self.steps = 0
        self._text = ""
        self._groups: dict[int, tuple[int, int]] = {}

    def whole(self, text: str) -> bool:
        """Whether all of ``text`` matches, with every way to match it tried until one does."""
        self._text, self.steps, self._groups = text, 0, {}
        return any(end == len(text) for end in self._sequence(self.tree, 0, 0))

    def _sequence(self, nodes: Any, at: int, pos: int) -> Iterator[int]:
        if at == len(nodes):
            yield pos
            return
        for after in self._one(*nodes[at], pos):
            yield from self._sequence(nodes, at + 1, after)

    def _one(self, kind: Any, value: Any, pos: int) -> Iterator[int]:
        self.steps += 1
        if self.steps > self.limit:
            raise TooMany
        if kind in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
            if pos < len(self._text) and self._is(kind, value, self._text[pos]):
                yield pos + 1
        elif kind is op.BRANCH:
            for branch in value[1]:
                yield from self._sequence(branch, 0, pos)
        elif kind is op.SUBPATTERN:
            for end in self._sequence(value[3], 0, pos):
                self._groups[value[0]] = (pos, end)
                yield end
        elif kind in REPEATS:
            yield from self._repeat(kind, *value, pos)
        elif kind is op.ATOMIC_GROUP:
            yield from self._first(self._sequence(value, 0, pos))
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            yield from self._look(kind, *value, pos)
        elif kind is op.AT:
            if self._stands(value, pos):
                yield pos
        elif kind is op.GROUPREF:
            start, end = self._groups.get(value, (0, 0))
            if self._text.startswith(self._text[start:end], pos):
                yield pos + end - start
        else:
            assert kind is op.GROUPREF_EXISTS
            yield from self._sequence(value[1] if value[0] in self._groups else value[2] or [], 0, pos)

    @staticmethod
    def _first(found: Iterator[int]) -> Iterator[int]:
        for end in found:
            yield end
            return

    def _repeat(self, kind: Any, least: int, most: Any, body: Any, pos: int) -> Iterator[int]:
        if len(body) == 1 and body[0][0] in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
            end = pos
            while end - pos < most and end < len(self._text) and self._is(*body[0], self._text[end]):
                end += 1
            ends = range(pos + least, end + 1)
            self.steps += len(ends)
            if kind is op.POSSESSIVE_REPEAT:
                yield from [*ends][-1:]
            else:
                yield from ends if kind is op.MIN_REPEAT else reversed(ends)
        elif kind is op.POSSESSIVE_REPEAT:
            yield from self._first(self._times(op.MAX_REPEAT, least, most, body, pos, 0))
        else:
            yield from self._times(kind, least, most, body, pos, 0)

    def _times(self, kind: Any, least: int, most: Any, body: Any, pos: int, count: int) -> Iterator[int]:
        if kind is op.MIN_REPEAT and count >= least:
            yield pos
        if count < most:
            for end in self._sequence(body, 0, pos):
                if end > pos or count < least:
                    yield from self._times(kind, least, most, body, end, count + 1)
        if kind is op.MAX_REPEAT and count >= least:
            yield pos

    def _look(self, kind: Any, direction: int, body: Any, pos: int) -> Iterator[int]:
        start = pos
        if direction < 0:
            start = pos - body.getwidth()[0]
        there = start >= 0 and any(direction > 0 or end == pos for end in self._sequence(body, 0, start))
        if there == (kind is op.ASSERT):
            yield pos

    def _is(self, kind: Any, value: Any, char: str) -> bool:
        if kind is op.ANY:
            return char != "\n" or bool(self.flags & re.DOTALL)
        if kind is op.IN:
            return _class_of(tuple(value), self.flags & (re.IGNORECASE | re.ASCII))(char)
        same = ord(char) == value or (bool(self.flags & re.IGNORECASE) and char.lower() == chr(value).lower())
        return same == (kind is op.LITERAL)

    def _stands(self, value: Any, pos: int) -> bool:
        text, lines = self._text, bool(self.flags & re.MULTILINE)
        if value in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
            return pos == 0 or (lines and value is op.AT_BEGINNING and text[pos - 1] == "\n")
        if value is op.AT_END_STRING:
            return pos == len(text)
        if value is op.AT_END:
            return pos == len(text) or text[pos:] == "\n" or (lines and text[pos] == "\n")
        before = pos > 0 and re.match(r"\w", text[pos - 1]) is not None
        after = pos < len(text) and re.match(r"\w", text[pos]) is not None
        return (before != after) == (value is op.AT_BOUNDARY)


@lru_cache(maxsize=5_000)
def _class_of(items: tuple[Any, ...], flags: int) -> Callable[[str], bool]:
    parts, negated = [], ""
    for kind, value in items:
        if kind is op.NEGATE:
            negated = "^"
        elif kind is op.LITERAL:
            parts.append(re.escape(chr(value)))
        elif kind is op.RANGE:
            parts.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
        else:
            parts.append(_CATEGORY[value])
    compiled = re.compile(f"[{negated}{''.join(parts)}]", flags)
    return lru_cache(maxsize=300)(lambda char: compiled.match(char) is not None)


# --- texts that make a pattern work --------------------------------------------------------------


def repeats(nodes: Any) -> int:
    """How many repeats without an end a pattern has. What is repeated counts twice, a choice in it too."""
    found = 0
    for kind, value in nodes:
        if kind in REPEATS:
            inside = repeats(value[2]) + _chooses(value[2])
            found += (1 + 2 * inside) if value[1] > _MANY else inside
        elif kind is op.BRANCH:
            found += sum(map(repeats, value[1]))
        elif kind is op.SUBPATTERN:
            found += repeats(value[3])
        elif kind is op.ATOMIC_GROUP:
            found += repeats(value)
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            found += repeats(value[1])
    return found


def _chooses(nodes: Any) -> bool:
    return any(kind is op.BRANCH or (kind is op.SUBPATTERN and _chooses(value[3])) for kind, value in nodes)


def attacks(tree: Any, flags: int) -> list[tuple[str, str]]:
    """What to begin with, and what to say again and again behind it."""
    pairs = dict.fromkeys(_pumps(tree, "", flags))
    pumps = [*dict.fromkeys(pump for _, pump in pairs)]
    mixed = [("", one + other) for one in pumps[:5] for other in pumps[:5] if one != other]
    return [*dict.fromkeys([*pairs, *(("", pump) for pump in pumps), *mixed])]


def _pumps(nodes: Any, before: str, flags: int) -> Iterator[tuple[str, str]]:
    for at, (kind, value) in enumerate(nodes):
        begin = before + _sample(nodes[:at], 0, flags)
        if kind in REPEATS:
            if value[1] > _MANY:
                for choice in range(3):
                    if pump := _sample(value[2], choice, flags):
                        yield begin, pump
            yield from _pumps(value[2], begin, flags)
        elif kind is op.BRANCH:
            for branch in value[1]:
                yield from _pumps(branch, begin, flags)
        elif kind is op.SUBPATTERN:
            yield from _pumps(value[3], begin, flags)
        elif kind is op.ATOMIC_GROUP:
            yield from _pumps(value, begin, flags)


def _sample(nodes: Any, choice: int, flags: int) -> str:
    """A text that the nodes match, more or less; ``choice`` picks among characters and branches."""
    said = ""
    for kind, value in nodes:
        if kind is op.LITERAL:
            said += chr(value)
        elif kind in (op.NOT_LITERAL, op.ANY):
            said += " a0"[choice % 3]
        elif kind is op.IN:
            fits = [char for char in _SAMPLES if _class_of(tuple(value), flags & re.ASCII)(char)]
            if not fits:
                first = next(value for kind, value in value if kind in (op.LITERAL, op.RANGE))
                fits = [chr(first if isinstance(first, int) else first[0])]
            said += fits[choice % len(fits)]
        elif kind is op.BRANCH:
            said += _sample(value[1][choice % len(value[1])], choice, flags)
        elif kind is op.SUBPATTERN:
            said += _sample(value[3], choice, flags)
        elif kind in REPEATS:
            said += _sample(value[2], choice, flags) * max(1, min(value[0], 20))
        elif kind is op.ATOMIC_GROUP:
            said += _sample(value, choice, flags)
    return said
