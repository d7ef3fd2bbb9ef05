from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from kcode.config.paths import state_dir
from kcode.errors import ExitCode
from tests.cli.conftest import KCODE, Run


@pytest.mark.parametrize(
    "arguments",
    [
        ["--modle", "x"],
        ["config", "set", "agent.mode"],
        ["nosuchcommand"],
        ["--cwd", "/no/such/folder", "config", "path"],
        ["-p", "hi", "fix"],
        ["-c", "--resume", "abc"],
        ["--output", "json"],
        ["--output", "xml", "-p", "hi"],
        ["--max-turns", "many", "-p", "hi"],
        ["--max-turns", "0", "-p", "hi"],
        ["--mode", "yolo", "-p", "hi"],
        ["--provider", "nosuch", "-p", "hi"],
        ["-p", ""],
        ["fix", "--yes", "--dry-run"],
        ["models", "pull", "nosuch"],
        ["hook", "install", "post-commit"],
        ["hook", "run", "post-commit"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(kcode: Run, arguments: list[str]) -> None:
    done = kcode(*arguments)
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_a_mistyped_command_gets_the_nearest_one(kcode: Run) -> None:
    assert "'config'" in kcode("confg").stderr
    assert 'kcode -p "' in kcode("please help").stderr


def test_a_task_without_a_terminal_is_pointed_to_print(kcode: Run) -> None:
    done = kcode()
    assert done.returncode == ExitCode.USAGE
    assert "kcode -p" in done.stderr


def test_a_corrupt_settings_file_is_an_error_with_its_line(kcode: Run) -> None:
    path = Path(kcode("config", "path").stdout.strip())
    path.parent.mkdir(parents=True)
    path.write_text("[agent]\nmode = \n")
    done = kcode("-p", "hi")
    assert done.returncode == ExitCode.USAGE
    assert f"{path}:2: " in done.stderr


def defect(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run kcode with its table of commands torn out: a defect as good as any."""
    code = "import sys, kcode.cli.config as c; del c.app\n"
    code += "from kcode.cli.entry import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_defect_says_so_and_keeps_its_trace_for_the_user_alone(tmp_path: Path) -> None:
    done = defect(tmp_path, "config", "path")
    assert done.returncode == ExitCode.INTERNAL
    assert "Traceback" not in done.stderr
    assert "defect of kcode: AttributeError" in done.stderr
    (kept,) = (state_dir() / "crash").iterdir()
    assert kept.name in done.stderr
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "Traceback" in kept.read_text()


def test_debug_shows_the_trace_at_once(tmp_path: Path) -> None:
    assert "Traceback" in defect(tmp_path, "config", "path", "--debug").stderr


def test_debug_shows_where_an_error_came_from(kcode: Run) -> None:
    assert "Traceback" in kcode("--debug", "config", "get", "agent.mod").stderr
    assert "Traceback" in kcode("config", "get", "agent.mod", env={"KCODE_DEBUG": "1"}).stderr


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [KCODE, "--help"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(write)
    assert done.returncode == ExitCode.PIPE_CLOSED
    assert done.stderr == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_kcode_with_its_code_and_no_trace(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    waiting = subprocess.Popen(
        [KCODE, "-p", "hi"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert waiting.stderr is not None
    line = waiting.stderr.readline()
    assert "waiting for standard input" in line
    waiting.send_signal(number)
    _, stderr = waiting.communicate(timeout=60)
    assert waiting.returncode == code
    assert "Traceback" not in stderr
