from __future__ import annotations

import re

import pytest
from rich.text import Text

from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    CallFinished,
    CallStarted,
    Event,
    Notice,
    ReasoningText,
    TurnFinished,
    WaitingToSend,
)
from kcode.errors import LimitReached
from kcode.tools.base import ToolOutcome
from kcode.ui.look.terminal import CONTROL_SEQUENCE, Look
from kcode.ui.output.markdown import Drawer
from kcode.ui.stage.live import FRAME_BEGIN
from tests.ui.player import Player, turn

ANSWER = """\
# The bug

`average` divides by **one too many**, which is plain once you look at the last line of the function body.

1. Read the test.
2. 第三项：中文字符宽度测试，这一行很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长很长
3. Party 🎉 done.

```python
def average(values):
    return sum(values) / len(values)
```

| Name | 宽度 |
|---|---|
| a | 1 |

<div>shown as written</div>

The end.
"""


def streamed(text: str, size: int = 3) -> list[Event]:
    return [AnswerText(text[i : i + size]) for i in range(0, len(text), size)]


@pytest.mark.parametrize("columns", [80, 60, 33])
@pytest.mark.parametrize("rows", [24, 8])
def test_every_part_of_the_answer_is_in_the_scrollback_exactly_once(columns: int, rows: int) -> None:
    text = Player(columns, rows).play(*turn(*streamed(ANSWER))).end()
    for part in ("The bug", "Read the test", "Party 🎉 done", "def average", "宽度测试", "The end.", "shown"):
        assert text.count(part) == 1, f"{part!r} in:\n{text}"
    flat = "".join(text.split())
    assert flat.count("很") == ANSWER.count("很")


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_result_does_not_depend_on_how_the_text_was_cut(size: int) -> None:
    whole = Player().play(*turn(*streamed(ANSWER, 10_000))).end()
    assert _without_time(Player().play(*turn(*streamed(ANSWER, size))).end()) == _without_time(whole)


def _without_time(text: str) -> str:
    return re.sub(r"[\d.]+s\b", "", text)


def test_lines_above_the_live_region_are_never_written_again() -> None:
    player = Player(80, 12)
    seen: list[str] = []
    for event in turn(*streamed(ANSWER * 4)):
        player.play(event)
        scrolled = player.terminal.scrollback()
        assert scrolled[: len(seen)] == seen
        seen = scrolled
    assert len(seen) > 40


def test_the_cursor_never_moves_above_the_unfinished_block() -> None:
    player = Player(80, 24).play(*turn(*streamed(ANSWER)))
    ups = [int(n) for frame in player.terminal.raw for n in re.findall(r"\x1b\[(\d+)A", frame)]
    assert max(ups) <= 8  # the table or the status under the longest block


def test_one_frame_is_one_write() -> None:
    player = Player().play(*turn(*streamed(ANSWER)))
    assert all(frame.count(FRAME_BEGIN) == 1 for frame in player.terminal.raw)


def test_a_frame_in_which_nothing_changed_writes_nothing() -> None:
    player = Player().play(*turn(*streamed("A paragraph")))
    before = len(player.terminal.raw)
    player.now += 0.001  # the spinner stays where it is
    player.renderer.paint()
    player.renderer.paint()
    assert len(player.terminal.raw) <= before + 1


def test_a_code_block_longer_than_the_screen_scrolls_as_it_comes() -> None:
    player = Player(80, 10)
    code = "".join(f"value_{n} = {n}\n" for n in range(300))
    player.play(*turn(*streamed("```python\n" + code, 50)))
    assert len(player.terminal.scrollback()) > 280
    text = player.play(*streamed("```\nend\n")).end()
    assert [line for line in text.split("\n") if "value_" in line] == [
        f"  value_{n} = {n}" for n in range(300)
    ]


def test_a_code_block_that_is_never_closed_is_shown_whole() -> None:
    text = Player().play(*turn(*streamed("```\nfirst\nsecond"))).end()
    assert "  first\n  second" in text


