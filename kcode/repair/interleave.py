"""Where candidates come from, one after the other: the model's and the others by turns.

The model answers about once a second, a mutation costs nothing: the judge never waits for the model
while there is a mutation to try, and a slow judge still sees every second candidate from the model.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

from kcode.repair.candidates import Candidate, key_of
from kcode.repair.combine import Partial, crossed, localised_anew, pairs, rebased
from kcode.repair.localise import Localisation
from kcode.repair.mutations import Mutations

_USUAL = 4.5  # what a change may cost at most to be one of two


class Sources:
    """``seen`` are the meanings of what was proposed; ``over`` says that nothing is left."""

    def __init__(self, found: Localisation, queue: asyncio.Queue[Candidate | None]) -> None:
        self._found, self._queue = found, queue
        self.seen = _originals(found)
        self.mutations = Mutations(found, self.seen)
        self._others: deque[Iterator[Candidate]] = deque([iter(self.mutations)])
        self._likely: list[Candidate] = []
        self._tried: list[Candidate] = []
        self._built: set[int] = set()
        self._crossing = False
        self._model_ended = False
        self._models_turn = True

    @property
    def over(self) -> bool:
        return self._model_ended and not self._others

    async def take(
        self, wait_s: float, dearest: float = float("inf"), rest_s: float = 0.0
    ) -> Candidate | None:
        """The next candidate; None where there is none left, or none came within ``wait_s`` seconds.

        What is no proposal of the model's is left out once it costs more than ``dearest``, and waits
        ``rest_s`` seconds for one of the model's: the judge and the model share the processors.
        """
        if rest_s > 0 and self._queue.empty() and not self._model_ended:
            try:
                return self._from_model(await asyncio.wait_for(self._queue.get(), min(rest_s, wait_s)))
            except TimeoutError:
                pass
        if dearest < self.mutations.cheapest:
            self._others.clear()
        self._models_turn = not self._models_turn
        if not self._models_turn or self._queue.empty():
            candidate = self._other()
            if candidate:
                return candidate
        if self._model_ended:
            return self._other()
        try:
            return self._from_model(await asyncio.wait_for(self._queue.get(), wait_s))
        except TimeoutError:
            return None

    def _from_model(self, candidate: Candidate | None) -> Candidate | None:
        if candidate is None:
            self._model_ended = True
            return self._other()
        if candidate.stage == 0:
            self._likely.append(candidate)
        self._remember(candidate)
        return candidate

    def _remember(self, candidate: Candidate) -> None:
        if not self._crossing and candidate.cost < _USUAL:
            self._tried.append(candidate)

    def cross(self) -> None:
        """From now on also two changes of one function at once, of what was tried so far."""
        if not self._crossing:
            self._crossing = True
            self._others.append(crossed(self._tried, self._found, self.seen))

    def build_upon(self, halves: Sequence[Partial]) -> bool:
        """Look for what is missing to each of ``halves`` too; False where all of them are known already."""
        fresh = [half.candidate for half in halves if id(half.candidate) not in self._built]
        if not fresh:
            return False
        self._built.update(id(half) for half in fresh)
        known = [half.candidate for half in halves]
        self._others.appendleft(pairs(known, self._likely, self._found, self.seen))
        for half in fresh:
            self._others.append(self._second_halves(half))
        return True

    def _second_halves(self, half: Candidate) -> Iterator[Candidate]:
        anew = localised_anew(half, self._found)
        if anew is None:
            return
        for candidate in Mutations(anew, self.seen):
            yield rebased(candidate, half, self._found)

    def _other(self) -> Candidate | None:
        """By turns from the sources that are no model."""
        while self._others:
            source = self._others.popleft()
            candidate = next(source, None)
            if candidate is not None:
                self._others.append(source)
                self._remember(candidate)
                return candidate
        return None


def _originals(found: Localisation) -> set[str]:
    keys = set()
    for source in found.sources.values():
        for scope in source.scopes:
            key = key_of(source, source.text, scope.first)
            if key:
                keys.add(key)
    return keys
