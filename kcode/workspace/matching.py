"""Where a given text is in a file: stages from exact to loose, each only looser than the one before.

Every stage gives all places it finds; it is the caller who asks that there be one.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Callable, Sequence

from kcode.workspace.diff import split_lines
from kcode.workspace.document import Document, bare, key, occurrences
from kcode.workspace.elision import elided_places
from kcode.workspace.files import dominant_newline
from kcode.workspace.indentation import lead
from kcode.workspace.lookalikes import plain, respelled
from kcode.workspace.merging import Alignment, Place, merged
from kcode.workspace.similar import similar_places

Finder = Callable[[Document, str, str], list[Place]]


def find(document: Document, old: str, new: str, *, strict: bool = False) -> tuple[str, list[Place]]:
    """The first stage that finds anything, and the places it finds. ("", []) where none does.

    ``strict``: only the stages that want every line, up to blanks and look-alikes.
    """
    if not old:
        return "exact", [Place(0, 0, new)]
    for name, finder in STAGES[: -len(LOOSE)] if strict else STAGES:
        places = finder(document, old, new)
        if len(places) == 1 and finder is _exact and _cuts_indentation(document, places[0], old):
            whole = _indentation(document, old, new)
            if len(whole) == 1:
                return "indentation", whole
        if places:
            return name, places
    return "", []


def _cuts_indentation(document: Document, place: Place, old: str) -> bool:
    """Whether a text of several lines begins with a part only of its first line's indentation."""
    line = document.text.rfind("\n", 0, place.start) + 1
    before = document.text[line : place.start]
    return bool(before) and not before.strip() and old[:1] in " \t" and "\n" in old.strip("\n")


# --- exact, but for line endings -------------------------------------------------------------


def _exact(document: Document, old: str, new: str) -> list[Place]:
    text = document.text
    return [Place(at, at + len(old), _ended(document, old, new, at)) for at in positions(text, old)]


def _ended(document: Document, old: str, new: str, at: int) -> str:
    """``new`` with the line endings of the place it goes to, unless it brings its own."""
    if "\n" not in new or "\r\n" in new:
        return new
    if "\r\n" in old:
        return rebuilt(old, old.replace("\r\n", "\n"), new)
    return new if "\n" in old else new.replace("\n", _newline_at(document, at))


def _newline_at(document: Document, at: int) -> str:
    """The line ending of the line at ``at``; of the file where that is its last."""
    end = document.text.find("\n", at)
    if end < 0:
        return document.newline
    return "\r\n" if document.text[end - 1 : end] == "\r" else "\n"


def _line_endings(document: Document, old: str, new: str) -> list[Place]:
    text = document.text
    if "\r\n" not in text and "\r\n" not in old:
        return []
    unix, unix_old = text.replace("\r\n", "\n"), old.replace("\r\n", "\n")
    removed = _carriage_returns(text)  # positions in ``unix`` of the line ends that lost one
    places = []
    for at in positions(unix, unix_old):
        start = at + bisect_left(removed, at)
        stop = at + len(unix_old)
        end = stop + bisect_left(removed, stop)
        places.append(Place(start, end, rebuilt(text[start:end], unix_old, new.replace("\r\n", "\n"))))
    return places


def _carriage_returns(text: str) -> list[int]:
    found: list[int] = []
    at = text.find("\r\n")
    while at >= 0:
        found.append(at - len(found))
        at = text.find("\r\n", at + 2)
    return found


def positions(text: str, part: str) -> list[int]:
    """Where ``part`` begins in ``text``, overlapping matches included."""
    found = []
    at = text.find(part)
    while at >= 0:
        found.append(at)
        at = text.find(part, at + 1)
    return found


