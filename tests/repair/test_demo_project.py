from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.repair import demo_project
from kcode.testrun.run import run_tests

pytestmark = pytest.mark.anyio


async def test_the_demo_project_has_exactly_one_failing_test(tmp_path: Path, settings: Settings) -> None:
    project = demo_project.create(tmp_path / "demo")
    report = await run_tests(project.root, settings)
    assert [case.id for case in report.failing] == [project.failing_test]
    assert report.passed == 6


def test_the_demo_project_is_committed(tmp_path: Path) -> None:
    project = demo_project.create(tmp_path / "demo")
    assert project.is_git
    status = ["git", "status", "--porcelain"]
    done = subprocess.run(status, cwd=project.root, check=True, capture_output=True, text=True)
    assert done.stdout == ""


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(EnvironmentProblem, match="not empty"):
        demo_project.create(tmp_path)


def test_the_demo_works_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not demo_project.create(tmp_path / "demo").is_git
