"""Replacing text in a file: exact, or uniquely matched, or refused. Never "the first of several".

The stages of :mod:`kcode.workspace.matching` are tried from exact to loose; the first that finds anything
must find one place. Lines that the replacement leaves as they were keep their bytes, whichever stage found
them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kcode.workspace.carrying import carried, is_elsewhere, origin
from kcode.workspace.diff import split_lines
from kcode.workspace.document import Document, bare, key, occurrences
from kcode.workspace.elision import is_elision, left_out
from kcode.workspace.indentation import lead
from kcode.workspace.matching import LOOSE, find
from kcode.workspace.merging import Place
from kcode.workspace.nearest import nearest_lines, numbered
from kcode.workspace.similar import similar_windows
from kcode.workspace.wrapping import unwrapped

_LIKE = 0.4  # of 1.0: the part of the file that a refusal shows is at least so like the text
_MOST_SHOWN = 60  # lines
_CLOSING = re.compile(r"[\])}]+[,;]*|end")  # closes a block and belongs to it


class Replacement(NamedTuple):
    """One replacement. ``line`` (from 1) tells where the old text begins, should it be there several times.

    ``after``: lines that come before it in the file, outermost first (``class A``, ``def f``).
    ``at_end``: it is at the end of the file. ``lines`` counts the lines to replace where there is no old
    text to look for: they are taken by number.
    """

    old: str
    new: str
    replace_all: bool = False
    line: int | None = None
    after: tuple[str, ...] = ()
    at_end: bool = False
    lines: int | None = None


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """``text`` is the result, or the unchanged text where ``problems`` says why not (one per edit)."""

    text: str
    stages: tuple[str, ...] = ()
    replaced: int = 0
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


class _Refused(Exception):
    """Why one replacement cannot be made."""


@dataclass(slots=True)
class _Made:
    text: str
    stage: str
    count: int


def apply_edits(
    text: str, edits: Sequence[Replacement | tuple[str, str, bool]], read: str | None = None
) -> EditOutcome:
    """Apply the replacements in order, each on the result of those before; all or none.

    ``read`` is the text that they were written for, if it is known and another: what was changed since stays.
    """
    current = text
    stages: list[str] = []
    problems: list[tuple[int, str]] = []
    replaced = 0
    made: set[Replacement] = set()
    for number, given in enumerate(edits, 1):
        edit = Replacement(*given)
        try:
            done = _apply(current, edit, read)
        except _Refused as problem:
            if edit in made:
                continue  # the same replacement sent twice
            problems.append((number, f"{problem}{_earlier(text, current, edit)}"))
            continue
        current = done.text
        stages.append(done.stage)
        replaced += done.count
        made.add(edit)
    if problems:
        return EditOutcome(text, problems=_told(problems, len(edits)))
    return EditOutcome(current, tuple(stages), replaced)


def _told(problems: list[tuple[int, str]], count: int) -> tuple[str, ...]:
    if count == 1:
        return (problems[0][1],)
    wrong = {number for number, _ in problems}
    fine = [str(number) for number in range(1, count + 1) if number not in wrong]
    told = [f"edit {number}: {problem}" for number, problem in problems]
    if fine:
        which = f"edit {fine[0]}" if len(fine) == 1 else f"edits {', '.join(fine)}"
        told.append(f"{which} would match; nothing was changed, so send all of them again")
    return tuple(told)


def _earlier(text: str, current: str, edit: Replacement) -> str:
    """An edit that was written for the text as it was before the edits above it."""
    if current == text:
        return ""
    try:
        _apply(text, edit)
    except _Refused:
        return ""
    return "\nIt would match before the edits above it are made: make one edit of those that overlap"


def _apply(text: str, edit: Replacement, read: str | None = None) -> _Made:
    """Make one replacement. Raises :class:`_Refused`."""
    document = Document(text)
    if edit.lines is not None:
        place = _by_number(document, edit)
        return _Made(_put(text, [place]), "line numbers", 1)
    _check_sense(text, edit)
    if not edit.old and edit.at_end:
        glue = "" if not text or text.endswith("\n") else document.newline
        return _Made(text + glue + _in_newlines(document, edit.new), "exact", 1)
    stage, places = find(document, edit.old, edit.new)
    if (not places or stage in LOOSE) and (inner := unwrapped(edit.old, edit.new, text)):
        old, new, line = inner  # similar lines would take what is around them into the file
        return _apply(text, edit._replace(old=old, new=new, line=line or edit.line), read)
    if read is not None and read != text and stage != "exact" and not edit.replace_all:
        source = origin(document, read, edit.old, edit.new)
        kept = carried(document, source) if source else None
        if kept:
            return _Made(_put(text, [kept]), "as last read", 1)
        if source and any(is_elsewhere(document, place, source) for place in places):
            raise _Refused(_missing(document, edit))
    if not places:
        raise _Refused(_missing(document, edit))
    if len(places) > 1:
        places = _narrowed(document, edit, places)
    if len(places) > 1 and (not edit.replace_all or stage in LOOSE):
        raise _Refused(_ambiguous(document, places, stage))
    if edit.at_end and edit.new and edit.old.endswith("\n") != edit.new.endswith("\n"):
        places = [_inside(document, place, edit) for place in places]
    changed = _put(text, places)
    if changed == text:
        raise _Refused("old_text and new_text differ only in what the file already has")
    return _Made(changed, stage, len(places))


def _inside(document: Document, place: Place, edit: Replacement) -> Place:
    """Whether a last line ends is said of the end of a file: elsewhere a line keeps its end."""
    if not document.text[place.end :].strip("\r\n"):
        return place
    if edit.old.endswith("\n"):
        return Place(place.start, place.end, place.new + document.newline)
    return Place(place.start, place.end, place.new.removesuffix("\n").removesuffix("\r"))


def _check_sense(text: str, edit: Replacement) -> None:
    if edit.old == edit.new:
        raise _Refused("old_text and new_text are the same")
    if not edit.old and text and not edit.at_end:
        raise _Refused("old_text is empty: give the lines to replace, or write_file for a whole file")
    lazy = left_out(edit.new, edit.old, text)
    if lazy:
        raise _Refused(f"new_text leaves lines out ({lazy!r}): write them, or put that line in old_text too")


def _by_number(document: Document, edit: Replacement) -> Place:
    """Whole lines by number; none (``lines`` 0): the text is put before line ``line``."""
    first, count = (edit.line or 1) - 1, edit.lines or 0
    if first + count > len(document.raw) or first < 0:
        raise _Refused(f"there are only {len(document.raw)} lines")
    new = _in_newlines(document, edit.new)
    if new and not new.endswith("\n") and (first + count < len(document.raw) or document.text.endswith("\n")):
        new += document.newline
    start, end = document.starts[first], document.starts[first + count]
    if start and start == len(document.text) and not document.text.endswith("\n"):
        new = document.newline + new
    return Place(start, end, new)


def _in_newlines(document: Document, new: str) -> str:
    return new if document.newline == "\n" or "\r\n" in new else new.replace("\n", document.newline)


def _put(text: str, places: list[Place]) -> str:
    done, parts = 0, []
    for place in places:
        if place.start < done:
            continue  # overlaps the one before: "aa" in "aaa"
        parts += [text[done : place.start], place.new]
        done = place.end
    return "".join([*parts, text[done:]])


# --- one of several --------------------------------------------------------------------------


def _narrowed(document: Document, edit: Replacement, places: list[Place]) -> list[Place]:
    """The places that are where the edit says it is, if it says so."""
    if edit.after:
        block = _block_below(document, edit.after)
        inside = [place for place in places if block and block[0] <= place.start < block[1]]
        if len(inside) == 1:
            return inside
    if edit.at_end:
        last = [place for place in places if not document.text[place.end :].strip()]
        if len(last) == 1:
            return last
    if edit.line is not None:
        named = [place for place in places if document.line_number(place.start) == edit.line]
        if len(named) == 1:
            return named
    return places


def _block_below(document: Document, anchors: Sequence[str]) -> tuple[int, int] | None:
    """Offsets of the block under the anchor lines, each of which is found once below the one before it."""
    line = 0
    for anchor in anchors:
        wanted = key(anchor)
        found = [at for at in occurrences(document.seen, [wanted]) if at >= line]
        if not found:
            found = [at for at in range(line, len(document.seen)) if document.seen[at].startswith(wanted)]
        if len(found) != 1:
            return None
        line = found[0] + 1
    depth = len(lead(document.lines[line - 1]))
    outside = (at for at in document.filled if at >= line and len(lead(document.lines[at])) <= depth)
    end = next((at for at in outside if not _CLOSING.fullmatch(document.seen[at])), len(document.lines))
    return document.starts[line], document.starts[end]


# --- refusals --------------------------------------------------------------------------------


def _ambiguous(document: Document, places: list[Place], stage: str) -> str:
    numbers = [document.line_number(place.start) for place in places]
    shown = ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
    if stage not in LOOSE:
        return (
            f"old_text is found {len(places)} times (lines {shown}): "
            "give more surrounding lines so that it is found once, or set replace_all"
        )
    parts = [
        _lines_shown(document, first - 1, first + document.text[place.start : place.end].count("\n"))
        for first, place in zip(numbers[:3], places, strict=False)
    ]
    return (
        f"old_text is not in the file as given, and it is found in part {len(places)} times (lines {shown}). "
        "Give the lines of the one you mean as they are here:\n" + "\n...\n".join(parts)
    )


def _lines_shown(document: Document, first: int, last: int) -> str:
    """Lines ``first:last`` (from 0) and one on either side, numbered; a bounded number of them."""
    first, last = max(0, first - 1), min(len(document.lines), last + 1)
    return numbered(first + 1, document.lines[first : min(last, first + _MOST_SHOWN)])


def _missing(document: Document, edit: Replacement) -> str:
    line = _already(document, edit)
    if line:
        return f"already applied? old_text is not there, but new_text is, at line {line}"
    if any(map(is_elision, map(bare, split_lines(edit.old)))):
        hint = " Lines left out as ... must be left out of new_text in the same way."
    else:
        hint = ""
    near = _nearest(document, edit.old)
    if not near:
        return f"old_text is not in the file, nor anything like it.{hint}"
    return f"old_text is not in the file.{hint} The nearest lines are:\n{near}"


def _nearest(document: Document, old: str) -> str:
    """The part of the file most like the text, whole if it is not too long."""
    given = [bare(line) for line in split_lines(old) if line.strip()]
    windows = similar_windows(document, [key(line) for line in given], [lead(line) for line in given])
    if windows and windows[0].score >= _LIKE:
        first, last = document.filled[windows[0].first], document.filled[windows[0].last]
        return _lines_shown(document, first, last + 1)
    start, lines = nearest_lines(document.text, old)
    return numbered(start, lines) if lines else ""


def _already(document: Document, edit: Replacement) -> int:
    """The line where the new text is found, once, but for blanks around lines and look-alikes; or 0."""
    wanted = [key(bare(line)) for line in split_lines(edit.new)]
    wanted = [line for line in wanted if line]
    if not wanted:
        return 0
    at = document.text.find(edit.new)
    if at >= 0:
        return document.line_number(at) if document.text.find(edit.new, at + 1) < 0 else 0
    found = occurrences([document.seen[line] for line in document.filled], wanted)
    return document.filled[found[0]] + 1 if len(found) == 1 else 0
