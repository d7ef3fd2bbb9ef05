"""What one file defines and which names it uses, read from its syntax tree."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, NamedTuple

from kcode.codemap.languages import Grammar, Language, grammar
from kcode.codemap.signature import Signatures

if TYPE_CHECKING:
    from tree_sitter import Node

LARGEST = 512_000  # bytes: larger files are data or generated, and cost more than they tell
NAME = 200  # characters
MOST = 3_000  # definitions of one file
OUTER = frozenset({"class", "struct", "interface", "trait", "enum", "module", "extension", "impl"})
"""Kinds that a method belongs to."""

_MOST_COUNTED = 255  # uses of one name in one file
_ONCE = frozenset({"constant", "variable"})  # assigned again is not defined again
_WITHIN = OUTER | {"function", "method"}  # whose names stand before those of what is in them
_SPAN, _PLACE = attrgetter("byte_range"), itemgetter(0, 1)


class Definition(NamedTuple):
    """``kind`` is ``function``, ``class``, ``method``, …; lines count from 1, ``end`` included.

    ``outer`` are the names it stands within, joined by dots: of its class, for a method.
    """

    name: str
    kind: str
    line: int
    end: int
    signature: str
    outer: str = ""

    @property
    def full(self) -> str:
        return f"{self.outer}.{self.name}" if self.outer else self.name


@dataclass(frozen=True, slots=True)
class Tags:
    """Definitions by line; uses by the number that stands for their name (:func:`number`), with counts."""

    definitions: tuple[Definition, ...]
    uses: tuple[tuple[int, int], ...]


def number(name: str) -> int:
    """The 32-bit number that stands for a name in the index: the same on every machine.

    Two names may share one; whoever needs certainty looks at the file.
    """
    return zlib.crc32(name.encode("utf-8", "replace"))


def tags_of(source: bytes, language: Language) -> Tags | None:
    """The tags of a file's bytes; None where the language's grammar is not installed."""
    from tree_sitter import QueryCursor

    tools = grammar(language)
    if tools is None:
        return None
    source = _utf8(source)
    captures = QueryCursor(tools.query).captures(tools.parser.parse(source).root_node)
    uses: dict[int, int] = {}
    used = [source[start:end] for start, end in map(_SPAN, captures.get("ref", ()))]  # faster than Node.text
    for name, count in Counter(used).items():
        if name:
            key = zlib.crc32(name)
            uses[key] = min(uses.get(key, 0) + count, _MOST_COUNTED)
    return Tags(tuple(_definitions(captures, tools, source, language)), tuple(sorted(uses.items())))


def nested(definitions: Sequence[Definition]) -> Iterator[tuple[int, Definition]]:
    """Each definition with its depth: how many others it stands within."""
    open_: list[Definition] = []
    for each in definitions:
        while open_ and open_[-1].end < each.line:
            open_.pop()
        yield len(open_), each
        if each.end > each.line:
            open_.append(each)


class _Body:
    """Where a definition begins and ends, in bytes; ``outer`` is what the source itself names as the owner,
    ``path`` the names of what it stands within, and its own."""

    __slots__ = ("end", "kind", "node", "outer", "path", "start")

    def __init__(self, start: int, end: int, kind: str, node: Node) -> None:
        self.start, self.end, self.kind, self.node = start, end, kind, node
        self.outer = self.path = ""


def _definitions(
    captures: Mapping[str, list[Node]], tools: Grammar, source: bytes, language: Language
) -> Iterator[Definition]:
    """Every name goes with the innermost body it stands in: captures are much cheaper than matches."""
    bodies = _bodies(captures, tools.kinds)
    signature = Signatures(source, tools, language)
    open_: list[_Body] = []
    once: set[str] = set()
    at = told = 0
    count = len(bodies)
    last = (-1, -1)
    for start, is_name, node in _marks(captures):
        while at < count and bodies[at].start <= start:
            while open_ and open_[-1].end <= bodies[at].start:
                open_.pop()
            open_.append(bodies[at])
            at += 1
        while open_ and open_[-1].end <= start:
            open_.pop()
        if not open_ or (start, is_name) == last:
            continue
        last = (start, is_name)
        name_end = node.end_byte
        text = _text(source[start:name_end])
        body = open_[-1]
        if not is_name:
            body.outer = text
            continue
        if not text or (body.kind in _ONCE and text in once):
            continue
        once.add(text)
        outer = body.outer or _around(open_)
        body.path = f"{outer}.{text}" if outer and body.kind in _WITHIN else text
        line = node.start_point[0]
        row, column = body.node.end_point  # a node that takes its line's end with it ends on the line before
        end = max(row - 1 if column == 0 and row > body.node.start_point[0] else row, line)
        yield Definition(
            text,
            _kind(body, text, language),
            line + 1,
            end + 1,
            signature.of(start, name_end, body),
            outer[:NAME],
        )
        told += 1
        if told >= MOST:
            return


def _marks(captures: Mapping[str, list[Node]]) -> list[tuple[int, int, Node]]:
    """Names and owners by where they begin: an owner (0) before a name (1)."""
    marks = [(node.start_byte, 1, node) for node in captures.get("name", ())]
    marks += [(node.start_byte, 0, node) for node in captures.get("outer", ())]
    marks.sort(key=_PLACE)
    return marks


def _bodies(captures: Mapping[str, list[Node]], kinds: Sequence[str]) -> list[_Body]:
    """What defines, outer ones first; where several patterns fit a node, the first says what it is."""
    found: dict[tuple[int, int], _Body] = {}
    for kind in kinds:
        for node in captures.get(f"def.{kind}", ()):
            start, end = node.byte_range
            if (start, -end) not in found:
                found[start, -end] = _Body(start, end, kind, node)
    return [found[key] for key in sorted(found)]


def _text(written: bytes) -> str:
    text = written.decode("utf-8", "replace")
    if not text.isidentifier() or len(text) > NAME:
        text = " ".join(text.split())[:NAME]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1]
    return text


def _around(open_: Sequence[_Body]) -> str:
    """The path of what the last of them stands within."""
    for at in range(len(open_) - 2, -1, -1):
        if open_[at].path and open_[at].kind in _WITHIN:
            return open_[at].path
    return ""


def _kind(body: _Body, name: str, language: Language) -> str:
    """In Python a name of the module is a constant where it is written as one."""
    if language.name != "python" or body.kind != "constant":
        return body.kind
    annotated = body.node.child_by_field_name("type") is not None
    return "constant" if annotated or name.isupper() else "variable"


def _utf8(source: bytes) -> bytes:
    """The bytes as the grammars read them: UTF-8, without a byte order mark."""
    if source[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return source.decode("utf-16", "replace").encode("utf-8", "replace")
    source = source.removeprefix(b"\xef\xbb\xbf")
    if source.isascii():
        return source
    try:
        source.decode("utf-8")
    except UnicodeDecodeError:
        return source.decode("gb18030", "replace").encode("utf-8", "replace")
    return source
