from __future__ import annotations

import re

import pytest

from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    CallAnswered,
    CallFinished,
    CallProgress,
    CallStarted,
    ReasoningText,
    RequestStarted,
    Steered,
    TodoChanged,
)
from kcode.safety.process import Finished
from kcode.testrun.report import TestCase, report_of
from kcode.tools.base import ToolOutcome
from tests.ui.player import LOOK, Player, turn

LIST = (("read the parser", "done"), ("write 测试", "in_progress"), ("run them", "pending"))


def done(stdout: str, code: int = 0) -> ToolOutcome:
    payload = Finished(code, stdout, "", False, 1.0, 0, None)
    return ToolOutcome(stdout, f"exit {code}", ok=code == 0, payload=payload)


def test_reasoning_moves_in_a_few_lines_and_folds_into_one() -> None:
    player = Player(60).play(*turn())
    for n in range(30):
        player.play(ReasoningText(f"thought number {n}\n"))
    shown = player.shown()
    assert re.fullmatch(r"✻ thinking… 1\.\ds", shown[0])
    assert shown[1:4] == ["  thought number 27", "  thought number 28", "  thought number 29"]
    assert player.terminal.scrollback() == []
    lines = player.play(AnswerText("Done.\n")).end().split("\n")
    assert re.fullmatch(r"✻ thought for 1\.\ds · 530 characters · Ctrl-O shows it", lines[0])
    assert lines[1:3] == ["", "Done."]
    assert "thought number" not in "\n".join(lines)


def test_folded_reasoning_can_be_opened() -> None:
    player = Player(60).play(*turn(ReasoningText("one\ntwo\n"), AnswerText("x")))
    opened = player.details.next(60, LOOK)
    text = "\n".join(opened)
    assert "thought for" in text
    assert "one" in text
    assert "two" in text
    assert player.details.next(60, LOOK) == []


def test_reasoning_can_be_opened_while_it_goes_on() -> None:
    player = Player(60).play(*turn(ReasoningText("Is it the parser? ")))
    assert "Is it the parser?" in "\n".join(player.details.next(60, LOOK))
    player.play(ReasoningText("No."), AnswerText("It is the lexer."))
    assert "Is it the parser? No." in "\n".join(player.details.next(60, LOOK))


def test_reasoning_of_an_answer_that_does_not_count_leaves_no_line() -> None:
    player = Player().play(*turn(ReasoningText("wrong way"), AnswerDiscarded("overloaded", 0.0)))
    player.play(ReasoningText("right way"), AnswerText("Hi."))
    text = player.end()
    assert text.count("thought for") == 1
    assert "what was said above" not in text


def test_reasoning_and_calls_stand_close_together() -> None:
    player = Player(60).play(*turn(ReasoningText("hm"), CallStarted("1", "list_dir", {}, "list .")))
    player.play(CallFinished("1", "list_dir", ToolOutcome("a", "1 entry"), 0.1), ReasoningText("so"))
    lines = player.play(AnswerText("Hi.")).end().split("\n")
    marks = [line[:1] for line in lines[:5]]
    assert marks == ["✻", "✓", "✻", "", "H"]


def test_the_newest_output_of_a_running_command_stands_below_it() -> None:
    player = Player(60).play(*turn(CallStarted("1", "run_command", {}, "$ make")))
    player.play(CallProgress("1", "building a\nbuilding \x1b[31mb\x1b[0m\nbuil"))
    assert player.shown()[1] == "  │ buil"
    player.play(CallProgress("1", "ding c 中文\n\n"))
    assert player.shown()[1] == "  │ building c 中文"
    text = player.play(CallFinished("1", "run_command", done("all"), 3.0)).end()
    assert "building" not in text


def test_the_clock_of_a_call_starts_again_when_the_user_has_answered() -> None:
    player = Player(60).play(*turn(CallStarted("1", "run_command", {}, "$ make")))
    player.now += 600.0
    player.play(CallAnswered("1", 600.0))
    assert re.fullmatch(r"\S \$ make  0\.\ds", player.shown()[0])


def test_a_test_run_counts_what_passed_and_failed() -> None:
    player = Player(60).play(*turn(CallStarted("1", "run_tests", {}, "run all tests")))
    player.play(CallProgress("1", "noise", passed=12, failed=1, total=40))
    assert re.fullmatch(r"\S run all tests  0\.\ds  ✓ 12 ✗ 1 / 40", player.shown()[0])
    player.play(CallProgress("1", "more noise", passed=20, total=40, failed=1))
    assert "✓ 20 ✗ 1 / 40" in player.shown()[0]
    assert "noise" not in "\n".join(player.shown())


def test_a_failed_command_shows_its_last_lines_at_once_and_all_of_them_on_demand() -> None:
    player = Player(60).play(*turn(CallStarted("1", "run_command", {}, "$ make")))
    output = "".join(f"line {n}\n" for n in range(1, 21))
    player.play(CallFinished("1", "run_command", done(output, 2), 3.0))
    lines = player.end().split("\n")
    assert lines[:4] == ["✗ $ make · exit 2 · 3.0s", "  │ line 18", "  │ line 19", "  │ line 20"]
    assert "line 4" not in "\n".join(lines)
    opened = "\n".join(player.details.next(60, LOOK))
    assert "line 4" in opened


def test_a_command_that_worked_shows_its_output_on_demand_only() -> None:
    player = Player(60).play(*turn(CallStarted("1", "run_command", {}, "$ make")))
    player.play(CallFinished("1", "run_command", done("wonderful"), 3.0))
    assert "wonderful" not in player.end()
    assert "wonderful" in "\n".join(player.details.next(60, LOOK))


