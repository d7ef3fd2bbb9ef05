from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from kcode.providers.k2_markup import MarkupParser

from .markup import ARGUMENT, BEGIN, END, SECTION, SECTION_END, TOOLS, one, read, section, told

MARKERS = (
    SECTION,
    SECTION_END,
    "<|tool_call_section_begin|>",
    "<|tool_call_section_end|>",
    BEGIN,
    ARGUMENT,
    END,
    "<|im_end|>",
    "<|im_user|>",
    "<think>",
    "</think>",
)
BITS = st.one_of(
    st.sampled_from(
        [
            *MARKERS,
            *(marker[:7] for marker in MARKERS),
            "functions.grep:0",
            "functions.no_tool:1",
            "functions.",
            "call_1",
            "grep:2",
            '{"a": 1}',
            '{"a": "',
            '"}',
            "{}",
            "\\",
            '\\"',
            "`",
            "```\n",
            "(no content)",
            "\n",
            " ",
            "f",
            "[EOS]",
        ]
    ),
    st.text(max_size=8),
)
ANSWER = st.lists(BITS, max_size=24).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(MARKERS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
OBJECT = st.dictionaries(st.text(max_size=10), JSON, max_size=4)
CALLS = st.lists(st.tuples(st.sampled_from(TOOLS), OBJECT), min_size=1, max_size=4)
PLAIN = st.text(st.characters(exclude_characters="<`f("), max_size=30)


def cut(text: str, places: list[int]) -> list[str]:
    at = sorted({place % (len(text) + 1) for place in places})
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


@settings(max_examples=400)
@given(
    ANSWER,
    st.lists(st.integers(0, 10_000), max_size=12),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["content", "reasoning"]),
)
def test_any_split_of_the_text_gives_the_same_result(text, places, quotes, thinking, channel):
    options = {"quotes": quotes, "thinking": thinking, "channel": channel}
    whole = read(text, **options)
    assert read(cut(text, places), **options) == whole
    assert read(list(text), **options) == whole


@settings(max_examples=200)
@given(ANSWER, st.lists(st.integers(0, 10_000), max_size=12))
def test_released_text_is_the_text_whatever_it_was_taken_for(text, places):
    parser = MarkupParser(TOOLS)
    chunks = [chunk for piece in cut(text, places) for chunk in parser.content(piece)]
    said, _, calls = told([*chunks, *parser.release()])
    assert calls == []
    if not any(dropped in text for dropped in ("think>", "<|im_", "(no content)")):
        assert said == text


@settings(max_examples=200)
@given(PLAIN, st.text(max_size=20), CALLS, st.lists(st.integers(0, 10_000), max_size=8))
def test_what_is_written_as_markup_is_read_back_whatever_the_arguments_hold(text, thought, calls, places):
    spelled = [(name, json.dumps(value, ensure_ascii=False)) for name, value in calls]
    thought = thought.replace("<", "").replace("`", "").replace("f", "")
    answer = f"<think>{thought}</think>{text}" + section(
        *(one(f"functions.{name}:{n}", arguments) for n, (name, arguments) in enumerate(spelled))
    )
    assert read(cut(answer, places)) == (text, thought, spelled)
