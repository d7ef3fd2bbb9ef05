from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kcode.config.settings import RunnerSettings, Settings
from kcode.safety.sandbox import Confinement, status
from kcode.testrun.adapter import Surroundings
from kcode.testrun.interpreter import NoInterpreter, find_interpreter
from kcode.testrun.report import TestProgress
from kcode.testrun.run import run_tests
from kcode.testrun.summary import SUMMARY_LIMIT, summarise
from tests.testrun.conftest import Project
from tests.testrun.test_run import make_environment

pytestmark = pytest.mark.anyio


async def test_a_crash_of_the_interpreter_keeps_what_was_known_and_names_the_test(
    project: Project, settings: Settings
) -> None:
    root = project(
        {
            "test_a.py": "import ctypes\n\ndef test_ok(): pass\n\n"
            "def test_segfault():\n    ctypes.string_at(0)\n\ndef test_after(): pass\n"
        }
    )
    report = await run_tests(root, settings, rerun=False)
    assert [(case.id, case.status) for case in report.cases] == [
        ("test_a.py::test_ok", "passed"),
        ("test_a.py::test_segfault", "error"),
    ]
    assert "signal 11" in report.failing[0].message
    assert "did not run" in report.note


async def test_thousands_of_failures_are_one_reason_and_stay_bounded(
    project: Project, settings: Settings
) -> None:
    root = project(
        {
            "app.py": "def load(n):\n    raise ValueError(f'no row {n}')\n",
            "conftest.py": "",
            "test_a.py": "import pytest\nfrom app import load\n\n@pytest.mark.parametrize('n', range(1500))\n"
            "def test_row(n):\n    print('x' * 3000)\n    load(n)\n",
        }
    )
    report = await run_tests(root, settings)
    assert report.failed == 1500
    text = summarise(report)
    assert len(text) < SUMMARY_LIMIT * 1.5
    assert "the same reason (1499)" in text
    assert sum(len(case.output) for case in report.cases) < 1_000_000


async def test_names_and_output_of_any_script_and_control_sequences_come_through_clean(
    project: Project, settings: Settings
) -> None:
    root = project(
        {
            "sub dir/test_ünï.py": "import pytest\n\n@pytest.mark.parametrize('x', ['日本'])\n"
            "def test_größe(x):\n    print('\\x1b[31mrot\\x1b[0m \\x1b]0;title\\x07 ' + x)\n"
            "    assert x == '中国'\n"
        }
    )
    report = await run_tests(root, settings, "sub dir/test_ünï.py")
    assert report.failed == 1
    text = summarise(report)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "rot" in text
    assert "日本" in text
    assert "test_größe" in text
    again = await run_tests(root, settings, report.failing[0].id)
    assert again.failed == 1


async def test_a_projects_options_hold_and_plugins_may_be_off(project: Project, settings: Settings) -> None:
    root = project(
        {
            "pytest.ini": "[pytest]\naddopts = -p no:doctest -m 'not slow' -q\nmarkers = slow: x\n",
            "test_a.py": "import pytest\n\ndef test_ok(): pass\n\n"
            "@pytest.mark.slow\ndef test_slow(): assert 0\n",
        }
    )
    report = await run_tests(root, settings)
    assert (report.passed, report.failed) == (1, 0)


async def test_parallel_runs_are_counted_and_read_as_others(project: Project, settings: Settings) -> None:
    pytest.importorskip("xdist")
    root = project(
        {
            "pytest.ini": "[pytest]\naddopts = -n 2\n",
            "test_a.py": "def test_a(): pass\n\ndef test_b(): assert 1 == 2\n",
        }
    )
    told: list[TestProgress] = []
    report = await run_tests(root, settings, on_progress=told.append, rerun=False)
    assert (report.passed, report.failed) == (1, 1)
    assert (told[-1].passed, told[-1].failed) == (1, 1)


async def test_a_name_selects_tests_wherever_they_are(project: Project, settings: Settings) -> None:
    root = project({"a/test_x.py": "def test_login(): pass\n\ndef test_other(): assert 0\n"})
    report = await run_tests(root, settings, "test_login")
    assert [case.id for case in report.cases] == ["a/test_x.py::test_login"]


