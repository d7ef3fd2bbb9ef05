"""The simulated Responses API refuses what Ark refuses (facts C.3), and counts what Ark caches."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.k2sim import Simulator, call, say, use
from tests.k2sim.responses_store import ark
from tests.k2sim_tests.client import Reply, request

MODEL = "kimi-k2-250905"
LONG = {"type": "message", "role": "system", "content": "You are kcode. " * 300}
USER = {"type": "message", "role": "user", "content": "hi, in json"}
PARAMETERS = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "depth": {"type": "integer"}},
    "required": ["path"],
}
TOOL = {"type": "function", "name": "read_file", "parameters": PARAMETERS, "strict": False}
CACHED = {"caching": {"type": "enabled"}}


def ask(sim: Simulator, items: Any = None, **fields: Any) -> Reply:
    body = {"model": MODEL, "input": [LONG, USER] if items is None else items, **fields}
    return request(sim, "POST", "/responses", json.dumps(body).encode())


def in_days(days: float) -> int:
    return int(time.time() + days * 24 * 3600)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"messages": []}, "unknown field 'messages'"),
    "chat's limit": ({"max_tokens": 100}, "unknown field 'max_tokens'"),
    "stream options": ({"stream_options": {}}, "unknown field"),
    "no items": ({"input": []}, "input must be a non-empty"),
    "a developer": (
        {"input": [{"type": "message", "role": "developer", "content": "x"}]},
        "role 'developer' is unknown",
    ),
    "an item without its field": ({"input": [{"type": "message", "role": "user"}]}, "content is missing"),
    "an unknown item": ({"input": [{"type": "thought"}]}, "is unknown"),
    "an empty message": ({"input": [{**USER, "content": ""}]}, "must not be empty"),
    "a chat message": ({"input": [{"role": "user", "content": "hi"}]}, "type None is unknown"),
    "an output without a call": (
        {"input": [USER, {"type": "function_call_output", "call_id": "call_x", "output": "y"}]},
        "call_x is not found",
    ),
    "a call without its output": (
        {"input": [USER, {"type": "function_call", "call_id": "c", "name": "read_file", "arguments": "{}"}]},
        "is not found",
    ),
    "arguments that are no JSON": (
        {
            "input": [
                USER,
                {"type": "function_call", "call_id": "c", "name": "read_file", "arguments": "{"},
                {"type": "function_call_output", "call_id": "c", "output": "y"},
            ]
        },
        "not valid JSON",
    ),
    "the assistant last": ({"input": [USER, {**USER, "role": "assistant"}]}, "last item"),
    "nested tools": (
        {"tools": [{"type": "function", "function": {"name": "read_file", "parameters": PARAMETERS}}]},
        "a function is flat",
    ),
    "strict by default": (
        {"tools": [{"type": "function", "name": "read_file", "parameters": PARAMETERS}]},
        "strict needs every property",
    ),
    "tools twice": ({"tools": [TOOL, TOOL]}, "must be unique"),
    "tool_choice": ({"tool_choice": "auto"}, "tool_choice is not supported"),
    "thinking": ({"thinking": {"type": "disabled"}}, "thinking is not supported"),
    "instructions with caching": (
        {**CACHED, "instructions": "You are kcode."},
        "caching is not supported for instructions",
    ),
    "a built-in with caching": (
        {**CACHED, "tools": [{"type": "web_search"}]},
        "not supported for web_search",
    ),
    "a streamed prefix": (
        {"caching": {"type": "enabled", "prefix": True}, "stream": True},
        "caching.mode.prefix is not supported when stream is true",
    ),
    "a short prefix": (
        {"caching": {"type": "enabled", "prefix": True}, "input": [USER]},
        "at least 256 tokens",
    ),
    "an unknown caching": ({"caching": {"type": "auto"}}, "enabled or disabled"),
    "expired at once": ({"expire_at": in_days(-1)}, "expire_at must be"),
    "kept for a week": ({"expire_at": in_days(7)}, "expire_at must be"),
    "more than the model can": ({"max_output_tokens": 40_000}, "max_output_tokens must be between"),
    "temperature": ({"temperature": 3}, "invalid temperature"),
    "a format without a name": (
        {"text": {"format": {"type": "json_schema", "schema": {}}}},
        "needs a name and a schema",
    ),
}


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD.keys())
def test_it_refuses(fields: tuple[dict[str, Any], str]) -> None:
    body, message = fields
    with Simulator([say("never")], shape="ark") as sim:
        reply = ask(sim, **{"items": [LONG, USER], **_renamed(body)})
        assert reply.status == 400, reply.data
        assert message in reply.message


def _renamed(body: dict[str, Any]) -> dict[str, Any]:
    return {"items" if key == "input" else key: value for key, value in body.items()}


LATER: dict[str, tuple[dict[str, Any], str]] = {
    "tools again": ({"tools": [TOOL]}, "only be set in the first round"),
    "another thinking": ({"thinking": {"type": "enabled"}}, "thinking must be consistent"),
    "a schema": (
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}},
        "json_schema is not supported",
    ),
    "another model": ({"model": "kimi-k2-thinking-251104"}, "model must be the one"),
}


@pytest.mark.parametrize("fields", LATER.values(), ids=LATER.keys())
def test_in_later_rounds_of_a_cached_chain_it_refuses(fields: tuple[dict[str, Any], str]) -> None:
    body, message = fields
    with Simulator([say("one"), say("two")], shape="ark") as sim:
        first = ask(sim, tools=[TOOL], **CACHED).json["id"]
        reply = ask(sim, [USER], previous_response_id=first, **CACHED, **body)
        assert reply.status == 400
        assert message in reply.message
        fine = ask(
            sim, [USER], previous_response_id=first, **CACHED, text={"format": {"type": "json_object"}}
        )
        assert fine.status == 200


def test_a_response_that_is_not_there_is_refused_by_its_name() -> None:
    with Simulator([say("one"), say("two", repeat=True)], shape="ark") as sim:
        unknown = ask(sim, [USER], previous_response_id="resp_never")
        assert (unknown.status, unknown.json["error"]["param"]) == (400, "previous_response_id")
        first = ask(sim).json["id"]
        assert ask(sim, [USER], previous_response_id=first).status == 200
        assert request(sim, "DELETE", f"/responses/{first}").json["deleted"] is True
        assert ask(sim, [USER], previous_response_id=first).status == 400
        unstored = ask(sim, store=False).json["id"]
        assert ask(sim, [USER], previous_response_id=unstored).status == 400


def test_only_a_cached_chain_reads_from_the_cache_in_blocks() -> None:
    with Simulator([say("ok", repeat=True)], shape="ark") as sim:
        chains: dict[str, list[int]] = {}
        for name, fields in {"cached": CACHED, "plain": {}}.items():
            first = ask(sim, **fields)
            second = ask(sim, [USER], previous_response_id=first.json["id"], **fields)
            fresh = ask(sim, **fields)
            usages = [r.json["usage"] for r in (first, second, fresh)]
            chains[name] = [u["input_tokens_details"]["cached_tokens"] for u in usages]
            assert chains[name][1] <= usages[1]["input_tokens"]
        assert chains["plain"] == [0, 0, 0]
        first_hit, hit, no_hit = chains["cached"]
        assert (first_hit, no_hit) == (0, 0)
        assert hit > 512
        assert hit % 256 == 0


def test_the_servers_conversation_has_its_own_answer_and_tools() -> None:
    with Simulator([use(call("read_file", path="a.py")), say("Done.")], shape="ark") as sim:
        first = ask(sim, tools=[TOOL], **CACHED).json
        [made] = first["output"]
        output = {"type": "function_call_output", "call_id": made["call_id"], "output": "text"}
        second = ask(sim, [output], previous_response_id=first["id"], **CACHED).json
        held = ark(sim).stored[second["id"]]
        assert [m["role"] for m in held.messages] == ["system", "user", "assistant", "tool", "assistant"]
        assert [t["function"]["name"] for t in held.tools] == ["read_file"]


def test_a_stored_response_and_its_input_can_be_asked_for() -> None:
    with Simulator([say("ok")], shape="ark") as sim:
        made = ask(sim).json
        assert request(sim, "GET", f"/responses/{made['id']}").json == made
        rows = request(sim, "GET", f"/responses/{made['id']}/input_items?order=asc&limit=1").json
        assert rows["has_more"] is True
        assert rows["data"][0]["role"] == "system"
        assert request(sim, "GET", "/responses/resp_never").status == 404


def test_the_cache_service_can_be_off_and_the_whole_api_away() -> None:
    with Simulator([say("ok", repeat=True)], shape="ark") as sim:
        ark(sim).caching = False
        refused = ask(sim, **CACHED)
        assert (refused.status, refused.json["error"]["code"]) == (403, "AccessDenied.CacheService")
        assert ask(sim).status == 200
        ark(sim).served = False
        assert ask(sim).status == 404


def test_a_stream_has_its_events_in_order_and_numbered() -> None:
    said = use(call("read_file", path="a.py"), text="Let me see.", reasoning="Hm.")
    with Simulator([said], shape="ark") as sim:
        reply = ask(sim, stream=True, tools=[TOOL])
    chunks = reply.chunks
    kinds = [chunk["type"].removeprefix("response.") for chunk in chunks]
    assert [k for n, k in enumerate(kinds) if n == 0 or kinds[n - 1] != k] == [
        "created",
        "in_progress",
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
        "completed",
    ]
    assert [chunk["sequence_number"] for chunk in chunks] == list(range(len(chunks)))
    assert reply.payloads[-1] == b"[DONE]"


def test_an_answer_longer_than_4096_tokens_is_cut_unless_a_limit_is_named() -> None:
    with Simulator([say("word " * 5000), say("word " * 5000)], shape="ark") as sim:
        cut, whole = ask(sim).json, ask(sim, max_output_tokens=20_000).json
    assert (cut["status"], cut["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert cut["usage"]["output_tokens"] == 4096
    assert whole["status"] == "completed"


def test_tokenization_takes_texts_only() -> None:
    with Simulator([], shape="ark") as sim:
        body = json.dumps({"model": MODEL, "text": ["one two", "three"]}).encode()
        rows = request(sim, "POST", "/tokenization", body).json["data"]
        assert [row["total_tokens"] for row in rows] == [2, 1]
        for bad in ({"text": ""}, {"text": []}, {"messages": []}, {"text": [""]}):
            reply = request(sim, "POST", "/tokenization", json.dumps({"model": MODEL, **bad}).encode())
            assert reply.status == 400


def test_batch_chat_is_chat_without_a_stream() -> None:
    with Simulator([say("ok")], shape="ark") as sim:
        body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
        path = "/batch/chat/completions"
        assert request(sim, "POST", path, json.dumps({**body, "stream": False}).encode()).status == 400
        assert request(sim, "POST", path, json.dumps({**body, "tool_choice": "auto"}).encode()).status == 400
        served = request(sim, "POST", path, json.dumps(body).encode())
        assert served.json["choices"][0]["message"]["content"] == "ok"
