"""Old text with lines left out: a line that is only ``...``, ``# ...`` or ``// ... existing code ...``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from kcode.workspace.diff import split_lines
from kcode.workspace.document import Document, bare, key, occurrences, with_blanks
from kcode.workspace.indentation import lead
from kcode.workspace.merging import Alignment, Place, merged

_LONGEST = 400  # lines that one elision may stand for
_MOST_WAYS = 200  # ways of placing the parts that are looked at
_DOTS = r"(?:\.{3,}+|\u2026)"
_WORDS = rf"{_DOTS}?[\w ,'()-]{{0,60}}?{_DOTS}?"
_BARE = re.compile(rf"\s*[\[(]?{_DOTS}[\])]?\s*")
_COMMENT = re.compile(
    rf"\s*(?:#|//|--|;|%)\s*{_DOTS}{_WORDS}\s*|\s*(?:/\*|\{{/\*|<!--)\s*{_DOTS}{_WORDS}\s*(?:\*/\}}?|-->)\s*"
)
_LAZY = re.compile(r"existing|unchanged|rest of|remain|same as|as before|previous|omitted", re.IGNORECASE)


def is_elision(line: str) -> bool:
    """Whether a line stands for lines left out."""
    return bool(_BARE.fullmatch(line) or _COMMENT.fullmatch(line))


def left_out(new: str, *known: str) -> str:
    """The first line of ``new`` that says "the rest as it was" and is in none of ``known``, or ""."""
    for line in split_lines(new):
        if _COMMENT.fullmatch(bare(line)) and _LAZY.search(line):
            shown = line.strip()
            if not any(shown in text for text in known):
                return shown
    return ""


def elided_places(document: Document, old: str, new: str) -> list[Place]:
    """Places where the parts between elisions follow each other, other lines between them.

    The new text has to keep every elision: what it leaves out stays. Where the parts fit in several ways,
    lines left out that are indented less than their elision tell that it left its block.
    """
    old, new = _without_ends(old, new)
    lines = [bare(line) for line in split_lines(old)]
    gaps = tuple(at for at, line in enumerate(lines) if is_elision(line))
    if not gaps or [lines[at].strip() for at in gaps] != [
        line.strip() for line in map(bare, split_lines(new)) if is_elision(line)
    ]:
        return []
    parts = _parts(lines, gaps)
    if len(parts) < 2 or not all(parts) or len(parts) != len(gaps) + 1:
        return []
    ways = list(_ways(document, [[key(lines[at]) for at in part] for part in parts]))
    if len(ways) >= _MOST_WAYS:
        return []
    found: dict[Place, tuple[Place, bool]] = {}
    for way in ways:
        alignment = _aligned(document, lines, parts, way, gaps)
        place = merged(document, old, new, alignment)
        if place:
            stays = _stays_inside(document, lines, parts, alignment, gaps)
            change = place.trimmed(document.text)  # ways that come to the same change are one
            found[change] = (place, stays or (change in found and found[change][1]))
    inside = [place for place, stays in found.values() if stays]
    return inside if len(found) > 1 and len(inside) == 1 else [place for place, _ in found.values()]


def _without_ends(old: str, new: str) -> tuple[str, str]:
    """Elisions before the first and after the last line say nothing, if both texts have them."""
    was, becomes = split_lines(old), split_lines(new)
    while was and becomes and was[0] == becomes[0] and is_elision(bare(was[0])):
        was, becomes = was[1:], becomes[1:]
    while was and becomes and bare(was[-1]) == bare(becomes[-1]) and is_elision(bare(was[-1])):
        was, becomes = was[:-1], becomes[:-1]
    return "".join(was), "".join(becomes)


def _parts(lines: Sequence[str], gaps: Sequence[int]) -> list[list[int]]:
    """The lines that are not blank, cut at the elisions."""
    parts: list[list[int]] = [[]]
    for at, line in enumerate(lines):
        if at in gaps:
            parts.append([])
        elif line.strip():
            parts[-1].append(at)
    return parts


def _ways(document: Document, parts: Sequence[Sequence[str]]) -> Iterator[tuple[int, ...]]:
    """Where each part begins, as indices into ``document.filled``."""
    keys = [document.seen[line] for line in document.filled]
    starts = [occurrences(keys, part) for part in parts]

    def place(number: int, end: int) -> Iterator[tuple[int, ...]]:
        if number == len(parts):
            yield ()
            return
        for start in starts[number]:
            if number and not end <= start <= end + _LONGEST:
                continue
            for rest in place(number + 1, start + len(parts[number])):
                yield (start, *rest)

    yield from islice(place(0, 0), _MOST_WAYS)


def _aligned(
    document: Document,
    lines: Sequence[str],
    parts: Sequence[Sequence[int]],
    way: Sequence[int],
    gaps: tuple[int, ...],
) -> Alignment:
    there = [-1] * len(lines)
    for part, start in zip(parts, way, strict=True):
        for offset, at in enumerate(part):
            there[at] = document.filled[start + offset]
    with_blanks(document, lines, there)
    return Alignment(tuple(there), gaps=gaps)


def _stays_inside(
    document: Document,
    lines: Sequence[str],
    parts: Sequence[Sequence[int]],
    alignment: Alignment,
    gaps: Sequence[int],
) -> bool:
    """Whether the lines left out are indented as deep as their elision, shifted like its neighbours."""
    for number, gap in enumerate(gaps):
        above, below = parts[number][-1], parts[number + 1][0]
        shift = len(lead(document.lines[alignment.lines[above]])) - len(lead(lines[above]))
        depth = len(lead(lines[gap])) + shift
        passed = range(alignment.lines[above] + 1, alignment.lines[below])
        if any(document.seen[line] and len(lead(document.lines[line])) < depth for line in passed):
            return False
    return True