async def test_a_test_that_fails_now_and_then_is_said_to_be_flaky(
    project: Project, settings: Settings, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    root = project(
        {
            "test_a.py": f"import pathlib\nseen = pathlib.Path({str(seen)!r})\n\n"
            "def test_sometimes():\n    was = seen.exists()\n    seen.write_text('x')\n    assert was\n"
        }
    )
    report = await run_tests(root, settings)
    assert report.ok
    assert (report.passed, report.failed) == (0, 0)
    assert [case.id for case in report.flaky] == ["test_a.py::test_sometimes"]
    assert "FLAKY test_a.py::test_sometimes" in summarise(report)


async def test_unittest_runs_a_project_whose_python_has_no_pytest(project: Project) -> None:
    root = project(
        {
            "tests/__init__.py": "",
            "tests/test_u.py": "import unittest\n\n\nclass T(unittest.TestCase):\n"
            "    def test_ok(self): pass\n\n    def test_bad(self):\n        self.assertEqual(1, 2)\n\n"
            "    @unittest.skip('later')\n    def test_later(self): pass\n",
        }
    )
    make_environment(root / ".venv")
    report = await run_tests(root, Settings(), rerun=False)
    assert (report.passed, report.failed, report.skipped) == (1, 1, 1)
    assert report.runner.startswith("unittest")
    assert ".venv in the project" in report.environment
    (case,) = report.failing
    assert (case.actual, case.expected) == ("1", "2")
    assert case.frames[-1].path == "tests/test_u.py"
    again = await run_tests(root, Settings(), case.id, rerun=False)
    assert [one.id for one in again.cases] == [case.id]


async def test_the_tests_of_a_model_run_confined_and_are_told_of_it(
    project: Project, settings: Settings, tmp_path: Path
) -> None:
    if not status().holds:
        pytest.skip("no sandbox works on this machine")
    outside, scratch = tmp_path / "outside", tmp_path / "scratch"
    outside.mkdir()
    (scratch / "tmp").mkdir(parents=True)
    (scratch / "cache").mkdir()
    root = project(
        {
            "test_a.py": "import pathlib, tempfile\n\ndef test_inside():\n"
            "    pathlib.Path('cache').write_text('x')\n    tempfile.mkdtemp()\n\n"
            f"def test_outside():\n    pathlib.Path({str(outside / 'x')!r}).write_text('x')\n"
        }
    )
    around = Surroundings(Confinement((root, scratch)), scratch)
    report = await run_tests(root, settings, around=around, rerun=False)
    assert [case.id for case in report.failing] == ["test_a.py::test_outside"]
    assert not list(outside.iterdir())
    assert "sandbox" in report.note


async def test_a_lock_file_without_its_environment_says_how_to_make_it(project: Project) -> None:
    root = project({"uv.lock": "", "pyproject.toml": "[tool.pytest.ini_options]\n", "test_a.py": ""})
    with pytest.raises(NoInterpreter) as caught:
        await find_interpreter(root, Settings(), {"PATH": ""})
    assert "uv sync" in caught.value.remedy


async def test_another_python_than_the_lock_files_is_used_with_a_word(
    project: Project, tmp_path: Path
) -> None:
    make_environment(tmp_path / "elsewhere")
    packages = next((tmp_path / "elsewhere").glob("lib/*/site-packages"))
    (packages / "pytest.py").write_text("")
    found = await find_interpreter(
        project({"uv.lock": ""}), Settings(), {"VIRTUAL_ENV": str(tmp_path / "elsewhere"), "PATH": ""}
    )
    assert found.origin == "the active virtual environment"
    assert "uv sync" in found.note


async def test_a_make_target_is_run_and_its_text_is_read(project: Project) -> None:
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    root = project({"Makefile": "test:\n\t@echo '1 failed, 2 passed'; echo 'boom'; exit 1\n"})
    report = await run_tests(root, Settings(tests=RunnerSettings(timeout_s=30)))
    assert (report.passed, report.failed) == (2, 1)
    assert "make" in report.runner
