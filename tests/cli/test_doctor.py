from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.cli import examine
from kcode.errors import ExitCode
from tests.cli.conftest import KCODE, Run
from tests.k2sim import TEST_KEY, Simulator
from tests.ui.sitting import Sitting

Sim = Callable[..., Simulator]
SERVED = {"KCODE_MODEL": "kimi-k2.6", "KCODE_API_KEY": TEST_KEY, "KCODE_PROVIDER": "moonshot"}
ALL = [
    *("python", "terminal", "git", "settings", "provider", "keys", "network", "runtime", "model"),
    *("sandbox", "disk", "editor", "clipboard", "completion", "grammars"),
]
UTF8 = {"LANG": "C.UTF-8"}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
AROUND = ("NO_COLOR", "TMUX", "STY", "SSH_CONNECTION", "COLORTERM", "LC_ALL")


def told(kcode: Run, *arguments: str, **env: str) -> tuple[int, dict[str, list[Any]]]:
    """The exit code and the findings by what they are about."""
    done = kcode("doctor", "--json", *arguments, env={"MOONSHOT_API_KEY": TEST_KEY, **env})
    assert TEST_KEY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    shown = json.loads(done.stdout)
    assert shown["exit_code"] == done.returncode
    found: dict[str, list[Any]] = {}
    for finding in shown["findings"]:
        found.setdefault(finding["what"], []).append(finding)
    return done.returncode, found


def test_every_part_is_looked_at_and_a_whole_machine_is_in_order(kcode: Run) -> None:
    code, found = told(kcode)
    assert code == 0
    assert [*found] == ALL
    assert all(finding["fix"] for part in found.values() for finding in part if finding["ok"] is False)


def test_the_text_says_the_same_with_a_mark_and_a_remedy(kcode: Run) -> None:
    done = kcode("doctor", env={"MOONSHOT_API_KEY": TEST_KEY, "EDITOR": "nosuchprogram -w"})
    lines = done.stdout.splitlines()
    assert any(line.startswith("ok  python") for line in lines)
    at = next(n for n, line in enumerate(lines) if line.startswith("-   editor"))
    assert "nosuchprogram is not there" in lines[at]
    assert lines[at + 1].split()[:2] == ["try:", "export"]


def test_keys_are_told_by_where_they_are_and_passwords_of_proxies_left_out(kcode: Run) -> None:
    env = {
        "ARK_API_KEY": "sk-test-another-key",
        "HTTPS_PROXY": "http://me:secret@proxy.example:3128",
        "ALL_PROXY": "me:secret@p",
    }
    _, found = told(kcode, **env)
    assert "MOONSHOT_API_KEY" in found["keys"][0]["says"]
    assert "ARK_API_KEY" in found["keys"][0]["says"]
    assert "HTTPS_PROXY=http://proxy.example:3128; ALL_PROXY=p" in found["network"][0]["says"]
    assert "secret" not in json.dumps(found)
    assert "sk-test-another-key" not in json.dumps(found)


