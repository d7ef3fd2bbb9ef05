"""Repair by candidate search: the embedded model fills in lines, the tests judge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import UsageError
from kcode.providers.base import Infiller, ProviderError
from kcode.repair.aim import Aim, Asked
from kcode.repair.candidates import Candidate
from kcode.repair.events import Listener, Stage
from kcode.repair.failing import Choose
from kcode.repair.judge import Judge, Verdict
from kcode.repair.localise import Localisation, localise
from kcode.repair.places import aim_within, of_repository
from kcode.repair.present import diff_of, explain, nothing_found, others_left, suspicion, warning_of
from kcode.repair.rank import best_first
from kcode.repair.reaching import Reaching
from kcode.repair.reproduce import Reproduction, goal_of, only_slow, reproduce, trace
from kcode.repair.result import RepairResult
from kcode.repair.scratch import scratch_copy
from kcode.repair.search import Goal, Search
from kcode.repair.verify import Proof, suite_baseline, verify
from kcode.testrun.pytest_runner import PytestRunner
from kcode.testrun.run import run_tests
from kcode.testrun.suites import choose
from kcode.tools.base import FileEdit

_SUITE_SHARE = 0.25  # of the budget: the longest that the unchanged suite may take
_SUITE_PATIENCE = 2.5  # how much longer than before the suite may take with a patch, whatever is left
_KEPT_ALTERNATIVES = 3


async def repair_by_search(
    root: Path,
    asked: Asked,
    aim: Aim,
    provider: Infiller,
    settings: Settings,
    tell: Listener,
    budget_s: float,
    choose_one: Choose | None = None,
) -> RepairResult:
    """See :func:`kcode.repair.pipeline.repair`, which calls this for providers that can infill.

    What only a reasoning model can use is refused, with the reason.
    """
    if asked.attempts > 1:
        raise UsageError(
            "--attempts is for models that reason: the embedded model tries hundreds of patches at once",
            "leave it out, or give the search more time: --max-seconds",
        )
    if asked.bisect:
        raise UsageError(
            "--bisect is for models that read a commit: the embedded model's search looks at lines only",
            "leave it out, or name a provider: --provider moonshot",
        )
    budget_s = budget_s or settings.fix.max_seconds
    found = await choose(root, settings, target=aim.targets[0] if aim.targets else "")
    runner = found.runner
    if aim.command or not isinstance(runner, PytestRunner):
        from kcode.repair.languages.repair import refusal, repair_by_suite
        from kcode.repair.languages.unittests import can_borrow, confirmed, lent_pytest

        if not aim.command and (python := await can_borrow(found)):
            with lent_pytest() as lent:
                place = found.suite.place
                repairer = _Repair(root, Path(python), runner.describe, settings, tell, budget_s, place, lent)
                within = await repairer.run(aim_within(aim, found.suite), provider)
            return await confirmed(root, settings, of_repository(within, place), tell, runner.describe)
        if not aim.command and (why := refusal(found)):
            return RepairResult("cannot_run", f"The tests cannot be repaired: {why}.")
        return await repair_by_suite(root, aim, provider, settings, tell, budget_s, choose_one)
    own, place = runner.interpreter.python, found.suite.place
    repairer = _Repair(root, own, runner.describe, settings, tell, budget_s, place)
    result = await repairer.run(aim_within(aim, found.suite), provider)
    return replace(of_repository(result, place), runner=runner.describe)


@dataclass
class _Repair:
    """One repair by candidate search, in the folder ``place`` of the repository ``root``: all names are as
    this folder calls them. ``lent`` are variables with which ``python`` finds a pytest."""

    root: Path
    python: Path
    describe: str
    settings: Settings
    tell: Listener
    budget_s: float
    place: str = ""
    lent: Mapping[str, str] = field(default_factory=dict)

    async def run(self, aim: Aim, infiller: Infiller) -> RepairResult:
        until = time.monotonic() + self.budget_s
        loading = asyncio.create_task(_warm(infiller))
        try:
            with Stage(self.tell, "prepare", self.describe):
                copying = scratch_copy(self.root)
                scratch = await copying.__aenter__() / self.place
            try:
                judge = await Judge.start(self.python, self.root / self.place, scratch, more=self.lent)
                try:
                    return await self._with_judge(judge, scratch, aim, infiller, loading, until)
                finally:
                    await judge.close()
            finally:
                await copying.__aexit__(None, None, None)
        finally:
            loading.cancel()
            with suppress(asyncio.CancelledError, ProviderError):
                await loading

    async def _with_judge(
        self,
        judge: Judge,
        scratch: Path,
        aim: Aim,
        infiller: Infiller,
        loading: asyncio.Task[None],
        until: float,
    ) -> RepairResult:
        found = await self._reproduce(judge, aim)
        if not found.looked_at:
            return await self._explain_no_tests(found)
        if not found.failing:
            return _nothing_fails(found)
        with Stage(self.tell, "localise", "which lines the failing tests run") as stage:
            traced = await trace(judge, found)
            suspicious = localise(scratch, traced, found.failing, found.baseline.outcomes)
            goal = goal_of(found, traced)
            stage.text = suspicion(suspicious)
        if not suspicious.suspects:
            return self._not_fixed(found, 0, "no line of the project runs in the failing tests")
        search, patches = await self._search(judge, scratch, infiller, loading, suspicious, goal, until)
        with Stage(self.tell, "verify", "the whole test suite, before and after") as stage:
            left = max(10.0, until - time.monotonic(), _SUITE_PATIENCE * found.baseline.total_s)
            suite = None
            if patches:
                suite = await suite_baseline(judge, found, max(10.0, self.budget_s * _SUITE_SHARE))
            chosen, proof = await self._verified(judge, patches, suspicious, found, suite, left)
            stage.text = proof.lines()[0] if proof else "no patch to verify"
        if chosen is None or proof is None:
            if await only_slow(judge, found):
                reason = f"{_named(found.failing)} is slow, but passes when it gets enough time"
                return RepairResult("nothing_fails", f"Nothing fails: {reason}.", tried=search.tried)
            return self._not_fixed(found, search.tried, _why_not(search, patches))
        fixed = _fixed(chosen, proof, patches, suspicious, goal, search.tried)
        left_over = [test for test in found.others if test in proof.after.failed] if not aim.targets else []
        if left_over and not aim.sentence and not fixed.warning:
            return replace(fixed, warning=others_left(left_over))
        return fixed

    async def _reproduce(self, judge: Judge, aim: Aim) -> Reproduction:
        with Stage(self.tell, "reproduce", aim.told) as stage:
            named = "" if aim.targets else " ".join(aim.names)  # a log that names tests and no files
            sentence = aim.sentence or named
            found = await reproduce(judge, aim.targets, sentence, self.settings.tests.timeout_s)
            stage.text = f"{len(found.failing)} of {len(found.looked_at)} tests fail"
        return found

    async def _explain_no_tests(self, found: Reproduction) -> RepairResult:
        """pytest's own report says it better than the judge: a usage error, a broken conftest."""
        reason = found.problem
        if not found.baseline.outcomes:
            limit = min(60.0, self.settings.tests.timeout_s)
            report = await run_tests(self.root, self.settings, self.place or None, limit)
            reason = report.cannot_run or (report.failing[0].message if report.failing else "") or reason
        return RepairResult("cannot_run", f"The tests cannot run: {reason.rstrip('.')}.")

    async def _search(
        self,
        judge: Judge,
        scratch: Path,
        infiller: Infiller,
        loading: asyncio.Task[None],
        suspicious: Localisation,
        goal: Goal,
        until: float,
    ) -> tuple[Search, list[Candidate]]:
        with Stage(self.tell, "propose", "the model and small changes, judged by tests") as stage:
            # while the model loads, too
            search = Search(
                judge, infiller, suspicious, goal, self.tell, loading.done, Reaching(scratch).tests
            )
            reserve = min(5.0, self.budget_s * 0.1)  # for the verification
            passing = await search.run(max(1.0, until - time.monotonic() - reserve))
            stage.text = f"{search.tried} candidates tried, {len(passing)} pass"
        before = {path: source.text for path, source in suspicious.sources.items()}
        return search, best_first(passing, before, goal.failures)

    async def _verified(
        self,
        judge: Judge,
        patches: list[Candidate],
        suspicious: Localisation,
        found: Reproduction,
        suite: Verdict | None,
        wall_s: float,
    ) -> tuple[Candidate | None, Proof | None]:
        """The first of ``patches`` that holds, and its proof; else the last one's."""
        proof = None
        for patch in patches:
            files = {patch.path: suspicious.sources[patch.path].file.encode(patch.text)}
            proof = await verify(judge, files, found, suite, wall_s)
            if proof.ok:
                return patch, proof
        return None, proof

    def _not_fixed(self, found: Reproduction, tried: int, why: str) -> RepairResult:
        names = _named(found.failing)
        return RepairResult(
            "not_fixed",
            f"No patch was found that passes {names}: {why}.",
            targets=found.failing,
            failing_before=len(found.baseline.failing()),
            passing_before=len(found.baseline.passing()),
            failing_after=len(found.baseline.failing()),
            passing_after=len(found.baseline.passing()),
            tried=tried,
        )


