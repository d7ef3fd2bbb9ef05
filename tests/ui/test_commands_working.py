"""Commands that only look, typed while the model works."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kcode.ui.commands.table import COMMANDS
from tests.k2sim import Chunking, Simulator, say
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
READY = r"ask mode · kimi"
LOOKING = {"help", "mode", "status", "context", "cache", "diff", "export", "copy", "permissions", "exit"}


@pytest.fixture
def working(sit: Sit, k2sim: Sim) -> Sitting:
    """The model has said something and goes on for long."""
    slow = say("begun " + "word " * 4_000 + "the end", chunking=Chunking(delay_ms=50))
    person = sit(k2sim([say("First answer."), slow]), rows=60, columns=120)
    person.see(READY)
    person.type("one\r")
    person.see(r"First answer\.")
    person.settle()
    person.type("two\r")
    person.see("begun word")
    return person


def test_commands_that_only_look_may_run_beside_a_turn_and_those_that_change_the_conversation_may_not() -> (
    None
):
    beside = {command.name for command in COMMANDS if command.while_working}
    assert beside >= LOOKING
    assert not beside & {"undo", "redo", "rewind", "clear", "compact", "fork", "resume", "model", "provider"}


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("/status", r"schema accuracy"),
        ("/help undo", r"for example: /undo"),
        ("/permissions", r"a deny of any layer decides"),
        ("/export talk.md", r"written to"),
        ("/copy", r"copied 13 characters"),
        ("/context", r"answer's reserve"),
    ],
)
def test_a_command_that_only_looks_answers_while_the_model_works(
    working: Sitting, command: str, shown: str
) -> None:
    working.type(f"{command}\r")
    text = working.see(shown)
    assert "the end" not in text
    working.type("\x1b")
    working.see("interrupted")


def test_exit_while_the_model_works_leaves_at_once(working: Sitting) -> None:
    working.type("/exit\r")
    assert working.end() == 0
    assert "the end" not in working.terminal.text()
