from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.cli.fix import target_from_root
from kcode.errors import ExitCode
from tests.cli.conftest import Run
from tests.k2sim import TEST_KEY, Simulator, call, say, use

WEIGHTS = os.environ.get("KCODE_TEST_MODEL", "")
needs_weights = pytest.mark.skipif(not WEIGHTS, reason="KCODE_TEST_MODEL names no model file")

BUGGY = """\
def total(numbers):
    result = 0
    for number in numbers:
        result -= number
    return result
"""
TEST = "from sums import total\n\n\ndef test_total():\n    assert total([1, 2, 3]) == 6\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "tests").mkdir(parents=True)
    (root / "sums.py").write_text(BUGGY)
    (root / "conftest.py").write_text("")
    (root / "tests" / "test_sums.py").write_text(TEST)
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "a bug"]):
        subprocess.run(["git", *argv], cwd=root, check=True)
    return root


@pytest.fixture
def fix(kcode: Run, project: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return kcode("fix", "--provider", "embedded", "--model", WEIGHTS, *arguments, cwd=project)

    return run


def test_a_path_typed_in_a_subfolder_is_meant_from_there(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / "tests")
    assert target_from_root("test_sums.py::test_total", project) == "tests/test_sums.py::test_total"
    assert target_from_root("../sums.py", project) == "sums.py"
    assert target_from_root("the total is wrong", project) == "the total is wrong"
    assert target_from_root("", project) == ""


def test_a_big_model_repairs_over_http_and_the_patch_is_applied_after_a_yes(
    kcode: Run, project: Path, k2sim: Callable[..., Simulator]
) -> None:
    edit = {"old_text": "result -= number", "new_text": "result += number"}
    sim = k2sim(
        [
            use(call("read_file", path="sums.py"), reasoning="look"),
            use(call("edit_file", path="sums.py", edits=[edit]), reasoning="a sign"),
            say("The sign was wrong.", reasoning="done"),
        ]
    )
    env = {"KCODE_PROVIDER": "moonshot", "KCODE_BASE_URL": sim.base_url, "KCODE_API_KEY": TEST_KEY}
    done = kcode("fix", "tests/test_sums.py::test_total", "--yes", cwd=project, env=env)
    assert done.returncode == 0, done.stderr
    assert "+        result += number" in done.stdout
    assert "applied to sums.py" in done.stderr
    assert "result += number" in (project / "sums.py").read_text()
    assert "test_total" in json.dumps(sim.chats[0].json["messages"])


@needs_weights
@pytest.mark.embedded
def test_without_a_yes_the_patch_is_shown_and_nothing_changes(
    fix: Callable[..., subprocess.CompletedProcess[str]], project: Path
) -> None:
    done = fix()
    assert done.returncode == ExitCode.NOT_ACHIEVED, done.stderr
    assert "--yes applies it" in done.stderr
    assert (project / "sums.py").read_text() == BUGGY
    applied = subprocess.run(["git", "apply"], cwd=project, input=done.stdout, text=True, check=False)
    assert applied.returncode == 0, "stdout is a patch that git takes"


@needs_weights
@pytest.mark.embedded
def test_with_a_yes_the_tests_pass_afterwards_and_then_nothing_fails(
    fix: Callable[..., subprocess.CompletedProcess[str]], project: Path
) -> None:
    done = fix("tests/test_sums.py::test_total", "--yes", "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["status"], result["applied"]) == (0, "fixed", True), done.stderr
    assert result["edits"] == ["sums.py"]
    again = fix()
    assert again.returncode == ExitCode.NOTHING_FAILS, again.stderr


@needs_weights
@pytest.mark.embedded
def test_tests_that_cannot_start_exit_8(
    fix: Callable[..., subprocess.CompletedProcess[str]], project: Path
) -> None:
    (project / "conftest.py").write_text("import a_module_that_is_not_there\n")
    done = fix()
    assert done.returncode == ExitCode.CANNOT_RUN_TESTS, done.stderr
    assert "a_module_that_is_not_there" in done.stderr
