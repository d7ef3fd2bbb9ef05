"""Candidates for a repair, from a model that fills in the middle: cheap and likely ones first.

The order was measured on small programs: each suspicious line hidden and filled greedily finds nine in
ten of what is found at all; a missing line comes next; then sampling; whole functions come last. In a large
program hundreds of lines are suspicious, so the most suspicious ones go through the first stages before
the others are looked at.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from kcode.providers.base import Completion, Infiller, Weigher
from kcode.repair.fim import Hole, header, prompt
from kcode.repair.localise import Localisation, Suspect
from kcode.repair.source import Scope, Source, physical_lines

_LINES, _INSERTIONS, _PAIRS, _WHOLE = 60, 40, 12, 3  # how many holes a stage tries at most
_LINE_TOKENS, _BLOCK_TOKENS, _WHOLE_TOKENS = 64, 128, 400
_NEAR = 16  # of these the most suspicious ones, which are looked at from all sides before the others
_FRONT, _CLOSE = 6, 0.2  # lines that stand out: at most so many, and so near to the first one's score
_UNWEIGHED = 16  # lines that are filled before any is weighed: most functions have no more
_CREATIVE = 0.8  # temperature of the sampled stages


@dataclass(frozen=True, slots=True)
class Candidate:
    """A changed file. ``stage`` counts from 0, ``logprob`` is the model's mean per token, where known,
    ``cost`` what a mutation's kind and place speak against it, ``gain`` how much likelier the model finds
    the new line than the old one, where it was asked, ``agreeing`` the share of passing patches that behave
    like this one on further inputs, ``behaviour`` what it does there (a digest, empty where nobody asked),
    ``also`` the share of other failing tests that it repairs too."""

    path: str
    text: str  # of the whole file
    hole: Hole
    new: tuple[str, ...]  # what stands in the hole now
    stage: int
    stage_name: str
    logprob: float | None = None
    cost: float = 0.0
    gain: float | None = None
    agreeing: float = 0.0
    behaviour: str = ""
    also: float = 0.0


@dataclass(frozen=True, slots=True)
class _Stage:
    name: str
    n: int
    temperature: float
    tokens: int
    stop: tuple[str, ...]
    kind: str  # which holes
    start: int = 0  # how many of these were filled by an earlier stage
    end: int | None = None


_STAGES = (
    _Stage("a line replaced", 1, 0.0, _LINE_TOKENS, ("\n",), "line", end=_NEAR),
    _Stage("a statement replaced", 1, 0.0, _BLOCK_TOKENS, ("\n\n",), "statement", end=_NEAR // 4),
    _Stage("two lines replaced", 1, 0.0, _BLOCK_TOKENS, ("\n\n",), "pair", end=_NEAR // 4),
    _Stage("a line added", 1, 0.0, _LINE_TOKENS, ("\n",), "insertion", end=_NEAR),
    _Stage("the likeliest lines replaced, sampled", 7, _CREATIVE, _LINE_TOKENS, ("\n",), "front"),
    _Stage("two lines replaced", 1, 0.0, _BLOCK_TOKENS, ("\n\n",), "pair", start=_NEAR // 4),
    _Stage("a line replaced", 1, 0.0, _LINE_TOKENS, ("\n",), "line", start=_NEAR),
    _Stage("a statement replaced", 1, 0.0, _BLOCK_TOKENS, ("\n\n",), "statement", start=_NEAR // 4),
    _Stage("a line added", 1, 0.0, _LINE_TOKENS, ("\n",), "insertion", start=_NEAR),
    _Stage("a line replaced, sampled", 7, _CREATIVE, _LINE_TOKENS, ("\n",), "rest"),
    _Stage("a line added, sampled", 4, _CREATIVE, _LINE_TOKENS, ("\n",), "insertion"),
    _Stage("two lines replaced", 3, 0.6, _BLOCK_TOKENS, ("\n\n",), "pair"),
    _Stage("a function rewritten", 6, 0.7, _WHOLE_TOKENS, ("\ndef ", "\nclass ", '\n"""', "\n\n\n"), "whole"),
)


_FIRST_STAGES = 4  # the ones with one proposal for each of the most suspicious places

_Place = tuple[Source, Scope, Hole]


