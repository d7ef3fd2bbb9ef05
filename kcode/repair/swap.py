"""Which candidates can be tried in a program that is imported already: changes of one function's body."""

from __future__ import annotations

from kcode.repair.candidates import Candidate
from kcode.repair.judge import Swap
from kcode.repair.localise import Localisation


def swap_of(candidate: Candidate, found: Localisation) -> Swap | None:
    """The function that ``candidate`` changes, with its new text; None where it changes a signature, what
    stands outside of functions, or what ran already while the module was imported."""
    source = found.sources[candidate.path]
    hole = candidate.hole
    scope = source.scope_at(min(hole.first, len(source.lines)))
    if hole.last < hole.first == scope.first:  # put above a function: the end of the one before
        scope = source.scope_at(hole.first - 1)
    inside = scope.body <= hole.first and max(hole.last, hole.first - 1) <= scope.last
    if not scope.name or not inside:
        return None
    if any((candidate.path, line) in found.at_import for line in range(scope.body, scope.last + 1)):
        return None
    start, end = source.offset(scope.first), source.offset(scope.last + 1)
    text = candidate.text[start : len(candidate.text) - (len(source.text) - end)]
    *owners, name = scope.name.split(".")
    return Swap(candidate.path, name, tuple(owners), scope.first, scope.last, text)
