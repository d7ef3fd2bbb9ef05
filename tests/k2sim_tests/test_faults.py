from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.k2sim import Answer, Call, Fault, Simulator, call, fail, say, use
from tests.k2sim.faults import KINDS
from tests.k2sim_tests.client import Reply, chat
from tests.k2sim_tests.raw import exchange, post, read, read_events

TWO_CALLS = (call("read_file", path="a.py"), call("grep", pattern="a long enough pattern to be cut in two"))


def server(kind: str, shape: str = "moonshot", answer: Answer | None = None, **more: Any) -> Simulator:
    spoken = answer or say("one two three four five six seven", reasoning="let me think")
    return Simulator([replace(spoken, faults=(Fault(kind, **more),)), say("after")], shape=shape)


def stream(sim: Simulator, **fields: Any) -> Reply:
    return chat(sim, stream=True, stream_options={"include_usage": True}, **fields)


def told(chunks: list[Any], key: str = "content") -> str:
    return "".join(c["choices"][0]["delta"].get(key) or "" for c in chunks if c["choices"])


MOONSHOT_ERRORS = {
    "engine_overloaded": (429, "engine_overloaded_error", "overloaded"),
    "rate_limit_rpm": (429, "rate_limit_reached_error", "organization max RPM: 3"),
    "rate_limit_tpm": (429, "rate_limit_reached_error", "TPM rate limit, current:500001, limit:500000"),
    "rate_limit_tpd": (429, "rate_limit_reached_error", "TPD"),
    "rate_limit_concurrency": (429, "rate_limit_reached_error", "max organization concurrency"),
    "quota_exceeded": (429, "exceeded_current_quota_error", "exceeded your current token quota"),
    "server_error": (500, "server_error", ""),
    "unavailable": (503, "server_unavailable", ""),
    "wrong_key": (401, "incorrect_api_key_error", ""),
    "forbidden": (403, "permission_denied_error", ""),
    "model_gone": (
        404,
        "resource_not_found_error",
        "Not found the model kimi-k2-0905-preview or Permission denied",
    ),
    "content_filter": (400, "content_filter", "high risk"),
    "context_overflow": (400, "invalid_request_error", "Input token length too long"),
    "too_large": (413, "invalid_request_error", "Request exceeds the maximum size"),
}


@pytest.mark.parametrize("kind", MOONSHOT_ERRORS)
def test_moonshot_s_errors_have_its_status_type_and_words(kind: str) -> None:
    status, type_, text = MOONSHOT_ERRORS[kind]
    with server(kind) as sim:
        reply = stream(sim)
    assert (reply.status, reply.json["error"]["type"]) == (status, type_)
    assert text in reply.message
    assert "retry-after" not in reply.headers


ARK_CODES = {
    "engine_overloaded": "ServerOverloaded",
    "rate_limit_rpm": "ModelAccountRpmRateLimitExceeded",
    "rate_limit_tpm": "ModelAccountTpmRateLimitExceeded",
    "quota_exceeded": "QuotaExceeded",
    "server_error": "InternalServiceError",
    "wrong_key": "AuthenticationError",
    "model_gone": "InvalidEndpointOrModel.NotFound",
    "content_filter": "InputTextSensitiveContentDetected",
}


@pytest.mark.parametrize("kind", ARK_CODES)
def test_ark_s_errors_have_its_codes(kind: str) -> None:
    with server(kind, "ark") as sim:
        assert stream(sim).json["error"]["code"] == ARK_CODES[kind]


@pytest.mark.parametrize("kind", ["rate_limit_rpm", "engine_overloaded", "unavailable", "bad_gateway_html"])
def test_retry_after_is_sent_as_scripted_and_the_next_request_gets_the_next_answer(kind: str) -> None:
    with server(kind, retry_after="7") as sim:
        assert stream(sim).headers["retry-after"] == "7"
        assert told(stream(sim).chunks) == "after"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("server_error_html", 500),
        ("bad_gateway_html", 502),
        ("unavailable_html", 503),
        ("gateway_timeout_html", 504),
    ],
)
def test_gateways_answer_with_a_page(kind: str, status: int) -> None:
    with server(kind) as sim:
        reply = stream(sim)
    assert (reply.status, reply.headers["content-type"]) == (status, "text/html")
    assert reply.data.startswith(b"<html>")


def test_any_status_can_carry_any_body() -> None:
    with server("http", status=418, body='{"x":1}') as sim:
        reply = stream(sim)
    assert (reply.status, reply.json) == (418, {"x": 1})