def test_wide_characters_never_reach_the_last_column() -> None:
    player = Player(61)
    player.play(*turn(*streamed("宽" * 200 + "\n\n" + "🎉" * 100)))
    text = player.end()
    assert text.count("宽") == 200
    assert text.count("🎉") == 100
    assert all(len(line) <= 30 for line in text.split("\n") if "宽" in line)


def test_open_reasoning_is_dimmed_and_set_apart_from_the_answer() -> None:
    player = Player(show_reasoning="open").play(
        *turn(ReasoningText("First think.\nThen "), ReasoningText("act."), *streamed("Hi."))
    )
    lines = player.end().split("\n")
    assert lines[:4] == ["First think.", "Then act.", "", "Hi."]
    assert "\x1b[2;3mFirst think." in "".join(player.terminal.raw)


def test_reasoning_can_be_left_out() -> None:
    text = Player(show_reasoning="hidden").play(*turn(ReasoningText("secret"), *streamed("Hi."))).end()
    assert "secret" not in text


def test_each_call_becomes_one_line_with_its_result_and_time() -> None:
    player = Player(60)
    long = "grep 'average' in " + "a/very/long/path/" * 10
    player.play(
        *turn(
            CallStarted("1", "grep", {}, long),
            CallStarted("2", "read_file", {}, "read 中文.py"),
            CallFinished("2", "read_file", ToolOutcome("", "12 lines"), 0.25),
            CallFinished("1", "grep", ToolOutcome("", "no such\nfolder", ok=False), 75.0),
        )
    )
    lines = player.end().split("\n")
    assert lines[0] == "⇉ 2 calls at once"
    assert lines[1].startswith("  ✗ grep 'average' in a/very")
    assert lines[1].endswith("no such folder · 1m 15s")
    assert len(lines[1]) < 60
    assert lines[2] == "  ✓ read 中文.py · 12 lines · 0.2s"


def test_calls_one_after_the_other_are_single_lines() -> None:
    player = Player(60)
    for number in ("1", "2"):
        player.play(CallStarted(number, "list_dir", {}, f"list folder{number}"))
        player.play(CallFinished(number, "list_dir", ToolOutcome("", "3 entries"), 0.1))
    lines = player.end().split("\n")
    assert lines[:2] == ["✓ list folder1 · 3 entries · 0.1s", "✓ list folder2 · 3 entries · 0.1s"]


def test_of_calls_at_once_those_that_ended_are_ticked_off_in_place() -> None:
    player = Player(60).play(
        *turn(
            CallStarted("1", "grep", {}, "grep x"),
            CallStarted("2", "grep", {}, "grep y"),
            CallStarted("3", "grep", {}, "grep z"),
            CallFinished("2", "grep", ToolOutcome("", "no match"), 0.1),
        )
    )
    assert player.terminal.scrollback() == []
    shown = [line for line in player.terminal.visible() if line]
    assert shown[0] == "⇉ 3 calls at once"
    assert re.fullmatch(r"  \S grep x  0\.\ds", shown[1])
    assert shown[2] == "  ✓ grep y · no match · 0.1s"
    assert re.fullmatch(r"  \S grep z  0\.\ds", shown[3])


def test_running_calls_are_shown_side_by_side_with_their_time() -> None:
    player = Player().play(
        *turn(CallStarted("1", "run_tests", {}, "run the tests"), CallStarted("2", "grep", {}, "grep x"))
    )
    player.now += 3
    player.renderer.paint()
    shown = "\n".join(player.terminal.visible())
    assert re.search(r"run the tests +3\.\ds", shown)
    assert "grep x" in shown


def test_a_retry_counts_down_and_drops_what_was_not_finished() -> None:
    player = Player().play(*turn(*streamed("Half a sent"), AnswerDiscarded("the connection broke", 4.0)))
    assert "trying again in 4s" in player.terminal.text()
    player.now += 2
    player.renderer.paint()
    assert "trying again in 2s" in player.terminal.text()
    text = player.play(*streamed("Whole sentence.")).end()
    assert "Half a sent" not in text
    assert "the connection broke" in text
    assert text.count("Whole sentence.") == 1


