from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.providers.base import CallDelta, TextDelta
from kcode.providers.embedded.answers import AnswerReader


def read(raw: str, sizes: list[int] | None = None) -> tuple[str, list[CallDelta]]:
    reader, pieces, rest = AnswerReader(), [], raw
    for size in sizes or [1] * len(raw):
        pieces += reader.feed(rest[:size])
        rest = rest[size:]
    pieces += reader.feed(rest) + reader.finish()
    text = "".join(p.text for p in pieces if isinstance(p, TextDelta))
    return text, [p for p in pieces if isinstance(p, CallDelta)]


@given(st.text(), st.lists(st.integers(1, 7), max_size=40), st.booleans())
def test_an_answer_reads_the_same_however_it_is_cut(text: str, sizes: list[int], ascii_only: bool) -> None:
    whole = text.encode("utf-8", "replace").decode("utf-8")
    raw = json.dumps({"answer": whole}, ensure_ascii=ascii_only, indent=1)
    assert read(raw, sizes) == (whole, [])


values = st.recursive(
    st.text(max_size=9) | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=6), values, max_size=4), st.lists(st.integers(1, 9), max_size=30))
def test_arguments_of_a_call_come_through_whole(arguments: dict[str, Any], sizes: list[int]) -> None:
    raw = json.dumps({"tool": "edit_file", "arguments": arguments})
    text, deltas = read(raw, sizes)
    assert text == ""
    assert [(d.name, d.index) for d in deltas if d.name] == [("edit_file", 0)]
    assert deltas[0].id
    assert json.loads("".join(d.arguments for d in deltas)) == arguments


def test_the_answer_streams_before_it_is_complete() -> None:
    reader = AnswerReader()
    assert reader.feed('{"answer": "The fi') == [TextDelta("The fi")]
    assert reader.feed("le is \\") == [TextDelta("le is ")]
    assert reader.feed('n"') == [TextDelta("\n")]


@pytest.mark.parametrize("raw", ["Sure, here it is.", "[1, 2]", '{"other": 1}', "{{{"])
def test_what_is_no_object_of_ours_is_shown_as_text(raw: str) -> None:
    assert read(raw) == (raw, [])


def test_a_call_cut_off_by_the_limit_keeps_what_came() -> None:
    text, deltas = read('{"tool": "grep", "arguments": {"pattern": "a')
    assert text == ""
    assert "".join(d.arguments for d in deltas) == '{"pattern": "a'
