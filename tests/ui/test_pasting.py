from __future__ import annotations

from kcode.ui.stage.pasting import Folds, line_ends

LARGE = "\n".join(f"line {n}" for n in range(40))


def test_a_mark_stands_for_what_was_pasted() -> None:
    folds = Folds(10)
    mark = folds.fold(LARGE)
    assert mark == "[paste #1: 40 lines]"
    assert folds.expand(f"see {mark}, and {mark}") == f"see {LARGE}, and {LARGE}"
    assert folds.refold(f"see {LARGE}") == f"see {mark}"


def test_a_mark_that_was_typed_stands_for_itself() -> None:
    assert Folds(10).expand("[paste #1: 40 lines]") == "[paste #1: 40 lines]"


def test_one_long_line_is_folded_by_its_characters() -> None:
    folds = Folds(10)
    assert folds.fold("x" * 1_000) == "x" * 1_000
    assert folds.fold("x" * 1_001) == "[paste #1: 1,001 characters]"


def test_nothing_is_folded_where_that_is_switched_off() -> None:
    assert Folds(0).fold(LARGE * 100) == LARGE * 100


def test_a_mark_inside_a_pasted_text_is_not_expanded_again() -> None:
    folds = Folds(10)
    first = folds.fold(LARGE)
    second = folds.fold(f"{LARGE}\n{first}")
    assert folds.expand(second) == f"{LARGE}\n{first}"


def test_the_length_of_a_mark_before_and_after_the_cursor() -> None:
    folds = Folds(10)
    mark = folds.fold(LARGE)
    assert folds.before(f"a{mark}") == len(mark)
    assert folds.after(f"{mark}b") == len(mark)
    assert folds.before(f"{mark} ") == folds.after(f" {mark}") == 0


def test_line_ends_of_a_terminal_are_those_of_a_text() -> None:
    assert line_ends("a\rb\r\nc\n") == "a\nb\nc\n"