def test_online_makes_one_call_that_costs_nothing(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim()
    code, found = told(kcode, "--online", **SERVED, KCODE_BASE_URL=sim.base_url)
    assert code == 0
    assert "lists" in found["online"][0]["says"]
    assert [(r.method, r.path) for r in sim.requests] == [("GET", "/v1/models")]
    sim.requests.clear()
    told(kcode, **SERVED, KCODE_BASE_URL=sim.base_url)
    assert not sim.requests


@pytest.mark.parametrize("key", [TEST_KEY, "sk-test-wrong-not-a-real-key"])
def test_online_tells_a_wrong_key_and_a_server_that_is_not_there(kcode: Run, k2sim: Sim, key: str) -> None:
    address = "http://127.0.0.1:9/v1" if key == TEST_KEY else k2sim().base_url
    code, found = told(kcode, "--online", **{**SERVED, "KCODE_API_KEY": key, "KCODE_BASE_URL": address})
    assert code == ExitCode.ENVIRONMENT
    assert found["online"][0]["ok"] is False
    assert found["online"][0]["fix"]
    assert key not in json.dumps(found)


def test_without_git_and_with_broken_settings_the_rest_is_still_looked_at(kcode: Run, own_home: Path) -> None:
    settings = own_home / ".config" / "kcode" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("[agent\n")
    code, found = told(kcode, PATH="/nonexistent")
    assert code == ExitCode.ENVIRONMENT
    assert found["git"][0]["ok"] is False
    assert "install git" in found["git"][0]["fix"]
    assert found["settings"][0]["ok"] is False
    assert f"{settings}:1: " in found["settings"][0]["says"]
    assert set(found) == set(ALL)


def test_nobody_to_commit_as_is_told_with_the_two_commands(kcode: Run, own_home: Path) -> None:
    code, found = told(
        kcode, GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null", GIT_CONFIG_COUNT="0"
    )
    assert code == 0
    assert found["git"][0]["ok"] is None
    assert "git config --global user.email" in found["git"][0]["fix"]


def test_secret_files_that_others_can_read_are_told_with_the_command_that_mends_it(
    kcode: Run, own_home: Path
) -> None:
    file = own_home / ".config" / "kcode" / "credentials.toml"
    file.parent.mkdir(parents=True)
    file.write_text("")
    file.chmod(0o644)
    _, found = told(kcode)
    (wrong,) = (finding for finding in found["disk"] if "read by others" in finding["says"])
    assert "mode 644" in wrong["says"]
    subprocess.run(["sh", "-c", wrong["fix"]], check=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not [finding for finding in told(kcode)[1]["disk"] if "read by others" in finding["says"]]


def test_looking_leaves_nothing_behind(kcode: Run, own_home: Path) -> None:
    before = sorted(path for path in own_home.rglob("*") if path.is_file())
    told(kcode)
    assert sorted(path for path in own_home.rglob("*") if path.is_file()) == before


def test_a_state_folder_that_is_a_file_is_told(kcode: Run, own_home: Path) -> None:
    state = own_home / ".local" / "state"
    state.parent.mkdir(parents=True, exist_ok=True)
    if state.is_dir():
        state.rmdir()
    state.write_text("in the way")
    code, found = told(kcode)
    assert code == ExitCode.ENVIRONMENT
    assert any(finding["ok"] is False and finding["fix"] for finding in found["disk"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_told(kcode: Run, own_home: Path) -> None:
    own_home.chmod(0o500)
    try:
        code, found = told(kcode)
    finally:
        own_home.chmod(0o700)
    assert code == ExitCode.ENVIRONMENT
    assert any("cannot be written" in finding["says"] for finding in found["disk"])


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, own_home: Path) -> None:
    monkeypatch.setattr(examine, "_LITTLE_SPACE", 2**80)
    found = list(examine.disk())
    assert found[0].ok is False
    assert "kcode session prune" in found[0].fix


@pytest.mark.parametrize(
    ("env", "mark", "says"),
    [
        (
            {**UTF8, "COLORTERM": "truecolor", "TMUX": "x"},
            "ok",
            r"100x40, 16 million colours, utf-8, C.UTF-8, tmux",
        ),
        ({**UTF8, "NO_COLOR": "1", "SSH_CONNECTION": "x"}, "ok", r"no colours, utf-8, C.UTF-8, ssh"),
        ({"TERM": "dumb"}, "no", r"set TERM to what your terminal is"),
        (ASCII, "-", r"export\s+LANG=C.UTF-8"),
    ],
)
def test_the_terminal_is_described(tmp_path: Path, env: dict[str, str], mark: str, says: str) -> None:
    bare = {k: v for k, v in os.environ.items() if k not in AROUND}
    environment = {**bare, "TERM": "xterm-256color", "MOONSHOT_API_KEY": TEST_KEY, **env}
    with Sitting([str(KCODE), "doctor"], cwd=tmp_path, env=environment, columns=100, rows=40) as person:
        text = person.see(says)
        person.see(rf"(?m)^{mark:<3} terminal")
        assert max(len(line) for line in text.splitlines()) <= 100
        person.end()


def test_a_grammar_that_is_not_installed_is_told_with_its_remedy(kcode: Run, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['tree_sitter_c_sharp'] = None\n")
    _, found = told(kcode, PYTHONPATH=str(tmp_path))
    assert found["grammars"][0]["says"] == "the code map leaves these languages out: csharp"
    assert found["grammars"][0]["fix"] == "pip install tree-sitter-c-sharp"
    _, found = told(kcode)
    assert found["grammars"][0]["ok"] is True