def _fixed(
    chosen: Candidate,
    proof: Proof,
    patches: list[Candidate],
    suspicious: Localisation,
    goal: Goal,
    tried: int,
) -> RepairResult:
    source = suspicious.sources[chosen.path]
    others = [diff_of(patch, suspicious) for patch in patches if patch is not chosen]
    return RepairResult(
        "fixed",
        f"A patch passes {_named(proof.repaired)}.",
        targets=proof.repaired,
        failing_before=len(proof.before.failed),
        passing_before=len(proof.before.passed),
        failing_after=len(proof.after.failed),
        passing_after=len(proof.after.passed),
        edits=(FileEdit(chosen.path, source.text, chosen.text),),
        diff=diff_of(chosen, suspicious),
        explanation=explain(chosen, suspicious, goal.failures),
        proof=tuple(proof.lines()),
        warning=warning_of(chosen, suspicious, goal.failures, patches),
        alternatives=tuple(others[:_KEPT_ALTERNATIVES]),
        tried=tried,
    )


def _nothing_fails(found: Reproduction) -> RepairResult:
    passing = sum(1 for test in found.looked_at if test in found.baseline.passing())
    more = f" {len(found.others)} other tests fail: {', '.join(found.others[:3])}." if found.others else ""
    return RepairResult(
        "nothing_fails",
        f"Nothing fails: {passing} of {len(found.looked_at)} tests pass, the rest are skipped.{more}"
        if passing < len(found.looked_at)
        else f"Nothing fails: {_named(found.looked_at)} {'passes' if passing == 1 else 'pass'}.{more}",
        passing_before=passing,
        passing_after=passing,
    )


def _named(tests: tuple[str, ...]) -> str:
    return tests[0] if len(tests) == 1 else f"{len(tests)} tests"


def _why_not(search: Search, patches: list[Candidate]) -> str:
    broken = len(patches) + len(search.breaking)
    if broken:
        return f"{broken} of {search.tried} candidates passed them, but broke other tests"
    return nothing_found(search)


async def _warm(infiller: Infiller) -> None:
    """Load the model while the tests run."""
    await infiller.infill("def add(a, b):\n    return", "\n", max_tokens=1)
