"""What the Responses wire answers: read in any shape, and every way it goes wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from kcode.conversation.projection import project
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
)
from tests.k2sim import Chunking, Fault, call, fail, say, use
from tests.k2sim.responses_store import rounds

from .ark_support import READ, THINKING, Talk, ark_provider, once, run, talk
from .loopback import Reply, loopback

# --- what comes back -----------------------------------------------------------------------------


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


# --- what goes wrong -----------------------------------------------------------------------------


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


# --- counting ------------------------------------------------------------------------------------


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
