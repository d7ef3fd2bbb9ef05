"""Repair by candidate search where the suite's own runner judges: JavaScript, TypeScript, Go, and Python's
runners beside pytest.

Reproduction and proof are those of :mod:`kcode.repair.agentic`; between them the search proposes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from kcode.config.settings import Settings
from kcode.providers.base import Infiller, ProviderError
from kcode.repair.agentic import nothing_fails
from kcode.repair.aim import Aim
from kcode.repair.candidates import Candidate
from kcode.repair.check import Checker
from kcode.repair.events import Listener, Stage
from kcode.repair.failing import Choose, Failing, Reproducer
from kcode.repair.honesty import imitation
from kcode.repair.judge import Limits, TracedFailure, Verdict
from kcode.repair.languages.claims import failures_of, notes_of
from kcode.repair.languages.judge import SuiteJudge, verdict_of
from kcode.repair.languages.localising import where
from kcode.repair.localise import Localisation
from kcode.repair.present import diff_of, explain, nothing_found, suspicion, warning_of
from kcode.repair.project_copy import Lab, ProjectCopy, with_command
from kcode.repair.rank import best_first
from kcode.repair.result import RepairResult
from kcode.repair.search import Goal, Search
from kcode.repair.verify import Proof
from kcode.testrun.suite_runner import SuiteRunner
from kcode.testrun.suites import Chosen, choose
from kcode.tools.base import FileEdit

_KEPT_ALTERNATIVES = 3
_VERIFIED = 4  # patches that are shown the whole proof before the search gives up
_QUICK_S = 6.0  # neighbours of the failing tests are run for every candidate where all take no longer
_LEAST_S, _FACTOR = 4.0, 4.0  # a candidate's time limit: at least, and times what the tests took before
_SLOW_TO_START_S = 10.0  # time that a compiler or a test framework may need more than usual
REPAIRABLE = frozenset(
    {"node", "mocha", "jest", "vitest", "go", "unittest", "django", "tox", "nox", "npm", "make", "just"}
)
LANGUAGES = "Python, JavaScript, TypeScript and Go"


def refusal(chosen: Chosen) -> str:
    """Why the embedded model cannot repair what this runner runs, with the remedy; empty where it can."""
    runner = chosen.runner
    if not isinstance(runner, SuiteRunner) or runner.adapter.name in REPAIRABLE:
        return ""
    return (
        f"the embedded model repairs {LANGUAGES}, and these tests are run by {runner.describe}; "
        f"{chosen.suite.place or 'this project'} needs a model that reads and edits: "
        "kcode fix --provider moonshot, with a key from `kcode login`"
    )


async def repair_by_suite(
    root: Path,
    aim: Aim,
    infiller: Infiller,
    settings: Settings,
    tell: Listener,
    budget_s: float,
    choose_one: Choose | None = None,
) -> RepairResult:
    """See :func:`kcode.repair.by_search.repair_by_search`, which calls this for all but pytest."""
    if aim.command:
        settings = with_command(settings, aim.command)
    until = time.monotonic() + budget_s
    loading = asyncio.create_task(_warm(infiller))
    try:
        with Stage(tell, "prepare", "a copy of the project") as stage:
            opening = Lab.open(root, settings, aim.targets[0] if aim.targets else "")
            lab = await opening.__aenter__()
            stage.text = f"a copy of the project; {lab.chosen.runner.describe}"
        try:
            repairer = _Repair(lab, infiller, tell, until, budget_s, choose_one)
            return replace(await repairer.run(aim, loading), runner=lab.chosen.runner.describe)
        finally:
            await opening.__aexit__(None, None, None)
    finally:
        loading.cancel()
        with suppress(asyncio.CancelledError, ProviderError):
            await loading


@dataclass
class _Repair:
    lab: Lab
    infiller: Infiller
    tell: Listener
    until: float
    budget_s: float
    choose: Choose | None = None

    async def run(self, aim: Aim, loading: asyncio.Task[None]) -> RepairResult:
        found = await Reproducer(self.lab, self.tell, self.choose).run(aim)
        if found.problem:
            return RepairResult("cannot_run", f"The tests cannot run: {found.problem.rstrip('.')}.")
        if not found.cases:
            return nothing_fails(found, aim)
        found = _first_defect(found, aim)
        checker = Checker(self.lab, found, self.lab.settings.fix.suite_seconds)
        try:
            copy = await self.lab.another()
            judge = SuiteJudge(copy, await self._chosen(copy, aim))
            return await self._searched(found, checker, judge, loading)
        finally:
            await checker.close()

    async def _chosen(self, copy: ProjectCopy, aim: Aim) -> Chosen:
        return await choose(copy.scratch, copy.settings, target=aim.targets[0] if aim.targets else "")

    async def _searched(
        self, found: Failing, checker: Checker, judge: SuiteJudge, loading: asyncio.Task[None]
    ) -> RepairResult:
        root = judge.copy.scratch
        failures = failures_of(found.cases, root)
        notes = notes_of(found.cases, failures, root)
        with Stage(self.tell, "localise", "which lines the failing tests run") as stage:
            before = await self._before(judge, found)
            passing = sorted(before.passing())
            suspicious = await where(judge, found.cases, failures, passing, notes)
            stage.text = suspicion(suspicious)
        if not suspicious.suspects:
            return _not_fixed(found, 0, "no line of the project's own is known that the failing tests run")
        goal = _goal(found, before, failures)
        judge.quick_s = before.total_s
        with Stage(self.tell, "propose", "the model and small changes, judged by tests") as stage:
            search = Search(judge, self.infiller, suspicious, goal, self.tell, loading.done)
            passed = await search.run(max(1.0, self.until - time.monotonic()))
            stage.text = f"{search.tried} candidates tried, {len(passed)} pass"
        texts = {path: source.text for path, source in suspicious.sources.items()}
        patches = best_first(passed, texts, goal.failures)
        checker.start()
        chosen, proof = await self._proved(judge.copy, checker, suspicious, patches)
        if chosen is None or proof is None:
            return _not_fixed(found, search.tried, _why_not(search, patches))
        return self._fixed(chosen, proof, patches, suspicious, found, failures, search.tried)

    async def _before(self, judge: SuiteJudge, found: Failing) -> Verdict:
        """The failing tests and their neighbours as they are: what a candidate is compared with."""
        targets = _neighbourhood(found)
        limit = max(self.budget_s, self.lab.settings.tests.timeout_s)
        began = time.monotonic()
        report = await judge.report(targets, limit)
        verdict = verdict_of(report, time.monotonic() - began)
        if not set(found.ids) & verdict.failing():  # what was reproduced is what counts
            return verdict_of(found.report, found.report.seconds)
        return verdict

    async def _proved(
        self, copy: ProjectCopy, checker: Checker, suspicious: Localisation, patches: Sequence[Candidate]
    ) -> tuple[Candidate | None, Proof | None]:
        """The first of ``patches`` that holds, and its proof; else the last one's."""
        proof = None
        for patch in patches[:_VERIFIED]:
            file = copy.scratch / patch.path
            file.write_bytes(suspicious.sources[patch.path].file.encode(patch.text))
            proof, _ = await checker.check(copy, [patch.path], self.tell)
            if proof.ok:
                return patch, proof
            await copy.put_back([patch.path])
        return None, proof

    def _fixed(
        self,
        chosen: Candidate,
        proof: Proof,
        patches: Sequence[Candidate],
        suspicious: Localisation,
        found: Failing,
        failures: tuple[TracedFailure, ...],
        tried: int,
    ) -> RepairResult:
        source = suspicious.sources[chosen.path]
        edit = FileEdit(chosen.path, source.text, chosen.text)
        others = [diff_of(patch, suspicious) for patch in patches if patch is not chosen]
        value = imitation([edit], found.cases, self.lab.original.scratch)
        doubt = f"the patch decides by {value}, a value of the test itself: it may only imitate the test"
        named = proof.repaired[0] if len(proof.repaired) == 1 else f"{len(proof.repaired)} tests"
        return RepairResult(
            "fixed",
            f"A patch passes {named}.",
            targets=proof.repaired,
            failing_before=len(proof.before.failed),
            passing_before=len(proof.before.passed),
            failing_after=len(proof.after.failed),
            passing_after=len(proof.after.passed),
            edits=(edit,),
            diff=diff_of(chosen, suspicious),
            explanation=explain(chosen, suspicious, failures),
            proof=tuple(proof.lines()),
            warning=doubt if value else warning_of(chosen, suspicious, ()) or _open_question(len(others)),
            alternatives=tuple(others[:_KEPT_ALTERNATIVES]),
            tried=tried,
            reasons=len(found.reasons),
            suspicious=tuple(f"{one.path}:{one.line}" for one in suspicious.suspects[:8]),
            not_run=proof.not_run,
        )


