"""The commands that work on the repository, in the session, as somebody sits in front of it."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path

from tests.gitwork.conftest import Project
from tests.gitwork.test_review_command import finding, found
from tests.k2sim import Chunking, Simulator, call, say, use
from tests.ui.sitting import Sitting

Sim = Callable[..., Simulator]
Sit = Callable[..., Sitting]
PAUSED = 0.6  # longer than a person pauses between two keys, so that a key counts as an answer


def answer(person: Sitting, question: str, key: str) -> None:
    person.see(question)
    person.settle(PAUSED)
    person.type(key)


def last_user(sim: Simulator) -> str:
    users = [m["content"] for m in sim.chats[-1].json["messages"] if m["role"] == "user"]
    return str(users[-1])


def editor(folder: Path, body: str) -> dict[str, str]:
    script = folder / "editor.sh"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return {"GIT_EDITOR": str(script), "EDITOR": str(script), "VISUAL": str(script)}


def test_commit_after_a_yes_and_the_model_is_told(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.stage("cart.py", "items = []\n")
    sim = k2sim([say("Add a cart"), say("I see.")])
    person = sit(sim, rows=40)
    person.see("ask mode")
    person.type("/commit\r")
    answer(person, r"Commit this\?", "y")
    person.see(r"\[main [0-9a-f]{7,}\] Add a cart")
    assert project.message() == "Add a cart"
    person.type("what now\r")
    person.see("I see")
    assert "The user committed cart.py" in last_user(sim)


def test_no_commits_nothing(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.stage("cart.py", "items = []\n")
    before = project.state()
    person = sit(k2sim([say("Add a cart")]), rows=40)
    person.see("ask mode")
    person.type("/commit\r")
    answer(person, r"Commit this\?", "n")
    person.see("nothing was committed")
    assert project.state() == before


def test_a_redraft_takes_the_hint(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.stage("cart.py", "items = []\n")
    sim = k2sim([say("Add a cart"), say("Add an empty cart for the shop")])
    person = sit(sim, rows=40)
    person.see("ask mode")
    person.type("/commit\r")
    answer(person, r"Commit this\?", "r")
    person.see("what should the message say")
    person.type("say that it is empty\r")
    person.see("Add an empty cart for the shop")
    answer(person, r"Commit this\?", "y")
    person.see(r"\] Add an empty cart")
    assert "say that it is empty" in last_user(sim)
    assert project.message() == "Add an empty cart for the shop"


def test_the_message_is_edited_in_gits_own_editor(
    sit: Sit, k2sim: Sim, project: Project, tmp_path: Path
) -> None:
    project.stage("cart.py", "items = []\n")
    env = editor(tmp_path, 'sed -i "1s/.*/Add 购物车/" "$1"')
    person = sit(k2sim([say("Add a cart\n\nBecause.")]), rows=40, env=env)
    person.see("ask mode")
    person.type("/commit\r")
    answer(person, r"Commit this\?", "e")
    person.see("Add 购物车")
    answer(person, r"Commit this\?[\s\S]*", "y")
    person.see(r"\] Add 购物车")
    assert project.message() == "Add 购物车\n\nBecause."


def test_an_editor_that_is_killed_decides_nothing(
    sit: Sit, k2sim: Sim, project: Project, tmp_path: Path
) -> None:
    project.stage("cart.py", "items = []\n")
    before = project.state()
    env = editor(tmp_path, f"touch {tmp_path}/open; sleep 60")
    person = sit(k2sim([say("Add a cart")]), rows=40, env=env)
    person.see("ask mode")
    person.type("/commit\r")
    answer(person, r"Commit this\?", "e")
    while not (tmp_path / "open").exists():
        time.sleep(0.05)
    person.type("\x03")
    person.see("the editor ended with an error")
    assert project.state() == before
    answer(person, r"message is as it was[\s\S]*Commit this\?", "n")
    person.see("nothing was committed")
    assert project.state() == before


def test_an_interrupt_while_drafting_changes_nothing(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.stage("cart.py", "items = []\n")
    before = project.state()
    sim = k2sim([say("Add a cart " * 200, chunking=Chunking(delay_ms=200))])
    person = sit(sim, rows=40)
    person.see("ask mode")
    person.type("/commit\r")
    person.see("drafting the message")
    while not sim.chats:
        time.sleep(0.05)
    person.type("\x1b")
    person.see("nothing was committed")
    assert project.state() == before


def test_with_nothing_staged_files_are_picked(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.write("a.py", "a = 1\n")
    project.write("docs/b.md", "b\n")
    project.write("docs/c.md", "c\n")
    person = sit(k2sim([say("Document b and c")]), rows=40)
    person.see("ask mode")
    person.type("/commit\r")
    answer(person, r"Commit what\?", "p")
    person.see("numbers or folders")
    person.type("docs/\r")
    answer(person, r"Commit this\?", "y")
    person.see(r"\] Document b and c")
    assert project.git("status", "--short") == "?? a.py"


def test_a_hook_that_says_no_is_shown_and_the_choice_is_unstaged_again(
    sit: Sit, k2sim: Sim, project: Project
) -> None:
    project.write("a.py", "a = 1\n")
    project.hook("pre-commit", "echo the linter is angry; exit 1\n")
    before = project.state()
    person = sit(k2sim([say("Add a")]), rows=40)
    person.see("ask mode")
    person.type("/commit\r")
    answer(person, r"Commit what\?", "a")
    answer(person, r"Commit this\?", "y")
    person.see("the linter is angry")
    person.see(r"git commit -F \.git/KCODE_EDITMSG")
    assert project.state() == before
    assert (project.root / ".git" / "KCODE_EDITMSG").read_text() == "Add a\n"


def test_findings_join_the_conversation(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.write("shop.py", "def total(prices):\n    return sum(prices[:-1])\n")
    low = finding(severity="low", problem="Nobody reads this.")
    sim = k2sim([found(finding(), low), say("I mend the second.")])
    person = sit(sim, rows=40)
    person.see("ask mode")
    person.type("/review\r")
    text = person.see(r'"fix 2" means the second')
    assert "shop.py:2" in text
    assert text.index("The last price is dropped.") < text.index("Nobody reads this.")
    person.type("fix 2\r")
    person.see("I mend the second")
    assert "2. [low] shop.py:2: Nobody reads this." in last_user(sim)


def test_the_test_result_goes_with_the_next_message(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.write(
        "test_shop.py", "from shop import total\n\n\ndef test_total():\n    assert total([1]) == 2\n"
    )
    sim = k2sim([say("The test is wrong.")])
    person = sit(sim, rows=40)
    person.see("ask mode")
    person.type("/test\r")
    text = person.see(r"1 failed in")
    assert "test_shop.py::test_total" in text
    assert "expected 2, got 1" in text
    person.type("why\r")
    person.see("The test is wrong")
    assert "FAILED test_shop.py::test_total" in last_user(sim)


def test_a_repair_is_approved_undone_and_told(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.stage("shop.py", "def total(prices):\n    return sum(prices) - 1\n")
    project.stage(
        "test_shop.py", "from shop import total\n\n\ndef test_total():\n    assert total([1]) == 1\n"
    )
    project.git("commit", "-qm", "a bug")
    broken = (project.root / "shop.py").read_text()
    edit = {"old_text": "sum(prices) - 1", "new_text": "sum(prices)"}
    sim = k2sim(
        [
            use(call("edit_file", path="shop.py", edits=[edit])),
            say("One was subtracted. It is not any more."),
            say("Good."),
        ]
    )
    person = sit(sim, rows=50)
    person.see("ask mode")
    person.type("/fix\r")
    answer(person, r"Apply this patch\?", "y")
    person.see("applied to shop.py")
    assert "- 1" not in (project.root / "shop.py").read_text()
    person.type("thanks\r")
    person.see(r"Good\.")
    assert "The user ran /fix. A patch passes" in last_user(sim)
    assert "+    return sum(prices)" in last_user(sim)
    person.type("/undo\r")
    person.see("restored shop.py")
    assert (project.root / "shop.py").read_text() == broken


def test_a_plan_is_carried_out_only_when_it_is_accepted(sit: Sit, k2sim: Sim, project: Project) -> None:
    write = call("write_file", path="cart.py", content="items = []\n")
    sim = k2sim([say("1. Write cart.py"), say("1. Write cart.py, empty"), use(write), say("Done.")])
    person = sit(sim, rows=40)
    person.see("ask mode")
    person.type("/plan make a cart\r")
    person.see("keep planning")
    person.settle(PAUSED)
    person.type("\r")
    person.see("keep planning", gone=True)
    person.see("plan mode")
    person.type("it should be empty\r")
    person.see(r"Write cart.py, empty[\s\S]*carry it out, edits accepted")
    person.settle(PAUSED)
    person.type("\x1b[B\r")
    person.see(r"Done\.")
    person.see("edits mode")
    assert (project.root / "cart.py").read_text() == "items = []\n"
    told = [m["content"] for m in sim.chats[-1].json["messages"] if m["role"] == "user"][-1]
    assert "I accept this plan." in told
    assert "1. Write cart.py, empty" in told


def test_an_edited_plan_is_the_one_that_counts(
    sit: Sit, k2sim: Sim, project: Project, tmp_path: Path
) -> None:
    env = editor(tmp_path, 'echo "2. Test it" >> "$1"')
    sim = k2sim([say("1. Write cart.py"), say("Yes.")])
    person = sit(sim, rows=40, env=env)
    person.see("ask mode")
    person.type("/plan make a cart\r")
    person.see("edit the plan first")
    person.settle(PAUSED)
    person.type("\x1b[B\x1b[B\x1b[B\r")
    person.see(r"2\. Test it[\s\S]*keep planning")
    person.settle(PAUSED)
    person.type("\x1b[B\x1b[B\r")
    person.see(r"Yes\.")
    assert "1. Write cart.py\n2. Test it" in last_user(sim)


def test_init_tells_the_facts_and_writes_with_approval(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.write("pyproject.toml", '[project]\nname = "shop"\nrequires-python = ">=3.11"\n[tool.ruff]\n')
    write = call("write_file", path="AGENTS.md", content="# Shop\n\nTests: `pytest`.\n")
    sim = k2sim([use(write), say("It says how to test.")])
    person = sit(sim, rows=50)
    person.see("ask mode")
    person.type("/init\r")
    answer(person, r"Apply this\?", "y")
    person.see("It says how to test")
    assert (project.root / "AGENTS.md").read_text() == "# Shop\n\nTests: `pytest`.\n"
    assert "- Python >=3.11 [pyproject.toml]" in json.dumps(sim.chats[0].json, ensure_ascii=False)
    assert "There is none yet" in last_user(sim)


def test_init_improves_what_is_there(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.stage("AGENTS.md", "# Shop\n")
    sim = k2sim([say("Nothing to improve.")])
    person = sit(sim, rows=50)
    person.see("ask mode")
    person.type("/init\r")
    person.see("Nothing to improve")
    assert "Do not replace it as a whole" in last_user(sim)


def test_init_with_the_embedded_model_writes_what_is_certain(
    sit: Sit, k2sim: Sim, project: Project, tmp_path: Path
) -> None:
    weights = tmp_path / "tiny.gguf"
    weights.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    project.write("pyproject.toml", '[project]\nname = "shop"\nrequires-python = ">=3.11"\n')
    more = {"KCODE_PROVIDER": "embedded", "KCODE_EMBEDDED__MODEL": str(weights), "KCODE_MODEL": ""}
    person = sit(k2sim([]), rows=50, env=more)
    person.see("ask mode")
    person.type("/init\r")
    answer(person, r"Write it\?", "y")
    person.see("AGENTS.md is written")
    assert "- Python >=3.11 [pyproject.toml]\n" in (project.root / "AGENTS.md").read_text()
    person.type("/init\r")
    person.see("too small to improve")


def test_a_dumb_terminal_takes_the_answer_to_a_plan_as_a_line(sit: Sit, k2sim: Sim, project: Project) -> None:
    sim = k2sim([say("1. Write cart.py"), say("Carried out.")])
    person = sit(sim, rows=40, columns=160, env={"TERM": "dumb"})
    person.see(">|❯")
    person.type("/plan make a cart\r")
    person.see(r"1 keep planning  2 carry it out, edits accepted")
    person.settle(PAUSED)
    person.type("2\r")
    person.see("Carried out")
    assert "I accept this plan." in last_user(sim)


def test_what_commands_ask_is_in_the_sessions_cost_and_not_in_its_context(
    sit: Sit, k2sim: Sim, project: Project
) -> None:
    project.write("shop.py", "def total(prices):\n    return sum(prices[:-1])\n")
    sim = k2sim([found(), say("Hello.")])
    person = sit(sim, rows=40)
    person.see("ask mode")
    person.type("/review\r")
    person.see("nothing was found")
    person.type("/cost\r")
    person.see(r"requests +1\b")
    person.type("hello\r")
    person.see(r"Hello\.")
    assert "prices[:-1]" not in json.dumps(sim.chats[-1].json["messages"])