@dataclass
class Generator:
    """Yields distinct candidates. ``asked`` counts the model's answers, ``where`` the line at work.

    ``seen`` are the keys of candidates that need no second look, shared with the mutations.
    ``on_weighed`` is told what the model would have written at each place of a line, where it asks to be:
    weighing takes half as long as filling, so the first lines are all filled before one is weighed.
    """

    infiller: Infiller
    found: Localisation
    cases: Sequence[str]
    seen: set[str] = field(default_factory=set)
    on_weighed: Callable[[str, int, dict[int, dict[str, float]]], None] | None = None
    wants_weighing: Callable[[], bool] = lambda: False
    asked: int = 0
    where: str = ""
    stage: str = ""
    greedy: bool = True  # one proposal for each of the nearest places: the stages that find most
    confirmed: dict[str, float] = field(
        default_factory=dict
    )  # what was known already -> mean log-probability
    line_by_line: bool = True  # the first stage is at work: each suspicious line filled once
    _sure: dict[tuple[str, int], float] = field(
        default_factory=dict
    )  # mean log-probability of the greedy line
    _headers: dict[tuple[str, str], str] = field(default_factory=dict)

    async def candidates(self) -> AsyncIterator[Candidate]:
        """All stages in order, the most suspicious holes first. Ends when there is nothing left to ask."""
        filled: list[_Place] = []
        for number, stage in enumerate(_STAGES):
            self.stage, self.line_by_line, self.greedy = stage.name, number == 0, number < _FIRST_STAGES
            for source, scope, hole in islice(self._holes(stage.kind), stage.start, stage.end):
                self.where = f"{source.path}:{hole.first}"
                for completion in await self._ask(stage, source, scope, hole):
                    self.asked += 1
                    if stage.kind == "line":
                        self._sure[source.path, hole.first] = completion.logprob or 0.0
                    for place, new in _readings(completion.text, source, hole):
                        candidate = self._candidate(source, scope, place, new, number, completion)
                        if candidate:
                            yield candidate
                if stage.kind == "line":
                    filled.append((source, scope, hole))
                if len(self._sure) >= _UNWEIGHED:
                    await self._weigh_all(filled)
            self.line_by_line = False
            await self._weigh_all(filled)

    async def _weigh_all(self, filled: list[_Place]) -> None:
        while filled and self.wants_weighing():
            await self._weigh(*filled.pop(0))

    async def _ask(self, stage: _Stage, source: Source, scope: Scope, hole: Hole) -> list[Completion]:
        key = (source.path, scope.name)
        if key not in self._headers:
            self._headers[key] = header(source, scope, self.cases)
        prefix, suffix = prompt(source, scope, hole, self._headers[key])
        return await self.infiller.infill(
            prefix, suffix, n=stage.n, temperature=stage.temperature, max_tokens=stage.tokens, stop=stage.stop
        )

    async def _weigh(self, source: Source, scope: Scope, hole: Hole) -> None:
        """Ask what the model would have written at each place of the line that stands there."""
        line = source.lines[hole.first - 1]
        if self.on_weighed is None or not isinstance(self.infiller, Weigher) or not line.isascii():
            return
        prefix, suffix = prompt(source, scope, hole, self._headers[source.path, scope.name])
        weights = await self.infiller.weigh(prefix, suffix, line, top=60)
        if weights:
            self.on_weighed(source.path, hole.first, {one.offset: dict(one.alternatives) for one in weights})

    def _candidate(
        self,
        source: Source,
        scope: Scope,
        hole: Hole,
        new: Sequence[str],
        number: int,
        completion: Completion,
    ) -> Candidate | None:
        """The changed file, unless it does not parse or means the same as one before."""
        text = source.replaced(hole.first, hole.last, new)
        key = key_of(source, text, min(hole.first, scope.last))
        if key is None:
            return None
        if key in self.seen:
            self.confirmed.setdefault(key, completion.logprob or 0.0)
            return None
        self.seen.add(key)
        return Candidate(
            source.path, text, hole, tuple(new), number, _STAGES[number].name, completion.logprob
        )

    def _holes(self, kind: str) -> Iterator[tuple[Source, Scope, Hole]]:
        if kind in ("line", "front", "rest"):
            for suspect in self._lines(kind):
                yield self._at(suspect, Hole(suspect.line, suspect.line))
        elif kind == "statement":
            yield from self._statements()
        elif kind == "insertion":
            yield from self._insertions()
        elif kind == "pair":
            for suspect in self.found.suspects[:_PAIRS]:
                source, scope, _ = self._at(suspect, Hole(suspect.line, suspect.line))
                if suspect.line < scope.last and source.changeable(suspect.line + 1):
                    yield source, scope, Hole(suspect.line, suspect.line + 1)
        else:
            for source, scope in self._scopes()[:_WHOLE]:
                if scope.name:
                    yield source, scope, Hole(scope.body, source.inner_last(scope))

    def _lines(self, kind: str) -> Sequence[Suspect]:
        """For sampling, among equally suspicious lines those come first of which the model is least sure."""
        suspects = self.found.suspects[:_LINES]
        if kind == "line" or not suspects:
            return suspects
        near = [one for one in suspects if one.score >= suspects[0].score - _CLOSE]
        near.sort(key=lambda one: self._sure.get((one.path, one.line), 0.0))
        rest = sorted(suspects[len(near) :], key=lambda one: self._sure.get((one.path, one.line), 0.0))
        return near[:_FRONT] if kind == "front" else [*near[_FRONT:], *rest]

    def _at(self, suspect: Suspect, hole: Hole) -> tuple[Source, Scope, Hole]:
        source = self.found.sources[suspect.path]
        return source, source.scope_at(suspect.line), hole

    def _statements(self) -> Iterator[tuple[Source, Scope, Hole]]:
        """Statements that are written over several lines: hiding one line alone would give them away."""
        done: set[tuple[str, int]] = set()
        for suspect in self.found.suspects[:_LINES]:
            source = self.found.sources[suspect.path]
            span = source.long_statement(suspect.line)
            if span and (suspect.path, span[0]) not in done:
                done.add((suspect.path, span[0]))
                yield self._at(suspect, Hole(*span))

    def _scopes(self) -> list[tuple[Source, Scope]]:
        """The functions of the suspects, the most suspicious first."""
        found: dict[tuple[str, Scope], Source] = {}
        for suspect in self.found.suspects:
            source = self.found.sources[suspect.path]
            found.setdefault((suspect.path, source.scope_at(suspect.line)), source)
        return [(source, scope) for (_, scope), source in found.items()]

    def _insertions(self) -> Iterator[tuple[Source, Scope, Hole]]:
        """Between any two statements that ran, and after the last, function by function."""
        given = 0
        for source, scope in self._scopes():
            ran = {one.line for one in self.found.suspects if one.path == source.path}
            starts = {line for line, first in source.statement_of.items() if line == first}
            last = source.inner_last(scope)
            for line in range(scope.body, last + 2):
                near = line in ran or line - 1 in ran or line == last + 1
                begins = line in starts or line == last + 1 or not _inside(source, line)
                dead = line > scope.body and _ends_block(source.lines[line - 2]) and line > last
                if scope.name and near and begins and not dead:
                    yield source, scope, Hole(line, line - 1)
                    given += 1
                    if given >= _INSERTIONS:
                        return