def test_an_error_does_not_enter_the_cache() -> None:
    message = [{"role": "user", "content": " word" * 600}]
    with server("engine_overloaded") as sim:
        chat(sim, message)
        chat(sim, message)
    assert sim.answered[0].cached_tokens == 0


def test_a_reset_before_the_answer_sends_nothing() -> None:
    with server("reset_before") as sim:
        wire = exchange(sim)
    assert (wire.data, wire.ending) == (b"", "reset")


def test_a_close_before_the_answer_sends_nothing() -> None:
    with server("close_before") as sim:
        wire = exchange(sim)
    assert (wire.data, wire.ending) == (b"", "eof")


@pytest.mark.parametrize("events", [0, 1, 3])
def test_a_hangup_leaves_the_body_without_its_end(events: int) -> None:
    with server("hangup", after_chunks=events) as sim:
        wire = exchange(sim)
    assert wire.data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (wire.events, wire.whole_body, wire.ending) == (events, False, "eof")


def test_a_reset_in_the_stream_is_a_tcp_reset() -> None:
    with server("reset", after_chunks=2) as sim, post(sim) as connection:
        wire = read(connection)
    assert wire.ending == "reset"
    assert wire.events <= 2


def test_a_cut_stream_ends_properly_but_without_done() -> None:
    with server("cut", after_chunks=3) as sim:
        wire = exchange(sim)
    assert (wire.events, wire.whole_body) == (3, True)
    assert b"[DONE]" not in wire.data


def test_a_stream_without_done_is_whole_otherwise() -> None:
    with server("no_done") as sim:
        reply = stream(sim)
    assert b"[DONE]" not in reply.data
    assert told(reply.chunks) == "one two three four five six seven"
    assert reply.chunks[-2]["choices"][0]["finish_reason"] == "stop"


def test_a_stream_without_finish_has_done() -> None:
    with server("no_finish") as sim:
        reply = stream(sim)
    assert reply.payloads[-1] == b"[DONE]"
    assert all(not c["choices"] or c["choices"][0]["finish_reason"] is None for c in reply.chunks)


def test_a_stall_is_silence_on_an_open_connection() -> None:
    with server("stall", after_chunks=2, seconds=600) as sim, post(sim) as connection:
        read_events(connection, 2)
        rest = read(connection, patience_s=0.3)
    assert (rest.data, rest.ending) == (b"\r\n", "open")


def test_a_short_stall_goes_on_to_the_end() -> None:
    with server("stall", after_chunks=2, seconds=0.1) as sim:
        assert exchange(sim).whole_body


def test_a_stall_before_the_answer_sends_no_headers() -> None:
    with server("stall_before", seconds=600) as sim:
        wire = exchange(sim, patience_s=0.4)
    assert (wire.data, wire.ending) == (b"", "open")


def test_a_client_that_leaves_during_a_stall_is_noticed() -> None:
    with server("stall", seconds=600) as sim:
        with post(sim) as connection:
            read_events(connection, 1)
        record = sim.requests[0]
        assert record.over.wait(10)
        assert record.client_left


def test_a_malformed_line_breaks_one_event_only() -> None:
    with server("malformed_json", after_chunks=2) as sim:
        payloads = stream(sim).payloads
    with pytest.raises(ValueError):
        json.loads(payloads[2])
    assert all(json.loads(p) for i, p in enumerate(payloads[:-1]) if i != 2)
    assert payloads[-1] == b"[DONE]"


@pytest.mark.parametrize("shape", ["moonshot", "ark", "openai"])
def test_an_error_in_mid_stream_is_the_last_event(shape: str) -> None:
    with server("error_mid_stream", shape, after_chunks=2) as sim:
        reply = stream(sim)
    assert reply.status == 200
    assert len(reply.chunks) == 3
    assert "error" in reply.chunks[-1]
    assert b"[DONE]" not in reply.data


def test_duplicated_deltas_say_everything_twice() -> None:
    with server("duplicate_deltas", answer=say("ab")) as sim:
        assert told(stream(sim).chunks) == "abab"


def test_deltas_out_of_order_swap_neighbours() -> None:
    with server("out_of_order", answer=say("abcdefghijklmnopqrstuvwx")) as sim:
        assert told(stream(sim).chunks) == "mnopqrstuvwxabcdefghijkl"


def indexes(reply: Reply) -> list[Any]:
    return [
        delta.get("index")
        for chunk in reply.chunks
        if chunk["choices"]
        for delta in chunk["choices"][0]["delta"].get("tool_calls", ())
    ]