def test_a_request_held_back_by_the_accounts_limits_counts_down_in_place() -> None:
    player = Player().play(*turn(WaitingToSend(12.0, "the account allows 3 requests a minute")))
    assert "the account allows 3 requests a minute: sending in 12s" in player.terminal.text()
    assert "Esc cancels" in player.terminal.text()
    player.now += 7
    player.renderer.paint()
    assert "sending in 5s" in player.terminal.text()
    assert "sending in 12s" not in player.terminal.text()
    text = player.play(*streamed("Here.")).end()
    assert "sending in" not in text


def test_what_a_request_waits_for_without_a_known_end_is_said_once() -> None:
    why = "waiting for a turn: the account allows 1 request at once"
    text = Player().play(*turn(WaitingToSend(0.0, why), WaitingToSend(0.0, why), *streamed("Here."))).end()
    assert text.count(why) == 1
    assert "sending in" not in text


def test_a_retry_marks_what_is_in_the_scrollback_already() -> None:
    text = Player().play(*turn(*streamed("One.\n\nTwo.\n\nThr"), AnswerDiscarded("cut off", 0.0))).end()
    assert "One." in text
    assert "what was said above does not count (cut off)" in " ".join(text.split())


def test_the_last_line_says_what_the_turn_used() -> None:
    assert "8.2k in, 87% cached · 412 out · ¥0.0123 · " in Player().play(*turn(*streamed("Hi."))).end()


def test_a_limit_names_itself_and_its_remedy() -> None:
    player = Player().play(*turn(*streamed("Hi.")))
    error = LimitReached("the turn limit of 60 is reached", "raise agent.max_turns")
    player.play(TurnFinished("limit", "", 60, detail=error.message, error=error))
    text = player.terminal.text()
    assert "stopped at a limit: the turn limit of 60 is reached" in text
    assert "raise agent.max_turns" in text


def test_control_sequences_of_the_model_do_not_reach_the_terminal() -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\x1b[31mred \x9b31m\u202egnp\r\nnext\x08"
    player = Player()
    player.play(
        *turn(
            ReasoningText(evil),
            *streamed(f"{evil}\n\n```python\n{evil}\n```\n", 2),
            CallStarted("1", evil, {}, evil),
            CallFinished("1", evil, ToolOutcome(evil, evil), 0.1),
            Notice("warning", evil),
        )
    )
    player.end()
    raw = "".join(player.terminal.raw)
    assert "\x1b[2J" not in raw
    assert "\x1b]" not in raw
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1a\x7f-\x9f\u202e]", raw)
    assert player.terminal.screen.title == ""


def test_after_the_turn_nothing_live_is_left() -> None:
    player = Player().play(*turn(*streamed("Hi.")))
    player.end()
    assert "interrupts" not in player.terminal.text()
    assert "\x1b[?25h" in player.terminal.raw[-1]


def test_while_paused_others_own_the_terminal() -> None:
    player = Player().play(*turn(*streamed("Part one."), CallStarted("1", "grep", {}, "grep x")))
    with player.renderer.paused():
        written = len(player.terminal.raw)
        player.play(*streamed("Part two."))
        assert len(player.terminal.raw) == written
        assert "interrupts" not in player.terminal.text()
        player.terminal.write("QUESTION\r\n")
    lines = player.end().split("\n")
    assert lines[:5] == ["Part one.", "QUESTION", "", "Part two.", ""]


def test_a_narrower_window_leaves_no_remains_of_the_live_region() -> None:
    player = Player(80).play(*turn(*streamed("word " * 30)))
    player.terminal.screen.resize(24, 60)
    text = player.play(*streamed("end.")).end()
    assert text.count("end.") == 1
    assert "interrupts" not in text


@pytest.mark.parametrize("columns", [40, 80, 100, 160])
def test_the_whole_width_of_the_terminal_is_used(columns: int) -> None:
    drawer = Drawer(Look(plain=False))
    words = "word " * 200
    for lines in (
        drawer.markdown(words, columns),
        drawer.dim(words, columns),
        drawer.text(Text(words), columns),
    ):
        longest = max(len(CONTROL_SEQUENCE.sub("", line)) for line in lines)
        assert columns - 6 <= longest <= columns - 1
