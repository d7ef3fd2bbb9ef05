"""The last stage: lines most of which are as given, in the order given, clearly more so than elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kcode.workspace.diff import split_lines
from kcode.workspace.document import Document, bare, key, with_blanks
from kcode.workspace.indentation import lead
from kcode.workspace.merging import Alignment, Place, merged

SCORE = 0.72  # of 1.0 for the same lines; below it nothing is taken
GAP = 0.05  # the best must be better by this than any other place where the edit would fit
_MORE_CHANGES = 2  # lines in which any other place must differ more than the best
_RIVAL = 0.6  # a place this much worse than the best is none, whatever line it has that the best lacks
LINE = 0.6  # lines less alike than this do not stand for one another
ALONE = 0.85  # one line without any context must be this much alike
_LIKE = 0.6  # of a line's weight goes to one that is not the same: the same lines decide what lies where
_EXTRA = 1.0  # what a line of the file between others costs, in characters
_MOST_LINES = 200  # of the old text
_MOST_COMPARED = 1_500_000  # pairs of different lines
_CANDIDATES = 12
_RARE_CANDIDATES = 4  # besides, which have lines just as given that are seldom elsewhere
_COMMON = 48  # lines found oftener say nothing about the place


@dataclass(frozen=True, slots=True)
class Window:
    """``there[n]`` is the index in ``document.filled`` of the n-th filled line of the old text, or -1.

    ``held``: which of those lines are there just as given.
    """

    score: float
    there: tuple[int, ...]
    held: frozenset[int] = frozenset()

    @property
    def first(self) -> int:
        return min(at for at in self.there if at >= 0)

    @property
    def last(self) -> int:
        return max(at for at in self.there if at >= 0)

    @property
    def changes(self) -> int:
        """How many lines tell it from the text: those not there just as given, and those between them."""
        strange = self.last - self.first + 1 - sum(at >= 0 for at in self.there)
        return len(self.there) - len(self.held) + strange


def similar_places(document: Document, old: str, new: str) -> list[Place]:
    """At most one place, or two where the second is too near to the first to tell them apart."""
    lines = [bare(line) for line in split_lines(old)]
    given = [at for at, line in enumerate(lines) if line.strip()]
    wanted = [key(lines[at]) for at in given]
    windows = similar_windows(document, wanted, [lead(lines[at]) for at in given])
    if not windows or windows[0].score < (ALONE if len(given) == 1 else SCORE):
        return []
    best, *others = windows
    place = _place(document, old, new, lines, given, best)
    if place is None:
        return []
    for other in others:
        if other.score < _RIVAL * best.score or _clear(best, other):
            continue
        rival = _place(document, old, new, lines, given, other)
        if rival is not None:
            return [place, rival]
        if other.score >= best.score or len(other.held - best.held) >= len(best.held - other.held):
            return []  # the edit would not fit where the text is
    return [place]


def _clear(best: Window, other: Window) -> bool:
    """Whether the text is from ``best`` and not from ``other``.

    Where the score does not tell, the other place must have changed since in two lines more to be the one
    that is meant, and in one more for each line that it alone has just as given.
    """
    more = other.changes - best.changes
    if more >= 1 and best.score - other.score >= GAP and other.held <= best.held:
        return True
    return more >= _MORE_CHANGES + len(other.held - best.held)


def similar_windows(document: Document, wanted: Sequence[str], leads: Sequence[str] = ()) -> list[Window]:
    """Parts of the document like ``wanted``, those with the fewest changed lines first, none mostly in a
    better one.

    Of lines that are the same, those indented like ``leads`` stand for each other.
    """
    if not wanted or len(wanted) > _MOST_LINES:
        return []
    keys = [document.seen[line] for line in document.filled]
    alike = _alike(keys, wanted)
    slack = max(2, len(wanted) // 4)

    def deep(number: int, at: int) -> bool:
        return bool(leads) and lead(document.lines[document.filled[at]]) == leads[number]

    found = []
    for offset in _offsets(keys, wanted, alike, slack):
        low = max(0, offset - slack)
        window = _best_alignment(keys, wanted, alike, low, min(len(keys), offset + len(wanted) + slack), deep)
        if window and abs(window.last - window.first + 1 - len(wanted)) <= slack:
            found.append(window)
    found.sort(key=lambda window: (window.changes, -window.score, window.first))
    apart: list[Window] = []
    for window in found:
        if all(_shared(window, better) <= len(wanted) // 3 for better in apart):
            apart.append(window)
    return apart


def _shared(one: Window, other: Window) -> int:
    """How many lines both windows have: blocks that follow each other may share a closing line."""
    return min(one.last, other.last) - max(one.first, other.first) + 1


_Deep = Callable[[int, int], bool]  # whether a wanted line is indented like one of the document
_Alike = list[dict[str, float]]  # for each wanted line: the document's lines like it, and how much


def _alike(keys: Sequence[str], wanted: Sequence[str]) -> _Alike:
    from rapidfuzz import process  # 20 ms, and seldom needed
    from rapidfuzz.distance import Indel

    distinct = dict.fromkeys(keys)
    others = list(distinct)
    exact_only = len(distinct) * len(set(wanted)) > _MOST_COMPARED
    known: dict[str, dict[str, float]] = {}
    for line in wanted:
        if line in known:
            continue
        found = {line: 1.0} if line in distinct else {}
        if not exact_only:
            scorer = Indel.normalized_similarity
            for other, ratio, _ in process.extract(
                line, others, scorer=scorer, score_cutoff=LINE, limit=None, processor=None
            ):
                found[other] = ratio
        known[line] = found
    return [known[line] for line in wanted]


def _weight(line: str) -> float:
    return 3 + min(len(line), 60)


def _offsets(keys: Sequence[str], wanted: Sequence[str], alike: _Alike, slack: int) -> list[int]:
    """Where the first wanted line would be, by the votes of all lines that are like a wanted one."""
    at: dict[str, list[int]] = {line: [] for found in alike for line in found}
    for number, line in enumerate(keys):
        if line in at:
            at[line].append(number)
    votes: dict[int, float] = {}
    rare: dict[int, float] = {}  # by the lines just as given, the less often they are there the more
    for number, line in enumerate(wanted):
        for other, ratio in alike[number].items():
            if len(at[other]) <= _COMMON:
                for place in at[other]:
                    votes[place - number] = votes.get(place - number, 0.0) + ratio * _weight(line)
        for place in at.get(line, ())[:_COMMON]:
            rare[place - number] = rare.get(place - number, 0.0) + _weight(line) / len(at[line])
    chosen: list[int] = []
    for ballot, most in ((votes, _CANDIDATES), (rare, _CANDIDATES + _RARE_CANDIDATES)):
        for offset in sorted(ballot, key=lambda offset: (-ballot[offset], offset)):
            if len(chosen) == most:
                break
            if all(abs(offset - other) > slack // 2 for other in chosen):
                chosen.append(offset)
    return chosen


def _best_alignment(
    keys: Sequence[str], wanted: Sequence[str], alike: _Alike, low: int, high: int, deep: _Deep
) -> Window | None:
    """The wanted lines laid over ``keys[low:high]`` in order; both may have lines that the other lacks."""
    width = high - low
    best = [0.0] * (width + 1)
    steps: list[list[int]] = []  # 1: the two lines stand for each other, 2: wanted is missing, 3: is extra
    for number, line in enumerate(wanted):
        row, moves = [0.0] * (width + 1), [2] * (width + 1)
        row[0] = best[0]
        weight = _weight(line)
        for column in range(1, width + 1):
            there = keys[low + column - 1]
            ratio = alike[number].get(there, 0.0)
            value, move = best[column], 2
            extra = row[column - 1] - (_EXTRA if row[column - 1] else 0.0)
            if extra > value:
                value, move = extra, 3
            same = (ratio if ratio == 1 else _LIKE * ratio) * weight + (
                0.1 if deep(number, low + column - 1) else 0.0
            )
            if ratio and best[column - 1] + same > value:
                value, move = best[column - 1] + same, 1
            row[column], moves[column] = value, move
        best = row
        steps.append(moves)
    column = max(range(width + 1), key=lambda column: best[column])
    there_of = [-1] * len(wanted)
    number = len(wanted) - 1
    while number >= 0 and column > 0:
        move = steps[number][column]
        if move == 1:
            there_of[number] = low + column - 1
            number, column = number - 1, column - 1
        elif move == 2:
            number -= 1
        else:
            column -= 1
    if all(at < 0 for at in there_of):
        return None
    window = Window(0.0, tuple(there_of))
    same = sum(_weight(wanted[n]) * alike[n][keys[at]] for n, at in enumerate(there_of) if at >= 0)
    whole = sum(map(_weight, wanted)) + sum(map(_weight, keys[window.first : window.last + 1]))
    held = frozenset(n for n, at in enumerate(there_of) if at >= 0 and keys[at] == wanted[n])
    return Window(2 * same / whole, window.there, held)


def _place(
    document: Document, old: str, new: str, lines: Sequence[str], given: Sequence[int], window: Window
) -> Place | None:
    there = [-1] * len(lines)
    for at, filled in zip(given, window.there, strict=True):
        if filled >= 0:
            there[at] = document.filled[filled]
    with_blanks(document, lines, there)
    return merged(document, old, new, Alignment(tuple(there), loose=True))
