from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kcode.config.settings import RunnerSettings, Settings
from kcode.testrun.interpreter import NoInterpreter, candidates, find_interpreter
from kcode.testrun.report import TestProgress, TestReport
from kcode.testrun.run import run_tests
from tests.testrun.conftest import Project

pytestmark = pytest.mark.anyio

SHOP = {
    "conftest.py": "",
    "shop/__init__.py": "",
    "shop/cart.py": (
        "def total(prices):\n    return sum(prices) - 1\n\n\ndef first(prices):\n    return prices[0]\n"
    ),
    "tests/test_cart.py": (
        "import pytest\n"
        "from shop.cart import first, total\n\n\n"
        "class TestTotal:\n"
        "    @pytest.mark.parametrize('prices,expected', [([1, 2], 3), ([5], 4)])\n"
        "    def test_sum(self, prices, expected):\n"
        "        print('adding up')\n"
        "        assert total(prices) == expected\n\n\n"
        "def test_first_of_nothing():\n"
        "    assert first([]) is None\n\n\n"
        "@pytest.mark.skip(reason='later')\n"
        "def test_later():\n"
        "    assert False\n"
    ),
}


async def test_failures_come_back_as_data_with_ids_pytest_takes_again(
    project: Project, settings: Settings
) -> None:
    root = project(SHOP)
    report = await run_tests(root, settings)
    assert (report.passed, report.failed, report.errors, report.skipped) == (1, 2, 0, 1)
    by_id = {case.id: case for case in report.cases}
    wrong = by_id["tests/test_cart.py::TestTotal::test_sum[prices0-3]"]
    assert (wrong.actual, wrong.expected) == ("2", "3")
    assert wrong.assertion.startswith("assert 2 == 3")
    assert wrong.frames[-1].path == "tests/test_cart.py"
    assert "adding up" in wrong.output
    raised = by_id["tests/test_cart.py::test_first_of_nothing"]
    assert raised.message.startswith("IndexError")
    assert (raised.frames[-1].path, raised.frames[-1].line) == ("shop/cart.py", 6)

    again = await run_tests(root, settings, wrong.id)
    assert [case.id for case in again.cases] == [wrong.id]
    assert again.failed == 1


async def test_a_run_leaves_nothing_in_the_project(project: Project, settings: Settings) -> None:
    root = project(SHOP)
    await run_tests(root, settings)
    assert {path.name for path in root.rglob("*")} == {
        *("conftest.py", "shop", "__init__.py", "cart.py", "tests", "test_cart.py")
    }


async def test_progress_names_and_counts_each_finished_test(project: Project, settings: Settings) -> None:
    told: list[TestProgress] = []
    await run_tests(project(SHOP), settings, on_progress=told.append)
    ended = [progress.passed + progress.failed for progress in told]
    assert ended == sorted(ended)
    assert {progress.total for progress in told} == {4}
    assert (told[-1].passed, told[-1].failed, told[-1].total) == (1, 2, 4)
    assert "test_" in told[-1].text


async def test_a_module_that_cannot_be_imported_is_an_error_of_its_file(
    project: Project, settings: Settings
) -> None:
    root = project({"test_a.py": "import not_there_at_all\n", "test_b.py": "def test_ok(): pass\n"})
    report = await run_tests(root, settings)
    assert report.errors == 1
    (case,) = report.failing
    assert case.id == "test_a.py"
    assert "not_there_at_all" in case.assertion


async def test_a_project_without_tests_cannot_run_and_says_so(project: Project, settings: Settings) -> None:
    report = await run_tests(project({"app.py": "x = 1\n"}), settings)
    assert "no tests were found" in report.cannot_run
    assert not report.ok


async def test_a_broken_conftest_is_named_as_the_reason(project: Project, settings: Settings) -> None:
    root = project({"conftest.py": "import gone_missing\n", "test_a.py": "def test_ok(): pass\n"})
    report = await run_tests(root, settings)
    assert "gone_missing" in report.cannot_run


