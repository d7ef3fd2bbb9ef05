from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

from kcode.errors import ExitCode
from tests.cli.conftest import Run

KEY = "sk-test-not-a-real-key"


def test_list_shows_every_value_with_its_origin(kcode: Run) -> None:
    kcode("config", "set", "agent.max_turns", "7")
    shown = kcode("--max-seconds", "9", "config", "list", "--json", env={"KCODE_UI__THEME": "dark"})
    rows = json.loads(shown.stdout)
    path = kcode("config", "path").stdout.strip()
    assert rows["agent.max_turns"] == {"value": 7, "origin": f"user file {path}"}
    assert rows["ui.theme"] == {"value": "dark", "origin": "environment KCODE_UI__THEME"}
    assert rows["agent.max_seconds"] == {"value": 9.0, "origin": "flag"}
    assert rows["agent.mode"] == {"value": "ask", "origin": "default"}
    plain = kcode("config", "list").stdout
    assert all(key in plain for key in rows)


def test_a_key_is_never_shown_whole(kcode: Run) -> None:
    done = kcode("config", "set", "provider.api_key", KEY)
    shown = [
        done,
        kcode("config", "list"),
        kcode("config", "list", "--json"),
        kcode("config", "get", "provider.api_key"),
    ]
    for each in shown:
        assert KEY not in each.stdout + each.stderr
    assert "…-key" in shown[-1].stdout


def test_a_key_written_to_the_file_is_for_the_user_alone(kcode: Run) -> None:
    kcode("config", "set", "provider.api_key", KEY)
    path = Path(kcode("config", "path").stdout.strip())
    assert KEY in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_get_prints_the_bare_value(kcode: Run) -> None:
    assert kcode("config", "get", "agent.mode").stdout == "ask\n"
    assert kcode("config", "get", "ui.show_reasoning").stdout == "folded\n"
    assert kcode("config", "get", "hooks.fail_closed").stdout == "false\n"
    assert kcode("config", "get", "provider.temperature").stdout == "\n"


def test_set_and_unset_come_and_go(kcode: Run) -> None:
    assert kcode("config", "set", "agent.mode", "plan").returncode == 0
    assert kcode("config", "get", "agent.mode").stdout == "plan\n"
    assert kcode("config", "unset", "agent.mode").returncode == 0
    assert kcode("config", "get", "agent.mode").stdout == "ask\n"


def test_the_projects_file_lies_in_the_repository(kcode: Run, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    inside = tmp_path / "src"
    inside.mkdir()
    path = tmp_path / ".kcode" / "config.toml"
    assert kcode("config", "path", "--project", cwd=inside).stdout == f"{path}\n"
    assert kcode("config", "set", "--project", "tests.command", "make check", cwd=inside).returncode == 0
    assert path.is_file()
    assert "make check" not in kcode("config", "get", "tests.command").stdout
    assert kcode("permissions", "trust", cwd=inside).returncode == 0
    assert kcode("config", "get", "tests.command").stdout == "make check\n"
    refused = kcode("config", "set", "--project", "agent.mode", "auto")
    assert refused.returncode == ExitCode.USAGE
    assert "auto" not in path.read_text()


def editor(tmp_path: Path, body: str) -> dict[str, str]:
    program = tmp_path / "my editor"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    return {"VISUAL": f"'{program}' --wait", "EDITOR": "false"}


def test_edit_opens_the_editor_and_checks_afterwards(kcode: Run, tmp_path: Path) -> None:
    env = editor(tmp_path, """test "$1" = --wait && printf '[agent]\\nmax_turns = 3\\n' > "$2" """)
    done = kcode("config", "edit", env=env)
    assert (done.returncode, "is fine" in done.stderr) == (0, True)
    assert kcode("config", "get", "agent.max_turns").stdout == "3\n"


def test_edit_tells_what_is_wrong_and_keeps_the_text(kcode: Run, tmp_path: Path) -> None:
    done = kcode("config", "edit", env=editor(tmp_path, """printf '[agent]\\nmax_turn = 3\\n' > "$2" """))
    path = Path(kcode("config", "path").stdout.strip())
    assert done.returncode == ExitCode.USAGE
    assert f"{path}:2: " in done.stderr
    assert path.read_text() == "[agent]\nmax_turn = 3\n"


def test_a_broken_file_can_still_be_edited(kcode: Run, tmp_path: Path) -> None:
    path = Path(kcode("config", "path").stdout.strip())
    path.parent.mkdir(parents=True)
    path.write_text("[agent\n")
    assert kcode("config", "edit", env=editor(tmp_path, """: > "$2" """)).returncode == 0


def test_an_editor_that_fails_is_told(kcode: Run, tmp_path: Path) -> None:
    done = kcode("config", "edit", env=editor(tmp_path, "exit 3"))
    assert done.returncode == ExitCode.ENVIRONMENT
    assert "code 3" in done.stderr
