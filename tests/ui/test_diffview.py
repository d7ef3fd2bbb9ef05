from __future__ import annotations

import io

import pytest

from kcode.tools.base import FileEdit
from kcode.ui.diffview import counts, edit_rows, headline, hunks, print_edits, word_marks
from kcode.ui.terminal import Look, make_console
from tests.ui.screen import Terminal

PLAIN = Look(plain=True)
COLOUR = Look(plain=False)
BEFORE = "".join(f"line {n}\n" for n in range(1, 41))
AFTER = BEFORE.replace("line 5\n", "line five\n").replace("line 30\n", "line 30\nline 30b\n")


def shown(edit: FileEdit, width: int = 80, look: Look = PLAIN) -> list[str]:
    return [row.plain.rstrip() for row in edit_rows(edit, look, width)]


def test_hunks_have_line_numbers_signs_and_three_lines_of_context() -> None:
    rows = shown(FileEdit("a.txt", BEFORE, AFTER))
    assert rows[:8] == [
        " 2   line 2",
        " 3   line 3",
        " 4   line 4",
        " 5 - line 5",
        " 5 + line five",
        " 6   line 6",
        " 7   line 7",
        " 8   line 8",
    ]
    assert rows[8].strip() == "⋮"
    assert "31 + line 30b" in rows


def test_the_headline_counts_lines() -> None:
    assert headline(FileEdit("a.txt", BEFORE, AFTER)).plain == "edit a.txt +2 -1"
    assert headline(FileEdit("a.txt", None, "x\ny\n")).plain == "create a.txt +2"
    assert headline(FileEdit("a.txt", "x\n", None)).plain == "delete a.txt -1"
    assert "line endings" in headline(FileEdit("a.txt", "x\r\n", "x\n")).plain


def test_words_that_changed_are_marked_and_nothing_else() -> None:
    old, new = "return total / len(xs) + 1", "return total / len(xs)"
    marks_old, marks_new = word_marks(old, new)
    assert [old[a:b] for a, b in marks_old] == [" + 1"]
    assert marks_new == ()


def test_lines_with_little_in_common_get_no_word_marks() -> None:
    assert word_marks("alpha beta", "x = [1, 2, 3]") == ((), ())


@pytest.mark.parametrize("width", [60, 80])
def test_no_row_is_wider_than_the_terminal_and_nothing_is_cut(width: int) -> None:
    long = "x = '" + "宽" * 70 + "a" * 90 + "'\n"
    rows = shown(FileEdit("a.py", "x = 1\n", long), width, COLOUR)
    terminal = Terminal(width, 40)
    print_edits(make_console(terminal, COLOUR, width=width), [FileEdit("a.py", "x = 1\n", long)], COLOUR)
    assert "".join(rows).count("宽") == 70
    assert terminal.text().count("宽") == 70
    assert terminal.text().count("a" * 10) >= 1
    assert len([row for row in terminal.lines() if row.strip()]) == len(rows) + 1


def test_python_is_coloured_and_changes_have_a_background() -> None:
    stream = io.StringIO()
    console = make_console(stream, COLOUR, width=80)
    print_edits(console, [FileEdit("a.py", "def f():\n    return 1\n", "def f():\n    return 2\n")], COLOUR)
    assert "\x1b[48;" in stream.getvalue() or "\x1b[4" in stream.getvalue()
    assert "def" in stream.getvalue()


def test_without_colour_there_are_no_control_sequences() -> None:
    stream = io.StringIO()
    print_edits(make_console(stream, PLAIN, width=80), [FileEdit("a.py", BEFORE, AFTER)], PLAIN)
    assert "\x1b" not in stream.getvalue()


def test_control_sequences_in_files_are_not_shown_raw() -> None:
    stream = io.StringIO()
    edit = FileEdit("a.py", "ok\n", "\x1b[2Jevil \u202e\n")
    print_edits(make_console(stream, COLOUR, width=80), [edit], COLOUR)
    assert "\x1b[2J" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()


def test_rows_beyond_the_limit_are_counted() -> None:
    stream = io.StringIO()
    edit = FileEdit("a.txt", None, "x\n" * 500)
    left = print_edits(make_console(stream, PLAIN, width=80), [edit], PLAIN, max_rows=100)
    assert left == 400
    assert stream.getvalue().count(" + x") == 100


def test_windows_line_ends_do_not_shift_the_lines() -> None:
    rows = shown(FileEdit("a.txt", "a\r\nb\r\n", "a\r\nc\r\n"))
    assert rows == ["1   a", "2 - b", "2 + c"]


def test_counting_agrees_with_the_hunks() -> None:
    edit = FileEdit("a.txt", BEFORE, AFTER)
    assert counts(edit) == (2, 1)
    assert len(hunks(BEFORE, AFTER)) == 2


def test_form_feeds_and_other_odd_line_ends_keep_rows_in_step() -> None:
    edit = FileEdit("a.py", "a\x0cb\x1cc\u2028d\nx\n", "a\x0cb\x1cc\u2028d\ny\n")
    rows = shown(edit, 80, COLOUR)
    assert rows[-2:] == ["2 - x", "2 + y"]
