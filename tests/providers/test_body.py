from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from kcode.conversation.projection import spell as spell_message
from kcode.providers import catalog
from kcode.providers.body import THINKING_FLOOR, answer_room, spell
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
