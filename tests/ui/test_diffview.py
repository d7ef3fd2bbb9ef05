from __future__ import annotations

import io

import pytest

from kcode.tools.base import FileEdit
from kcode.ui.approval.diffrows import counts, shown_hunks
from kcode.ui.approval.diffview import edit_rows, headline, print_edits, print_hunk, word_marks
from kcode.ui.approval.hunks import hunks_of, split
from kcode.ui.approval.linepairs import pairs
from kcode.ui.look.terminal import Look, make_console
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
    assert len(shown_hunks(edit)) == 2


def test_form_feeds_and_other_odd_line_ends_keep_rows_in_step() -> None:
    edit = FileEdit("a.py", "a\x0cb\x1cc\u2028d\nx\n", "a\x0cb\x1cc\u2028d\ny\n")
    rows = shown(edit, 80, COLOUR)
    assert rows[-2:] == ["2 - x", "2 + y"]


SPLIT = FileEdit(
    "shop.py",
    "def total(prices):\n    # 合计所有价格\n    return sum(prices) - 1\n"
    "\n\ndef last(xs):\n    return xs[-1]\n",
    "def total(prices, tax=0):\n    return sum(prices) + tax\n"
    "\n\ndef first(xs):\n    return xs[0]\n\n\n# 完\n",
)


def test_side_by_side_on_a_wide_terminal() -> None:
    terminal = Terminal(160, 30)
    print_edits(make_console(terminal, COLOUR, width=160), [SPLIT], COLOUR)
    rows = terminal.lines()
    assert rows[0] == "edit shop.py +7 -5"
    left = "{} {} {}".format
    assert rows[1:] == [
        f"{old.ljust(78 - old.count('合计所有价格') * 6)} │ {new}".rstrip()
        for old, new in (
            (left(1, "-", "def total(prices):"), left(1, "+", "def total(prices, tax=0):")),
            (left(2, "-", "    # 合计所有价格"), ""),
            (left(3, "-", "    return sum(prices) - 1"), left(2, "+", "    return sum(prices) + tax")),
            (left(4, " ", ""), left(3, " ", "")),
            (left(5, " ", ""), left(4, " ", "")),
            (left(6, "-", "def last(xs):"), left(5, "+", "def first(xs):")),
            (left(7, "-", "    return xs[-1]"), left(6, "+", "    return xs[0]")),
            ("", left(7, "+", "")),
            ("", left(8, "+", "")),
            ("", left(9, "+", "# 完")),
        )
    ]


@pytest.mark.parametrize(
    ("width", "layout", "side_by_side"),
    [(160, "auto", True), (139, "auto", False), (160, "unified", False), (80, "split", True)],
)
def test_the_layout_is_by_the_width_unless_it_is_chosen(width: int, layout: str, side_by_side: bool) -> None:
    rows = [row.plain for row in edit_rows(SPLIT, COLOUR, width, layout)]
    assert any(" │ " in row for row in rows) is side_by_side


def test_long_lines_are_folded_on_their_own_side() -> None:
    edit = FileEdit("a.txt", "宽" * 100 + "\n", "b" * 30 + "\n")
    terminal = Terminal(100, 30)
    print_edits(make_console(terminal, COLOUR, width=100), [edit], COLOUR, layout="split")
    rows = terminal.lines()[1:]
    assert terminal.text().count("宽") == 100
    assert all(row.count("│") == 1 for row in rows)
    assert "b" * 30 in rows[0] or "b" * 30 in rows[-1]


def test_similar_lines_are_paired_where_their_numbers_differ() -> None:
    old = ["import os", "def total(prices):", "    return sum(prices) - 1"]
    new = ["def total(prices, tax):", "    # with tax", "    # and all", "    return sum(prices) + tax"]
    assert pairs(old, new) == [(1, 0), (2, 3)]
    assert pairs(["a"] * 60, ["b"] * 70) == []
    edit = FileEdit("a.txt", "\n".join(old) + "\n", "\n".join(new) + "\n")
    marked = [row for shown in shown_hunks(edit) for row in shown.rows() if row.spans]
    assert [(row.sign, row.index) for row in marked] == [("-", 2), ("+", 0), ("+", 3)]


