from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from kcode.conversation.ledger import Assistant, Call, Entry, Epoch, Note, ToolResult, User
from kcode.conversation.reasoning import NOTE, Turns, choose, chosen, finished_turns
from kcode.providers import catalog
from kcode.providers.catalog import PriceStep

K26 = catalog.find("kimi-k2.6", "moonshot-intl")
assert K26 is not None


@pytest.mark.parametrize(
    ("turns", "keep"),
    [
        (Turns(), True),  # 5 * 12,000 * 0.79 = 47,400 against 2,000 * 8 * 10 * 0.16 = 25,600
        (Turns(40, 12_000, 2_000, 8), False),  # 379,200 against 1,996,800
        (Turns(3, 2_000, 6_000, 4), False),  # little text, long reasoning
        (Turns(10, 40_000, 500, 6), True),
    ],
)
def test_the_cheaper_side_is_taken_and_said(turns: Turns, keep: bool) -> None:
    assert K26 is not None
    choice = choose(K26, turns)
    assert choice.keep is keep
    assert choice.why.startswith("kept" if keep else "dropped")
    assert "$" in choice.why


def test_without_a_price_of_cached_input_nothing_is_kept() -> None:
    assert K26 is not None
    assert not choose(replace(K26, prices=()), Turns()).keep
    assert not choose(replace(K26, prices=(PriceStep(Decimal(1), Decimal(4)),)), Turns()).keep


def test_a_session_s_own_turns_are_measured_once_there_are_two() -> None:
    def turn(number: int) -> list[Entry]:
        call = Call(f"c{number}", "read_file", "{}")
        return [
            User("q"), Assistant("", "think " * 100, (call,), "tool_calls"),
            ToolResult(call.id, "read_file", "word " * 1_000), Assistant("done", "so"),
        ]  # fmt: skip

    assert finished_turns(turn(0)) == Turns(1)
    measured = finished_turns([*turn(0), *turn(1), User("and")])
    assert (measured.count, measured.requests) == (2, 2.0)
    assert measured.text == pytest.approx(1_000, rel=0.05)
    assert measured.reasoning == pytest.approx(104, rel=0.05)


def test_a_choice_holds_until_the_conversation_begins_anew() -> None:
    note = Note(NOTE, "kept", {"keep": "all"})
    assert chosen([Epoch("start"), note, User("a"), Epoch("rewind", keep_upto=2)]) is note
    assert chosen([Epoch("start"), note, User("a"), Epoch("compaction")]) is None
