"""``kcode commit`` and ``kcode review`` as commands, with somebody at the terminal."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from kcode.errors import ExitCode
from tests.gitwork.conftest import Project
from tests.gitwork.test_review_command import finding, found
from tests.gitwork.test_session_commands import editor
from tests.k2sim import Chunking, Simulator, say
from tests.ui.sitting import Sitting

Sim = Callable[..., Simulator]
Sit = Callable[..., Sitting]


def test_a_person_reads_edits_and_commits(sit: Sit, k2sim: Sim, project: Project, tmp_path: Path) -> None:
    project.stage("cart.py", "items = []\n")
    env = editor(tmp_path, 'sed -i "1s/.*/Add the cart/" "$1"')
    person = sit(k2sim([say("Add a cart")]), "commit", env=env, rows=40)
    text = person.see(r"Commit this\?  y yes  e edit the message  r redraft with a hint  n no:")
    assert "cart.py | 1 +" in text
    person.type("e\r")
    person.see(r"Add the cart[\s\S]*Commit this\?")
    person.type("y\r")
    person.see(r"\[main [0-9a-f]{7,}\] Add the cart")
    assert person.end() == 0
    assert project.message() == "Add the cart"


def test_an_emptied_message_gives_up(sit: Sit, k2sim: Sim, project: Project, tmp_path: Path) -> None:
    project.stage("cart.py", "items = []\n")
    before = project.state()
    person = sit(k2sim([say("Add a cart")]), "commit", env=editor(tmp_path, ': > "$1"'))
    person.see(r"Commit this\?")
    person.type("e\r")
    person.see("the message is empty")
    assert person.end() == ExitCode.NOT_ACHIEVED
    assert project.state() == before


def test_ctrl_c_at_the_question_and_while_drafting_leaves_everything(
    sit: Sit, k2sim: Sim, project: Project
) -> None:
    project.stage("cart.py", "items = []\n")
    project.write("more.py", "x = 1\n")
    before = project.state()
    slow = k2sim([say("Add a cart " * 200, chunking=Chunking(delay_ms=200))])
    drafting = sit(slow, "commit", "--all")
    drafting.see("drafting the message")
    while not slow.chats:
        time.sleep(0.05)
    drafting.type("\x03")
    assert drafting.end() == ExitCode.INTERRUPTED
    asking = sit(k2sim([say("Add a cart")]), "commit", "--all")
    asking.see(r"Commit this\?")
    asking.type("\x03")
    assert asking.end() == ExitCode.INTERRUPTED
    assert project.state() == before
    assert not (project.root / ".git" / "index.lock").exists()


def test_an_end_while_a_hook_runs_leaves_index_and_head(
    sit: Sit, k2sim: Sim, project: Project, tmp_path: Path
) -> None:
    project.write("more.py", "x = 1\n")
    project.hook("pre-commit", f"touch '{tmp_path}/hook'; sleep 60\n")
    before = project.state()
    person = sit(k2sim([say("Add more")]), "commit", "--all")
    person.see(r"Commit this\?")
    person.type("y\r")
    while not (tmp_path / "hook").exists():
        time.sleep(0.05)
    os.kill(person.process.pid, signal.SIGINT)
    assert person.end() == ExitCode.INTERRUPTED
    assert project.state() == before
    assert not (project.root / ".git" / "index.lock").exists()
    assert (project.root / ".git" / "KCODE_EDITMSG").read_text() == "Add more\n"


def test_a_key_is_asked_about_where_somebody_is_there(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.stage("settings.py", 'API_KEY = "sk-Zk3vQ9xT7mB2wL5pR8nYaJ4cHdE6fGuS"\n')
    sim = k2sim([])
    person = sit(sim, "commit", rows=40)
    person.see(r"settings\.py:1: API key: sk-Z\.\.\.uS[\s\S]*Go on anyway\?")
    person.type("n\r")
    assert person.end() == ExitCode.NOT_ACHIEVED
    assert not sim.chats


def test_a_review_is_read_on_a_narrow_terminal(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.write("shop.py", "def total(prices):\n    return sum(prices[:-1])\n")
    sim = k2sim([found(finding(problem="最后一个价格丢了 — the last price is dropped, always."))])
    person = sit(sim, "review", columns=60, rows=40)
    text = person.see(r"1\s+file looked at, 1\s+finding")
    assert "1  high  shop.py:2" in text
    assert "最后一个价格丢了" in text
    assert "return sum(prices)" in text
    assert person.end() == 0
