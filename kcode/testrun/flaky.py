"""A failing test that passes when it runs without the others is flaky, and said to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kcode.testrun.adapter import Runner, Surroundings
from kcode.testrun.command_runner import CommandRunner
from kcode.testrun.report import TestReport

_MOST = 5  # failing tests: more than that have a common reason, and a second run would only cost time
_LEAST_S = 1.0


async def run_again(
    report: TestReport, runner: Runner, folder: Path, timeout_s: float, around: Surroundings
) -> TestReport:
    """``report`` with the failing tests that pass in a second run of them alone moved to ``flaky``."""
    failing = report.failing
    countable = len(failing) == report.failed + report.errors
    worth = 0 < len(failing) <= _MOST and countable and not (report.timed_out or report.cannot_run)
    if not worth or isinstance(runner, CommandRunner) or timeout_s < max(_LEAST_S, report.seconds / 2):
        return report
    again = await runner.run(folder, [case.id for case in failing], timeout_s, around=around)
    if again.cannot_run or again.timed_out:
        return report
    passed = {case.id for case in again.cases if case.status == "passed"}
    flaky = tuple(case for case in failing if case.id in passed)
    if not flaky:
        return report
    gone = {case.id for case in flaky}
    return replace(
        report,
        failed=report.failed - sum(case.status == "failed" for case in flaky),
        errors=report.errors - sum(case.status == "error" for case in flaky),
        cases=tuple(case for case in report.cases if case.id not in gone),
        flaky=flaky,
        seconds=report.seconds + again.seconds,
    )
