from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.k2sim import Simulator, call, say, use
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
ESC = "\x1b"
UP, DOWN = "\x1b[A", "\x1b[B"
AUTO = ("--mode", "auto")


def made(content: str) -> object:
    return use(call("write_file", path="made.txt", content=content))


def ask(person: Sitting, message: str, answer: str) -> None:
    person.type(f"{message}\r")
    person.see(answer)
    person.see(r"❯ ?\n|❯ ?$")
    person.settle()


def escape_twice(person: Sitting) -> None:
    person.type(ESC)
    person.settle(0.2)
    person.type(ESC)


@pytest.mark.parametrize(("columns", "env"), [(80, {}), (60, {"NO_COLOR": "1"})])
def test_esc_esc_goes_back_with_the_files_and_offers_the_message_again(
    sit: Sit, k2sim: Sim, repo: Path, columns: int, env: dict[str, str]
) -> None:
    sim = k2sim([made("one"), say("First done."), made("two"), say("Second done."), say("Third done.")])
    person = sit(sim, *AUTO, columns=columns, env=env)
    ask(person, "write one 写一个文件", "First done.")
    ask(person, "write two", "Second done.")
    escape_twice(person)
    text = person.see("Go back to before which message")
    assert "写一个文件" in text
    person.settle()
    person.type("\r")
    person.see("What goes back")
    person.see("made.txt")
    person.settle()
    person.type("\r")
    person.see("conversation and files are as they were")
    text = person.settle()
    assert (repo / "made.txt").read_text() == "one"
    assert "Go back to before" not in text
    assert re.search(r"[❯>] write two", text.split("takes it back")[-1])
    person.type("\x15another\r")
    person.see("Third done.")
    users = [m["content"] for m in sim.chats[-1].json["messages"] if m["role"] == "user"]
    assert [words.split("\n")[0] for words in users] == ["write one 写一个文件", "another"]


def test_a_rewind_of_the_conversation_alone_and_its_undo(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([made("one"), say("First done."), say("Again.")])
    person = sit(sim, *AUTO)
    ask(person, "write one", "First done.")
    person.type("/rewind\r")
    person.see("Go back to before")
    person.settle()
    person.type("\r")
    person.see("What goes back")
    person.settle()
    person.type(DOWN + "\r")
    person.see("files stay")
    person.settle()
    assert (repo / "made.txt").read_text() == "one"
    person.type("\x15/rewind undo\r")
    person.see("the rewind is taken back")
    ask(person, "go on", "Again.")
    roles = [m["role"] for m in sim.chats[-1].json["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


def test_what_the_user_changed_is_asked_about(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([made("one"), say("First done.")])
    person = sit(sim, *AUTO)
    ask(person, "write one", "First done.")
    (repo / "made.txt").write_text("mine now")
    person.type("/rewind\r")
    person.see("Go back to before")
    person.settle()
    person.type("\r")
    person.see("1 file changed by you: made.txt")
    person.settle()
    person.type("\r")
    person.see("keep my changes")
    person.settle()
    person.type("\r")
    person.see("left alone: made.txt: you changed it")
    assert (repo / "made.txt").read_text() == "mine now"


def test_esc_leaves_the_picker_and_nothing_happens(sit: Sit, k2sim: Sim, repo: Path) -> None:
    sim = k2sim([made("one"), say("First done."), say("Second.")])
    person = sit(sim, *AUTO)
    ask(person, "write one", "First done.")
    escape_twice(person)
    person.see("Go back to before")
    person.settle()
    person.type(ESC)
    person.see("Go back to before", gone=True)
    ask(person, "go on", "Second.")
    assert (repo / "made.txt").read_text() == "one"
    assert all(step.extends for step in sim.prefix_report())


def test_fork_goes_on_under_a_new_id(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("One."), say("Two.")])
    person = sit(sim)
    ask(person, "first", "One.")
    person.type("/fork\r")
    text = person.see(r"this is \S+ now")
    old = re.search(r"kcode --resume\s+(\S+)", text)
    assert old is not None
    ask(person, "second", "Two.")
    assert all(step.extends for step in sim.prefix_report())


def test_before_any_message_there_is_nothing_to_go_back_to(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([say("One.")]))
    person.see("ask mode · kimi")
    person.type("/rewind\r")
    person.see("there is no message to go back to")
    person.type("one\r")
    person.see(r"One\.[\s\S]+❯")
    person.type("/clear\r")
    person.see("a new conversation")
    escape_twice(person)
    person.see("there is no message to go back to[\\s\\S]+there is no message to go back to")