def test_a_failed_test_run_names_its_first_failures() -> None:
    cases = [TestCase(f"test_a.py::test_{n}", "failed", message=f"AssertionError: {n}") for n in range(5)]
    outcome = ToolOutcome("", "5 failed", ok=False, payload=report_of(cases))
    player = Player().play(*turn(CallStarted("1", "run_tests", {}, "run all tests")))
    lines = player.play(CallFinished("1", "run_tests", outcome, 2.0)).end().split("\n")
    assert lines[1:4] == [f"  │ test_a.py::test_{n}: AssertionError: {n}" for n in range(3)]
    assert "test_3" not in "\n".join(lines)
    assert "test_4" in "\n".join(player.details.next(80, LOOK))


def test_the_todo_list_stays_in_place_and_is_written_once() -> None:
    player = Player(60).play(*turn(TodoChanged(LIST[:2]), AnswerText("Working.\n\n"), TodoChanged(LIST)))
    assert player.shown()[-5:-1] == ["To-do · 1 of 3 done", "✓ read the parser", "● write 测试", "○ run them"]
    assert player.shown().count("To-do · 1 of 3 done") == 1
    player.play(TodoChanged((LIST[0], ("write 测试", "done"), LIST[2])), AnswerText("More.\n\n"))
    text = player.end()
    assert text.count("To-do") == 1
    assert "To-do · 2 of 3 done\n✓ read the parser\n✓ write 测试\n○ run them" in text


def test_a_todo_list_that_is_completed_is_written_then_and_there() -> None:
    player = Player(60).play(*turn(TodoChanged(LIST)))
    player.play(TodoChanged(tuple((text, "done") for text, _status in LIST)), AnswerText("All done.\n\n"))
    assert "To-do · 3 of 3 done" in player.shown()[0]
    assert player.end().count("To-do") == 1


def test_changing_the_todo_list_takes_no_line_of_its_own() -> None:
    player = Player(60).play(*turn(CallStarted("1", "update_todo", {}, "update the to-do list")))
    player.play(CallFinished("1", "update_todo", ToolOutcome("", "1 of 3 done"), 0.1), TodoChanged(LIST))
    text = player.end()
    assert "update the to-do list" not in text
    assert "● write 测试" in text


def test_a_todo_list_that_was_refused_says_so() -> None:
    player = Player(60).play(*turn(CallStarted("1", "update_todo", {}, "update the to-do list")))
    player.play(CallFinished("1", "update_todo", ToolOutcome("", "no items", ok=False), 0.1))
    assert "✗ update the to-do list · no items" in player.end()


def test_a_long_todo_list_is_collapsed_to_what_matters_now() -> None:
    items = [(f"step {n}", "done") for n in range(10)]
    items += [("step 10", "in_progress"), *((f"step {n}", "pending") for n in range(11, 25))]
    player = Player(60, 30).play(*turn(TodoChanged(tuple(items))))
    shown = player.shown()[:-1]
    assert len(shown) == 9
    assert shown[:3] == ["To-do · 10 of 25 done", "✓ 10 done", "● step 10"]
    assert shown[-1] == "  … 9 more"


def test_a_message_that_steers_the_turn_is_shown_where_it_came() -> None:
    player = Player(60).play(*turn(AnswerText("First.\n\nSec")), Steered("rather\x1b[2J use tabs"))
    lines = player.play(RequestStarted(2, 1), AnswerText("Tabs.")).end().split("\n")
    assert lines[:7] == ["First.", "", "Sec", "", "↳ rather use tabs", "", "Tabs."]


def test_a_silence_is_told_after_a_while() -> None:
    player = Player(60).play(*turn())
    assert "nothing from" not in "\n".join(player.shown())
    assert "nothing from the model for 14s · 14s · Esc interrupts" in player.wait(14).shown()[-1]
    assert "nothing from" not in player.play(AnswerText("Hi")).shown()[-1]


def test_a_call_that_takes_long_is_no_silence() -> None:
    player = Player(60).play(*turn(CallStarted("1", "run_command", {}, "$ make"))).wait(60)
    assert "working · 1m 00s" in player.shown()[-1]


def test_more_calls_at_once_than_there_is_room_for_are_counted() -> None:
    player = Player(60, 24).play(*turn(*(CallStarted(str(n), "grep", {}, f"grep {n}") for n in range(12))))
    assert player.shown()[0] == "⇉ 12 calls at once"
    assert "  … and 5 more" in player.shown()
    for n in reversed(range(12)):
        player.play(CallFinished(str(n), "grep", ToolOutcome("", "no match"), 0.1))
    lines = player.end().split("\n")
    assert lines[1:13] == [f"  ✓ grep {n} · no match · 0.1s" for n in range(12)]


@pytest.mark.parametrize("columns", [200, 60, 20])
def test_every_part_of_a_turn_fits_any_pane(columns: int) -> None:
    player = Player(columns, 12)
    player.play(
        *turn(
            ReasoningText("很长的思考" * 40),
            TodoChanged((("很长的待办事项" * 10, "in_progress"), ("👨‍👩‍👧" * 20, "pending"))),
            CallStarted("1", "grep", {}, "grep " + "宽" * 100),
            CallStarted("2", "run_tests", {}, "run " + "👍🏽" * 50),
            CallProgress("2", "输出" * 100),
            CallProgress("2", passed=1, failed=2, total=30),
            CallFinished("1", "grep", ToolOutcome("", "没有匹配" * 20, ok=False), 0.1),
            CallFinished("2", "run_tests", done("行\n" * 50, 1), 100.0),
            Steered("改用制表符" * 30),
            AnswerText("好。"),
        )
    )
    player.end()
    assert all("\n" not in line for line in player.terminal.lines())
    assert max(len(frame) for frame in player.terminal.raw) < 20_000