def _ends_block(text: str) -> bool:
    return text.strip().startswith(("return", "raise ", "continue", "break"))


def _inside(source: Source, line: int) -> bool:
    """Whether ``line`` continues the statement of the line above."""
    return source.statement_of.get(line) is not None and source.statement_of.get(
        line
    ) == source.statement_of.get(line - 1)


def _readings(text: str, source: Source, hole: Hole) -> Iterator[tuple[Hole, list[str]]]:
    """A completion as lines for a hole: as the model wrote it, with the indentation of what it replaces, and
    as a line that is missing above the one it was asked for."""
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        if hole.last >= hole.first:
            yield hole, []  # the line is one too many
        return
    yield hole, lines
    nearest = source.lines[min(hole.first, len(source.lines)) - 1]
    indent = nearest[: len(nearest) - len(nearest.lstrip())]
    first = lines[0]
    indented = indent + first.lstrip()
    if len(lines) == 1 and first != indented:
        yield hole, [indented]
    if len(lines) == 1 and hole.last == hole.first and _stands_alone(first.strip(), nearest.strip()):
        yield Hole(hole.first, hole.first - 1), [indented]


def _stands_alone(new: str, old: str) -> bool:
    """Whether ``new`` may be another statement than ``old``, and not its better form or its end."""
    same = re.match(r"[\w.]*", new), re.match(r"[\w.]*", old)
    ends = _ends_block(new) or new.endswith((":", ",", "(", "[", "{"))
    return not ends and same[0] is not None and same[1] is not None and same[0][0] != same[1][0]


def key_of(source: Source, text: str, line: int) -> str | None:
    """What ``text``, a changed ``source``, means: see :meth:`kcode.repair.source.Source.meaning`."""
    return source.meaning(text, line)


def changed_lines(source: Source, text: str) -> tuple[Hole, tuple[str, ...]]:
    """The lines of ``source`` that ``text`` changes, and what stands there instead."""
    most = min(len(source.text), len(text))
    same = _longest(most, lambda count: source.text.startswith(text[:count]))
    above = max(0, min(source.line_at(same), len(source.lines)) - 1)
    same = _longest(most - source.offset(above + 1), lambda count: source.text.endswith(text[-count:]))
    below = source.line_at(len(source.text) - same) + 1  # the line's end before it is the same, too
    kept = len(source.text) - source.offset(below)
    old = source.lines[above : below - 1]
    lines = physical_lines(text[source.offset(above + 1) : len(text) - kept])
    new = [line.rstrip("\r\n") for line in lines]
    first = 0
    while first < min(len(old), len(new)) and old[first] == new[first]:
        first += 1
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    return Hole(above + first + 1, above + len(old) - last), tuple(new[first : len(new) - last])


def _longest(most: int, holds: Callable[[int], bool]) -> int:
    """The largest count up to ``most`` for which ``holds``, which holds for all smaller ones too."""
    low = 0
    while low < most:
        middle = (low + most + 1) // 2
        low, most = (middle, most) if holds(middle) else (low, middle - 1)
    return low
