"""The tests of a project: which runner, and a run of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.safety.sandbox import has_loopback, looks_confined
from kcode.testrun.adapter import OPEN, Runner, Suite, Surroundings
from kcode.testrun.affected import affected
from kcode.testrun.flaky import run_again
from kcode.testrun.last import last_failed, remember
from kcode.testrun.pytest_runner import PytestRunner, is_place
from kcode.testrun.report import TestCase, TestProgress, TestReport
from kcode.testrun.suites import Chosen, Found, choose, suites

LAST_FAILED = ("last failed", "last-failed", "lf")
AFFECTED = ("affected", "changed")


async def detect(
    root: Path, settings: Settings, environ: Mapping[str, str] | None = None, target: str = ""
) -> Runner:
    """The runner for ``target`` (empty: all tests) of ``root``: the configured command, else what the project
    files nearest to it ask for.

    Raises :class:`kcode.errors.EnvironmentProblem` where what it needs is not installed.
    """
    return (await choose(root, settings, environ, target)).runner


async def run_tests(
    root: Path,
    settings: Settings,
    target: str | Sequence[str] | None = None,
    timeout_s: float = 0.0,
    on_progress: Callable[[TestProgress], None] | None = None,
    *,
    around: Surroundings = OPEN,
    rerun: bool | None = None,
) -> TestReport:
    """Run the tests named by ``target``: an id, a file, a folder, a test's name, ``last failed``,
    ``affected``, or several of them; None: all.

    ``timeout_s`` bounds the whole run, 0 means the setting ``tests.timeout_s``; ``rerun`` says whether a few
    failing tests are run again without the others (None: the setting ``tests.rerun_failed``). A run that
    cannot start is a report with ``cannot_run`` set: callers show it; nothing is raised for it.
    """
    root = root.absolute()  # noqa: ASYNC240 - looks at no disk
    try:
        targets, note = await _targets(root, target)
        if isinstance(targets, TestReport):
            return targets
        reports = []
        grouped = await _by_suite(root, settings, targets, around)
        until = time.monotonic() + (timeout_s or settings.tests.timeout_s)
        for chosen, its in grouped:
            left = until - time.monotonic()
            reports.append(await _one(chosen, its, left, on_progress, around, rerun, settings))
            if reports[-1].timed_out:
                break
    except EnvironmentProblem as problem:
        remedy = f"; {problem.remedy}" if problem.remedy else ""
        return TestReport(cannot_run=f"{problem.message}{remedy}")
    report = _together(reports)
    remember(root, report, everything=not targets)
    return replace(report, note="; ".join(part for part in (note, report.note) if part))


async def _targets(root: Path, target: str | Sequence[str] | None) -> tuple[list[str] | TestReport, str]:
    """The targets that ``target`` stands for, and what a reader should know of them."""
    if target is None or not isinstance(target, str):
        return list(target or ()), ""
    words = target.strip()
    if not words or (root / words).exists():
        return ([words] if words else []), ""
    if words.lower() in LAST_FAILED:
        ids = last_failed(root)
        if not ids:
            return TestReport(cannot_run="no test failed in the last run that kcode knows of"), ""
        return ids, f"the {len(ids)} that failed last"
    if words.lower() in AFFECTED:
        found = await affected(root)
        if found.all:
            return [], f"affected by the changes: {found.why}"
        if not found.targets:
            return TestReport(cannot_run=f"no test is affected: {found.why}"), ""
        return list(found.targets), f"affected by the changes: {found.why}"
    parts = words.split()
    if len(parts) > 1 and all((root / part.partition("::")[0]).exists() for part in parts):
        return parts, ""
    return [words], ""


async def _by_suite(
    root: Path, settings: Settings, targets: list[str], around: Surroundings
) -> list[tuple[Chosen, list[str]]]:
    """The targets of each suite, as its folder calls them."""
    if not targets:
        return [(await choose(root, settings, confine=around.confine), [])]
    grouped: dict[Found | None, tuple[Chosen, list[str]]] = {}
    for target in targets:
        found = [] if settings.tests.command else suites(root, target, settings.tests.runner)
        key = found[0] if found else None
        if key not in grouped:  # looking for an interpreter takes its time: once for a suite
            grouped[key] = (await choose(root, settings, None, target, around.confine), [])
        grouped[key][1].append(target)
    return [
        (chosen, [] if its == [chosen.suite.place] else [inside(target, chosen.suite) for target in its])
        for chosen, its in grouped.values()
    ]


def inside(target: str, suite: Suite) -> str:
    """A target of the repository as the suite's folder calls it."""
    if not suite.place:
        return target
    path, joint, name = target.partition("::")
    if path == suite.place:
        return name or "."
    return f"{path.removeprefix(f'{suite.place}/')}{joint}{name}"