def test_line_ends_and_the_end_of_the_file_are_said() -> None:
    assert "(line endings: CRLF → LF)" in headline(FileEdit("a", "a\r\nb\r\n", "a\nb\n")).plain
    assert "(line endings: LF → mixed)" in headline(FileEdit("a", "a\nb\n", "a\nb\r\n")).plain
    assert "(no newline at the end any more)" in headline(FileEdit("a", "a\nb\n", "a\nb")).plain
    assert "(a newline at the end now)" in headline(FileEdit("a", "a", "a\n")).plain
    assert "(only its mode bits)" in headline(FileEdit("a", "a\n", "a\n")).plain
    assert (
        headline(FileEdit("a.png", "", None, "not text, 9 bytes")).plain == "delete a.png (not text, 9 bytes)"
    )


def test_a_hunk_of_line_ends_alone_shows_them() -> None:
    stream = io.StringIO()
    edit = FileEdit("a.txt", "a\nb\nc", "a\nb\r\nc\n")
    (hunk,) = hunks_of(edit)
    print_hunk(make_console(stream, PLAIN, width=60), edit, hunk, PLAIN)
    assert [row.rstrip() for row in stream.getvalue().splitlines()] == [
        "1   a",
        "2 - b  [LF]",
        "3 - c  [no newline]",
        "2 + b  [CRLF]",
        "3 + c  [LF]",
    ]


def test_a_part_of_a_hunk_has_the_line_numbers_of_the_whole() -> None:
    edit = FileEdit("a.txt", "1\n2\n3\n4\n", "0\n1\n2\n3\nfour\n")
    second = split(hunks_of(edit)[0])[1]
    stream = io.StringIO()
    print_hunk(make_console(stream, PLAIN, width=60), edit, second, PLAIN)
    assert [row.rstrip() for row in stream.getvalue().splitlines()] == [
        "2   1", "3   2", "4   3", "4 - 4", "5 + four",
    ]  # fmt: skip


def test_a_moved_file_is_shown_once_with_what_changed_in_it() -> None:
    stream = io.StringIO()
    edits = [FileEdit("a.py", "x\ny\n", None), FileEdit("b.py", None, "x\nz\n"), FileEdit("c", None, "c\n")]
    print_edits(make_console(stream, PLAIN, width=60), edits, PLAIN, moves=[("a.py", "b.py")])
    rows = [row.rstrip() for row in stream.getvalue().splitlines()]
    assert rows == ["move a.py → b.py +1 -1", "1   x", "2 - y", "2 + z", "create c +1", "1 + c"]


def test_a_change_of_megabytes_is_shown_in_part_without_delay() -> None:
    before = "".join(f"{n} {'x' * 60} {n % 7}\n" for n in range(40_000))
    after = "".join(f"{n} {'x' * 60} {'new' if n % 3 == 0 else n % 7}\n" for n in range(40_000))
    stream = io.StringIO()
    edit = FileEdit("a.py", before, after)
    left = print_edits(make_console(stream, COLOUR, width=80), [edit], COLOUR, max_rows=120)
    assert left > 30_000
    assert headline(edit).plain == "edit a.py +13334 -13334"


def test_one_endless_line_is_shown_in_part_without_delay() -> None:
    edit = FileEdit("a.json", f'["{"x" * 2_000_000}"]\n', f'["{"y" * 2_000_000}"]\n')
    stream = io.StringIO()
    print_edits(make_console(stream, PLAIN, width=80), [edit], PLAIN, max_rows=1_000)
    assert stream.getvalue().replace("\n    ", "").count("(+1,995,004 characters)") == 2