async def test_a_target_that_is_not_there_is_named(project: Project, settings: Settings) -> None:
    root = project(SHOP)
    assert "tests/test_gone.py" in (await run_tests(root, settings, "tests/test_gone.py")).cannot_run
    assert "test_gone" in (await run_tests(root, settings, "tests/test_cart.py::test_gone")).cannot_run


async def test_an_endless_test_ends_with_the_time_limit_and_keeps_what_was_known(
    project: Project, settings: Settings
) -> None:
    root = project(
        {"test_a.py": "def test_ok(): pass\n\ndef test_endless():\n    while True:\n        pass\n"}
    )
    report = await run_tests(root, settings, timeout_s=25)  # pytest itself starts slowly on a busy machine
    assert report.timed_out
    assert [(case.id, case.status) for case in report.cases] == [
        ("test_a.py::test_ok", "passed"),
        ("test_a.py::test_endless", "error"),
    ]
    assert "time limit" in report.note


async def test_a_configured_interpreter_that_is_not_there_names_the_setting(project: Project) -> None:
    settings = Settings(tests=RunnerSettings(python="/no/such/python"))
    report = await run_tests(project(SHOP), settings)
    assert "tests.python" in report.cannot_run


def make_environment(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)


async def test_the_projects_own_environment_comes_before_the_path(project: Project) -> None:
    root = project(SHOP)
    make_environment(root / ".venv")
    site = next((root / ".venv").glob("lib/python*/site-packages"))
    (site / "pytest.py").write_text("")
    found = await find_interpreter(root, Settings(), {"PATH": os.environ["PATH"]})
    assert found.origin == ".venv in the project"
    assert found.python == root / ".venv" / "bin" / "python"


async def test_kcodes_own_python_in_front_of_the_path_hides_no_other(
    project: Project, tmp_path: Path
) -> None:
    other = tmp_path / "bin" / "python3"
    other.parent.mkdir()
    other.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    other.chmod(0o755)
    found = [
        python
        async for python, _, _ in candidates(
            project({}), tmp_path, {"PATH": f"{Path(sys.executable).parent}:{other.parent}", "HOME": "/"}
        )
    ]
    assert other in found


async def test_a_project_environment_without_pytest_is_told_how_to_get_it(project: Project) -> None:
    root = project(SHOP)
    make_environment(root / ".venv")
    with pytest.raises(NoInterpreter) as caught:
        await find_interpreter(root, Settings(), {"PATH": ""})
    assert "pip install pytest" in caught.value.remedy


async def test_kcodes_own_pytest_is_lent_only_where_nothing_else_is_and_said(project: Project) -> None:
    found = await find_interpreter(project(SHOP), Settings(), {"PATH": ""})
    assert found.python == Path(sys.executable)
    assert "kcode's own environment" in found.note


def configured(command: str) -> Settings:
    return Settings(tests=RunnerSettings(command=command, timeout_s=30))


async def test_a_configured_command_gets_the_target(project: Project) -> None:
    root = project(SHOP)
    python = shlex.quote(sys.executable)
    settings = configured(f"{python} -m pytest -p no:cacheprovider {{target}}")
    report = await run_tests(root, settings, "tests/test_cart.py::test_first_of_nothing")
    assert report.failed == 1
    assert [case.id for case in report.failing] == ["tests/test_cart.py::test_first_of_nothing"]


async def test_a_configured_command_may_write_junit(project: Project) -> None:
    python = shlex.quote(sys.executable)
    settings = configured(
        f"{python} -m pytest -p no:cacheprovider --junitxml={{junit}} -o junit_family=xunit1 {{target}}"
    )
    report = await run_tests(project(SHOP), settings)
    assert (report.passed, report.failed) == (1, 2)
    assert report.failing[0].id == "tests/test_cart.py::TestTotal::test_sum[prices0-3]"


