"""The failure, reproduced with the project's own runner: which tests fail, and for how many reasons."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from kcode.errors import UsageError
from kcode.repair.aim import Aim, listed
from kcode.repair.events import Listener, Progress, Stage, StageName
from kcode.repair.known import known_tests
from kcode.repair.logread import fits
from kcode.repair.project_copy import Lab
from kcode.repair.target import matching
from kcode.testrun.report import TestCase, TestProgress, TestReport
from kcode.testrun.summary import by_reason, headline

_MOST_NAMED = 40  # tests given to the runner by name; of more, their files are
_OTHERS_S = 30.0  # a look at what else fails, where nothing of what was asked for does

Choose = Callable[[Sequence[str]], Awaitable[int | None]]  # the number of one, None for none


@dataclass(frozen=True, slots=True)
class Failing:
    """What fails of what was asked for. ``targets`` run it again (none: everything does); ``others`` fail
    too but were not asked for; ``reasons`` has the failures of one reason in one group."""

    report: TestReport
    cases: tuple[TestCase, ...] = ()
    others: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    problem: str = ""  # why nothing could be judged

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(case.id for case in self.cases)

    @property
    def whole(self) -> bool:
        """Whether the report is one of the whole suite."""
        return not self.targets

    @property
    def reasons(self) -> list[list[TestCase]]:
        return by_reason(self.cases)


@dataclass
class Reproducer:
    """Runs what an aim names in the copy that nobody edits."""

    lab: Lab
    tell: Listener
    choose: Choose | None = None
    _known: list[str] = field(default_factory=list)

    async def run(self, aim: Aim) -> Failing:
        """Raises UsageError where a sentence fits several tests that fail for different reasons, and nobody
        is there to choose."""
        with Stage(self.tell, "reproduce", aim.told) as stage:
            found = await self._run(aim)
            stage.text = headline(found.report) if not found.problem else found.problem
        if found.problem or not aim.sentence or len(found.reasons) < 2:
            return found
        return await self._chosen(aim, found)

    async def _run(self, aim: Aim) -> Failing:
        targets = aim.targets
        wanted: set[str] = set()
        if aim.sentence:
            self._known = await known_tests(self.lab.original, self.lab.chosen)
            fitting = matching(aim.sentence, self._known)
            if not fitting and self._known:
                problem = f"no test fits {aim.sentence!r}; there are: {listed(self._known)}"
                return Failing(TestReport(cannot_run=problem), problem=problem)
            wanted = set(fitting)
            targets = tuple(fitting) if len(fitting) <= _MOST_NAMED else _files(fitting)
        report = await self._tests(targets)
        if wanted and targets and (report.cannot_run or not report.cases):
            targets = _files(targets)  # a runner that cannot be told one test by its name
            report = await self._tests(targets)
            report = _narrowed(report, wanted)
        if report.cannot_run and aim.log and targets:
            targets = ()
            report = await self._tests(targets)
        if report.cannot_run:
            return Failing(report, problem=report.cannot_run, targets=targets)
        cases = report.failing
        if aim.names and (named := tuple(case for case in cases if fits(case.id, aim.names))):
            cases = named
        kept = {case.id for case in cases}
        others = tuple(case.id for case in report.failing if case.id not in kept)
        if not cases and targets:
            others = await self._others()
        return Failing(report, cases, others, targets)

    async def _chosen(self, aim: Aim, found: Failing) -> Failing:
        """Several reasons fit the words: one is meant."""
        groups = found.reasons
        lines = [_shown(group) for group in groups]
        number = await self.choose(lines) if self.choose else None
        if number is None:
            listing = "\n".join(f"  {line}" for line in lines[:20])
            raise UsageError(
                f"{aim.sentence!r} fits {len(groups)} tests that fail for different reasons:\n{listing}",
                "name one of them: kcode fix TEST",
            )
        cases = tuple(groups[number])
        kept = {case.id for case in cases}
        others = (*found.others, *(case.id for case in found.cases if case.id not in kept))
        return Failing(found.report, cases, others, found.targets)

    async def _others(self) -> tuple[str, ...]:
        """What else fails is worth knowing, where it is known soon."""
        report = await self.lab.original.run_tests((), _OTHERS_S, self._progress, rerun=False)
        return tuple(case.id for case in report.failing)

    async def _tests(self, targets: Sequence[str]) -> TestReport:
        return await self.lab.original.run_tests(targets, 0.0, self._progress)

    def _progress(self, so_far: TestProgress) -> None:
        self.tell(Progress("reproduce", counted(so_far)))


def following(tell: Listener, stage: StageName) -> Callable[[TestProgress], None]:
    """Tells how far a run is as progress of ``stage``."""
    return lambda so_far: tell(Progress(stage, counted(so_far)))


def counted(so_far: TestProgress) -> str:
    ended = so_far.passed + so_far.failed
    return f"{ended} run, {so_far.failed} failed: {so_far.text}" if ended else so_far.text


def _shown(group: Sequence[TestCase]) -> str:
    case = group[0]
    more = f" (and {len(group) - 1} more for the same reason)" if len(group) > 1 else ""
    said = " ".join((case.message or case.assertion).split())[:120]
    return f"{case.id}{more}" + (f": {said}" if said else "")


def _files(targets: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(target.partition("::")[0] for target in targets))


def _narrowed(report: TestReport, wanted: set[str]) -> TestReport:
    """The cases whose name is a wanted one's, whatever the runner puts before it."""
    names = tuple({test.rpartition("::")[2] for test in wanted})
    kept = tuple(case for case in report.cases if fits(case.id, names))
    if not kept:
        return report
    count = {
        status: sum(case.status == status for case in kept)
        for status in ("passed", "failed", "error", "skipped")
    }
    return replace(
        report,
        cases=kept,
        passed=count["passed"],
        failed=count["failed"],
        errors=count["error"],
        skipped=count["skipped"],
    )
