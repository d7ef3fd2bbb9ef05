from __future__ import annotations

from kcode.conversation.accuracy import Accuracy, calls_note, healed_note
from kcode.conversation.ledger import Note


def test_an_answer_is_right_when_all_its_calls_are() -> None:
    notes = [
        calls_note([False, False], []),
        calls_note([False, True], []),
        calls_note([False], ["a comma before a closing bracket"]),
        calls_note([], []),
        Note("retry", "busy"),
    ]
    found = Accuracy.of(notes)
    assert (found.answers, found.right, found.calls, found.repaired, found.refused) == (3, 1, 5, 1, 1)
    assert found.text() == "33.3 % (1 of 3 answers with calls; 1 repair, 1 call refused)"


def test_a_session_without_calls_says_so() -> None:
    assert Accuracy.of([]).text() == "no tool calls yet"


def test_calls_out_of_raw_markup_are_told_and_are_no_misspelling() -> None:
    found = Accuracy.of([healed_note(2), calls_note([False, False], []), calls_note([False], [])])
    assert found.share == 1
    assert found.text() == (
        "100.0 % (2 of 2 answers with calls; 0 repairs, 0 calls refused, 2 read out of raw markup)"
    )
