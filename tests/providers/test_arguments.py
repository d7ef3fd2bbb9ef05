from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.providers.arguments import NotArguments, read_arguments

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=8), JSON, max_size=4)


@given(OBJECTS, st.sampled_from([None, 2]), st.booleans())
def test_what_is_right_is_kept_to_the_byte(value: dict[str, object], indent: int | None, ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    assert read_arguments(text) == (value, text, ())


@pytest.mark.parametrize(
    ("text", "value", "words"),
    [
        ('{"a":"x\ny\tz"}', {"a": "x\ny\tz"}, "control characters"),
        ('{"a":[1,2,],}', {"a": [1, 2]}, "comma"),
        ('{"a":",]"  ,}', {"a": ",]"}, "comma"),
        ('```json\n{"a":1}\n```', {"a": 1}, "fence"),
        ('{"a":1}<|tool_call_end|>', {"a": 1}, "marker"),
        ('{"a":1}{"a":1}', {"a": 1}, "twice"),
        ('{"a":{"b":1}}}', {"a": {"b": 1}}, "too many"),
        ('{"a":[{"b":"c"}', {"a": [{"b": "c"}]}, "missing"),
        ('{"a":"x"', {"a": "x"}, "missing"),
        ("{'a': True, 'b': None}", {"a": True, "b": None}, "Python"),
        ('"{\\"a\\": 1}"', {"a": 1}, "encoded twice"),
    ],
)
def test_a_slip_with_one_meaning_is_mended_and_named(text: str, value: object, words: str) -> None:
    found = read_arguments(text)
    assert found.value == value
    assert json.loads(found.text) == value
    assert words in " ".join(found.repairs)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cut off"),
        ('{"path":"a.py","content":"def f', "cut off"),
        ('{"a":', "cut off"),
        ('{"a":1', "cut off"),
        ('{"a":1}{"a":2}', "Extra data"),
        ('{"path":"a","path":"b"}', "'path' is there twice"),
        ('{"a":NaN}', "NaN"),
        ("[1]", "not an array"),
        ("null", "not null"),
        ("edit the file", "not valid JSON"),
    ],
)
def test_what_has_no_meaning_or_two_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(NotArguments) as caught:
        read_arguments(text)
    assert words in str(caught.value)


@given(OBJECTS.filter(bool), st.data())
def test_a_cut_object_is_never_read_as_another_one(value: dict[str, object], data: st.DataObject) -> None:
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(1, len(text) - 1))]
    try:
        found = read_arguments(cut)
    except NotArguments:
        return
    assert text.startswith(cut.rstrip("]}")), "only closing brackets may be added"
    assert json.dumps(found.value).rstrip("]}") == cut.rstrip(", ]}")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read_arguments(text)
    except NotArguments as problem:
        assert str(problem)
    else:
        assert json.loads(found.text) == found.value
