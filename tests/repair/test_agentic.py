from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.config.settings import Settings
from kcode.errors import ExitCode
from kcode.providers.base import AuthError
from kcode.providers.registry import open_provider, resolve
from kcode.repair.check import prove
from kcode.repair.pipeline import repair
from kcode.repair.result import RepairResult
from kcode.testrun.report import TestCase, report_of
from tests.k2sim import TEST_KEY, Match, Simulator, call, say, use
from tests.repair.conftest import Project

pytestmark = pytest.mark.anyio
Start = Callable[..., Simulator]

SHOP = {
    "shop.py": "def total(prices):\n    return sum(prices) - 1\n\n\ndef count(all):\n    return len(all)\n",
    "test_shop.py": "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
    "test_count.py": "from shop import count, total\n\n\ndef test_count():\n    assert count([1]) == 1\n",
}
FIX = call("edit_file", path="shop.py", edits=[{"old_text": "sum(prices) - 1", "new_text": "sum(prices)"}])
WORSE = call(
    "edit_file",
    path="shop.py",
    edits=[
        {"old_text": "sum(prices) - 1", "new_text": "sum(prices)"},
        {"old_text": "len(all)", "new_text": "0"},
    ],
)
BETTER = call("edit_file", path="shop.py", edits=[{"old_text": "return 0", "new_text": "return len(all)"}])
CHEAT = call("edit_file", path="test_shop.py", edits=[{"old_text": "== 3", "new_text": "== 2"}])


async def fix(root: Path, sim: Simulator, target: str = "", key: str = TEST_KEY) -> RepairResult:
    provider = {
        "name": "moonshot",
        "model": "kimi-k2-0905-preview",
        "base_url": sim.base_url,
        "api_key": key,
    }
    tests = {"python": sys.executable, "timeout_s": 60}
    settings = Settings.model_validate({"provider": provider, "tests": tests})
    model = open_provider(resolve(settings, {}), settings)
    try:
        return await repair(root, target, model, settings)
    finally:
        await model.close()


async def test_the_agent_repairs_a_copy_and_the_suite_proves_it(project: Project, k2sim: Start) -> None:
    root = project(SHOP)
    sim = k2sim([use(FIX), use(call("run_tests")), say("An offset was wrong. It is gone.")])
    result = await fix(root, sim)
    assert result.status == "fixed", result
    assert (root / "shop.py").read_text() == SHOP["shop.py"]
    assert [edit.path for edit in result.edits] == ["shop.py"]
    assert "+    return sum(prices)\n" in result.diff
    assert result.explanation == "An offset was wrong. It is gone."
    assert (result.passing_before, result.passing_after, result.failing_after) == (1, 2, 0)
    assert float(result.cost.split()[0]) > 0


async def test_a_repair_leaves_nothing_in_the_temporary_folder(
    project: Project, k2sim: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, temporary = project(SHOP), tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    sim = k2sim([use(FIX), use(call("run_tests")), say("Done.")])
    assert (await fix(root, sim)).status == "fixed"
    assert list(temporary.iterdir()) == []


async def test_changed_tests_are_refused_and_shown(project: Project, k2sim: Start) -> None:
    sim = k2sim([use(CHEAT), say("The test was wrong.")])
    result = await fix(project(SHOP), sim)
    assert result.status == "not_fixed"
    assert not result.edits
    assert [edit.path for edit in result.test_edits] == ["test_shop.py"]
    assert "test_shop.py" in result.warning


async def test_tests_whose_folder_was_moved_away_are_put_back(project: Project, k2sim: Start) -> None:
    files = {"shop.py": SHOP["shop.py"], "checks/test_shop.py": SHOP["test_shop.py"], "conftest.py": ""}
    away = call("move_path", path="checks", to="old/checks")
    result = await fix(project(files), k2sim([use(away, FIX), say("Moved.")]))
    assert result.status == "fixed", result
    assert [edit.path for edit in result.edits] == ["shop.py"]


async def test_a_change_that_breaks_another_test_is_handed_back(project: Project, k2sim: Start) -> None:
    sim = k2sim([use(WORSE), say("Done."), use(BETTER), say("Now it is right.")])
    result = await fix(project(SHOP), sim)
    assert result.status == "fixed", result
    assert "len" not in result.diff
    assert result.explanation == "Now it is right."


async def test_commands_of_the_models_choosing_do_not_run(project: Project, k2sim: Start) -> None:
    root = project(SHOP)
    marker = root / "made-by-a-command"
    sim = k2sim([use(call("run_command", command=f"touch {marker}")), use(FIX), say("Done.")])
    assert (await fix(root, sim)).status == "fixed"
    assert not marker.exists()


async def test_nothing_to_repair_costs_no_request(project: Project, k2sim: Start) -> None:
    sim = k2sim([])
    result = await fix(project(SHOP), sim, "test_count.py")
    assert result.status == "nothing_fails"
    assert "test_shop.py::test_total" in result.message


async def test_a_wrong_key_is_the_providers_error(project: Project, k2sim: Start) -> None:
    with pytest.raises(AuthError) as caught:
        await fix(project(SHOP), k2sim([]), key="sk-test-another-key")
    assert caught.value.exit_code == ExitCode.AUTH


async def test_the_copy_has_the_history_and_the_repository_stays_as_it_was(
    project: Project, k2sim: Start
) -> None:
    root = project(SHOP)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "the beginning"]):
        subprocess.run(["git", *command], cwd=root, check=True)  # noqa: ASYNC221
    sim = k2sim([use(call("git_log")), use(FIX, when=Match(result_contains="the beginning")), say("Done.")])
    assert (await fix(root, sim)).status == "fixed"
    for command in (["status", "--porcelain"], ["worktree", "list", "--porcelain"]):
        done = subprocess.run(["git", *command], cwd=root, check=True, capture_output=True, text=True)  # noqa: ASYNC221
        assert done.stdout.count("\n\n") <= 1, "no change, and no worktree beside the main one"


def test_totals_alone_are_compared_where_a_runner_names_no_passing_tests() -> None:
    before = report_of([TestCase("all tests", "failed")])
    assert prove(["all tests"], before, report_of([TestCase("all tests", "passed")])).ok
    assert not prove(["all tests"], before, before).ok
