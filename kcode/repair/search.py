"""The search: the model proposes, the judge runs the tests, and both work at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from kcode.providers.base import Infiller, ProviderError
from kcode.repair.candidates import Candidate, Generator
from kcode.repair.events import CandidatePassed, CandidatesTried, Listener
from kcode.repair.fim import claims_of
from kcode.repair.judge import Judge, Limits, TracedFailure, Verdict
from kcode.repair.localise import Localisation
from kcode.repair.rank import special_case

_AHEAD = 24  # candidates the model may be ahead of the judge
_GRACE_S = 3.0  # after a patch passed: how long others are looked for
_PATIENCE = 6.0  # factor on the time limit when slow candidates are tried again
_SECOND_LOOKS = 4  # how many are tried again at once, the others when nothing else is left


@dataclass(frozen=True, slots=True)
class Goal:
    """What a candidate must do, and with which limits it is run.

    ``targets`` are given to pytest; ``required`` must pass, the
    ``failing`` ones among them do not yet; other failures count unless ``tolerated``.
    """

    targets: tuple[str, ...]
    required: frozenset[str]
    failing: frozenset[str]
    tolerated: frozenset[str]
    limits: Limits
    failures: tuple[TracedFailure, ...] = ()

    def met_by(self, verdict: Verdict) -> bool:
        """Every required test passed; a test that did not report did not pass."""
        return (
            verdict.ended == "done"
            and not verdict.problem
            and bool(verdict.outcomes)
            and self.required <= verdict.passing()
            and verdict.failing() <= self.tolerated
        )


@dataclass
class Search:
    """One run of the search. ``passing`` fills while it runs; ``tried`` counts judged candidates."""

    judge: Judge
    infiller: Infiller
    found: Localisation
    goal: Goal
    tell: Listener
    passing: list[Candidate] = field(default_factory=list)
    tried: int = 0
    exhausted: bool = False
    _slow: list[Candidate] = field(default_factory=list)
    _second_looks: int = 0
    _began: float = 0.0
    _enough_at: float = float("inf")

    async def run(self, budget_s: float) -> list[Candidate]:
        """Candidates that meet the goal, in the order they were found, within ``budget_s`` seconds."""
        self._began = time.monotonic()
        until = self._began + budget_s
        queue: asyncio.Queue[Candidate | None] = asyncio.Queue(_AHEAD)
        generator = Generator(self.infiller, self.found, claims_of(self.goal.failures))
        producer = asyncio.create_task(_produce(generator, queue))
        try:
            while (left := min(until, self._enough_at) - time.monotonic()) > 0:
                try:
                    candidate = await asyncio.wait_for(queue.get(), left)
                except TimeoutError:
                    break
                if candidate is None:
                    self.exhausted = True
                    break
                await self._try(candidate, generator)
        finally:
            producer.cancel()
            ends = await asyncio.gather(producer, return_exceptions=True)
        if isinstance(ends[0], ProviderError):
            raise ends[0]
        if not self.passing:
            await self._try_slow_ones(until)
        return self.passing

    async def _try(self, candidate: Candidate, generator: Generator) -> None:
        verdict = await self._judged(candidate, self.goal.limits)
        self.tried += 1
        if self._promising(verdict):
            self._second_looks += 1
            verdict = await self._judged(candidate, self._patient_limits())
        if self.goal.met_by(verdict):
            self._accept(candidate)
        elif verdict.hung or verdict.ended == "killed":
            self._slow.append(candidate)
        self.tell(
            CandidatesTried(
                generator.asked,
                self.tried,
                len(self.passing),
                f"{generator.where} ({generator.stage})",
                time.monotonic() - self._began,
            )
        )

    def _promising(self, verdict: Verdict) -> bool:
        """It repaired a test before another one ran out of time: it may be right and slow."""
        repaired = verdict.passing() & self.goal.failing
        return bool(verdict.hung and repaired) and self._second_looks < _SECOND_LOOKS

    def _patient_limits(self) -> Limits:
        limits = self.goal.limits
        return Limits(limits.per_test_s * _PATIENCE, limits.wall_s * _PATIENCE)

    async def _judged(self, candidate: Candidate, limits: Limits) -> Verdict:
        return await self.judge.run(
            self.goal.targets,
            limits,
            files={candidate.path: self.found.sources[candidate.path].file.encode(candidate.text)},
            tolerated=sorted(self.goal.tolerated),
            stop=True,
        )

    def _accept(self, candidate: Candidate) -> None:
        self.passing.append(candidate)
        source = self.found.sources[candidate.path]
        old = source.lines[candidate.hole.first - 1 : candidate.hole.last]
        self.tell(
            CandidatePassed(candidate.path, candidate.hole.first, "\n".join(old), "\n".join(candidate.new))
        )
        if not special_case(source.text, candidate.text, self.goal.failures):
            self._enough_at = min(self._enough_at, time.monotonic() + _GRACE_S)

    async def _try_slow_ones(self, until: float) -> None:
        """Candidates that ran out of time may be right and slow: they get more of it at the end."""
        limits = self._patient_limits()
        for candidate in self._slow:
            if time.monotonic() + limits.per_test_s > until or self.passing:
                return
            if self.goal.met_by(await self._judged(candidate, limits)):
                self._accept(candidate)


async def _produce(generator: Generator, queue: asyncio.Queue[Candidate | None]) -> None:
    """None in the queue is the end; a provider's error is raised by this task after it."""
    problem: ProviderError | None = None
    try:
        async for candidate in generator.candidates():
            await queue.put(candidate)
    except ProviderError as error:
        problem = error
    await queue.put(None)
    if problem:
        raise problem


def narrowed(targets: Sequence[str]) -> tuple[str, ...]:
    """The test files of ``targets``, each once: whole files keep the order that tests may rely on."""
    return tuple(dict.fromkeys(target.partition("::")[0] for target in targets))