def rebuilt(region: str, old: str, new: str) -> str:
    """``new`` in place of ``region``, which ``old`` is but for line endings.

    Lines that ``old`` and ``new`` share keep the region's bytes; others get the region's line ending.
    """
    have, was, becomes = split_lines(region), split_lines(old), split_lines(new)
    newline = dominant_newline(region)
    out: list[str] = []
    matcher = difflib.SequenceMatcher(None, was, becomes, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            out += have[a:b]
        else:
            out += [line if newline == "\n" else line.replace("\n", newline) for line in becomes[c:d]]
    return "".join(out)


# --- whole lines -----------------------------------------------------------------------------


def _trailing_blanks(document: Document, old: str, new: str) -> list[Place]:
    return _windows(document, document.rstripped, old, new, str.rstrip)


def _indentation(document: Document, old: str, new: str) -> list[Place]:
    return _windows(document, document.stripped, old, new, str.strip)


def _windows(
    document: Document, keys: Sequence[str], old: str, new: str, as_key: Callable[[str], str]
) -> list[Place]:
    wanted = [as_key(bare(line)) for line in split_lines(old)]
    if not any(wanted):
        return []
    starts = occurrences(keys, wanted)
    return _carried(document, old, new, [tuple(range(at, at + len(wanted))) for at in starts])


def _carried(document: Document, old: str, new: str, ways: Sequence[tuple[int, ...]]) -> list[Place]:
    """The places of these alignments. Of several, the only one that is indented as given is the one meant."""
    if len(ways) > 1:
        lines = split_lines(old)
        same = [way for way in ways if _as_deep(document, lines, way)]
        ways = same if len(same) == 1 else ways
    places = [merged(document, old, new, Alignment(way)) for way in ways]
    if any(places) and "\n" not in old.strip():  # one line fits at any depth
        return [place or _unchanged(document, way) for place, way in zip(places, ways, strict=True)]
    return [place for place in places if place]


def _unchanged(document: Document, way: Sequence[int]) -> Place:
    start, end = document.starts[min(way)], document.starts[max(way) + 1]
    return Place(start, end, document.text[start:end])


def _as_deep(document: Document, lines: Sequence[str], way: Sequence[int]) -> bool:
    return all(
        lead(line) == lead(document.lines[at])
        for line, at in zip(lines, way, strict=True)
        if at >= 0 and line.strip()
    )


# --- look-alikes -----------------------------------------------------------------------------


def _look_alikes(document: Document, old: str, new: str) -> list[Place]:
    """Whole lines, indented otherwise or not; else any part of the text."""
    if document.text.isascii() and old.isascii():
        return []
    return _windows(document, document.seen, old, new, key) or _look_alike_parts(document, old, new)


def _look_alike_parts(document: Document, old: str, new: str) -> list[Place]:
    if not old.strip():
        return []
    places = []
    for at in positions(document.plain, plain(old)):
        region = document.text[at : at + len(old)]
        lines = [split_lines(part) for part in (region, old, new)]
        if len({len(part) for part in lines}) == 1:
            text = "".join(respelled(*three) for three in zip(*lines, strict=True))
        elif len(region) <= 2_000:
            text = respelled(region, old, new)
        else:
            text = rebuilt(region, old, new)
        places.append(Place(at, at + len(old), text))
    return places


# --- blank lines -----------------------------------------------------------------------------


def _blank_lines(document: Document, old: str, new: str) -> list[Place]:
    """The same lines with more or fewer blank ones between them."""
    given = [key(bare(line)) for line in split_lines(old)]
    wanted = [line for line in given if line]
    if len(wanted) < 2:
        return []
    filled = document.filled
    starts = occurrences([document.seen[line] for line in filled], wanted)
    ways = [_spread(document, given, filled[at : at + len(wanted)]) for at in starts]
    return _carried(document, old, new, ways)


def _spread(document: Document, given: Sequence[str], there: Sequence[int]) -> tuple[int, ...]:
    """Blank lines of the old text stand for the file's at the same place, as far as there are any."""
    out: list[int] = []
    taken = iter(there)
    following = there[0]
    for line in given:
        if line:
            following = next(taken)
            out.append(following)
            following += 1
        elif out and following < len(document.seen) and not document.seen[following]:
            out.append(following)
            following += 1
        else:
            out.append(-1)
    return tuple(out)


STAGES: tuple[tuple[str, Finder], ...] = (
    ("exact", _exact),
    ("line endings", _line_endings),
    ("trailing blanks", _trailing_blanks),
    ("indentation", _indentation),
    ("look-alike characters", _look_alikes),
    ("blank lines", _blank_lines),
    ("elided lines", elided_places),
    ("similar lines", similar_places),
)
LOOSE = ("elided lines", "similar lines")  # the last ones
