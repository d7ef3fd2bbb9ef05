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
from kcode.ui.look.terminal import Look, look_at, make_console
from kcode.ui.output.plain import PlainRenderer
from kcode.ui.output.render import LiveRenderer, make_renderer
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


def test_only_what_cannot_move_the_cursor_is_plain_and_plain_means_without_colour() -> None:
    terminal = Terminal()
    for stream, environ in (
        (io.StringIO(), {"TERM": "xterm-256color"}),
        (terminal, {"TERM": "dumb"}),
        (terminal, {"TERM": "unknown"}),
        (terminal, {"TERM": ""}),
        (terminal, {}),
    ):
        look = look_at(stream, environ)  # type: ignore[arg-type]
        assert look.plain
        assert not look.colour
    assert Look(plain=True, colour=True) == Look(plain=True, colour=False)


def test_no_color_and_the_theme_none_take_the_colours_and_leave_the_cursor() -> None:
    terminal = Terminal()
    for environ, theme in (({"NO_COLOR": "1"}, "auto"), ({"NO_COLOR": "1"}, "dark"), ({}, "none")):
        look = look_at(terminal, {"TERM": "xterm", **environ}, theme=theme)  # type: ignore[arg-type]
        assert (look.plain, look.colour) == (False, False)
        stream = io.StringIO()
        console = make_console(stream, look, width=80)
        console.print("loud", style="bold red on blue")
        assert stream.getvalue() == "\x1b[1mloud\x1b[0m\n"
    assert look_at(terminal, {"TERM": "xterm", "NO_COLOR": ""}).colour  # type: ignore[arg-type]


def test_a_light_background_is_seen_and_can_be_named() -> None:
    terminal = Terminal()
    assert not look_at(terminal, {"TERM": "xterm", "COLORFGBG": "0;15"}).dark  # type: ignore[arg-type]
    assert look_at(terminal, {"TERM": "xterm", "COLORFGBG": "15;0"}).dark  # type: ignore[arg-type]
    assert not look_at(terminal, {"TERM": "xterm"}, theme="light").dark  # type: ignore[arg-type]


def test_the_renderer_fits_the_terminal() -> None:
    terminal = Terminal()
    assert isinstance(make_renderer(terminal, Look(plain=True)), PlainRenderer)  # type: ignore[arg-type]
    assert isinstance(make_renderer(terminal, Look(plain=False)), LiveRenderer)  # type: ignore[arg-type]
