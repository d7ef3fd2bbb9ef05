from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.conversation.projection import spell as spell_message
from kcode.providers import catalog
from kcode.providers.body import THINKING_FLOOR, answer_room, reasoning_renamed, spell
from kcode.providers.dialect import DIALECTS

from .support import make_request

MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": st.text()})
MODELS = [m for m in catalog.models() if m.provider != "embedded"]


@given(
    st.lists(MESSAGE, min_size=1, max_size=6),
    st.lists(MESSAGE, max_size=4),
    st.sampled_from(sorted(DIALECTS)),
    st.sampled_from(MODELS),
    st.integers(1, 100_000),
    st.integers(1, 100_000),
)
def test_a_longer_conversation_extends_the_bytes_of_a_shorter_one(first, more, dialect, model, limit, other):
    tools = b'[{"type":"function","function":{"name":"git_status"}}]'
    short = tuple(map(spell_message, first))
    long = short + tuple(map(spell_message, more))
    one = spell(make_request(*short, tools=tools, max_output_tokens=limit), model, DIALECTS[dialect])
    two = spell(make_request(*long, tools=tools, max_output_tokens=other), model, DIALECTS[dialect])
    end = one.rindex(b"]", 0, one.rindex(b'"max_'))
    assert one[:end] == two[:end]
    body = json.loads(two)
    assert body["messages"] == first + more
    assert list(body)[:3] == ["model", "tools", "messages"]
    assert body["model"] == model.id


def test_no_tools_means_no_field():
    model = MODELS[0]
    for tools in (b"", b"[]"):
        assert "tools" not in json.loads(spell(make_request(tools=tools), model, DIALECTS["openai"]))


def test_a_thinking_models_room_is_raised_only_as_far_as_the_window_surely_allows():
    model = catalog.find("kimi-k2-thinking", "moonshot")
    assert model is not None
    assert answer_room(make_request(max_output_tokens=100), model) == THINKING_FLOOR
    nearly_full = make_request(b"x" * 2 * (model.context - 5000), max_output_tokens=100)
    assert answer_room(nearly_full, model) == 5000
    full = make_request(b"x" * 2 * model.context, max_output_tokens=100)
    assert answer_room(full, model) == 100


def test_an_answer_is_never_asked_to_be_longer_than_the_model_can():
    model = catalog.find("kimi-k2-250905", "ark")
    assert model is not None
    assert answer_room(make_request(max_output_tokens=10**6), model) == 32768


# --- an answer to be gone on with ----------------------------------------------------------------

BEGUN = b'{"role":"assistant","content":"It is"}'
TOOLS = b'[{"type":"function","function":{"name":"git_status"}}]'


def test_moonshots_partial_message_is_marked_on_itself():
    body = json.loads(spell(make_request(partial=BEGUN), MODELS[0], DIALECTS["moonshot"]))
    assert body["messages"][-1] == {"role": "assistant", "content": "It is", "partial": True}
    assert not {"continue_final_message", "add_generation_prompt"} & set(body)


@pytest.mark.parametrize("dialect", ["vllm", "sglang"])
def test_engines_are_told_beside_the_messages(dialect):
    body = json.loads(spell(make_request(partial=BEGUN), MODELS[0], DIALECTS[dialect]))
    assert body["messages"][-1] == {"role": "assistant", "content": "It is"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


def test_a_schema_and_a_partial_message_are_never_sent_together():
    request = make_request(partial=BEGUN, response_schema={"type": "object"})
    assert "response_format" not in json.loads(spell(request, MODELS[0], DIALECTS["moonshot"]))


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_text_only_is_said_where_the_field_is_taken_and_the_tools_stay(dialect):
    body = json.loads(spell(make_request(tools=TOOLS, no_calls=True), MODELS[0], DIALECTS[dialect]))
    assert body["tools"] == json.loads(TOOLS)
    assert body.get("tool_choice") == ("none" if DIALECTS[dialect].tool_choice else None)
    without = spell(make_request(no_calls=True), MODELS[0], DIALECTS[dialect])
    assert "tool_choice" not in json.loads(without)


def test_a_partial_message_extends_the_bytes_of_the_request_that_was_cut():
    for dialect in DIALECTS.values():
        one = spell(make_request(tools=TOOLS), MODELS[0], dialect)
        two = spell(make_request(tools=TOOLS, partial=BEGUN, no_calls=True), MODELS[0], dialect)
        end = one.index(b'"hi"}') + len(b'"hi"}')
        assert one[:end] == two[:end]


def test_what_is_asked_for_is_cut_to_what_the_window_leaves():
    model = replace(catalog.unknown_model("kimi-k2", "vllm"), context=10_000, max_output=10_000)
    assert answer_room(make_request(b"x" * 300, max_output_tokens=8000), model) == 8000
    assert answer_room(make_request(b"x" * 20_000, max_output_tokens=8000), model) == 5000
    assert answer_room(make_request(b"x" * 90_000, max_output_tokens=8000), model) == 256
    assert answer_room(make_request(b"x" * 90_000, max_output_tokens=100), model) == 100


def test_an_answer_is_not_given_the_models_maximum_for_its_own_sake():
    model = catalog.find("kimi-k2.6", "moonshot")
    assert model is not None
    assert answer_room(make_request(max_output_tokens=0), model) < model.max_output


def test_reasoning_is_renamed_and_nothing_else():
    message = spell_message({"role": "assistant", "reasoning": "a", "content": '"reasoning":1'})
    request = make_request(b'{"role":"user","content":"reasoning"}', message, partial=message)
    renamed = reasoning_renamed(request, "reasoning", "reasoning_content")
    assert renamed.messages[0] == request.messages[0]
    assert json.loads(renamed.partial) == {
        "role": "assistant",
        "reasoning_content": "a",
        "content": '"reasoning":1',
    }
    assert reasoning_renamed(renamed, "reasoning_content", "reasoning") == request
