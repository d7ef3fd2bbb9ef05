"""The Responses wire against the simulator's Ark, over HTTP: what is sent, and what is stored."""

from __future__ import annotations

import pytest

from kcode.providers import catalog
from kcode.providers.endpoint import dialect_for
from kcode.providers.profiles import PROFILES
from tests.k2sim import say
from tests.k2sim.responses_store import rounds

from .ark_support import INSTRUCT, READ, THINKING, loop, once, talk

# --- what is spoken where ------------------------------------------------------------------------


def test_models_with_a_priced_cache_and_own_endpoints_are_spoken_to_in_the_caching_wire():
    models = {m.id: m for m in catalog.models() if m.provider == "ark"}
    wires = {m.id: dialect_for(PROFILES["ark"], m).wire for m in models.values()}
    assert wires[THINKING] == wires[INSTRUCT] == "responses"
    assert all(wires[m.id] == ("responses" if m.cache_storage else "chat") for m in models.values())
    own = catalog.unknown_model("ep-20260101-abcde", "ark")
    assert dialect_for(PROFILES["ark"], own).wire == "responses"
    assert dialect_for(PROFILES["ark"], catalog.unknown_model("doubao-x", "ark")).wire == "chat"
    for plan in (m for m in catalog.models() if m.provider.startswith("ark-")):
        assert dialect_for(PROFILES[plan.provider], plan).wire == "chat"


# --- what is sent --------------------------------------------------------------------------------


def test_the_first_request_says_everything_explicitly(k2sim):
    sim = k2sim([say("Hello.", reasoning="Hm.")], shape="ark")
    talk(sim, once(max_output_tokens=20_000))
    [first] = rounds(sim)
    body = first.json
    assert [item["type"] for item in body["input"]] == ["message", "message"]
    assert body["input"][0]["role"] == "system"
    assert (body["caching"], body["store"], body["stream"]) == ({"type": "enabled"}, True, True)
    assert (body["max_output_tokens"], body["temperature"], body["top_p"]) == (20_000, 1.0, 1.0)
    assert not {"instructions", "tool_choice", "thinking", "text", "max_tokens"} & set(body)
    assert [tool["strict"] for tool in body["tools"]] == [False]
    assert body["tools"][0]["name"] == "read_file"
    assert "x-client-request-id" in first.headers


@pytest.mark.parametrize(("model", "degree"), [(THINKING, 1.0), (INSTRUCT, 0.6)])
def test_the_temperature_is_the_models(k2sim, model, degree):
    sim = k2sim([say("Hello.")], shape="ark")
    talk(sim, once(), model=model)
    assert rounds(sim)[0].json["temperature"] == degree


def test_the_answers_room_never_passes_the_models_maximum(k2sim):
    sim = k2sim([say("Hello.")], shape="ark")
    talk(sim, once(max_output_tokens=10**6), model=INSTRUCT)
    assert rounds(sim)[0].json["max_output_tokens"] == 32_768


def test_later_requests_send_only_what_is_new_and_read_the_rest_from_the_cache(k2sim):
    sim = k2sim([READ, say("Done."), say("You are welcome.")], shape="ark")

    async def story(talking):
        await talking.loop("look at a.py")
        assert talking.usage.cached >= 768
        await talking.ask("thanks")

    talk(sim, story)
    _, second, third = rounds(sim)
    assert [item["type"] for item in second.json["input"]] == ["function_call_output"]
    assert third.json["input"] == [{"type": "message", "role": "user", "content": "thanks"}]
    assert "tools" not in second.json | third.json
    assert second.json["input"][0]["call_id"].startswith("call_")
    assert second.cached_tokens <= third.cached_tokens


def test_the_next_request_waits_until_the_last_answer_is_filed(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")
    talk(sim, loop(), chain_pause_s=0.3)
    first, second = rounds(sim)
    assert second.time - first.time >= 0.3


def test_a_one_off_request_is_neither_stored_nor_cached(k2sim):
    sim = k2sim([say("feat: x")], shape="ark")
    talking = talk(sim, once(session_id=""))
    body = rounds(sim)[0].json
    assert body["store"] is False
    assert not {"caching", "expire_at"} & set(body)
    assert (talking.usage.stored, talking.usage.stored_hours) == (0, 0)


def test_structured_answers_are_json_objects_once_caching_is_used(k2sim):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    sim = k2sim([say("first"), say('{"a": "b"}')], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        await talking.ask("answer in json", response_schema=schema)

    talk(sim, story, structured="json_schema")
    assert rounds(sim)[1].json["text"] == {"format": {"type": "json_object"}}


def test_without_caching_a_schema_is_sent_where_the_dialect_has_it(k2sim):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    sim = k2sim([say('{"a": "b"}')], shape="ark")
    talk(sim, once(session_id="", response_schema=schema), structured="json_schema")
    assert rounds(sim)[0].json["text"]["format"]["type"] == "json_schema"


def test_an_answer_to_be_continued_is_the_last_item_where_the_dialect_has_that(k2sim):
    begun = b'{"role":"assistant","content":"One, two"}'
    sim = k2sim([say(", three."), say(", three.")], shape="ark")
    talk(sim, once(partial=begun), partial="partial")
    talk(sim, once(partial=begun))
    marked, unmarked = rounds(sim)
    last = {"type": "message", "role": "assistant", "content": "One, two", "partial": True}
    assert marked.json["input"][-1] == last
    assert unmarked.json["input"][-1]["role"] == "user"


def test_a_server_without_this_cache_is_sent_none_of_its_fields(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")

    async def story(talking):
        await talking.loop("look at a.py")

    talk(sim, story, response_cache=False)
    for record in rounds(sim):
        assert record.status == 200
        assert not {"caching", "expire_at", "previous_response_id"} & set(record.json)
        assert record.json["store"] is False
        assert record.json["tools"]


# --- what is stored ------------------------------------------------------------------------------


def test_what_is_stored_is_reported_with_its_hours(k2sim):
    sim = k2sim([say("Hello.", reasoning="A long thought about it.")], shape="ark")
    talking = talk(sim, once())
    usage, body = talking.usage, rounds(sim)[0].json
    assert usage.reasoning > 0
    assert usage.stored == usage.prompt + usage.completion - usage.reasoning
    assert usage.stored_hours == 2
    assert 3600 < body["expire_at"] - rounds(sim)[0].time <= 7200


def test_quick_steps_shorten_what_is_paid_for(k2sim):
    sim = k2sim([READ, READ, READ, say("Done.")], shape="ark")
    talking = talk(sim, loop())
    assert talking.usage.stored_hours == 1
