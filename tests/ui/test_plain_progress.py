from __future__ import annotations

import io

from kcode.agent.events import (
    CallAnswered,
    CallFinished,
    CallProgress,
    CallStarted,
    Steered,
    TodoChanged,
    TurnFinished,
    TurnStarted,
)
from kcode.safety.process import Finished
from kcode.tools.base import ToolOutcome
from kcode.ui.output.plain import PlainRenderer


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_long_call_is_told_about_every_ten_seconds_and_no_more() -> None:
    stream, clock = io.StringIO(), Clock()
    renderer = PlainRenderer(stream, clock=clock)
    renderer.handle(CallStarted("1", "run_command", {}, "$ make"))
    for second in range(1, 36):
        clock.now = float(second)
        renderer.handle(CallProgress("1", f"line {second}\n"))
        renderer.paint()
    assert stream.getvalue().splitlines() == [
        f"[running] $ make: {second}, line {second.removesuffix('s')}" for second in ("10s", "20s", "30s")
    ]


def test_a_test_run_is_counted_in_words() -> None:
    stream, clock = io.StringIO(), Clock()
    renderer = PlainRenderer(stream, clock=clock)
    renderer.handle(CallStarted("1", "run_tests", {}, "run all tests"))
    renderer.handle(CallProgress("1", "noise", passed=12, failed=1, total=40))
    clock.now = 12.0
    renderer.paint()
    assert stream.getvalue() == "[running] run all tests: 12s, 12 passed, 1 failed, of 40\n"


def test_a_short_call_is_told_once() -> None:
    stream, clock = io.StringIO(), Clock()
    renderer = PlainRenderer(stream, clock=clock)
    renderer.handle(CallStarted("1", "grep", {}, "grep x"))
    clock.now = 9.0
    renderer.paint()
    renderer.handle(CallFinished("1", "grep", ToolOutcome("", "no match"), 9.0))
    clock.now = 50.0
    renderer.paint()
    assert stream.getvalue() == "[ok] grep x: no match (9.0s)\n"


def test_the_todo_list_is_a_line_per_change_and_a_list_at_the_end() -> None:
    stream = io.StringIO()
    renderer = PlainRenderer(stream)
    renderer.handle(CallFinished("1", "update_todo", ToolOutcome("", "0 of 2 done"), 0.1))
    renderer.handle(TodoChanged((("read", "in_progress"), ("write", "pending"))))
    renderer.handle(TodoChanged((("read", "done"), ("write", "in_progress"))))
    renderer.handle(TurnFinished("answered", "", 1))
    renderer.close()
    assert stream.getvalue().splitlines()[:-2] == [
        "[To-do · 0 of 2 done: read]",
        "[To-do · 1 of 2 done: write]",
        "",
        "[To-do · 1 of 2 done]",
        "  [x] read",
        "  [>] write",
    ]


def test_a_failed_command_shows_its_last_lines_and_a_steering_message_is_told() -> None:
    stream = io.StringIO()
    renderer = PlainRenderer(stream)
    finished = Finished(2, "a\nb\nc\nd\n", "", False, 1.0, 0, None)
    renderer.handle(CallStarted("1", "run_command", {}, "$ make"))
    outcome = ToolOutcome("", "exit 2", ok=False, payload=finished)
    renderer.handle(CallFinished("1", "run_command", outcome, 1.0))
    renderer.handle(Steered("use\x1b[2J tabs"))
    assert stream.getvalue().splitlines() == [
        "[failed] $ make: exit 2 (1.0s)",
        "  | b",
        "  | c",
        "  | d",
        "",
        "[you] use␛[2J tabs",
    ]


def test_the_clock_of_a_call_and_of_its_turn_stands_still_while_the_user_is_asked() -> None:
    stream, clock = io.StringIO(), Clock()
    renderer = PlainRenderer(stream, clock=clock)
    renderer.handle(TurnStarted("go"))
    renderer.handle(CallStarted("1", "run_command", {}, "$ make"))
    clock.now = 3600.0
    renderer.handle(CallAnswered("1", 3599.0))
    clock.now = 3612.0
    renderer.paint()
    assert "[running] $ make: 12s" in stream.getvalue()
    renderer.handle(TurnFinished("done", "Done.", 1))
    assert "13s" in stream.getvalue().splitlines()[-1]