async def test_unittest_output_is_read_as_text(project: Project) -> None:
    root = project(
        {
            "test_u.py": "import unittest\n\nclass T(unittest.TestCase):\n"
            "    def test_ok(self): pass\n    def test_bad(self): self.assertEqual(1, 2)\n"
        }
    )
    report = await run_tests(root, configured(f"{shlex.quote(sys.executable)} -m unittest test_u"))
    assert (report.passed, report.failed) == (1, 1)
    assert report.failing[0].id.endswith("test_bad")


async def test_a_command_that_does_not_start_is_no_failing_test(project: Project) -> None:
    report = await run_tests(project(SHOP), configured("no-such-test-runner-here"))
    assert "tests.command" in report.cannot_run


async def test_a_command_past_its_time_limit_is_stopped(project: Project) -> None:
    began = time.monotonic()
    report: TestReport = await run_tests(project(SHOP), configured("sleep 60"), timeout_s=1)
    assert report.timed_out
    assert report.failing
    assert time.monotonic() - began < 30


# --- environments that a manager made, in the layouts that the managers make ----------------------------


def environment(folder: Path, *, conda: bool = False) -> Path:
    """An environment with this Python in it; its interpreter."""
    (folder / "bin").mkdir(parents=True)
    if conda:
        (folder / "conda-meta").mkdir()
        (folder / "conda-meta" / "history").touch()
    else:
        (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).parent}\n")
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


@pytest.mark.parametrize("where", ["root prefix", "listed by conda", "micromamba", "in the project"])
async def test_condas_environments_are_found_where_conda_keeps_them(
    project: Project, tmp_path: Path, where: str
) -> None:
    home = tmp_path / "home"
    (home / ".conda").mkdir(parents=True)
    root = project({**SHOP, "environment.yml": "name: shop\ndependencies:\n  - python=3.11\n"})
    environ = {"PATH": "", "HOME": str(home)}
    if where == "root prefix":
        (tmp_path / "opt/conda/bin").mkdir(parents=True)
        environ["CONDA_EXE"] = str(tmp_path / "opt/conda/bin/conda")
        made = environment(tmp_path / "opt/conda/envs/shop", conda=True)
    elif where == "listed by conda":
        made = environment(tmp_path / "data/envs/shop", conda=True)
        (home / ".conda" / "environments.txt").write_text(f"{tmp_path / 'opt/conda'}\n{made.parent.parent}\n")
    elif where == "micromamba":
        environ["MAMBA_ROOT_PREFIX"] = str(tmp_path / "mamba")
        made = environment(tmp_path / "mamba/envs/shop", conda=True)
    else:
        made = environment(root / ".conda", conda=True)
    found = await find_interpreter(root, Settings(), environ)
    assert found.python == made


async def test_pdms_environment_is_the_one_that_its_file_names(project: Project, tmp_path: Path) -> None:
    made = environment(tmp_path / "data/pdm/venvs/shop-Xy12-3.11")
    root = project({**SHOP, ".pdm-python": f"{made}\n", "pdm.lock": ""})
    found = await find_interpreter(root, Settings(), {"PATH": ""})
    assert (found.python, found.origin) == (made, "pdm's interpreter (.pdm-python)")


async def test_poetry_is_asked_where_its_environment_is(project: Project, tmp_path: Path) -> None:
    made = environment(tmp_path / "cache/pypoetry/virtualenvs/shop-Ab3_x-py3.11")
    tools = tmp_path / "tools"
    tools.mkdir()
    said = f"echo 'Warning: poetry.lock is old' >&2; echo {made.parent.parent}"
    (tools / "poetry").write_text(f'#!/bin/sh\n[ "$*" = "env info --path" ] || exit 1\n{said}\n')
    (tools / "poetry").chmod(0o755)
    root = project({**SHOP, "poetry.lock": "", "pyproject.toml": "[tool.poetry]\nname = 'shop'\n"})
    found = await find_interpreter(root, Settings(), {"PATH": f"{tools}:/usr/bin:/bin"})
    assert (found.python, found.origin) == (made, "poetry's environment")
