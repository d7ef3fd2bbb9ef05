"""The Responses wire against the simulator's Ark, over HTTP: one rule of the server at a time."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from kcode.conversation.ledger import Assistant, Epoch, User
from kcode.conversation.projection import project
from kcode.providers import catalog
from kcode.providers.base import (
    AuthError,
    CallDelta,
    ConnectionLost,
    ContentFiltered,
    ContextOverflow,
    Finish,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ReasoningDelta,
    Request,
    ServerFailed,
    TextDelta,
    TokenCounter,
    Usage,
    Waiting,
)
from kcode.providers.endpoint import dialect_for
from kcode.providers.profiles import PROFILES
from tests.k2sim import Chunking, Fault, call, fail, say, use
from tests.k2sim.responses_store import ark, rounds

from .ark_support import INSTRUCT, THINKING, Talk, ark_provider, declare, run
from .loopback import Reply, loopback

READ = use(call("read_file", path="a.py"), reasoning="Look.")


def talk(sim, story, **options):
    """Run ``story`` with a conversation at the simulator; the conversation."""

    async def tell():
        talking = Talk(ark_provider(sim, **options))
        try:
            await story(talking)
        finally:
            await talking.provider.close()
        return talking

    return run(tell())


def made_by(sim, record):
    """The id of the stored response that answered this request."""
    mark = f"in_{record.number:06d}"
    return next(s.id for s in ark(sim).stored.values() if s.input_items[0]["id"].startswith(mark))


def once(text: str = "hi", **fields):
    async def story(talking):
        await talking.ask(text, **fields)

    return story


def loop(text: str = "look at a.py"):
    async def story(talking):
        await talking.loop(text)

    return story


# --- what is spoken where -----------------------------------------------------------------------


def test_models_with_a_priced_cache_and_own_endpoints_are_spoken_to_in_the_caching_wire():
    models = {m.id: m for m in catalog.models() if m.provider == "ark"}
    wires = {m.id: dialect_for(PROFILES["ark"], m).wire for m in models.values()}
    assert wires[THINKING] == wires[INSTRUCT] == "responses"
    assert all(wires[m.id] == ("responses" if m.cache_storage else "chat") for m in models.values())
    own = catalog.unknown_model("ep-20260101-abcde", "ark")
    assert dialect_for(PROFILES["ark"], own).wire == "responses"
    assert dialect_for(PROFILES["ark"], catalog.unknown_model("doubao-x", "ark")).wire == "chat"
    for plan in (m for m in catalog.models() if m.provider == "ark-coding"):
        assert dialect_for(PROFILES["ark-coding"], plan).wire == "chat"


# --- what is sent -------------------------------------------------------------------------------


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


# --- what is stored -----------------------------------------------------------------------------


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


# --- what breaks the chain ----------------------------------------------------------------------

GONE = [
    (400, "InvalidParameter.PreviousResponseNotFound", "Previous response with id '{id}' not found."),
    (400, "InvalidParameter", "The parameter `previous_response_id` specified in the request is not valid."),
    (404, "InvalidArgumentError", "response {id} does not exist"),
    (404, "NotFound", "The requested resource was not found."),
]


@pytest.mark.parametrize("gone", GONE)
def test_an_expired_response_is_answered_by_a_full_resend(k2sim, gone):
    sim = k2sim([READ, say("Done."), say("Again.")], shape="ark")
    ark(sim).gone = gone

    async def story(talking):
        await talking.loop("look at a.py")
        ark(sim).forget()
        assert (await talking.ask("and now?")).content == "Again."
        assert "in full" in talking.retried[0]

    talk(sim, story)
    refused, full = rounds(sim)[2:]
    assert (refused.status, full.status) == (gone[0], 200)
    assert "previous_response_id" not in full.json
    assert [i["type"] for i in full.json["input"]] == [
        "message", "message", "function_call", "function_call_output", "message", "message",
    ]  # fmt: skip
    assert len(full.json["tools"]) == 1


def test_a_deleted_response_is_too(k2sim):
    sim = k2sim([say("one"), say("two")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        [kept] = ark(sim).stored
        await talking.provider.call("DELETE", f"/responses/{kept}")
        assert (await talking.ask("go on")).content == "two"

    talk(sim, story)
    assert [r.status for r in rounds(sim)] == [200, 400, 200]


def test_a_response_about_to_expire_is_not_even_tried(k2sim, monkeypatch):
    sim = k2sim([say("one"), say("two")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        later = time.time() + 2 * 3600
        monkeypatch.setattr("kcode.providers.responses.time.time", lambda: later)
        await talking.ask("go on")
        assert any(isinstance(c, Waiting) and "expired" in c.why for c in talking.chunks)

    talk(sim, story)
    assert ["previous_response_id" in r.json for r in rounds(sim)] == [False, False]


def test_a_repaired_answer_is_not_what_the_server_holds(k2sim):
    broken = use(replace(call("read_file"), arguments='{"path": "a.py",}'), reasoning="Look.")
    sim = k2sim([say("Hello."), broken, say("Done.")], shape="ark", strict_arguments=False)

    async def story(talking):
        await talking.ask("hi")
        await talking.loop("look")

    talk(sim, story)
    hello, _, third = rounds(sim)
    assert third.json["previous_response_id"] == made_by(sim, hello)
    assert [i["type"] for i in third.json["input"]] == [
        "message", "reasoning", "function_call", "function_call_output",
    ]  # fmt: skip
    assert hello.status == third.status == 200


def test_a_first_answer_that_was_repaired_is_resent_in_full_and_said(k2sim):
    broken = use(replace(call("read_file"), arguments='{"path": "a.py",}'))
    sim = k2sim([broken, say("Done.")], shape="ark", strict_arguments=False)

    async def story(talking):
        await talking.loop("look")
        assert any(isinstance(c, Waiting) and "the last answer" in c.why for c in talking.chunks)

    talk(sim, story)
    assert "previous_response_id" not in rounds(sim)[1].json


def test_the_same_arguments_in_another_spelling_are_the_same_answer(k2sim):
    sim = k2sim([use(call("read_file", path="a.py")), say("Done.")], shape="ark")

    async def story(talking):
        said = await talking.ask("look")
        [one] = said.calls
        respelled = replace(one, arguments='{ "path" :"a.py" }')
        talking.ledger[-1] = replace(said, calls=(respelled,))
        talking.answer_calls()
        await talking.ask()

    talk(sim, story)
    assert "previous_response_id" in rounds(sim)[1].json


def test_an_interrupted_answer_is_built_upon_the_one_before(k2sim):
    slow = say("word " * 200, chunking=Chunking(text_chars=5, delay_ms=2))
    sim = k2sim([say("Hello."), slow, say("Done.")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        talking.ledger.append(User("tell me much"))
        wire = project(talking.ledger, talking.provider.dialect)
        request = Request(THINKING, wire.tools, wire.messages, 4096, talking.session)
        answer = talking.provider.stream(request)
        async for chunk in answer:
            if isinstance(chunk, TextDelta):
                talking.ledger.append(Assistant(chunk.text, None, (), "interrupted"))
                break
        await answer.aclose()
        await talking.ask("shorter, please")

    talk(sim, story)
    first, _, third = rounds(sim)
    assert third.json["previous_response_id"] == made_by(sim, first)
    assert [i.get("role") for i in third.json["input"]] == ["user", "assistant", "user"]


def test_a_rewind_goes_on_from_the_earlier_answer(k2sim):
    sim = k2sim([say("one"), say("two"), say("other two")], shape="ark")

    async def story(talking):
        await talking.ask("first")
        position = len(talking.ledger)
        await talking.ask("second")
        talking.ledger.append(Epoch("rewind", keep_upto=position))
        await talking.ask("another second")

    talk(sim, story)
    _, second, third = rounds(sim)
    assert second.json["previous_response_id"] == third.json["previous_response_id"]
    assert len(third.json["input"]) == 1


def test_other_tools_begin_a_new_chain(k2sim):
    sim = k2sim([say("one"), say("two")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        talking.ledger.append(declare("read_file", "list_dir"))
        await talking.ask("go on")

    talk(sim, story)
    assert [len(r.json.get("tools", ())) for r in rounds(sim)] == [1, 2]
    assert [r.status for r in rounds(sim)] == [200, 200]


def test_a_cut_off_answer_is_not_built_upon(k2sim):
    sim = k2sim([say("one"), say("word " * 3000), say("the rest")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        await talking.ask("much", max_output_tokens=100)
        assert talking.chunks[-1] == Finish("length")
        await talking.ask("go on")

    talk(sim, story, model=INSTRUCT)
    _, second, third = rounds(sim)
    assert third.json["previous_response_id"] == second.json["previous_response_id"]
    assert [i.get("role") for i in third.json["input"]] == ["user", "assistant", "user"]


# --- what is gone on without --------------------------------------------------------------------


def test_a_cache_that_is_switched_off_is_tried_once_and_remembered(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")
    ark(sim).caching = False

    async def story(talking):
        await talking.loop("look at a.py")

    talking = talk(sim, story)
    refused, first, second = rounds(sim)
    assert (refused.status, refused.refusal) == (403, "The cache service is not activated for this model.")
    for record in (first, second):
        assert record.status == 200
        assert not {"caching", "expire_at", "previous_response_id"} & set(record.json)
        assert record.json["store"] is False
    assert talking.usage.stored_hours == 0
    again = talk(sim_with(sim, say("More.")), once("hi"))
    assert again.ledger[-1].content == "More."
    assert [r.status for r in rounds(sim)][3:] == [200]


def sim_with(sim, answer):
    sim.add(answer)
    return sim


def test_a_cache_switched_off_in_the_middle_loses_nothing(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")

    async def story(talking):
        await talking.ask("look at a.py")
        ark(sim).caching = False
        talking.answer_calls()
        assert (await talking.ask()).content == "Done."
        assert "caching" in talking.retried[0]

    talk(sim, story)
    assert [r.status for r in rounds(sim)] == [200, 403, 200]


def test_where_there_is_no_such_wire_chat_completions_go_on(k2sim):
    sim = k2sim([READ, say("Done."), say("More.")], shape="ark")
    ark(sim).served = False

    async def story(talking):
        await talking.loop("look at a.py")
        await talking.ask("more")

    talk(sim, story)
    assert [r.status for r in rounds(sim)] == [404]
    assert [r.status for r in sim.chats] == [200, 200, 200]
    assert all(step.extends for step in sim.prefix_report())


def test_a_model_the_wire_does_not_serve_is_asked_by_chat_completions(k2sim):
    body = {"error": {"code": "InvalidParameter", "message": "The model does not support the responses API."}}
    refusal = fail("http", status=400, body=json.dumps(body))
    sim = k2sim([refusal, say("By chat.")], shape="ark")
    talking = talk(sim, once())
    assert talking.ledger[-1].content == "By chat."
    assert "chat completions" in talking.retried[0]


def test_an_endpoint_of_the_users_own_works_as_a_model(k2sim):
    own = "ep-20260101-abcde"
    sim = k2sim([READ, say("Done.")], shape="ark", model_ids=[own])
    talking = talk(sim, loop(), model=own)
    assert [r.json["model"] for r in rounds(sim)] == [own, own]
    assert talking.usage.stored_hours == 1


def test_a_model_that_is_gone_names_what_the_server_lists(k2sim):
    sim = k2sim([say("never")], shape="ark", model_ids=["kimi-k2-250905"])
    with pytest.raises(ModelNotFound) as caught:
        talk(sim, once())
    assert "kimi-k2-250905" in caught.value.remedy


def test_reasoning_in_history_is_given_up_where_it_is_refused(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")
    ark(sim).takes_reasoning = False

    async def story(talking):
        await talking.ask("look at a.py")
        ark(sim).forget()
        talking.answer_calls()
        assert (await talking.ask()).content == "Done."
        assert any("reasoning" in why for why in talking.retried)

    talk(sim, story)
    assert [r.status for r in rounds(sim)] == [200, 400, 400, 200]


# --- what comes back ----------------------------------------------------------------------------


def test_reasoning_text_and_calls_come_in_their_order(k2sim):
    said = use(call("read_file", path="a.py"), call("read_file", path="b.py"), text="Both.", reasoning="Hm.")
    sim = k2sim([replace(said, chunking=Chunking(text_chars=2, argument_chars=3))], shape="ark")
    talking = talk(sim, once())
    kinds = [type(c) for c in talking.chunks]
    assert kinds == sorted(kinds, key=[ReasoningDelta, TextDelta, CallDelta, Usage, Finish].index)
    answer = talking.ledger[-1]
    assert (answer.reasoning, answer.content) == ("Hm.", "Both.")
    assert [c.arguments for c in answer.calls] == ['{"path": "a.py"}', '{"path": "b.py"}']
    assert len({c.id for c in answer.calls}) == 2
    assert talking.chunks[-1] == Finish("tool_calls")


@pytest.mark.parametrize("wire_bytes", [1, 7, 64])
def test_the_wire_may_cut_anywhere(k2sim, wire_bytes):
    said = "Ein Würfel — 你好, 世界 🎲"
    cut = Chunking(text_chars=3, wire_bytes=wire_bytes, comments=True)
    sim = k2sim([say(said, chunking=cut), say(said, chunking=cut)], shape="ark")

    async def story(talking):
        assert (await talking.ask("hi")).content == said
        assert (await talking.ask("again")).content == said

    talk(sim, story)


def test_what_no_delta_brought_is_read_from_the_final_object(k2sim):
    said = use(call("read_file", path="a.py"), text="Look.", reasoning="Hm.")
    sim = k2sim([replace(said, faults=(Fault("empty_deltas"),))], shape="ark")
    answer = talk(sim, once()).ledger[-1]
    assert (answer.reasoning, answer.content) == ("Hm.", "Look.")
    assert [c.arguments for c in answer.calls] == ['{"path": "a.py"}']


def test_events_sent_twice_count_once(k2sim):
    sim = k2sim([replace(say("aaaa bbbb aaaa"), faults=(Fault("duplicate_deltas"),))], shape="ark")
    assert talk(sim, once()).ledger[-1].content == "aaaa bbbb aaaa"


def test_an_answer_that_is_no_stream_is_read_too(k2sim):
    content = [{"type": "output_text", "text": "Hi."}]
    plain = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "output": [{"type": "message", "role": "assistant", "content": content}],
        "usage": {"input_tokens": 9, "output_tokens": 2},
    }
    sim = k2sim([fail("http", status=200, body=json.dumps(plain))], shape="ark")
    talking = talk(sim, once())
    assert talking.ledger[-1].content == "Hi."
    assert (talking.usage.prompt, talking.usage.completion) == (9, 2)


def test_impossible_usage_is_brought_into_bounds_and_missing_usage_is_none(k2sim):
    sim = k2sim([fail("usage_wrong"), fail("usage_missing")], shape="ark")

    async def story(talking):
        await talking.ask("hi")
        assert talking.usage.cached == talking.usage.prompt
        await talking.ask("again")
        assert not any(isinstance(c, Usage) for c in talking.chunks)

    talk(sim, story)


def test_an_empty_answer_is_an_answer_and_is_not_built_upon(k2sim):
    sim = k2sim([fail("think_only"), say("Here.")], shape="ark")

    async def story(talking):
        said = await talking.ask("hi")
        assert (said.content, said.calls) == ("", ())
        assert talking.chunks[-1] == Finish("stop")
        assert (await talking.ask("please answer")).content == "Here."

    talk(sim, story)
    assert "previous_response_id" not in rounds(sim)[1].json


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    ["reset_before", "close_before", "reset", "hangup", "cut", "malformed_json", "engine_overloaded",
     "rate_limit_rpm", "rate_limit_concurrency", "server_error", "unavailable", "gateway_timeout_html"],
)  # fmt: skip
def test_what_passes_is_discarded_and_tried_again(k2sim, fault):
    sim = k2sim([fail(fault, after_chunks=4), say("Recovered.")], shape="ark")
    talking = talk(sim, once())
    assert talking.ledger[-1].content == "Recovered."
    assert len(talking.retried) == 1
    assert rounds(sim)[0].json["input"] == rounds(sim)[1].json["input"]


@pytest.mark.parametrize("body", ["", "failed"])
def test_an_answer_that_fails_in_the_middle_is_discarded_and_tried_again(k2sim, body):
    sim = k2sim([fail("error_mid_stream", after_chunks=6, body=body), say("Recovered.")], shape="ark")
    talking = talk(sim, once())
    assert talking.ledger[-1].content == "Recovered."
    assert "middle of the answer" in talking.retried[0]


def test_a_stream_without_its_last_event_is_truncated(k2sim):
    sim = k2sim([replace(say("Half."), faults=(Fault("no_finish"),))], shape="ark")
    with pytest.raises(ConnectionLost):
        talk(sim, once(), retries=0)


def test_a_stream_without_its_done_is_whole_all_the_same(k2sim):
    sim = k2sim([replace(say("Whole."), faults=(Fault("no_done"),))], shape="ark")
    assert talk(sim, once(), retries=0).ledger[-1].content == "Whole."


ROWS = [
    (400, "MissingParameter", InvalidRequest, False),
    (400, "InvalidParameter.UnknownField", InvalidRequest, False),
    (400, "InvalidArgumentError", InvalidRequest, False),
    (400, "OutofContextError", ContextOverflow, False),
    (400, "InvalidEndpoint.ClosedEndpoint", Overloaded, True),
    (400, "SensitiveContentDetected.SevereViolation", ContentFiltered, False),
    (400, "InputTextSensitiveContentDetected", ContentFiltered, False),
    (400, "OutputTextSensitiveContentDetected", ContentFiltered, False),
    (400, "InputTextRiskDetection", ContentFiltered, False),
    (400, "InvalidSubscription", QuotaExhausted, False),
    (401, "AuthenticationError", AuthError, False),
    (401, "InvalidAccountStatus", AuthError, False),
    (403, "AccountOverdueError", QuotaExhausted, False),
    (403, "AccessDenied", AuthError, False),
    (403, "OperationDenied.ServiceNotOpen", ModelNotFound, False),
    (403, "OperationDenied.ServiceOverdue", QuotaExhausted, False),
    (403, "OperationDenied.InvalidState", AuthError, False),
    (404, "InvalidEndpointOrModel.NotFound", ModelNotFound, False),
    (404, "ModelNotOpen", ModelNotFound, False),
    (404, "InvalidEndpointOrModel.ModelIDAccessDisabled", ModelNotFound, False),
    (404, "UnsupportedModel", ModelNotFound, False),
    (429, "RateLimitExceeded.EndpointRPMExceeded", RateLimited, True),
    (429, "RateLimitExceeded.EndpointTPMExceeded", RateLimited, True),
    (429, "ModelAccountRpmRateLimitExceeded", RateLimited, True),
    (429, "ModelAccountTpmRateLimitExceeded", RateLimited, True),
    (429, "APIAccountRpmRateLimitExceeded", RateLimited, True),
    (429, "AccountRateLimitExceeded", RateLimited, True),
    (429, "ServerOverloaded", Overloaded, True),
    (429, "RequestBurstTooFast", RateLimited, True),
    (429, "InflightBatchsizeExceeded", RateLimited, True),
    (429, "QuotaExceeded", QuotaExhausted, False),
    (429, "SetLimitExceeded", QuotaExhausted, False),
    (500, "InternalServiceError", ServerFailed, True),
]


@pytest.mark.parametrize(("status", "code", "expected", "again"), ROWS)
def test_every_row_of_arks_errors_is_what_it_is(k2sim, status, code, expected, again):
    body = json.dumps({"error": {"code": code, "message": "as it says", "param": "", "type": ""}})
    sim = k2sim([fail("http", status=status, body=body), say("Recovered.")], shape="ark")
    if again:
        assert talk(sim, once()).ledger[-1].content == "Recovered."
        return
    with pytest.raises(expected) as caught:
        talk(sim, once())
    assert caught.value.remedy
    assert len(rounds(sim)) == 1


@pytest.mark.parametrize(("status", "code", "expected", "again"), ROWS)
def test_every_row_means_the_same_in_the_middle_of_a_stream(k2sim, status, code, expected, again):
    del status
    events = [
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Half"},
        {"type": "error", "code": code, "message": "as it says", "param": None},
    ]
    pieces = [f"data:{json.dumps(event)}\n\n".encode() for event in events]

    async def story():
        async with loopback(Reply(pieces=pieces)) as server:
            talking = Talk(ark_provider(server.url, retries=0))
            try:
                await talking.ask("hi")
            finally:
                await talking.provider.close()

    with pytest.raises(expected) as caught:
        run(story())
    assert caught.value.retryable == again


# --- counting -----------------------------------------------------------------------------------


def test_tokens_are_counted_by_the_server_with_an_allowance_for_the_template(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")

    async def story(talking):
        await talking.loop("look at a.py")
        assert isinstance(talking.provider, TokenCounter)
        wire = project(talking.ledger[:-1], talking.provider.dialect)
        counted = await talking.provider.count_tokens(Request(THINKING, wire.tools, wire.messages, 0))
        real = rounds(sim)[-1].prompt_tokens
        assert real <= counted <= real * 1.15

    talk(sim, story)
    record = sim.requests[-1]
    assert record.path.endswith("/tokenization")
    assert record.json["model"] == THINKING
