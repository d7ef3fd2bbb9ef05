from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.workspace.edits import apply_edits

LINES = st.lists(st.sampled_from(["a", "b", "    a", "\tb", "", "x = 1  ", "}"]), min_size=1, max_size=10)


def one(text: str, old: str, new: str, replace_all: bool = False) -> tuple[str, str]:
    outcome = apply_edits(text, [(old, new, replace_all)])
    return outcome.text, outcome.stages[0] if outcome.ok else outcome.problems[0]


@given(st.text("ab\n ", max_size=30), st.text("ab\n ", min_size=1, max_size=6))
def test_several_matches_are_never_settled_by_taking_the_first(text: str, old: str) -> None:
    count = sum(text.startswith(old, at) for at in range(len(text)))
    outcome = apply_edits(text, [(old, "X", False)])
    if count > 1:
        assert not outcome.ok
        assert outcome.text == text
    if count == 1:
        assert outcome.text == text.replace(old, "X")


@given(LINES, LINES, st.sampled_from(["\n", "\r\n"]))
def test_only_the_matched_region_changes(lines: list[str], wanted: list[str], newline: str) -> None:
    text = newline.join(lines)
    outcome = apply_edits(text, [("\n".join(wanted), "NEW", False)])
    if not outcome.ok:
        assert outcome.text == text
    else:
        head, _, tail = outcome.text.partition("NEW")
        head = head.rstrip(" \t")
        assert text.startswith(head)
        assert text.endswith(tail)


@given(LINES, st.data())
def test_lines_that_stay_in_a_replacement_keep_their_bytes(lines: list[str], data: st.DataObject) -> None:
    ends = data.draw(st.lists(st.sampled_from(["\n", "\r\n"]), min_size=len(lines), max_size=len(lines)))
    text = "START\r\n" + "".join(line + end for line, end in zip(lines, ends, strict=True)) + "END\n"
    old = "START\n" + "".join(line + "\n" for line in lines) + "END\n"
    outcome = apply_edits(text, [(old, old.replace("END", "FINISH"), False)])
    assert outcome.ok
    assert outcome.text == text.replace("END\n", "FINISH\n") or outcome.text == text.replace(
        "END\n", "FINISH\r\n"
    )


def test_every_place_is_replaced_on_demand() -> None:
    assert one("a b a b a", "a", "c", True) == ("c b c b c", "exact")


def test_the_lines_of_an_ambiguous_text_are_named() -> None:
    text, problem = one("x\na\ny\na\n", "a", "b")
    assert text == "x\na\ny\na\n"
    assert "2 times" in problem
    assert "lines 2, 4" in problem
    assert "replace_all" in problem


def test_new_lines_get_the_line_ending_of_their_place() -> None:
    assert one("a\r\nb\r\n", "a", "a\nc") == ("a\r\nc\r\nb\r\n", "exact")
    assert one("a\r\nb\r\nc\r\n", "a\nb\n", "a\nx\nb\n") == ("a\r\nx\r\nb\r\nc\r\n", "line endings")


def test_trailing_blanks_do_not_matter_and_are_kept_where_nothing_changes() -> None:
    assert one("a  \nb\t\nc\n", "a\nb\nc\n", "a\nB\nc\n") == ("a  \nB\nc\n", "trailing blanks")


def test_a_block_shifted_as_a_whole_is_shifted_back() -> None:
    text = "class A:\n    def f(self):\n        return 1\n"
    changed, stage = one(text, "def f(self):\n    return 1\n", "def f(self):\n    x = 2\n    return x\n")
    assert stage == "indentation"
    assert changed == "class A:\n    def f(self):\n        x = 2\n        return x\n"


@pytest.mark.parametrize("unit", ["    ", "  "])
def test_blanks_for_tabs_are_turned_back(unit: str) -> None:
    text = "func f() {\n\tif x {\n\t\treturn\n\t}\n}\n"
    old = f"{unit}if x {{\n{unit * 2}return\n"
    assert one(text, old, old.replace("return", "panic()")) == (
        text.replace("return", "panic()"),
        "indentation",
    )


def test_indentation_that_differs_line_by_line_is_refused() -> None:
    text = "if a:\n    b\n  c\n"
    assert one(text, "if a:\n  b\n    c\n", "x")[0] == text


def test_a_missing_final_newline_stays_missing() -> None:
    assert one("a\nb", "a\nb\n", "a\nc\n")[0] == "a\nc"


def test_a_refusal_shows_the_nearest_lines_with_their_numbers() -> None:
    text = "import os\n\n\ndef total(items):\n    return sum(items)\n"
    _, problem = one(text, "def total(item):\n    return sum(item)", "x")
    assert "4\tdef total(items):" in problem
    assert "5\t    return sum(items)" in problem


def test_an_edit_that_was_made_already_is_noticed() -> None:
    assert "already applied" in one("def new():\n    pass\n", "def old():", "def new():")[1]


def test_all_edits_are_made_or_none() -> None:
    outcome = apply_edits("a\nb\n", [("a", "A", False), ("zzz", "Z", False)])
    assert not outcome.ok
    assert outcome.text == "a\nb\n"
    assert "edit 2" in outcome.problems[0]
    assert "nothing was changed" in outcome.problems[-1]


def test_later_edits_see_what_earlier_ones_made() -> None:
    assert apply_edits("a\n", [("a", "b", False), ("b", "c", False)]).text == "c\n"


@pytest.mark.parametrize(("old", "new"), [("a", "a"), ("", "x")])
def test_senseless_edits_are_refused(old: str, new: str) -> None:
    assert not apply_edits("a\n", [(old, new, False)]).ok
