from __future__ import annotations

from kcode.tools.base import FileEdit
from kcode.ui.look.terminal import CONTROL_SEQUENCE, Look
from kcode.ui.look.widths import columns
from kcode.ui.output.details import BODY_LIMIT, KEPT, ROWS_LIMIT, Details

LOOK = Look(plain=False)


def opened(details: Details, width: int = 60) -> str:
    return CONTROL_SEQUENCE.sub("", "\n".join(details.next(width, LOOK)))


def test_the_newest_comes_first_then_the_one_before_then_nothing() -> None:
    details = Details()
    details.add("first", "1", "call")
    details.add("second", "2", "reasoning")
    assert opened(details).split("\n") == ["▾ second", "│ 2", "Ctrl-O again: first"]
    assert opened(details).split("\n") == ["▾ first", "│ 1"]
    assert details.next(60, LOOK) == []


def test_what_came_after_the_last_opening_is_shown_before_what_is_older() -> None:
    details = Details()
    details.add("old", "1", "call")
    details.add("older news", "2", "call")
    assert "older news" in opened(details)
    details.add("news", "3", "call")
    assert opened(details).startswith("▾ news")
    assert opened(details).startswith("▾ old")


def test_what_is_still_being_thought_comes_first_and_only_what_is_new_of_it() -> None:
    details = Details()
    details.add("old", "1", "call")
    thought = ["so far"]
    details.running = lambda: ("thinking", "".join(thought))
    assert opened(details).split("\n") == ["▾ thinking", "│ so far", "Ctrl-O again: old"]
    assert opened(details).startswith("▾ old")
    thought.append(", and on")
    assert opened(details).split("\n") == ["▾ thinking", "│ , and on"]
    details.running = lambda: ("", "")
    details.add("thought", "".join(thought), "reasoning")
    assert opened(details).split("\n") == ["▾ thought", "│ so far, and on"]


def test_an_edit_is_shown_as_a_diff() -> None:
    details = Details()
    details.add("edit shop.py", (FileEdit("shop.py", "a = 1\n", "a = 2\n"),), "call")
    text = opened(details)
    assert "edit shop.py +1 -1" in text
    assert "- a = 1" in text
    assert "+ a = 2" in text


def test_nothing_is_kept_of_what_has_nothing_to_show() -> None:
    details = Details()
    details.add("empty", "\n\n", "call")
    details.add("no edits", (), "call")
    assert details.next(60, LOOK) == []


def test_what_is_kept_and_shown_is_bounded_and_says_so() -> None:
    details = Details()
    for n in range(KEPT + 5):
        details.add(f"item {n}", "x", "call")
    details.add("flood", "line of output\n" * (BODY_LIMIT // 5), "call")
    lines = details.next(60, LOOK)
    assert len(lines) <= ROWS_LIMIT + 3
    assert "lines left out" in "\n".join(lines)
    count = 1
    while details.next(60, LOOK):
        count += 1
    assert count == KEPT


def test_foreign_text_moves_no_cursor_and_fits_the_pane() -> None:
    details = Details()
    details.add("\x1b[2Jtitle\nsecond", "宽" * 100 + "\x1b]0;owned\x07\r\n\tcode", "call")
    lines = details.next(40, LOOK)
    assert all(columns(CONTROL_SEQUENCE.sub("", line)) < 40 for line in lines)
    raw = "".join(lines)
    assert "\x1b]" not in raw
    assert "\x1b[2J" not in raw
    assert "owned" not in raw


def test_after_a_reset_nothing_is_left() -> None:
    details = Details()
    details.add("first", "1", "call")
    details.reset()
    assert details.next(60, LOOK) == []
