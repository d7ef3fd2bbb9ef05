"""The proof of a change with the project's own runner: the target, what the change reaches, everything.

The suite as it was is run once, in the copy that nobody edits, while the model works.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from kcode.repair.events import Listener, Stage
from kcode.repair.failing import Failing, following
from kcode.repair.project_copy import Lab, ProjectCopy
from kcode.repair.verify import Proof, Tally, compared
from kcode.testrun.affected import affected
from kcode.testrun.report import TestProgress, TestReport

_REPEATS = 2  # further runs of the repaired tests
_REPEAT_S = 20.0  # a run that takes longer is not repeated
_LEAST_S = 5.0

Follow = Callable[[TestProgress], None]


@dataclass
class Checker:
    """Judges the changes of one repair. ``suite_s`` bounds the whole suite, before and after, in seconds."""

    lab: Lab
    found: Failing
    suite_s: float
    _baseline: asyncio.Task[TestReport] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Begin to run the suite as it was, where the reproduction did not."""
        if not self.found.whole and self._baseline is None:
            self._baseline = asyncio.create_task(self.lab.original.run_tests((), self.suite_s, rerun=False))

    async def close(self) -> None:
        if self._baseline is not None:
            self._baseline.cancel()
            with suppress(asyncio.CancelledError):
                await self._baseline

    async def check(
        self, copy: ProjectCopy, changed: Sequence[str], tell: Listener
    ) -> tuple[Proof, TestReport]:
        """The proof of what ``copy`` holds, and the report that a model should see where it does not hold."""
        with Stage(tell, "verify", "the tests, before and after") as stage:
            proof, report = await self._check(copy, changed, following(tell, "verify"))
            stage.text = proof.lines()[0] if proof.ok else proof.lines()[-1]
        return proof, report

    async def artefacts(self) -> set[str]:
        """Files that the tests themselves write: no change of a model's."""
        return await asyncio.to_thread(self.lab.original.changed_paths)

    # --- inside ---------------------------------------------------------------------------------

    async def _check(
        self, copy: ProjectCopy, changed: Sequence[str], follow: Follow
    ) -> tuple[Proof, TestReport]:
        if self.found.whole:
            report = await copy.run_tests((), 0.0, follow)
            proof = prove(self.found.ids, self.found.report, report)
            return (await self._steady(copy, proof, report), report) if proof.ok else (proof, report)
        report = await copy.run_tests(self.found.targets, 0.0, follow, rerun=False)
        proof = prove(self.found.ids, self.found.report, report)
        if not proof.ok:
            return replace(proof, whole=False, not_run="the other tests were not run"), report
        proof = await self._steady(copy, proof, report)
        if not proof.ok:
            return proof, report
        return await self._everything(copy, proof, report, changed, follow)

    async def _steady(self, copy: ProjectCopy, proof: Proof, report: TestReport) -> Proof:
        """Run the repaired tests again: one that passes only sometimes is not repaired."""
        unsteady = {case.id for case in report.flaky} & set(self.found.ids)
        runs = 1
        if report.seconds <= _REPEAT_S and not unsteady:
            for _ in range(_REPEATS):
                again = await copy.run_tests(self.found.targets or self._names(), _REPEAT_S * 2, rerun=False)
                if again.timed_out or again.cannot_run:
                    break
                runs += 1
                unsteady |= {case.id for case in again.failing} & set(self.found.ids)
        named = tuple(test for test in self.found.ids if test in unsteady)
        return replace(proof, ok=proof.ok and not named, unsteady=named, repeats=runs)

    def _names(self) -> tuple[str, ...]:
        """The repaired tests as targets, where the runner's ids can be few enough to be given."""
        ids = self.found.ids
        return ids if len(ids) <= 20 and all("::" in one for one in ids) else ()

    async def _everything(
        self, copy: ProjectCopy, proof: Proof, report: TestReport, changed: Sequence[str], follow: Follow
    ) -> tuple[Proof, TestReport]:
        """First what the change can reach, then all, each compared with the project as it was."""
        until = time.monotonic() + self.suite_s
        reached = await affected(copy.scratch, list(changed))
        if reached.targets:
            near = await copy.run_tests(reached.targets, self.suite_s, follow)
            if not near.cannot_run:
                proof = replace(proof, affected=tally(near))
                broken = await self._broken(near, proof)
                if broken:
                    return replace(proof, ok=False, broken=broken, whole=False, not_run=_NOT_ALL), near
        left = until - time.monotonic()
        if left < _LEAST_S:
            return replace(proof, whole=False, not_run=self._late()), report
        with_all = await copy.run_tests((), left, follow)
        if with_all.cannot_run:
            return replace(proof, whole=False, not_run=f"not run: {with_all.cannot_run}"), report
        before = await self._before()
        if before is None or with_all.timed_out:
            broken = await self._broken(with_all, proof)
            cut = replace(proof, ok=not broken, broken=broken, whole=False, not_run=self._late())
            return replace(cut, after=tally(with_all)), with_all
        whole = prove(self.found.ids, before, with_all)
        kept = replace(whole, repeats=proof.repeats, affected=proof.affected, unsteady=proof.unsteady)
        return kept, with_all

    async def _before(self) -> TestReport | None:
        """The suite as it was; None where it did not come to an end."""
        if self._baseline is None:
            return None
        report = await self._baseline
        return None if report.cannot_run or report.timed_out else report

    async def _broken(self, after: TestReport, proof: Proof) -> tuple[str, ...]:
        """Which failures of ``after`` the project as it was does not have."""
        known = proof.before.failed | {case.id for case in self.found.cases} | set(self.found.others)
        suspected = [case.id for case in after.failing if case.id not in known]
        if not suspected:
            return ()
        if (before := await self._before()) is not None:
            failed = {case.id for case in before.failing}
            return tuple(test for test in suspected if test not in failed)
        again = await self.lab.original.run_tests(suspected, self.suite_s, rerun=False)
        failed = {case.id for case in again.failing}
        return tuple(test for test in suspected if test not in failed)

    def _late(self) -> str:
        return f"not run to its end: the whole suite, within {self.suite_s:.0f} s (fix.suite_seconds)"


_NOT_ALL = "the rest of the suite was not run"


def prove(failing: Sequence[str], before: TestReport, after: TestReport) -> Proof:
    """Compare two runs of the same tests; where a runner names no passing tests, its totals count."""
    old, new = tally(before), tally(after)
    repaired, still, broken = compared(failing, old, new)
    if not new.passed and after.ok:  # totals only
        repaired, still = tuple(failing), ()
    if after.passed > len(new.passed) and not after.failed + after.errors:  # not all cases are listed
        broken = ()
    failed_now = new.failed
    lost = tuple(test for test in broken if test not in failed_now)
    complete = not after.cannot_run and not after.timed_out
    worse = after.failed + after.errors > before.failed + before.errors - len(repaired)
    fewer = not new.passed and after.passed < before.passed  # totals only: tests have disappeared
    flaky = tuple(case.id for case in after.flaky)
    broken = tuple(test for test in broken if test not in flaky)
    lost = tuple(test for test in lost if test not in flaky)
    return Proof(
        ok=complete and not still and not broken and not worse and not fewer,
        repaired=repaired,
        still_failing=still,
        broken=broken,
        before=old,
        after=new,
        whole=complete,
        flaky=flaky,
        lost=lost,
    )


def tally(report: TestReport) -> Tally:
    by_status: Mapping[str, str] = {case.id: case.status for case in report.cases}
    return Tally(
        frozenset(test for test, status in by_status.items() if status == "passed"),
        frozenset(test for test, status in by_status.items() if status in ("failed", "error")),
    )
