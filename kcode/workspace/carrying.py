"""An edit that was written for a file as it was read, made in the file as it has become since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kcode.workspace.document import Document
from kcode.workspace.indentation import lead
from kcode.workspace.linediff import opcodes
from kcode.workspace.matching import find
from kcode.workspace.merging import Alignment, Place, merged
from kcode.workspace.similar import similar_windows

_AROUND = 3  # lines on either side that help to tell where new lines go


@dataclass(frozen=True, slots=True)
class Origin:
    """The one place of a text in what was read: ``lines`` of ``base``, which are to become ``new``.

    ``now``: for each line of ``base`` the same line in the document as it is, or -1.
    """

    base: Document
    lines: range
    new: str
    now: Sequence[int]


def origin(document: Document, read: str, old: str, new: str) -> Origin | None:
    """Where ``old`` is from, if it is once in the text ``read``."""
    base = Document(read)
    _, places = find(base, old, new, strict=True)
    if len(places) != 1:
        return None
    place = places[0]
    first = max(0, read.count("\n", 0, place.start) - _AROUND)
    last = read.count("\n", 0, max(place.start, place.end - 1)) + 1 + _AROUND
    lines = range(first, min(last, len(base.lines)))
    becomes = read[base.starts[first] : place.start] + place.new + read[place.end : base.starts[lines.stop]]
    return Origin(base, lines, becomes, _same_lines(base, document))


def _same_lines(base: Document, document: Document) -> list[int]:
    there = [-1] * len(base.lines)
    for code in opcodes(base.lines, document.lines):
        if code.tag == "equal":
            there[code.a0 : code.a1] = range(code.b0, code.b1)
    return there


def carried(document: Document, source: Origin) -> Place | None:
    """What becomes of the document.

    None where what others changed since and what the edit changes meet, and where the part of the document
    could as well have come from another part of what was read.
    """
    base, lines = source.base, source.lines
    there = source.now[lines.start : lines.stop]
    filled = [at for at, number in zip(there, lines, strict=True) if base.seen[number]]
    held = [at for at in filled if at >= 0]
    if not held or 2 * len(held) < len(filled):
        return None
    alignment = Alignment(tuple(there), loose=True)
    above = next(at for at, line in enumerate(there) if line >= 0)
    below = next(at for at, line in enumerate(reversed(there)) if line >= 0)
    part = range(
        max(0, alignment.first - above),  # with what is there where lines of the origin are not
        min(len(document.lines), alignment.last + 1 + below),
    )
    if not _came_from(document, part, source):
        return None
    old = base.text[base.starts[lines.start] : base.starts[lines.stop]]
    return merged(document, old, source.new, alignment)


def is_elsewhere(document: Document, place: Place, source: Origin) -> bool:
    """Whether a place of the document is not, or not surely, what the text was written for."""
    first = document.line_number(place.start) - 1
    last = document.line_number(max(place.start, place.end - 1))
    return not _came_from(document, range(first, last), source)


def _came_from(document: Document, part: range, source: Origin) -> bool:
    """Whether the lines of the origin and no others are the nearest to this part of the document.

    Others that are elsewhere in the document as they were are none to be taken for it.
    """
    base, where = source.base, source.lines
    filled = [at for at in part if document.seen[at]]
    keys, leads = [document.seen[at] for at in filled], [lead(document.lines[at]) for at in filled]
    best = None
    for window in similar_windows(base, keys, leads):
        first, last = base.filled[window.first], base.filled[window.last]
        if best is not None and window.changes > best:
            break
        if where.start <= first and last < where.stop:
            best = window.changes
        elif not _is_elsewhere(source.now[first : last + 1], part):
            return False
    return best is not None


def _is_elsewhere(now: Sequence[int], part: range) -> bool:
    known = [at for at in now if at >= 0]
    return 2 * len(known) >= len(now) and not any(at in part for at in known)
