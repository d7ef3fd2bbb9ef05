"""The rules of every layer decide about the calls of a real run, with and without a person."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.safety.sandbox import status, way_out
from tests.k2sim import Simulator, call, say, use
from tests.ui.sitting import KCODE, Sitting

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


PAUSED = 0.6  # longer than a person pauses between two keys, so that a key counts as an answer


def always(person: Sitting, number: str) -> None:
    """The question is answered by the offer with this number."""
    person.see(r"(Run|Apply) this\?")
    person.settle(PAUSED)
    person.type("a")
    person.see(r"Which one\?")
    person.type(number)


def permissions(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [KCODE, "permissions", *arguments], cwd=cwd, capture_output=True, encoding="utf-8", timeout=60
    )


def test_always_in_this_project_survives_a_restart_and_can_be_forgotten(
    sit: Callable[..., Sitting], kcode: Kcode, k2sim: Sim, repo: Path, home: Path
) -> None:
    sim = k2sim([use(TOUCH), say("It is over.")])
    person = sit(sim)
    person.type("go\r")
    always(person, "2")
    text = person.see("It is over.")
    assert "2  this command: touch made, in this project from now on" in text
    assert "rule: allow command: touch made" in text
    assert "this project: allow command: touch made" in text
    person.type("\x04")
    assert person.end() == 0
    assert (home / "permissions.toml").stat().st_mode & 0o777 == 0o600
    assert not (repo / ".kcode").exists()

    (repo / "made").unlink()
    sim = k2sim([use(TOUCH), say("It is over.")])
    person = sit(sim)
    person.type("go\r")
    person.see("It is over.")
    assert "Run this?" not in person.terminal.text()
    assert (repo / "made").exists()
    explained = permissions("explain", "--", "touch made", cwd=repo)
    assert explained.returncode == 0
    assert "layer  folder" in explained.stdout
    assert "folder    allow command: touch made" in permissions("list", cwd=repo).stdout

    forgotten = permissions("forget", "allow command: touch made", cwd=repo)
    assert "forgotten for this folder: allow command: touch made" in forgotten.stderr
    assert permissions("explain", "--", "touch made", cwd=repo).returncode == 10
    assert permissions("forget", "allow command: touch made", cwd=repo).returncode == 2


def test_always_in_this_session_ends_with_it(
    sit: Callable[..., Sitting], k2sim: Sim, repo: Path, home: Path
) -> None:
    sim = k2sim([use(TOUCH), use(TOUCH), use(call("run_command", command="touch other")), say("It is over.")])
    person = sit(sim)
    person.type("go\r")
    always(person, "1")
    text = person.see(r"\$ touch other[\s\S]*Run this\?")
    assert text.count("$ touch made\n") - text.count("✓ $ touch made") <= 1
    person.settle(PAUSED)
    person.type("n")
    person.see("It is over.")
    assert (repo / "made").exists()
    assert not (repo / "other").exists()
    assert not (home / "permissions.toml").exists()
    assert permissions("explain", "--", "touch made", cwd=repo).returncode == 10


def test_edits_below_a_folder_are_not_asked_about_again(
    sit: Callable[..., Sitting], k2sim: Sim, repo: Path, home: Path
) -> None:
    writes = [call("write_file", path=f"src/deep/{name}.py", content="x = 1\n") for name in "ab"]
    outside = call("write_file", path="top.py", content="x = 1\n")
    sim = k2sim([*map(use, writes), use(outside), say("It is over.")])
    person = sit(sim)
    person.type("go\r")
    always(person, "2")
    person.see(r"create top\.py[\s\S]*Apply this\?")
    assert (repo / "src/deep/a.py").exists()
    assert (repo / "src/deep/b.py").exists()
    person.settle(PAUSED)
    person.type("n")
    person.see("It is over.")
    assert not (repo / "top.py").exists()


def test_nothing_is_offered_for_what_is_always_asked_about(
    sit: Callable[..., Sitting], k2sim: Sim, repo: Path
) -> None:
    sim = k2sim([use(call("run_command", command="git push origin main")), say("It is over.")])
    person = sit(sim)
    person.type("go\r")
    text = person.see(r"Run this\?.*help")
    assert "always" not in text
    person.settle(PAUSED)
    person.type("a")
    person.settle()
    person.type("n")
    person.see("It is over.")


def test_a_rule_that_cannot_be_written_holds_for_the_session_and_that_is_said(
    sit: Callable[..., Sitting], k2sim: Sim, repo: Path, home: Path
) -> None:
    sim = k2sim([use(TOUCH), use(TOUCH), say("It is over.")])
    person = sit(sim)
    person.type("go\r")
    person.see(r"Run this\?")
    (home / "permissions.toml").mkdir()
    always(person, "2")
    person.see("holds for this session only")


def test_a_person_is_offered_one_run_outside_of_the_sandbox(
    sit: Callable[..., Sitting], k2sim: Sim, repo: Path, home: Path
) -> None:
    if not status().holds:
        pytest.skip("no sandbox works here")
    away = home.parent / "away"
    away.mkdir()
    sim = k2sim([use(call("run_command", command=f"sh -c 'touch {away}/made'")), say("It is over.")])
    person = sit(sim, rows=40)
    person.see(r"ask mode · kimi")
    person.type("go\r")
    person.see(r"confined: writes only here")
    person.settle(0.6)
    person.type("y")
    person.see(r"asked because it failed inside the sandbox")
    person.see(r"not confined: it may do all that you may do")
    assert not (away / "made").exists()
    person.settle(0.6)
    person.type("y")
    person.see("It is over")
    assert (away / "made").exists()
    assert "outside of the sandbox:]" in told(sim)


def test_what_an_untrusted_project_would_run_is_named_and_not_run(
    kcode: Kcode, k2sim: Sim, repo: Path, home: Path
) -> None:
    (repo / ".kcode/commands").mkdir(parents=True)
    (repo / ".kcode/commands/owned.md").write_text("say owned")
    (repo / ".kcode/config.toml").write_text("[tests]\ncommand = 'touch owned'\n")
    (repo / ".kcode/permissions.toml").write_text('allow = ["command: touch *"]\n')
    sim = k2sim([use(call("run_tests")), use(TOUCH), say("Done.")])
    done = kcode(sim, "-p", "go")
    assert not (repo / "owned").exists()
    assert not (repo / "made").exists()
    assert "this folder is not trusted: its settings tests.command are not used" in done.stderr


FETCH = (
    "import urllib.request as u\n"
    "for path in 'ab':\n"
    "    try: u.urlopen('http://shop.example.test/' + path)\n"
    "    except u.HTTPError as p: print(p.code, p.read().decode())\n"
)


@pytest.mark.skipif(not way_out(), reason="no sandbox with a way to single hosts works here")
def test_a_host_is_asked_about_while_the_command_runs_and_the_answer_holds(
    sit: Callable[..., Sitting], k2sim: Sim, repo: Path, home: Path
) -> None:
    (repo / "fetch.py").write_text(FETCH)
    run = call("run_command", command="python3 fetch.py")
    sim = k2sim([use(run), say("First it is over."), use(run), say("Then it is over.")])
    person = sit(sim, "--mode", "auto", rows=40)
    person.see(r"auto mode · kimi")
    person.type("go\r")
    person.see(r"connect to shop\.example\.test:80")
    person.see(r"Allow this\?")
    shown = person.settle(0.6)
    assert "% cached" not in shown  # the status line is not there while a question is
    assert re.search(r"connect to shop\.example\.test:80, for: \$ python3 fetch\.py *\n", shown)
    person.type("n")
    person.see("First it is over")
    assert "shop.example.test (the user said no)" in told(sim)
    person.type("again\r")
    shown = person.see("Then it is over")
    assert "shop.example.test (the user said no)" in told(sim)
    assert shown.count("Allow this?") <= 1
