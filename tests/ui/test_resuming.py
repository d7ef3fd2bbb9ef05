from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.conversation.journal import Journal, find_session, session_files
from kcode.errors import ExitCode
from tests.k2sim import Simulator, say
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
Kcode = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def talk(k2sim: Sim, kcode: Kcode) -> Callable[..., Simulator]:
    def run(*messages: str) -> Simulator:
        sim = k2sim(lambda request: say(f"Answer to {request.last_user.splitlines()[0]}"))
        for message in messages:
            done = kcode(sim, "-p", message)
            assert done.returncode == 0, done.stderr
        return sim

    return run


def users(sim: Simulator) -> list[str]:
    messages = sim.chats[-1].json["messages"]
    return [m["content"].splitlines()[0] for m in messages if m["role"] == "user"]


def go_on(person: Sitting) -> None:
    person.see("ask mode · kimi")
    person.type("go on\r")
    person.see("Answer to go on")
    person.settle()
    person.type("\x04")
    assert person.end() == 0


@pytest.mark.parametrize(("columns", "env"), [(60, {}), (100, {"NO_COLOR": "1"})])
def test_the_picker_shows_sessions_and_resumes_the_chosen_one(
    talk: Callable[..., Simulator], sit: Sit, columns: int, env: dict[str, str]
) -> None:
    sim = talk("repair the shop", "修复商店" * 30)
    person = sit(sim, "--resume", columns=columns, env=env)
    text = person.see("Resume which session")
    person.settle()
    assert "修复商店" in text
    assert "¥0." in text
    assert "main" in text
    person.type("shop")
    person.see("修复商店", gone=True)
    person.type("\r")
    person.see("Resume which session", gone=True)
    if not env:
        go_on(person)
    else:
        person.settle()
        person.type("go on\r")
        person.see("Answer to go on")
    assert users(sim) == ["repair the shop", "go on"]


def test_leaving_the_picker_resumes_nothing(talk: Callable[..., Simulator], sit: Sit) -> None:
    sim = talk("repair the shop")
    person = sit(sim, "--resume")
    person.see("Resume which session")
    person.settle()
    person.type("\x1b")
    assert person.end() == ExitCode.INTERRUPTED
    assert len(sim.chats) == 1


def test_a_session_that_is_open_elsewhere_goes_on_in_a_copy(
    talk: Callable[..., Simulator], sit: Sit, repo: Path
) -> None:
    sim = talk("repair the shop")
    journal, _ = Journal.open(find_session(repo))
    person = sit(sim, "-c")
    person.see(r"Go on in a copy of it\? \[Y/n\]")
    person.type("y\r")
    go_on(person)
    journal.close()
    assert users(sim) == ["repair the shop", "go on"]
    assert len(session_files(repo)) == 2