async def _one(
    chosen: Chosen,
    targets: list[str],
    timeout_s: float,
    on_progress: Callable[[TestProgress], None] | None,
    around: Surroundings,
    rerun: bool | None,
    settings: Settings,
) -> TestReport:
    runner, folder = chosen.runner, chosen.suite.folder
    missing = [one for one in targets if isinstance(runner, PytestRunner) and not _there(folder, one)]
    if missing:
        return TestReport(cannot_run=f"there is no {missing[0].partition('::')[0]!r} in this project")
    until = time.monotonic() + max(1.0, timeout_s)
    report = await runner.run(folder, targets, max(1.0, timeout_s), on_progress, around=around)
    if settings.tests.rerun_failed if rerun is None else rerun:
        report = await run_again(report, runner, folder, until - time.monotonic(), around)
    report = await asyncio.to_thread(rebased, report, chosen.suite)
    confined = _confined(report, around)
    return replace(
        report,
        runner=chosen.why,
        environment=runner.environment,
        note="; ".join(part for part in (report.note, confined) if part),
    )


def _there(folder: Path, target: str) -> bool:
    path = target.partition("::")[0]
    return not is_place(folder, target) or (bool(path) and (folder / path).exists())


def rebased(report: TestReport, suite: Suite) -> TestReport:
    """Ids and frames as the repository calls them rather than the suite's folder."""
    if not suite.place:
        return report
    exists: dict[str, bool] = {}

    def renamed(case: TestCase) -> TestCase:
        path = case.id.partition("::")[0]
        if path not in exists:
            exists[path] = bool(path) and (suite.folder / path).exists()
        joint = "/" if exists[path] else "::"
        name = f"{suite.place}{joint}{case.id.removeprefix('./')}"
        if case.id == "." or case.id.startswith(".::"):
            name = suite.place + case.id[1:]
        return replace(
            case,
            id=name,
            frames=tuple(replace(frame, path=f"{suite.place}/{frame.path}") for frame in case.frames),
        )

    return replace(report, cases=tuple(map(renamed, report.cases)), flaky=tuple(map(renamed, report.flaky)))


def _confined(report: TestReport, around: Surroundings) -> str:
    """What the sandbox may have to do with a run that failed."""
    if around.confine is None or report.ok or not around.confine.holds:
        return ""
    said = [report.raw_tail, report.cannot_run]
    said += [text for case in report.failing[:50] for text in (case.message, case.assertion, case.output)]
    if not looks_confined("\n".join(said)):
        return ""
    net = "" if around.confine.network else " and have no network"
    local = "" if has_loopback(around.confine) else "; servers on localhost do not work either"
    return (
        f"perhaps because of the sandbox: tests write only in the workspace and $TMPDIR{net}{local}; "
        "the user can change safety.sandbox or safety.network, or run /test"
    )


def _together(reports: list[TestReport]) -> TestReport:
    """The runs of several suites as one."""
    if len(reports) == 1:
        return reports[0]
    ran = [one for one in reports if not one.cannot_run]
    broken = "; ".join(one.cannot_run for one in reports if one.cannot_run)
    if not ran:
        return TestReport(cannot_run=broken, raw_tail=reports[-1].raw_tail if reports else "")
    notes = dict.fromkeys(one.note for one in ran if one.note)
    return TestReport(
        passed=sum(one.passed for one in ran),
        failed=sum(one.failed for one in ran),
        errors=sum(one.errors for one in ran) + len(reports) - len(ran),
        skipped=sum(one.skipped for one in ran),
        cases=tuple(case for one in ran for case in one.cases),
        command=" && ".join(one.command for one in ran),
        seconds=sum(one.seconds for one in ran),
        raw_tail=ran[-1].raw_tail,
        note="; ".join([*notes, *([f"a suite cannot run: {broken}"] if broken else [])]),
        timed_out=any(one.timed_out for one in ran),
        flaky=tuple(case for one in ran for case in one.flaky),
        runner=" + ".join(dict.fromkeys(one.runner for one in ran)),
        environment=" + ".join(dict.fromkeys(one.environment for one in ran if one.environment)),
    )
