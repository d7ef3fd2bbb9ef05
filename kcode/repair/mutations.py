"""Small changes that people undo when they repair: the second source of candidates, beside the model.

A mutation is a change of a few characters of a suspicious line: another operator, one more or one less,
another name that is in sight, a call too many, a condition turned around, a statement left out or moved.
``cost`` says how unlikely a kind of change is to be a repair; what is cheap is judged first.
"""

from __future__ import annotations

import ast
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

from kcode.repair.candidates import Candidate, changed_lines, key_of
from kcode.repair.localise import Localisation, Suspect
from kcode.repair.mutate_expressions import expression_edits
from kcode.repair.mutate_statements import statement_edits
from kcode.repair.mutation import Edit, Place
from kcode.repair.source import Source
from kcode.repair.vocabulary import Vocabulary, vocabulary_of

STAGE = 1  # where mutations stand among the stages of the model's candidates, when patches are ranked
_LINES = 150  # suspicious lines that are mutated at most
_SCORE_WEIGHT = 7.0  # what a line of no suspicion costs more than the most suspicious one
_RANK_WEIGHT = 0.04  # what each line further down the list costs
_LIKELY_WEIGHT = 0.35  # what one unit of the model's log-probability is worth
_LIKELY_FLOOR = -10.0


@dataclass(order=True)
class _Waiting:
    cost: float
    number: int
    edit: Edit = field(compare=False)
    suspect: Suspect = field(compare=False)


class Mutations:
    """The mutations of the suspicious lines, the cheapest first. Iterate over it; ``waiting`` says how many
    are left. :meth:`prefer` reorders the ones of a line by what the model thinks of them."""

    def __init__(self, found: Localisation, seen: set[str]) -> None:
        self._found, self._seen = found, seen
        self._vocabularies: dict[tuple[str, str], Vocabulary] = {}
        self._heap: list[_Waiting] = []
        self._opened = 0
        self._top = max((one.score for one in found.suspects), default=1.0) or 1.0

    @property
    def waiting(self) -> int:
        return len(self._heap)

    @property
    def cheapest(self) -> float:
        """What the next one costs, where one is known."""
        return self._heap[0].cost if self._heap else 0.0

    def __iter__(self) -> Iterator[Candidate]:
        return self

    def __next__(self) -> Candidate:
        """Lines are opened only when nothing on the opened ones is cheaper than their cheapest change."""
        while True:
            while self._opened < self._lines and (
                not self._heap or self._heap[0].cost > self._base(self._opened)
            ):
                self._open(self._opened)
                self._opened += 1
            if not self._heap:
                raise StopIteration
            waiting = heapq.heappop(self._heap)
            candidate = self._candidate(waiting)
            if candidate:
                return candidate

    @property
    def _lines(self) -> int:
        return min(_LINES, len(self._found.suspects))

    def _base(self, rank: int) -> float:
        score = self._found.suspects[rank].score
        return _SCORE_WEIGHT * (1 - score / self._top) + _RANK_WEIGHT * rank

    def _open(self, rank: int) -> None:
        suspect = self._found.suspects[rank]
        source = self._found.sources[suspect.path]
        base = self._base(rank)
        known: set[tuple[int, int, str]] = set()
        for edit in edits_at(source, suspect.line, self._vocabulary(source, suspect)):
            where = (edit.start, edit.end, edit.text)
            if where not in known:
                known.add(where)
                number = len(self._heap) + rank * 1000
                heapq.heappush(self._heap, _Waiting(base + edit.cost, number, edit, suspect))

    def prefer(self, path: str, line: int, alternatives: dict[int, dict[str, float]]) -> None:
        """``alternatives``: offset in the line -> text that may start there -> its log-probability.

        A change that begins with what the model would have written becomes cheaper, any other dearer.
        """
        source = self._found.sources[path]
        begin = source.offset(line)
        for waiting in self._heap:
            if (waiting.suspect.path, waiting.suspect.line) == (path, line):
                waiting.cost -= _likelihood(waiting.edit, source, begin, alternatives)
        heapq.heapify(self._heap)

    def _vocabulary(self, source: Source, suspect: Suspect) -> Vocabulary:
        scope = source.scope_at(suspect.line)
        key = (source.path, scope.name)
        if key not in self._vocabularies:
            node = source.definition(scope) or source.tree
            self._vocabularies[key] = vocabulary_of(node, source.tree)
        return self._vocabularies[key]

    def _candidate(self, waiting: _Waiting) -> Candidate | None:
        source = self._found.sources[waiting.suspect.path]
        edit = waiting.edit
        text = source.text[: edit.start] + edit.text + source.text[edit.end :]
        key = key_of(source, text, waiting.suspect.line)
        if key is None or key in self._seen:
            return None
        self._seen.add(key)
        hole, new = changed_lines(source, text)
        return Candidate(source.path, text, hole, new, STAGE, edit.kind, cost=waiting.cost)


def edits_at(source: Source, line: int, vocabulary: Vocabulary) -> Iterator[Edit]:
    """Every mutation of what begins on ``line``, in no order; equal texts may occur twice."""
    own = source.small_changes(line)
    if own is not None:
        yield from own
        return
    nodes = source.nodes_at.get(line, ())
    for node, parents in nodes:
        place = Place(source, node, parents, vocabulary)
        if isinstance(node, ast.stmt):
            yield from statement_edits(place)
        elif isinstance(node, ast.expr | ast.comprehension):
            yield from expression_edits(place)


def _likelihood(edit: Edit, source: Source, begin: int, alternatives: dict[int, dict[str, float]]) -> float:
    old = source.text[edit.start : edit.end]
    same = 0
    while same < min(len(old), len(edit.text)) and old[same] == edit.text[same]:
        same += 1
    at = edit.start + same - begin
    rest = edit.text[same:] + source.text[edit.end : edit.end + 20]
    line = source.text[begin:].partition("\n")[0].rstrip("\r")
    offsets = [offset for offset in alternatives if offset <= at]
    if not offsets or at >= len(line):  # what follows the line's end was not weighed
        return 0.0
    offset = max(offsets)
    written = source.text[begin + offset : begin + at] + rest
    fits = [value for text, value in alternatives[offset].items() if text and written.startswith(text)]
    return _LIKELY_WEIGHT * (max(fits, default=_LIKELY_FLOOR) - _LIKELY_FLOOR)