@pytest.mark.parametrize(
    ("kind", "found"), [("wrong_index", {7, 8}), ("missing_index", {None}), ("same_index", {0})]
)
def test_the_index_of_calls_can_be_wrong(kind: str, found: set[Any]) -> None:
    with server(kind, answer=use(*TWO_CALLS)) as sim:
        assert set(indexes(stream(sim))) == found


def test_ids_of_calls_can_be_missing_or_all_the_same() -> None:
    with server("missing_id", answer=use(*TWO_CALLS)) as sim:
        assert b'"name":"grep"' in (data := stream(sim).data)
        assert b'"id":"grep' not in data
    found = message("same_id", use(*TWO_CALLS))
    assert [entry["id"] for entry in found["tool_calls"]] == ["call_0", "call_0"]


def test_empty_deltas_finish_with_calls_that_never_came() -> None:
    with server("empty_deltas", answer=use(*TWO_CALLS)) as sim:
        reply = stream(sim)
        assert indexes(reply) == []
    assert reply.chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


def message(kind: str, answer: Answer) -> dict[str, Any]:
    with server(kind, answer=answer) as sim:
        choice = chat(sim).json["choices"][0]
    return {**choice["message"], "finish": choice["finish_reason"]}


def arguments(found: dict[str, Any]) -> list[str]:
    return [entry["function"]["arguments"] for entry in found["tool_calls"]]


def test_malformed_arguments_are_no_json() -> None:
    for text in arguments(message("malformed_arguments", use(*TWO_CALLS))):
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


def test_truncated_arguments_cut_the_last_call_and_finish_by_length() -> None:
    found = message("truncated_arguments", use(*TWO_CALLS))
    first, last = arguments(found)
    assert json.loads(first) == {"path": "a.py"}
    assert TWO_CALLS[1].arguments.startswith(last)
    assert len(last) < len(TWO_CALLS[1].arguments)
    assert found["finish"] == "length"


def test_an_unknown_tool_takes_the_first_call_s_place() -> None:
    found = message("unknown_tool", use(*TWO_CALLS))
    assert [entry["function"]["name"] for entry in found["tool_calls"]] == ["no_such_tool", "grep"]


def test_an_empty_answer_has_nothing_but_a_finish_reason() -> None:
    assert message("empty", say("x", reasoning="y")) == {"role": "assistant", "content": "", "finish": "stop"}


def test_a_think_only_answer_has_nothing_but_reasoning() -> None:
    found = message("think_only", say("x"))
    assert found["content"] == ""
    assert found["reasoning_content"]


def test_finish_can_say_tool_calls_without_any() -> None:
    found = message("finish_without_calls", use(*TWO_CALLS))
    assert "tool_calls" not in found
    assert found["finish"] == "tool_calls"


def test_markup_can_leak_into_the_text() -> None:
    found = message("markup_in_text", use(Call("grep", '{"pattern":"x"}'), text="Look."))
    assert found["content"] == (
        "Look.<|tool_calls_section_begin|><|tool_call_begin|>functions.grep:0<|tool_call_argument_begin|>"
        '{"pattern":"x"}<|tool_call_end|><|tool_calls_section_end|>'
    )
    assert found["finish"] == "stop"


@pytest.mark.parametrize("shape", ["moonshot", "ark"])
def test_usage_can_be_missing_or_impossible(shape: str) -> None:
    with server("usage_missing", shape) as sim:
        assert b'"usage"' not in stream(sim).data
    with server("usage_wrong", shape) as sim:
        usage = stream(sim).chunks[-1]["usage"]
    cached = usage.get("cached_tokens") or usage["prompt_tokens_details"]["cached_tokens"]
    assert cached > usage["prompt_tokens"]


def test_faults_can_be_combined() -> None:
    faults = (Fault("usage_missing"), Fault("no_done"))
    with Simulator([Answer(text="x", faults=faults)]) as sim:
        data = stream(sim).data
    assert b"usage" not in data
    assert b"[DONE]" not in data


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if not k.startswith(("stall", "reset", "close", "hangup"))]
)
def test_every_fault_is_answered_and_the_next_answer_is_sound(kind: str) -> None:
    for streamed in (True, False):
        answer = use(*TWO_CALLS, text="some text", reasoning="r", faults=(Fault(kind),))
        with Simulator([answer, say("sound")]) as sim:
            assert chat(sim, stream=streamed).status
            assert told(stream(sim).chunks) == "sound"


def test_a_401_can_come_in_mid_session() -> None:
    with Simulator([say("a"), fail("wrong_key"), say("b")]) as sim:
        assert [chat(sim).status for _ in range(3)] == [200, 401, 200]
