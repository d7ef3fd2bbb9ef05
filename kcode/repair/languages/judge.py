"""The judge of candidates in any language: the suite's own runner, in a copy of the project.

Slower than :class:`kcode.repair.judge.Judge`, which keeps pytest warm; a run is a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from kcode.repair.judge import Limits, Observed, Verdict
from kcode.repair.project_copy import ProjectCopy
from kcode.repair.testfiles import is_test_part
from kcode.testrun.adapter import Surroundings
from kcode.testrun.report import TestCase, TestReport
from kcode.testrun.run import inside, rebased
from kcode.testrun.suites import Chosen

_QUICK_S = 3.0  # all that is asked for is run at once where that takes no longer
_HEAP_MB = 1536  # what a JavaScript candidate may allocate
_OUTCOME: Mapping[str, Literal["passed", "failed", "skipped"]] = {
    "passed": "passed",
    "failed": "failed",
    "error": "failed",
    "skipped": "skipped",
}


@dataclass
class SuiteJudge:
    """``chosen`` runs the tests in ``copy``; ids and paths are those of the repository."""

    copy: ProjectCopy
    chosen: Chosen
    quick_s: float = 0.0  # how long a run of all targets took, 0: unknown
    runs: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    async def run(
        self,
        targets: Sequence[str],
        limits: Limits,
        *,
        files: Mapping[str, bytes] | None = None,
        tolerated: Sequence[str] = (),
        first: Sequence[str] = (),
        stop: bool = False,
    ) -> Verdict:
        """Run ``targets`` with ``files`` in place; ``first`` before them where all together take long.

        Each run may take ``limits.wall_s`` seconds; the process group ends with it.
        """
        async with self._lock:
            with self._put(files or {}):
                return await self._judged(targets, limits, first if stop else ())

    async def _judged(self, targets: Sequence[str], limits: Limits, first: Sequence[str]) -> Verdict:
        if first and self.quick_s > _QUICK_S and set(first) != set(targets):
            verdict = await self._verdict(first, limits)
            if not set(first) <= verdict.passing() or verdict.ended != "done":
                return verdict
        return await self._verdict(targets, limits)

    async def observe(self, targets: Sequence[str], limits: Limits, path: str, line: int) -> Observed:
        """Nothing is known of the inputs of functions here."""
        return Observed((), "", ())

    async def probe(
        self, observed: Observed, function: str, limits: Limits, files: Mapping[str, bytes]
    ) -> tuple[str, ...]:
        return ()

    async def report(
        self, targets: Sequence[str], wall_s: float, env: Mapping[str, str] | None = None
    ) -> TestReport:
        """One run, its ids and frames as the repository calls them."""
        suite = self.chosen.suite
        folder = self.copy.scratch / suite.place
        its = [inside(target, suite) for target in targets if target != suite.place]
        around = Surroundings(env={**self.copy.env, **environment(), **(env or {})})
        self.runs += 1
        report = await self.chosen.runner.run(folder, its, wall_s, around=around)
        return await asyncio.to_thread(rebased, report, suite)

    async def _verdict(self, targets: Sequence[str], limits: Limits) -> Verdict:
        began = time.monotonic()
        report = await self.report(targets, limits.wall_s)
        return verdict_of(report, time.monotonic() - began)

    @contextmanager
    def _put(self, files: Mapping[str, bytes]) -> Iterator[None]:
        saved = {path: (self.copy.scratch / path).read_bytes() for path in files}
        try:
            _write(self.copy.scratch, files)
            yield
        finally:
            _write(self.copy.scratch, saved)


def environment() -> dict[str, str]:
    """What a run of candidates gets: a Go test is run although its result is known, and vet says nothing of
    repairs; a JavaScript candidate that fills the memory ends."""
    node = f"{os.environ.get('NODE_OPTIONS', '')} --max-old-space-size={_HEAP_MB}".strip()
    go = f"{os.environ.get('GOFLAGS', '')} -count=1 -vet=off".strip()
    return {"NODE_OPTIONS": node, "GOFLAGS": go}


def verdict_of(report: TestReport, total_s: float) -> Verdict:
    """A run as the search reads it; of several cases with one id the failing one counts."""
    outcomes: dict[str, Literal["passed", "failed", "skipped"]] = {}
    seconds: dict[str, float] = {}
    reached: dict[str, int] = {}
    for case in report.cases:
        if outcomes.get(case.id) != "failed":
            outcomes[case.id] = _OUTCOME[case.status]
        seconds[case.id] = seconds.get(case.id, 0.0) + case.seconds
        if case.failing and (line := line_in_test(case)):
            reached.setdefault(case.id, line)
    return Verdict(
        outcomes=outcomes,
        seconds=seconds,
        ended="killed" if report.timed_out else "done",
        problem=report.cannot_run,
        total_s=total_s,
        hung=int(report.timed_out),
        reached=reached,
    )


def line_in_test(case: TestCase) -> int:
    """The line of the test's own file at which it failed, 0 where the runner does not say."""
    return next((frame.line for frame in case.frames if is_test_part(frame.path)), 0)


def _write(scratch: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        (scratch / path).write_bytes(data)
