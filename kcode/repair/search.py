"""The search: the model and the mutations propose, the judge runs the tests, all at the same time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kcode.providers.base import Infiller, ProviderError, Weigher
from kcode.repair.agreement import compared_on_inputs
from kcode.repair.candidates import Candidate, Generator, key_of
from kcode.repair.combine import Partial, progress_of
from kcode.repair.events import CandidatePassed, CandidatesTried, Listener
from kcode.repair.fim import claims_of
from kcode.repair.interleave import Sources
from kcode.repair.judge import Judge, Judging, Limits, TracedFailure, Verdict
from kcode.repair.likelihood import weighed
from kcode.repair.localise import Localisation
from kcode.repair.rank import special_case, takes_away
from kcode.repair.swap import swap_of

_AHEAD = 24  # candidates the model may be ahead of the judge
_GRACE_S = 3.0  # after a patch passed: how long others are looked for
_SURE = -0.25  # nats a token: of a line that it finds so likely the model is sure
_SURE_GRACE_S = 1.0  # how long others are looked for after such a line
_HEARING_S = 9.0  # after a mutation passed: how long the model's own first proposals are waited for
_OTHERS, _OTHERS_S = 20, 15.0  # failing tests of other files: how many a patch is shown, how long it may look
_OTHERS_SHARE = 0.4  # of the budget: how long a patch is looked for that repairs these as well
_PLAUSIBLE = -1.0  # nats: a mutation that makes its line so much less likely than it was is doubted
_DOUBT_S = 25.0  # how much longer the model may look for something better then, at each place once
_UNRESTED = 20  # candidates that are judged without a rest while the model is loaded
_RESTING = 1.0  # how long the judge rests beside the model's first proposals: times what one candidate takes
_LONGEST_REST_S = 3.0
_ODD = 0.5  # mutations that cost so much more than one that passed are not tried any more
_COMPARING_S = 10.0  # time that must be left for calling them with further inputs
_WIDER_S = 10.0  # CPU time of one test of another file
_WEIGHING_S = 8.0  # how long the model may weigh several patches that pass
_BRIEF_S = 0.4  # CPU time of one test for a mutation, where the tests are quick: most that hang, hang forever
_PATIENCE = 6.0  # factor on the time limit when slow candidates are tried again
_SECOND_LOOKS = 4  # how many are tried again at once, the others when nothing else is left
_BACKLOG_S = 4.0  # judging time of waiting mutations from which on the model is asked to order them
_FIRST, _FIRST_S = 6, 0.5  # failing tests that every candidate is shown before any other: how many, how long
_PARTIALS = 6  # halves of a repair that are built upon
_PARTIALS_AFTER = 0.3  # share of the time after which repairs of two places are looked for as well


@dataclass(frozen=True, slots=True)
class Goal:
    """What a candidate must do, and with which limits it is run.

    ``targets`` are given to pytest; ``required`` must pass, the
    ``failing`` ones among them do not yet; other failures count unless ``tolerated``.
    ``seconds`` is how long each test took before, where that is known. ``wider`` are further tests that
    pass, which no patch may break, and ``wider_s`` is what they take together.
    """

    targets: tuple[str, ...]
    required: frozenset[str]
    failing: frozenset[str]
    tolerated: frozenset[str]
    limits: Limits
    failures: tuple[TracedFailure, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    wider: tuple[str, ...] = ()
    wider_s: float = 0.0

    def met_by(self, verdict: Verdict) -> bool:
        """Every required test passed; a test that did not report did not pass."""
        return (
            verdict.ended == "done"
            and not verdict.problem
            and bool(verdict.outcomes)
            and self.required <= verdict.passing()
            and verdict.failing() <= self.tolerated
        )

    def deciding(self) -> tuple[str, ...]:
        """The failing tests that tell most candidates from a repair, the quick ones."""
        chosen: list[str] = []
        left = _FIRST_S
        for test in sorted(self.failing, key=lambda one: (self.seconds.get(one, 0.0), one)):
            left -= self.seconds.get(test, 0.0)
            if chosen and (left < 0 or len(chosen) == _FIRST):
                break
            chosen.append(test)
        return tuple(chosen)


@dataclass
class Search:
    """One run of the search. ``passing`` fills while it runs; ``tried`` counts judged candidates.

    ``imitating`` pass only because they decide by the values of the tests, and ``breaking`` make other tests
    of the suite fail: they are no repairs.
    """

    judge: Judging
    infiller: Infiller
    found: Localisation
    goal: Goal
    tell: Listener
    ready: Callable[[], bool] = lambda: True  # whether the model is loaded
    reaching: Callable[[str], Awaitable[frozenset[str]]] | None = None  # test files that use a changed file
    passing: list[Candidate] = field(default_factory=list)
    imitating: list[Candidate] = field(default_factory=list)
    breaking: list[Candidate] = field(default_factory=list)
    tried: int = 0
    exhausted: bool = False
    _slow: list[Candidate] = field(default_factory=list)
    _second_looks: int = 0
    _began: float = 0.0
    _budget_s: float = 0.0
    _judging_s: float = 0.0
    _enough_at: float = float("inf")
    _first_passed: float = 0.0
    _doubted: bool = False
    _deciding: tuple[str, ...] = ()
    _before: Mapping[str, int] = field(default_factory=dict)
    _partials: list[Partial] = field(default_factory=list)

    async def run(self, budget_s: float) -> list[Candidate]:
        """Candidates that meet the goal, in the order they were found, within ``budget_s`` seconds."""
        self._began, self._budget_s = time.monotonic(), budget_s
        until = self._began + budget_s
        queue: asyncio.Queue[Candidate | None] = asyncio.Queue(_AHEAD)
        sources = Sources(self.found, queue)
        generator = Generator(
            self.infiller,
            self.found,
            claims_of(self.goal.failures),
            sources.seen,
            sources.mutations.prefer,
            lambda: sources.mutations.waiting * self._average() > _BACKLOG_S,
        )
        producer = asyncio.create_task(_produce(generator, queue))
        try:
            self._deciding = self.goal.deciding()
            self._before = (await self._run({}, self.goal.limits)).reached
            while await self._goes_on(until, generator):
                if time.monotonic() > self._began + budget_s * _PARTIALS_AFTER and not self.passing:
                    sources.build_upon(self._partials[:_PARTIALS])
                    sources.cross()
                left = min(until, self._enough_at) - time.monotonic()
                candidate = await sources.take(max(0.01, left), self._dearest(), self._rest(generator))
                if candidate is not None:
                    await self._try(candidate, generator)
                elif sources.over and (self.passing or not sources.build_upon(self._partials[:_PARTIALS])):
                    self.exhausted = True
                    break
        finally:
            producer.cancel()
            ends = await asyncio.gather(producer, return_exceptions=True)
        if not self.passing:
            if isinstance(ends[0], ProviderError):
                raise ends[0]
            await self._try_slow_ones(until)
        if len(self.passing) > 1:
            await self._compare(until)
        return self.passing

    async def _compare(self, until: float) -> None:
        """Several patches pass: how they behave on further inputs, and how likely the model finds them."""
        if until - time.monotonic() > _COMPARING_S:
            self.passing = await compared_on_inputs(self.judge, self.found, self.goal.targets, self.passing)
        cases = claims_of(self.goal.failures)
        left = min(_WEIGHING_S, until - time.monotonic())
        self.passing = await weighed(self.infiller, self.found, cases, self.passing, left)

    async def _goes_on(self, until: float, generator: Generator) -> bool:
        """Whether to try another candidate: there is time, and no patch yet that can be believed."""
        self._take_confirmed(generator)
        now = time.monotonic()
        if now >= until:
            return False
        if not self.passing or (now < self._enough_at and not self._heard(generator)):
            return True
        if self._doubted or any(one.logprob is not None for one in self.passing):
            return False
        self._doubted = True
        cases = claims_of(self.goal.failures)
        self.passing = await weighed(self.infiller, self.found, cases, self.passing, _WEIGHING_S)
        if any(self._plausible(one) for one in self.passing):
            return False
        self._enough_at = time.monotonic() + _DOUBT_S
        return True

    def _take_confirmed(self, generator: Generator) -> None:
        """A mutation that passes, and that the model proposed as well meanwhile, counts as its own."""
        for number, one in enumerate(self.passing):
            if one.logprob is None and generator.confirmed:
                key = key_of(self.found.sources[one.path], one.text, one.hole.first)
                sure = generator.confirmed.get(key or "")
                if sure is not None:
                    self.passing[number] = replace(one, logprob=sure)
                    self._enough_at = min(self._enough_at, time.monotonic() + _SURE_GRACE_S)

    def _plausible(self, candidate: Candidate) -> bool:
        """What only takes something away passes many tests, and is likely as any shorter line."""
        if takes_away(self.found.sources[candidate.path].text, candidate):
            return False
        unasked = not isinstance(self.infiller, Weigher)
        return unasked or (candidate.gain is not None and candidate.gain >= _PLAUSIBLE)

    def _heard(self, generator: Generator) -> bool:
        """Whether the model has had its say where a mutation passed: its proposal for each line."""
        if self._doubted:
            return not generator.greedy
        if self.goal.tolerated and not any(one.also == 1 for one in self.passing):
            return False
        return time.monotonic() > self._first_passed + _GRACE_S and not generator.line_by_line

    def _rest(self, generator: Generator) -> float:
        """While the model's first proposals come, the judge of mutations leaves the processors to it: on two
        of them, a judge that never rests makes the model several times as slow. Once a mutation passed it is
        the model's word that is waited for."""
        busy = generator.greedy and (self.ready() or self.tried >= _UNRESTED)
        if busy and self.passing:
            return _LONGEST_REST_S
        return min(_LONGEST_REST_S, _RESTING * self._average()) if busy else 0.0

    def _dearest(self) -> float:
        """Once a patch passed, only mutations that are about as usual are worth the model's time."""
        return min((one.cost for one in self.passing), default=float("inf")) + _ODD

    def _limits_for(self, candidate: Candidate) -> Limits:
        limits = self.goal.limits
        brief = candidate.logprob is None and limits.per_test_s <= 1.0
        return Limits(_BRIEF_S, limits.wall_s) if brief else limits

    def _average(self) -> float:
        return self._judging_s / self.tried if self.tried else 0.05

    async def _try(self, candidate: Candidate, generator: Generator) -> None:
        verdict = await self._judged(candidate, self._limits_for(candidate))
        self.tried += 1
        self._judging_s += verdict.total_s
        if self._promising(verdict):
            self._second_looks += 1
            verdict = await self._judged(candidate, self._patient_limits())
        if self.goal.met_by(verdict):
            await self._accept(candidate)
        elif verdict.hung or verdict.ended == "killed":
            self._slow.append(candidate)
        else:
            self._keep_half(candidate, verdict)
        self.tell(
            CandidatesTried(
                generator.asked,
                self.tried,
                len(self.passing),
                f"{generator.where} ({generator.stage})",
                time.monotonic() - self._began,
            )
        )

    def _keep_half(self, candidate: Candidate, verdict: Verdict) -> None:
        half = progress_of(candidate, self._deciding, self._before, verdict)
        if half:
            self._partials.append(half)
            self._partials.sort(key=lambda one: one.worth, reverse=True)

    def _promising(self, verdict: Verdict) -> bool:
        """It repaired a test before another one ran out of time: it may be right and slow."""
        repaired = verdict.passing() & self.goal.failing
        return bool(verdict.hung and repaired) and self._second_looks < _SECOND_LOOKS

    def _patient_limits(self) -> Limits:
        limits = self.goal.limits
        return Limits(limits.per_test_s * _PATIENCE, limits.wall_s * _PATIENCE)

    async def _judged(self, candidate: Candidate, limits: Limits) -> Verdict:
        """A change of a function's body meets the deciding tests in a program that runs already; only what
        passes them there is put into the file and started anew."""
        swap = swap_of(candidate, self.found) if self._deciding and isinstance(self.judge, Judge) else None
        if swap is not None and isinstance(self.judge, Judge):
            quick = await self.judge.exchanged(self.goal.targets, limits, swap, self._deciding)
            if quick is not None and not quick.passing().issuperset(self._deciding):
                return quick
        data = self.found.sources[candidate.path].file.encode(candidate.text)
        return await self._run({candidate.path: data}, limits)

    async def _run(self, files: Mapping[str, bytes], limits: Limits) -> Verdict:
        return await self.judge.run(
            self.goal.targets,
            limits,
            files=files,
            tolerated=sorted(self.goal.tolerated),
            first=self._deciding,
            stop=True,
        )

    async def _accept(self, candidate: Candidate) -> None:
        source = self.found.sources[candidate.path]
        special = special_case(source.text, candidate.text, self.goal.failures)
        hidden = any(self._holds(candidate, one) for one in self.imitating)  # beside a second change
        if special or hidden or source.singles_out(candidate.text):
            self.imitating.append(candidate)
            return
        if await self._breaks(candidate):
            self.breaking.append(candidate)
            return
        candidate = replace(candidate, also=await self._also(candidate))
        self.passing.append(candidate)
        old = source.lines[candidate.hole.first - 1 : candidate.hole.last]
        self.tell(
            CandidatePassed(candidate.path, candidate.hole.first, "\n".join(old), "\n".join(candidate.new))
        )
        if not self._first_passed:
            self._first_passed = time.monotonic()
        grace = _HEARING_S if candidate.logprob is None and not self._doubted else _GRACE_S
        if candidate.logprob is not None and candidate.logprob >= _SURE and len(self.passing) == 1:
            grace = _SURE_GRACE_S
        if self.goal.tolerated and candidate.also < 1:
            grace = max(grace, _OTHERS_S, self._budget_s * _OTHERS_SHARE)
        if candidate.logprob is not None or not self._doubted:
            self._enough_at = min(self._enough_at, time.monotonic() + grace)

    def _holds(self, candidate: Candidate, other: Candidate) -> bool:
        """Whether lines that ``other`` brought are among those that ``candidate`` brings."""
        old = set(self.found.sources[other.path].lines)
        return not {line.strip() for line in other.new if line not in old}.isdisjoint(
            line.strip() for line in candidate.new
        )

    async def _breaks(self, candidate: Candidate) -> bool:
        """Whether a test of another file fails with it, and fails again."""
        reached = await self.reaching(candidate.path) if self.reaching else None
        files = narrowed(self.goal.wider)
        targets: Sequence[str] = [one for one in files if reached is None or one in reached]
        if not targets:
            return False
        data = self.found.sources[candidate.path].file.encode(candidate.text)
        limits = Limits(_WIDER_S, _WIDER_S + 5 * self.goal.wider_s)
        for _ in range(2):
            verdict = await self.judge.run(
                targets,
                limits,
                files={candidate.path: data},
                tolerated=sorted(self.goal.tolerated),
                stop=True,
            )
            targets = sorted(verdict.failing().intersection(self.goal.wider))
            if not targets:
                return False
        return True

    async def _also(self, candidate: Candidate) -> float:
        """Which share of the failing tests that were not asked for the patch repairs as well."""
        others = sorted(self.goal.tolerated)[:_OTHERS]
        if not others:
            return 0.0
        data = self.found.sources[candidate.path].file.encode(candidate.text)
        limits = Limits(self.goal.limits.per_test_s, _OTHERS_S)
        verdict = await self.judge.run(others, limits, files={candidate.path: data})
        return len(verdict.passing() & set(others)) / len(others)

    async def _try_slow_ones(self, until: float) -> None:
        """Candidates that ran out of time may be right and slow: they get more of it at the end."""
        limits = self._patient_limits()
        for candidate in self._slow:
            if time.monotonic() + limits.per_test_s > until or self.passing:
                return
            if self.goal.met_by(await self._judged(candidate, limits)):
                await self._accept(candidate)


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
