"""What one file defines and which names it uses, read from its syntax tree."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.codemap.languages import Language, grammar

if TYPE_CHECKING:
    from tree_sitter import Node

LARGEST = 512_000  # bytes: larger files are data or generated, and cost more than they tell
SIGNATURE = 160  # characters
NAME = 200  # characters
_MOST_COUNTED = 255  # uses of one name in one file


@dataclass(frozen=True, slots=True)
class Definition:
    """``kind`` is ``function``, ``class``, ``method``, …; lines count from 1, ``end`` included."""

    name: str
    kind: str
    line: int
    end: int
    signature: str


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
    root = tools.parser.parse(source).root_node
    found: dict[tuple[int, str], tuple[int, Definition]] = {}
    lines = _Lines(source)
    for _, captures in QueryCursor(tools.definitions).matches(root):
        definition = _definition(captures, lines)
        if definition is not None:  # the first pattern that fits says what kind it is
            found.setdefault((definition[1].line, definition[1].name), definition)
    uses: Counter[bytes] = Counter()
    for node in QueryCursor(tools.references).captures(root).get("ref", ()):
        if node.text is not None:
            uses[node.text] += 1
    counted = Counter[int]()
    for name, count in uses.items():
        counted[zlib.crc32(name)] += count
    return Tags(
        tuple(each for _, each in sorted(found.values(), key=lambda pair: (pair[0], -pair[1].end))),
        tuple(sorted((key, min(count, _MOST_COUNTED)) for key, count in counted.items())),
    )


def nested(definitions: tuple[Definition, ...]) -> Iterator[tuple[int, Definition]]:
    """Each definition with its depth: how many others it stands within."""
    open_: list[Definition] = []
    for each in definitions:
        while open_ and open_[-1].end < each.line:
            open_.pop()
        yield len(open_), each
        if each.end > each.line:
            open_.append(each)


class _Lines:
    def __init__(self, source: bytes) -> None:
        self._lines = source.split(b"\n")

    def signature(self, line: int) -> str:
        """The line as it stands, without its indentation and without what opens a body."""
        text = self._lines[line].strip().decode("utf-8", "replace") if line < len(self._lines) else ""
        text = " ".join(text.split()).removesuffix("{").rstrip().removesuffix(":").rstrip()
        return text if len(text) <= SIGNATURE else text[: SIGNATURE - 1] + "…"


def _definition(captures: dict[str, list[Node]], lines: _Lines) -> tuple[int, Definition] | None:
    """The definition behind the byte at which it begins; None for a name that is empty."""
    name = captures["name"][0] if captures.get("name") else None
    kind = next((key for key in captures if key.startswith("def.")), "")
    if name is None or not kind or not name.text:
        return None
    text = " ".join(name.text.decode("utf-8", "replace").split())[:NAME]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    if not text:
        return None
    body, line = captures[kind][0], name.start_point[0]
    last = max(_last_line(body), line)
    return body.start_byte, Definition(
        text, kind.removeprefix("def."), line + 1, last + 1, lines.signature(line)
    )


def _last_line(node: Node) -> int:
    """A node that takes its line's end with it ends on the line before."""
    row, column = node.end_point
    return row - 1 if column == 0 and row > node.start_point[0] else row


def _utf8(source: bytes) -> bytes:
    """The bytes as the grammars read them: UTF-8, without a byte order mark."""
    if source[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return source.decode("utf-16", "replace").encode("utf-8")
    source = source.removeprefix(b"\xef\xbb\xbf")
    try:
        source.decode("utf-8")
    except UnicodeDecodeError:
        return source.decode("gb18030", "replace").encode("utf-8")
    return source
