"""Replacing text in a file: exact, or uniquely matched, or refused. Never "the first of several".

Stages, each tried only when the one before found nothing, and taken only when it finds one place:

1. ``exact``
2. ``line endings``: the file has ``\\r\\n`` where the given text has ``\\n``
3. ``trailing blanks``: whole lines that differ only in blanks at their ends
4. ``indentation``: whole lines shifted by one common amount, or tabs for blanks; the new text is
   shifted back the same way

Lines that the replacement leaves as they were keep their bytes, whichever stage found them.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kcode.workspace.diff import split_lines
from kcode.workspace.files import dominant_newline
from kcode.workspace.nearest import nearest_lines, numbered


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


@dataclass(frozen=True, slots=True)
class _Place:
    """A match: ``text[start:end]`` is to become ``new``."""

    start: int
    end: int
    new: str


_Finder = Callable[[str, str, str], list[_Place]]


def apply_edits(text: str, edits: Sequence[tuple[str, str, bool]]) -> EditOutcome:
    """Apply ``(old, new, replace_all)`` in order, each on the result of those before; all or none."""
    current = text
    stages: list[str] = []
    problems: list[str] = []
    replaced = 0
    for number, (old, new, replace_all) in enumerate(edits, 1):
        label = f"edit {number}: " if len(edits) > 1 else ""
        problem = _senseless(current, old, new)
        if problem:
            problems.append(label + problem)
            continue
        stage, places = _find(current, old, new)
        if len(places) == 1 or (places and replace_all):
            changed = _put(current, places)
            if changed == current:
                problems.append(f"{label}old_text and new_text differ only in what the file already has")
                continue
            current = changed
            stages.append(stage)
            replaced += len(places)
        else:
            problems.append(label + (_ambiguous(current, places) if places else _missing(current, old, new)))
    if problems:
        if len(edits) > len(problems):
            problems.append(f"the other {len(edits) - len(problems)} would match; nothing was changed")
        return EditOutcome(text, problems=tuple(problems))
    return EditOutcome(current, tuple(stages), replaced)


def _senseless(text: str, old: str, new: str) -> str:
    if old == new:
        return "old_text and new_text are the same"
    if not old and text:
        return "old_text is empty: give the lines to replace, or write_file for a whole file"
    return ""


def _find(text: str, old: str, new: str) -> tuple[str, list[_Place]]:
    if not old:
        return "exact", [_Place(0, 0, new)]
    stages: tuple[tuple[str, _Finder], ...] = (
        ("exact", _exact),
        ("line endings", _line_endings),
        ("trailing blanks", _trailing_blanks),
        ("indentation", _indentation),
    )
    for name, finder in stages:
        places = finder(text, old, new)
        if places:
            return name, places
    return "", []


def _put(text: str, places: list[_Place]) -> str:
    done, parts = 0, []
    for place in places:
        if place.start < done:
            continue  # overlaps the one before: "aa" in "aaa"
        parts += [text[done : place.start], place.new]
        done = place.end
    return "".join([*parts, text[done:]])


# --- stages ----------------------------------------------------------------------------------


def _exact(text: str, old: str, new: str) -> list[_Place]:
    return [_Place(at, at + len(old), _ended(text, old, new, at)) for at in _positions(text, old)]


def _ended(text: str, old: str, new: str, at: int) -> str:
    """``new`` with the line endings of the place it goes to, unless it brings its own."""
    if "\n" not in new or "\r\n" in new:
        return new
    if "\r\n" in old:
        return _rebuild(old, old.replace("\r\n", "\n"), new)
    return new if "\n" in old else new.replace("\n", _newline_at(text, at))


def _newline_at(text: str, at: int) -> str:
    """The line ending of the line at ``at``; of the file where that is its last."""
    end = text.find("\n", at)
    if end < 0:
        return dominant_newline(text)
    return "\r\n" if text[end - 1 : end] == "\r" else "\n"


def _line_endings(text: str, old: str, new: str) -> list[_Place]:
    if "\r\n" not in text and "\r\n" not in old:
        return []
    plain, plain_old = text.replace("\r\n", "\n"), old.replace("\r\n", "\n")
    removed = _carriage_returns(text)  # positions in ``plain`` of the line ends that lost one
    places = []
    for at in _positions(plain, plain_old):
        start = at + bisect_left(removed, at)
        stop = at + len(plain_old)
        end = stop + bisect_left(removed, stop)
        region = text[start:end]
        places.append(_Place(start, end, _rebuild(region, plain_old, new.replace("\r\n", "\n"))))
    return places


def _carriage_returns(text: str) -> list[int]:
    found: list[int] = []
    at = text.find("\r\n")
    while at >= 0:
        found.append(at - len(found))
        at = text.find("\r\n", at + 2)
    return found


def _trailing_blanks(text: str, old: str, new: str) -> list[_Place]:
    return _by_lines(text, old, new, str.rstrip, lambda window, wanted: lambda line: line)


def _indentation(text: str, old: str, new: str) -> list[_Place]:
    return _by_lines(text, old, new, str.strip, _shift)


def _by_lines(
    text: str,
    old: str,
    new: str,
    key: Callable[[str], str],
    shifter: Callable[[list[str], list[str]], Callable[[str], str | None] | None],
) -> list[_Place]:
    """Windows of whole lines equal to ``old`` under ``key``, for which ``shifter`` gives a mapping."""
    lines = split_lines(text)
    wanted = split_lines(old)
    keys, wanted_keys = [key(line) for line in lines], [key(line) for line in wanted]
    if not any(wanted_keys):
        return []
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    places = []
    for at in range(len(lines) - len(wanted) + 1):
        if keys[at : at + len(wanted)] != wanted_keys:
            continue
        window = lines[at : at + len(wanted)]
        shift = shifter(window, wanted)
        shifted = shift and _shift_text(new, shift)
        shifted_old = shift and _shift_text(old, shift)
        if shifted is None or shifted_old is None:
            continue
        start, end = starts[at], starts[at + len(wanted)]
        if not old.endswith("\n") and window[-1].endswith("\n"):
            end -= len(window[-1]) - len(window[-1].rstrip("\r\n"))
        elif old.endswith("\n") and not window[-1].endswith("\n"):
            shifted = shifted.removesuffix("\n")  # the file ends without a newline and keeps doing so
            shifted_old = shifted_old.removesuffix("\n")
        places.append(_Place(start, end, _rebuild(text[start:end], shifted_old, shifted)))
    return places


def _positions(text: str, part: str) -> list[int]:
    """Where ``part`` begins in ``text``, overlapping matches included."""
    found = []
    at = text.find(part)
    while at >= 0:
        found.append(at)
        at = text.find(part, at + 1)
    return found


# --- indentation -----------------------------------------------------------------------------


def _lead(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _shift(window: list[str], wanted: list[str]) -> Callable[[str], str | None] | None:
    """How indentations of ``wanted`` become those of ``window``, if one rule does it for every line."""
    pairs = {(_lead(w), _lead(o)) for w, o in zip(window, wanted, strict=True) if o.strip()}
    for spell in _SPELLINGS:
        spelled = {(has, spell(gave)) for has, gave in pairs}
        move = _uniform(spelled)
        if move is not None:
            return _composed(spell, move)
    return None


def _uniform(pairs: set[tuple[str, str | None]]) -> Callable[[str], str | None] | None:
    """The one prefix that all given indentations lack, or have too much."""
    there, given = next(iter(pairs))
    if given is None:
        return None
    extra = there[: len(there) - len(given)] if there.endswith(given) else None
    if extra is not None and all(gave is not None and has == extra + gave for has, gave in pairs):
        return lambda lead: extra + lead
    surplus = given[: len(given) - len(there)] if given.endswith(there) else None
    if surplus is not None and all(surplus + has == gave for has, gave in pairs):
        return lambda lead: lead[len(surplus) :] if lead.startswith(surplus) else None
    return None


def _composed(
    first: Callable[[str], str | None], second: Callable[[str], str | None]
) -> Callable[[str], str | None]:
    def both(lead: str) -> str | None:
        middle = first(lead)
        return None if middle is None else second(middle)

    return both


def _as_tabs(unit: int) -> Callable[[str], str | None]:
    def convert(lead: str) -> str | None:
        if lead.strip(" ") or len(lead) % unit:
            return None
        return "\t" * (len(lead) // unit)

    return convert


def _as_blanks(unit: int) -> Callable[[str], str | None]:
    return lambda lead: lead.replace("\t", " " * unit)


_SPELLINGS: tuple[Callable[[str], str | None], ...] = (
    lambda lead: lead,
    *(_as_tabs(unit) for unit in (4, 2, 8, 3)),
    *(_as_blanks(unit) for unit in (4, 2, 8, 3)),
)


def _shift_text(text: str, shift: Callable[[str], str | None]) -> str | None:
    out = []
    for line in split_lines(text.replace("\r\n", "\n")):
        if not line.strip():
            out.append(line)
            continue
        lead = _lead(line)
        moved = shift(lead)
        if moved is None:
            return None
        out.append(moved + line[len(lead) :])
    return "".join(out)


# --- building the new text -------------------------------------------------------------------


def _rebuild(region: str, old: str, new: str) -> str:
    """``new`` in place of ``region``, which ``old`` matched line for line.

    Lines that ``old`` and ``new`` share keep the region's bytes; others get the region's line ending.
    """
    have, was, becomes = split_lines(region), split_lines(old), split_lines(new)
    newline = dominant_newline(region)
    if len(have) != len(was):
        return new if newline == "\n" else new.replace("\n", newline)
    out: list[str] = []
    matcher = difflib.SequenceMatcher(
        None, [line.rstrip() for line in was], [line.rstrip() for line in becomes], autojunk=False
    )
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            out += [_ended_like(kept, line) for kept, line in zip(have[a:b], becomes[c:d], strict=True)]
        else:
            out += [line if newline == "\n" else line.replace("\n", newline) for line in becomes[c:d]]
    return "".join(out)


def _ended_like(kept: str, line: str) -> str:
    """A kept line moved to or from the region's end gains or loses its line ending."""
    if kept.endswith("\n") == line.endswith("\n"):
        return kept
    return kept.rstrip("\r\n") + ("\n" if line.endswith("\n") else "")


# --- refusals --------------------------------------------------------------------------------


def _ambiguous(text: str, places: list[_Place]) -> str:
    numbers = [text.count("\n", 0, place.start) + 1 for place in places]
    shown = ", ".join(map(str, numbers[:8])) + (", ..." if len(numbers) > 8 else "")
    return (
        f"old_text is found {len(places)} times (lines {shown}): "
        "give more surrounding lines so that it is found once, or set replace_all"
    )


def _missing(text: str, old: str, new: str) -> str:
    applied = new if new.strip() and len(_positions(text, new)) == 1 else ""
    if applied:
        line = text.count("\n", 0, text.find(applied)) + 1
        return f"already applied? old_text is not there, but new_text is, at line {line}"
    start, lines = nearest_lines(text, old)
    if not lines:
        return "old_text is not in the file, nor anything like it"
    return f"old_text is not in the file. The nearest lines are:\n{numbered(start, lines)}"
