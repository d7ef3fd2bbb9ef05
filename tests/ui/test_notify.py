from __future__ import annotations

import io
from typing import Any

import pytest

from kcode.config.layers import build
from kcode.ui.look.terminal import Look
from kcode.ui.output.notify import turn_ended
from tests.ui.screen import Terminal

XTERM = {"TERM": "xterm-256color"}


def rung(
    seconds: float = 60,
    focused: bool | None = None,
    env: dict[str, str] = XTERM,
    plain: bool = False,
    **ui: Any,
) -> str:
    terminal = Terminal()
    settings = build({f"ui.{name}": value for name, value in ui.items()})
    turn_ended(terminal, Look(plain=plain), seconds, settings, focused, project="shop", environ=env)
    return "".join(terminal.raw)


def test_a_long_turn_rings_and_names_the_project() -> None:
    assert rung(75) == "\x1b]9;kcode · shop: the turn has ended after 1m 15s\x1b\\\x07"


def test_a_short_turn_does_not_ring() -> None:
    assert rung(19.9) == ""
    assert rung(19.9, notify_after_s=5.0) != ""


def test_who_looks_at_the_terminal_is_left_alone() -> None:
    assert rung(focused=True) == ""
    assert rung(focused=False) != ""


def test_the_settings_have_the_last_word() -> None:
    assert rung(notify="bell") == "\x07"
    assert rung(notify="off") == ""
    assert rung(9_999, notify_after_s=0.0) == ""


def test_inside_tmux_the_notification_is_handed_through() -> None:
    text = rung(env={"TERM": "tmux-256color", "TMUX": "/run/tmux,1,0"})
    assert text.startswith("\x1bPtmux;\x1b\x1b]9;kcode · shop: ")
    assert text.endswith("\x1b\x1b\\\x1b\\\x07")


@pytest.mark.parametrize(
    ("env", "begins"),
    [
        ({"TERM": "xterm-kitty"}, "\x1b]99;"),
        ({"TERM": "foot"}, "\x1b]777;notify;kcode · shop;"),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, "\x1b]777;notify;"),
        ({"TERM": "linux"}, "\x07"),
        ({"TERM": "screen-256color"}, "\x07"),
    ],
)
def test_each_terminal_gets_what_it_understands(env: dict[str, str], begins: str) -> None:
    assert rung(env=env).startswith(begins)


def test_pipes_and_dumb_terminals_hear_nothing() -> None:
    assert rung(plain=True) == ""
    stream = io.StringIO()
    turn_ended(stream, Look(plain=False), 60, build({}), None, environ=XTERM)
    assert stream.getvalue() == ""


def test_a_folders_name_cannot_smuggle_a_sequence() -> None:
    terminal = Terminal()
    name = "a\x1b]0;owned\x07;b\n"
    turn_ended(terminal, Look(plain=False), 60, build({}), None, project=name, environ=XTERM)
    text = "".join(terminal.raw)
    assert text.count("\x1b") == 2
    assert text.count("\x07") == 1
    assert text.count(";") == 1
