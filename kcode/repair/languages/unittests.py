"""Python's unittest, where the project has no pytest: kcode lends its own to the judge, so that candidates
are judged as quickly as elsewhere; the proof is the project's own runner's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.repair.aim import Aim
from kcode.repair.check import Checker
from kcode.repair.events import Listener
from kcode.repair.failing import Reproducer
from kcode.repair.project_copy import Lab
from kcode.repair.result import RepairResult
from kcode.safety.process import run
from kcode.testrun.suite_runner import SuiteRunner
from kcode.testrun.suites import Chosen

_NEEDED = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")
_OLDEST = (3, 11)  # what kcode's own pytest, as it is installed with it, runs on
_ASK_S = 20.0
_ASKED = "import sys; print(*sys.version_info[:2])"


async def can_borrow(chosen: Chosen) -> str:
    """The project's Python, where its tests are unittest's and kcode's pytest runs on it; else empty."""
    runner = chosen.runner
    if not isinstance(runner, SuiteRunner) or runner.adapter.name != "unittest":
        return ""
    python = runner.tools.program[0]
    try:
        done = await run([python, "-c", _ASKED], cwd=chosen.suite.folder, timeout_s=_ASK_S)
        version = tuple(int(part) for part in done.stdout.split())
    except (EnvironmentProblem, ValueError):
        return ""
    return python if version >= _OLDEST else ""


@contextmanager
def lent_pytest() -> Iterator[dict[str, str]]:
    """Variables with which the project's Python finds kcode's pytest, and nothing else of kcode's."""
    with tempfile.TemporaryDirectory(prefix="kcode-tests-") as temp:
        for name in _NEEDED:
            try:
                found = import_module(name).__file__
            except ImportError:
                continue
            if found:
                place = Path(found)
                source = place.parent if place.name == "__init__.py" else place
                (Path(temp) / source.name).symlink_to(source)
        yield {
            "PYTHONPATH": temp,
            "PYTEST_ADDOPTS": "-o python_files=test*.py",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }


async def confirmed(
    root: Path, settings: Settings, result: RepairResult, tell: Listener, describe: str
) -> RepairResult:
    """``result``, found with a lent pytest, proved by the project's own runner: without that it is no
    repair."""
    if result.status != "fixed":
        return replace(result, runner=describe)
    async with Lab.open(root, settings, result.targets[0]) as lab:
        found = await Reproducer(lab, tell).run(Aim("the failing tests", result.targets))
        if found.problem or not found.cases:
            why = found.problem or f"{describe} does not see them fail"
            return RepairResult("cannot_run", f"The tests cannot run: {why.rstrip('.')}.", runner=describe)
        checker = Checker(lab, found, settings.fix.suite_seconds)
        try:
            copy = await lab.another()
            checker.start()
            for edit in result.edits:
                file = lab.original.scratch / edit.path
                (copy.scratch / edit.path).write_bytes(_written(file, edit.before, edit.after))
            proof, _ = await checker.check(copy, [edit.path for edit in result.edits], tell)
        finally:
            await checker.close()
    lines = tuple(proof.lines())
    if not proof.ok:
        message = f"No patch was found that {describe} proves."
        return RepairResult(
            "not_fixed", message, targets=found.ids, proof=lines, tried=result.tried, runner=describe
        )
    return replace(
        result,
        targets=proof.repaired,
        failing_before=len(proof.before.failed),
        passing_before=len(proof.before.passed),
        failing_after=len(proof.after.failed),
        passing_after=len(proof.after.passed),
        proof=lines,
        not_run=proof.not_run,
        runner=describe,
    )


def _written(file: Path, before: str | None, after: str | None) -> bytes:
    """``after`` in the encoding that the file has."""
    from kcode.workspace.files import read_text

    text = read_text(file, file.name)
    return text.encode(after if after is not None else before or "")
