from __future__ import annotations

import io

import pytest
from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.layout.screen import Char, Screen

from kcode.ui.stage.frames import FrameOutput, reflows
from kcode.ui.stage.livelines import LiveWindow, rows_after_reflow
from kcode.ui.stage.stagestream import StageStream


def output() -> tuple[FrameOutput, list[str]]:
    writes: list[str] = []

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            writes.append(text)
            return len(text)

    return FrameOutput(Stream(), lambda: Size(24, 80), enable_cpr=False), writes


def test_a_frame_is_one_write_with_the_cursor_hidden_meanwhile() -> None:
    terminal, writes = output()
    with terminal.frame():
        terminal.write("a")
        terminal.flush()
        with terminal.frame():
            terminal.show_cursor()
            terminal.write("b")
        terminal.flush()
    assert writes == ["\x1b[?2026h\x1b[?25lab\x1b[?25h\x1b[?2026l"]


def test_a_frame_without_a_change_is_not_written() -> None:
    terminal, writes = output()
    with terminal.frame():
        terminal.hide_cursor()
        terminal.disable_autowrap()
        terminal.reset_attributes()
        terminal.enable_autowrap()
        terminal.show_cursor()
    assert writes == []


def test_nothing_is_written_to_a_terminal_that_is_gone() -> None:
    terminal, writes = output()
    terminal.hang_up()
    terminal.write("a")
    terminal.flush()
    assert writes == []


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7600"}, True),
        ({"TERM": "tmux-256color"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/t,1,0"}, True),
        ({"TERM": "screen", "STY": "1.tty"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "xterm-256color", "XTERM_VERSION": "XTerm(390)"}, False),
        ({"TERM": "linux"}, False),
    ],
)
def test_only_terminals_that_are_known_to_reflow_are_taken_for_such(
    environ: dict[str, str], expected: bool
) -> None:
    assert reflows(environ) is expected


def painted(*lines: str) -> Screen:
    screen = Screen()
    for y, line in enumerate(lines):
        x = 0
        for char in line:
            screen.data_buffer[y][x] = cell = Char(char)
            x += cell.width
    return screen


def test_rows_that_are_broken_by_a_reflow_are_counted_with_wide_characters_whole() -> None:
    assert rows_after_reflow(painted("x" * 100, "short", "❯ text"), Point(3, 2), 50) == 3
    assert rows_after_reflow(painted("x" * 101, "❯ text"), Point(3, 1), 50) == 3
    assert rows_after_reflow(painted("字" * 20, "❯"), Point(1, 1), 11) == 4  # five in a row, one cell free
    assert rows_after_reflow(painted("❯ " + "y" * 90), Point(70, 0), 50) == 1


def test_live_lines_say_whether_they_changed() -> None:
    window = LiveWindow()
    assert window.show(["\x1b[1mone\x1b[0m"])
    assert not window.show(["\x1b[1mone\x1b[0m"])
    assert window.show([])


def test_printed_text_is_handed_over_by_whole_lines() -> None:
    lines: list[str] = []
    stream = StageStream(io.StringIO(), lines.append)
    print("one", end="", file=stream)
    print(" two\nthree", file=stream)
    stream.write("begun")
    assert "".join(lines) == "one two\nthree\n"
    assert all(line.endswith("\n") for line in lines)
    assert stream.take_begun() == "begun"
    assert stream.take_begun() == ""
