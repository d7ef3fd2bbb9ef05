"""Where streamed Markdown may be cut: what later text can no longer change is finished."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

FENCE_OPENER = re.compile(r"^ {0,3}(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*)\n")

_NESTED = re.compile(r"\n[ \t]+([-*+]|\d{1,9}[.)])[ \t]")
_ITEM = re.compile(r"\n*( {0,3}(?:[-*+]|\d{1,9}[.)])[ \t]+)\S")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the text that is drawn by itself. ``outer`` is the beginning of the list item that it goes
    on with, ``""`` where it stands at the top: drawn together, the piece is indented as it should."""

    text: str
    outer: str = ""


def cut_pieces(text: str, outer: str = "") -> tuple[list[Piece], Piece]:
    """Cut ``text``, which goes on with ``outer``, into finished pieces and the rest: blocks as of
    :func:`split_finished`, list items cut once more where an item inside them begins."""
    finished, rest = split_finished(outer + text)
    blocks = [*finished, rest]
    blocks[0] = blocks[0][len(outer) :]
    pieces: list[Piece] = []
    for block in blocks:
        pieces += _nested(block, "" if pieces else outer)
    return pieces[:-1], pieces[-1]


def _nested(block: str, outer: str) -> list[Piece]:
    if not outer and not (is_list_item(block.lstrip("\n")) and _NESTED.search(block)):
        return [Piece(block)]
    opener = outer
    if not outer:
        begins = _ITEM.match(block)
        if begins is None:
            return [Piece(block)]
        opener = f"{begins[1]}x\n\n"
    complete = outer + block[: block.rfind("\n") + 1]
    tokens = parser().parse(complete)
    skipped = outer.count("\n")
    first = skipped + len(block) - len(block.lstrip("\n"))
    starts = {
        token.map[0] for token in tokens if token.type == "list_item_open" and token.level == 3 and token.map
    }
    lines = [line + "\n" for line in complete.split("\n")[:-1]]
    cuts = [sum(map(len, lines[skipped:start])) for start in sorted(starts) if start > first]
    parts = [block[a:b] for a, b in pairwise([0, *cuts, len(block)])]
    return [Piece(parts[0], outer), *(Piece(part, opener) for part in parts[1:])]


def split_finished(text: str) -> tuple[list[str], str]:
    """Cut ``text`` into finished blocks and the rest, which may still grow. Joined, they are ``text``.

    A block is a top-level Markdown block, or one item of a list. Only complete lines are judged, since
    the beginning of a line does not say yet what it will be.
    """
    complete = text[: text.rfind("\n") + 1]
    if not complete.strip():
        return [], text
    lines = [line + "\n" for line in complete.split("\n")[:-1]]  # the parser knows no other line ends
    starts = _block_starts(complete)
    if len(starts) < 2:
        return [], text
    finished = ["".join(lines[a:b]) for a, b in pairwise(starts)]
    finished[0] = "".join(lines[: starts[0]]) + finished[0]
    return finished, text[sum(map(len, finished)) :]


def split_all(text: str) -> list[str]:
    """Cut a text that is complete into its blocks."""
    finished, rest = split_finished(text if text.endswith("\n") else text + "\n")
    return [block for block in (*finished, rest) if block.strip()]


def is_list_item(block: str) -> bool:
    return re.match(r"\s{0,3}([-*+]|\d{1,9}[.)])(\s|$)", block) is not None


@lru_cache(maxsize=1)
def parser() -> MarkdownIt:
    """CommonMark with tables. HTML stays visible text: what a model writes is shown, not interpreted."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])


def _block_starts(text: str) -> list[int]:
    """Line numbers at which top-level blocks and top-level list items begin."""
    starts: list[int] = []
    for token in parser().parse(text):
        if token.map is None or token.nesting < 0:
            continue
        is_block = token.level == 0 and not token.type.endswith("_list_open")
        is_item = token.level == 1 and token.type == "list_item_open"
        if is_block or is_item:
            starts.append(token.map[0])
    return sorted(set(starts))