def _open_question(others: int) -> str:
    """What is not known of a patch that no further inputs were tried with, as they are in Python."""
    if others:
        return "the tests leave open what is meant: other changes pass them too"
    return "only the tests speak for it: it was not tried on further inputs, as a change of Python is"


def _first_defect(found: Failing, aim: Aim) -> Failing:
    """Where nothing was asked for by name, several defects are repaired one after the other: those of the
    file (in Go, the package) with most failures first."""
    if aim.targets or aim.sentence or aim.names or len(found.reasons) < 2:
        return found
    files = [case.id.partition("::")[0] for case in found.cases]
    worst = max(files, key=files.count)
    cases = tuple(case for case, file in zip(found.cases, files, strict=True) if file == worst)
    kept = {case.id for case in cases}
    others = tuple(case.id for case in found.cases if case.id not in kept)
    return replace(found, cases=cases, others=(*found.others, *others))


def _neighbourhood(found: Failing) -> tuple[str, ...]:
    """What is run for each candidate: the files or packages of the failing tests; all where no ids tell."""
    places = dict.fromkeys(test.partition("::")[0] for test in found.ids if "::" in test)
    return tuple(places) if len(places) == len({test.partition("::")[0] for test in found.ids}) else ()


def _goal(found: Failing, before: Verdict, failures: tuple[TracedFailure, ...]) -> Goal:
    """The failing tests, and their neighbours where all of them are quick."""
    failing = frozenset(found.ids)
    quick = before.total_s <= _QUICK_S
    limit = max(_LEAST_S, _FACTOR * before.total_s) + (_SLOW_TO_START_S if before.total_s > 1 else 0.0)
    return Goal(
        targets=_neighbourhood(found) if quick else found.ids,
        required=failing | (before.passing() if quick else frozenset()),
        failing=failing,
        tolerated=(before.failing() - failing) | frozenset(found.others),
        limits=Limits(limit, limit),
        failures=failures,
        seconds=before.seconds,
    )


def _not_fixed(found: Failing, tried: int, why: str) -> RepairResult:
    named = found.ids[0] if len(found.ids) == 1 else f"{len(found.ids)} tests"
    report = found.report
    failed = report.failed + report.errors
    return RepairResult(
        "not_fixed",
        f"No patch was found that passes {named}: {why}.",
        targets=found.ids,
        failing_before=failed,
        passing_before=report.passed,
        failing_after=failed,
        passing_after=report.passed,
        tried=tried,
        reasons=len(found.reasons),
    )


def _why_not(search: Search, patches: Sequence[Candidate]) -> str:
    if patches:
        return f"{len(patches)} of {search.tried} candidates passed them, but not the proof"
    return nothing_found(search)


async def _warm(infiller: Infiller) -> None:
    """Load the model while the tests run."""
    await infiller.infill("function add(a, b) {\n    return", "\n}\n", max_tokens=1)
