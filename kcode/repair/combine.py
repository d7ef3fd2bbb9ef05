"""Repairs of two places: halves that get a failing test further are put together and built upon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from kcode.repair.candidates import Candidate, changed_lines, key_of
from kcode.repair.judge import Verdict
from kcode.repair.localise import Localisation, Suspect
from kcode.repair.source import Source, physical_lines

TWO = "two places"
_CROSSED_SCOPES = 4  # functions in which any two changes are put together
_CROSSED = 60  # of each the likeliest changes
_WRITTEN = 0.5  # what a line that the model is sure of costs beside small changes
_COST = 2.0  # what a second change speaks against a patch


@dataclass(frozen=True, slots=True)
class Partial:
    """A candidate that repaired some failing tests, or let one fail at a later line of its own."""

    candidate: Candidate
    passed: int
    further: int

    @property
    def worth(self) -> tuple[int, int, float]:
        return (self.passed, self.further, -self.candidate.cost)


def progress_of(
    candidate: Candidate, deciding: Sequence[str], before: Mapping[str, int], verdict: Verdict
) -> Partial | None:
    """What ``candidate`` gained on the ``deciding`` tests, which failed at the lines ``before``."""
    passed = sum(1 for test in deciding if test in verdict.passing())
    further = sum(1 for test in deciding if verdict.reached.get(test, 0) > before.get(test, 0) > 0)
    back = any(0 < verdict.reached.get(test, 0) < before.get(test, 0) for test in deciding)
    if back or not (passed or further) or verdict.ended != "done":
        return None
    return Partial(candidate, passed, further)


def combined(one: Candidate, other: Candidate, source: Source) -> Candidate | None:
    """Both changes at once, where they touch different lines of one file."""
    if one.path != other.path or source.path != one.path:
        return None
    first, second = sorted((one, other), key=lambda c: (c.hole.first, c.hole.last))
    if second.hole.first <= max(first.hole.last, first.hole.first):
        return None
    lines = physical_lines(source.text)
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    for candidate in (second, first):
        lines[candidate.hole.first - 1 : candidate.hole.last] = [line + newline for line in candidate.new]
    text = "".join(lines)
    hole, new = changed_lines(source, text)
    known = [c.logprob for c in (one, other) if c.logprob is not None]
    return Candidate(
        source.path,
        text,
        hole,
        new,
        max(one.stage, other.stage),
        TWO,
        sum(known) / len(known) if known else None,
        one.cost + other.cost + _COST,
    )


def pairs(
    halves: Sequence[Candidate], wholes: Sequence[Candidate], found: Localisation, seen: set[str]
) -> Iterator[Candidate]:
    """Every half with every other, then with the likely changes ``wholes``, then these among themselves."""
    likely = sorted(wholes, key=lambda c: -(c.logprob or 0.0))[:10]
    offered = [(a, b) for i, a in enumerate(halves) for b in halves[i + 1 :]]
    offered += [(a, b) for a in halves for b in likely if a is not b]
    offered += [(a, b) for i, a in enumerate(likely) for b in likely[i + 1 :]]
    for one, other in offered:
        source = found.sources[one.path]
        both = combined(one, other, source)
        key = both and key_of(source, both.text, both.hole.first)
        if both and key and key not in seen:
            seen.add(key)
            yield both


def crossed(tried: Sequence[Candidate], found: Localisation, seen: set[str]) -> Iterator[Candidate]:
    """Any two of the likeliest changes of one function, the most suspicious function first: where no test
    shows that half a repair is one. What the model wrote is taken for as likely as a usual small change."""
    by_scope: dict[tuple[str, int], list[Candidate]] = {}
    for suspect in found.suspects:
        by_scope.setdefault((suspect.path, found.scope_of(suspect).first), [])
    for candidate in tried:
        place = (candidate.path, found.sources[candidate.path].scope_at(candidate.hole.first).first)
        if place in by_scope and candidate.stage_name != TWO:
            by_scope[place].append(candidate)
    for singles in list(by_scope.values())[:_CROSSED_SCOPES]:
        singles.sort(key=_unlikelihood)
        for one, other in _diagonally(singles[:_CROSSED]):
            source = found.sources[one.path]
            both = combined(one, other, source)
            key = both and key_of(source, both.text, both.hole.first)
            if both and key and key not in seen:
                seen.add(key)
                yield both


def _unlikelihood(candidate: Candidate) -> float:
    return candidate.cost if candidate.logprob is None else _WRITTEN - candidate.logprob


def _diagonally(singles: Sequence[Candidate]) -> Iterator[tuple[Candidate, Candidate]]:
    """All pairs, those of the first ones first."""
    for total in range(1, 2 * len(singles) - 2):
        for number in range(max(0, total - len(singles) + 1), (total + 1) // 2):
            yield singles[number], singles[total - number]


def localised_anew(half: Candidate, found: Localisation) -> Localisation | None:
    """The same suspicion in the changed program: what the half changed itself is not suspected any more."""
    old = found.sources[half.path]
    new = old.with_text(half.text)
    if new is None:
        return None
    grown = len(new.lines) - len(old.lines)
    kept = []
    for suspect in found.suspects:
        if suspect.path != half.path:
            continue
        if suspect.line > half.hole.last:
            kept.append(Suspect(suspect.path, suspect.line + grown, suspect.score))
        elif suspect.line < half.hole.first:
            kept.append(suspect)
    near = old.scope_at(half.hole.first)
    shifted = range(near.first, near.last + grown + 1)
    kept.sort(key=lambda one: one.line not in shifted)  # the other half is likelier in the same function
    kept = [replace(one, score=one.score * (1.0 if one.line in shifted else 0.5)) for one in kept]
    return Localisation(tuple(kept), {half.path: new})


def rebased(candidate: Candidate, half: Candidate, found: Localisation) -> Candidate:
    """``candidate``, a change of the half's text, as one change of the original."""
    hole, new = changed_lines(found.sources[half.path], candidate.text)
    cost = candidate.cost + half.cost + _COST
    return replace(candidate, hole=hole, new=new, stage_name=TWO, cost=cost)
