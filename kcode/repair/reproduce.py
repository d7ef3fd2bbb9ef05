"""The failure, reproduced: which tests fail, which pass, and what the failing ones run through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kcode.repair.judge import Judge, Limits, Verdict
from kcode.repair.search import Goal, narrowed
from kcode.repair.target import belongs, matching

HANG_S = 3.0  # CPU time after which a test is taken for one that never ends
_LAST_LOOK_S = 20.0  # CPU time for the last look, when no patch was found
_TRACED_S = 2.0  # CPU time of one traced test; tracing makes it some ten times slower
_TRACED_FAILING, _TRACED_PASSING = 6, 60
_QUICK_S = 3.0  # test files that take less are run whole for every candidate
_WIDER_S = 10.0  # what the tests of other files may take that every passing patch is shown
_LEAST_S, _MOST_S = 1.0, 20.0  # bounds of a candidate's time limit per test


@dataclass(frozen=True, slots=True)
class Reproduction:
    """``failing`` are the tests to repair, ``others`` fail too but were not asked for."""

    failing: tuple[str, ...]
    others: tuple[str, ...]
    baseline: Verdict
    whole_suite: bool  # the baseline is a run of everything
    looked_at: tuple[str, ...]  # the tests that were asked for
    problem: str = ""  # why nothing ran


async def reproduce(judge: Judge, targets: Sequence[str], sentence: str, wall_s: float) -> Reproduction:
    """Run what ``targets`` name (none: everything), narrowed by ``sentence`` where there is one."""
    files = narrowed(targets)
    if sentence:
        listed = await judge.run((), Limits(HANG_S, wall_s), collect=True)
        targets = matching(sentence, listed.outcomes)
        files = narrowed(targets)
        if not targets:
            known = ", ".join(list(listed.outcomes)[:5]) or "none"
            problem = listed.problem or f"no test fits {sentence!r}; there are: {known}"
            return Reproduction((), (), listed, False, (), problem)
    verdict = await judge.run(files, Limits(HANG_S, wall_s))
    failing = sorted(verdict.failing(), key=list(verdict.outcomes).index)
    asked = [test for test in verdict.outcomes if not targets or belongs(test, targets)]
    wanted = set(asked)
    if not targets:  # several defects are repaired one after the other, the most visible one first
        wanted = _of_one_file(failing)
    return Reproduction(
        failing=tuple(test for test in failing if test in wanted),
        others=tuple(test for test in failing if test not in wanted),
        baseline=verdict,
        whole_suite=not files,
        looked_at=tuple(asked),
        problem=_problem(verdict, asked),
    )


def _of_one_file(failing: Sequence[str]) -> set[str]:
    """The failures of the test file that has most of them."""
    by_file: dict[str, set[str]] = {}
    for test in failing:
        by_file.setdefault(test.partition("::")[0], set()).add(test)
    return max(by_file.values(), key=len, default=set())


def _problem(verdict: Verdict, asked: Sequence[str]) -> str:
    if asked:
        return ""
    if verdict.problem:
        return verdict.problem
    if verdict.ended == "killed":
        return "the tests did not finish within their time limit (tests.timeout_s)"
    return "no tests were found"


async def only_slow(judge: Judge, found: Reproduction) -> bool:
    """Whether tests that were taken for endless pass when they get much more time."""
    if not found.baseline.hung:
        return False
    first = found.failing[0]
    again = await judge.run([first], Limits(_LAST_LOOK_S, 2 * _LAST_LOOK_S))
    return first in again.passing()


async def trace(judge: Judge, found: Reproduction) -> Verdict:
    """Coverage of some failing and some passing tests, and what the failing ones claim."""
    baseline = found.baseline
    failing = sorted(found.failing, key=lambda test: baseline.seconds.get(test, 0.0))[:_TRACED_FAILING]
    files = narrowed(found.failing)
    passing = [test for test in baseline.outcomes if test in baseline.passing() and belongs(test, files)]
    passing.sort(key=lambda test: baseline.seconds.get(test, 0.0))
    chosen = {*failing[: 3 if baseline.hung else None], *passing[:_TRACED_PASSING]}
    in_order = [test for test in baseline.outcomes if test in chosen]
    limits = Limits(0.5 if baseline.hung else _TRACED_S, 20.0)
    traced = await judge.run(in_order, limits, trace=True)
    if traced.failing() & set(found.failing):
        return traced
    return await judge.run(files, limits, trace=True)  # they fail only after their neighbours


def goal_of(found: Reproduction, traced: Verdict) -> Goal:
    """What candidates are judged by: the whole test files where these are quick, else the failing tests."""
    files = narrowed(found.failing)
    passing = [test for test in found.baseline.passing() if belongs(test, files)]
    durations = [found.baseline.seconds.get(test, 0.0) for test in passing]
    quick = sum(durations) <= _QUICK_S
    failed = [found.baseline.seconds.get(test, 0.0) for test in found.failing if not found.baseline.hung]
    slowest = max(10 * max(durations, default=0.0), 1.5 * max(failed, default=0.0))
    per_test = min(_MOST_S, max(_LEAST_S, slowest))
    wider = _wider(found, files)
    return Goal(
        targets=files if quick else found.failing,
        required=frozenset(found.failing) | (frozenset(passing) if quick else frozenset()),
        failing=frozenset(found.failing),
        tolerated=frozenset(found.others),
        limits=Limits(per_test, 10.0 + 2 * per_test + 3 * sum(durations)),
        failures=tuple(traced.failures[test] for test in found.failing if test in traced.failures),
        wider=wider,
        wider_s=sum(found.baseline.seconds.get(test, 0.0) for test in wider),
    )


def _wider(found: Reproduction, files: Sequence[str]) -> tuple[str, ...]:
    """The passing tests of as many other files as can be run for each patch, the quick ones first."""
    by_file: dict[str, list[str]] = {}
    for test in found.baseline.passing() if found.whole_suite else ():
        by_file.setdefault(test.partition("::")[0], []).append(test)
    taken = {
        file: sum(found.baseline.seconds.get(test, 0.0) for test in tests)
        for file, tests in by_file.items()
        if file not in files
    }
    chosen: list[str] = []
    left = _WIDER_S
    for file in sorted(taken, key=lambda one: (taken[one], one)):
        left -= taken[file]
        if left < 0:
            break
        chosen.extend(by_file[file])
    return tuple(chosen)
