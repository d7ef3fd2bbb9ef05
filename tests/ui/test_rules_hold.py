"""The rules of every layer decide about the calls of a real run, with and without a person."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.k2sim import Simulator, call, say, use
from tests.ui.sitting import Sitting

Sim = Callable[..., Simulator]
Kcode = Callable[..., subprocess.CompletedProcess[str]]
TOUCH = call("run_command", command="touch made")


def told(sim: Simulator) -> str:
    """The last tool result that the model was sent."""
    content: str = sim.chats[-1].json["messages"][-1]["content"]
    return content


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    (tmp_path / "config/kcode").mkdir(parents=True)
    return tmp_path / "config/kcode"


def test_without_a_rule_a_run_without_a_person_refuses(kcode: Kcode, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(TOUCH), say("Done.")])
    kcode(sim, "-p", "go")
    assert not (repo / "made").exists()
    assert "without a person" in told(sim)


@pytest.mark.parametrize("spelled", ["--allow=command: touch *", "--allow=tool: run_command"])
def test_allow_on_the_command_line_allows(kcode: Kcode, k2sim: Sim, repo: Path, spelled: str) -> None:
    sim = k2sim([use(TOUCH), say("Done.")])
    kcode(sim, spelled, "-p", "go")
    assert (repo / "made").exists()


def test_deny_on_the_command_line_decides_over_the_mode(kcode: Kcode, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(TOUCH), say("Done.")])
    kcode(sim, "--mode", "auto", "--allow", "command: touch made", "--deny", "path: mad*", "-p", "go")
    assert not (repo / "made").exists()
    assert "denied by the rule deny path: mad* (command line)" in told(sim)


def test_deny_holds_for_edits(kcode: Kcode, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([use(call("write_file", path="vendor/a.py", content="x = 1\n")), say("Done.")])
    kcode(sim, "--mode", "auto", "--deny", "path: vendor", "-p", "go")
    assert not (repo / "vendor").exists()
    assert "deny path: vendor (command line)" in told(sim)


def test_the_users_file_decides_about_real_calls(kcode: Kcode, k2sim: Sim, repo: Path, home: Path) -> None:
    (home / "permissions.toml").write_text(f'[folders."{repo}"]\nallow = ["command: touch made"]\n')
    sim = k2sim([use(TOUCH), say("Done.")])
    kcode(sim, "-p", "go")
    assert (repo / "made").exists()


def test_another_folders_rules_do_not_hold_here(kcode: Kcode, k2sim: Sim, repo: Path, home: Path) -> None:
    (home / "permissions.toml").write_text(f'[folders."{repo}x"]\nallow = ["command: touch made"]\n')
    sim = k2sim([use(TOUCH), say("Done.")])
    kcode(sim, "-p", "go")
    assert not (repo / "made").exists()


def test_an_absolute_path_inside_the_workspace_is_not_asked_about(
    kcode: Kcode, k2sim: Sim, repo: Path
) -> None:
    sim = k2sim([use(call("run_command", command=f"cat {repo}/shop.py")), say("Done.")])
    kcode(sim, "-p", "go")
    assert "def total" in told(sim)


def test_what_is_no_rule_is_refused_before_anything_is_sent(kcode: Kcode, k2sim: Sim) -> None:
    sim = k2sim([say("Never.")])
    ended = kcode(sim, "--allow", "make deploy", "-p", "go")
    assert ended.returncode == 2
    assert "--allow: 'make deploy' is no rule" in ended.stderr
    assert not sim.chats


@pytest.mark.parametrize("flag", ["--allow", "--deny"])
def test_the_rule_holds_in_a_session_too(
    sit: Callable[..., Sitting], k2sim: Sim, repo: Path, flag: str
) -> None:
    sim = k2sim([use(TOUCH), say("It is over.")])
    person = sit(sim, flag, "command: touch *")
    person.type("go\r")
    person.see("It is over.")
    assert (repo / "made").exists() is (flag == "--allow")
