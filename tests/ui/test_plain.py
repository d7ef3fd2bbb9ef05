from __future__ import annotations

import io

from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    CallFinished,
    CallStarted,
    Notice,
    ReasoningText,
    TurnFinished,
    TurnStarted,
    WaitingToSend,
)
from kcode.tools.base import ToolOutcome
from kcode.ui.plain import PlainRenderer
from kcode.ui.render import LiveRenderer, make_renderer
from kcode.ui.terminal import Look, look_at
from tests.ui.screen import Terminal


def test_text_streams_as_it_comes_without_control_sequences() -> None:
    stream = io.StringIO()
    renderer = PlainRenderer(stream)
    for event in (
        TurnStarted("go"),
        ReasoningText("hm"),
        AnswerText("**Hi"),
        AnswerText("** there"),
        CallStarted("1", "grep", {}, "grep x"),
        CallFinished("1", "grep", ToolOutcome("", "2 matches"), 0.1),
        AnswerText("Do\x1b[31mne\r"),
        AnswerText("\n."),
        AnswerDiscarded("overloaded", 2.0),
        Notice("warning", "careful"),
        TurnFinished("answered", "", 1),
    ):
        renderer.handle(event)
    renderer.close()
    assert stream.getvalue().split("\n")[:-2] == [
        "hm",
        "",
        "**Hi** there",
        "",
        "[ok] grep x: 2 matches (0.1s)",
        "",
        "Done",
        ".",
        "",
        "[overloaded; trying again in 2s]",
        "[warning] careful",
        "",
    ]


def test_what_a_request_is_held_back_for_is_said_once() -> None:
    stream = io.StringIO()
    renderer = PlainRenderer(stream)
    why = "the account allows 3 requests a minute"
    for event in (TurnStarted("go"), WaitingToSend(19.6, why), WaitingToSend(12.0, why), AnswerText("Hi.")):
        renderer.handle(event)
    renderer.close()
    assert stream.getvalue().split("\n") == [f"[waiting 20s: {why}]", "", "Hi.", ""]


def test_pipes_dumb_terminals_and_no_color_get_plain_text() -> None:
    terminal = Terminal()
    assert look_at(io.StringIO(), {"TERM": "xterm-256color"}).plain  # type: ignore[arg-type]
    assert look_at(terminal, {"TERM": "dumb"}).plain  # type: ignore[arg-type]
    assert look_at(terminal, {"TERM": "xterm", "NO_COLOR": "1"}).plain  # type: ignore[arg-type]
    assert look_at(terminal, {"TERM": "xterm"}, theme="none").plain  # type: ignore[arg-type]
    assert not look_at(terminal, {"TERM": "xterm", "NO_COLOR": ""}).plain  # type: ignore[arg-type]


def test_a_light_background_is_seen_and_can_be_named() -> None:
    terminal = Terminal()
    assert not look_at(terminal, {"TERM": "xterm", "COLORFGBG": "0;15"}).dark  # type: ignore[arg-type]
    assert look_at(terminal, {"TERM": "xterm", "COLORFGBG": "15;0"}).dark  # type: ignore[arg-type]
    assert not look_at(terminal, {"TERM": "xterm"}, theme="light").dark  # type: ignore[arg-type]


def test_the_renderer_fits_the_terminal() -> None:
    terminal = Terminal()
    assert isinstance(make_renderer(terminal, Look(plain=True)), PlainRenderer)  # type: ignore[arg-type]
    assert isinstance(make_renderer(terminal, Look(plain=False)), LiveRenderer)  # type: ignore[arg-type]
