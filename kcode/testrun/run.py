"""The tests of a project: which runner, and a run of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.testrun.command_runner import CommandRunner
from kcode.testrun.interpreter import find_interpreter
from kcode.testrun.pytest_runner import PytestRunner
from kcode.testrun.report import TestProgress, TestReport

Runner = PytestRunner | CommandRunner


async def detect(root: Path, settings: Settings, environ: Mapping[str, str] | None = None) -> Runner:
    """The runner for ``root``: the configured command, else pytest with the project's interpreter.

    Raises :class:`kcode.testrun.interpreter.NoInterpreter` where no Python with pytest is found.
    """
    if settings.tests.command:
        return CommandRunner(settings.tests.command)
    return PytestRunner(await find_interpreter(root, settings, os.environ if environ is None else environ))


async def run_tests(
    root: Path,
    settings: Settings,
    target: str | Sequence[str] | None = None,
    timeout_s: float = 0.0,
    on_progress: Callable[[TestProgress], None] | None = None,
) -> TestReport:
    """Run the tests named by ``target`` (node id, file, folder, several of them; None: all).

    ``timeout_s`` bounds the whole run, 0 means the setting ``tests.timeout_s``. A run that cannot start
    is a report with ``cannot_run`` set: callers show it; nothing is raised for it.
    """
    try:
        runner = await detect(root, settings)
        targets = [target] if isinstance(target, str) else list(target or ())
        missing = [one for one in targets if isinstance(runner, PytestRunner) and not _exists(root, one)]
        if missing:
            return TestReport(cannot_run=f"there is no {missing[0].partition('::')[0]!r} in this project")
        return await runner.run(root, targets, timeout_s or settings.tests.timeout_s, on_progress)
    except EnvironmentProblem as problem:
        remedy = f"; {problem.remedy}" if problem.remedy else ""
        return TestReport(cannot_run=f"{problem.message}{remedy}")


def _exists(root: Path, target: str) -> bool:
    path = target.partition("::")[0]
    return bool(path) and (root / path).exists()
