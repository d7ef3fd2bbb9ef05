"""One run of a suite through its adapter: start, follow, read, and say why where nothing can be read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kcode.safety.process import Finished, run
from kcode.safety.sanitize import clean
from kcode.testrun.adapter import OPEN, Adapter, Reading, Suite, Surroundings, Tools, parse_target, reading_of
from kcode.testrun.live import Live
from kcode.testrun.marked import unmarked
from kcode.testrun.report import TestCase, TestProgress, TestReport, bounded, report_of
from kcode.testrun.text import all_frames, totals

_OUTPUT = 40_000_000  # bytes: JSON and TAP on stdout must come whole


@dataclass(frozen=True, slots=True)
class SuiteRunner:
    adapter: Adapter
    suite: Suite
    tools: Tools

    @property
    def describe(self) -> str:
        return f"{self.adapter.name} ({self.tools.environment})"

    @property
    def environment(self) -> str:
        return self.tools.environment

    async def run(
        self,
        root: Path,
        targets: Sequence[str],
        timeout_s: float,
        on_progress: Callable[[TestProgress], None] | None = None,
        environ: Mapping[str, str] | None = None,
        around: Surroundings = OPEN,
    ) -> TestReport:
        """Run ``targets`` (relative to the suite's folder; none: all). ``root`` is that folder."""
        suite = replace(self.suite, folder=root, root=root)
        with around.folder() as folder:
            launch = self.adapter.launch(
                suite, self.tools, [parse_target(root, target) for target in targets], folder
            )
            live = Live(on_progress, self.adapter.signs)
            done = await run(
                launch.argv,
                cwd=root,
                env=around.environment({**self.tools.env, **launch.env, **(environ or {})}),
                timeout_s=timeout_s,
                max_output=_OUTPUT,
                merge_stderr=True,
                on_output=live.feed,
                confine=around.confine,
            )
            reading = reading_of(self.adapter, done, suite, folder)
            report = _report(self.adapter.name, reading, done, root, live.ended)
        note = "; ".join(part for part in (self.tools.note, report.note) if part)
        return replace(
            report,
            command=shlex.join(launch.shown or launch.argv),
            seconds=done.seconds,
            timed_out=done.timed_out,
            note=note,
        )


def _report(
    name: str, reading: Reading, done: Finished, root: Path, ended: tuple[int, int] = (0, 0)
) -> TestReport:
    """A reading as a report; a run without failing tests that still ended badly is not green."""
    tail = bounded(clean(unmarked(done.stdout[-20_000:])[-6_000:]))
    cases = list(reading.cases)
    if reading.cannot_run and not cases:
        return TestReport(cannot_run=reading.cannot_run, raw_tail=tail)
    if done.timed_out:
        note = f"stopped by the time limit after {done.seconds:.0f} s"
        if not cases:
            told = f"; until then {ended[0]} had passed and {ended[1]} failed" if any(ended) else ""
            return TestReport(
                cannot_run=f"the tests were {note} before any result{told}; raise tests.timeout_s",
                raw_tail=tail,
            )
        return report_of(cases, raw_tail=tail, note=note)
    if not cases and not reading.counts:
        return TestReport(cannot_run=_why(name, done), raw_tail=tail)
    ended_badly = (
        done.code != 0 and not any(case.failing for case in cases) and not reading.counts.get("failed")
    )
    if ended_badly:
        cases.append(_ended_badly(name, done, root))
    counts = totals(cases, dict(reading.counts))
    report = report_of(cases, raw_tail=tail, note=reading.note)
    return replace(
        report,
        passed=counts["passed"],
        failed=counts["failed"],
        errors=counts["error"],
        skipped=counts["skipped"],
    )


def _why(name: str, done: Finished) -> str:
    """Why there are no results: a crash, or the runner's own last words."""
    if done.signal:
        return f"{name} was killed by signal {done.signal} before any result"
    lines = [line.strip() for line in clean(unmarked(done.stdout)).splitlines() if line.strip()]
    if done.code == 0:
        return f"{name} found no tests"
    said = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "")
    return bounded(f"{name} could not run (exit code {done.code}): {said}", 600)


def _ended_badly(name: str, done: Finished, root: Path) -> TestCase:
    how = f"was killed by signal {done.signal}" if done.signal else f"ended with exit code {done.code}"
    output = clean(unmarked(done.stdout))
    return TestCase(
        id="the run as a whole",
        status="error",
        seconds=done.seconds,
        message=f"{name} {how} though no test failed",
        assertion=bounded(output[-2_000:]),
        frames=all_frames(output[-20_000:], root),
    )
