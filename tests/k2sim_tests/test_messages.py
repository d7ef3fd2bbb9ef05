from __future__ import annotations

import http.client
import json
from typing import Any

import pytest

from tests.k2sim import TEST_KEY, Answer, Simulator, call, use
from tests.k2sim.messages_rules import signature_of

from .client import Reply, server

ASKED = {"type": "tool_use", "id": "t1", "name": "read_file", "input": {}}
ANSWERED = {"type": "tool_result", "tool_use_id": "t1", "content": "text"}
TOOL = {"name": "read_file", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}}
HI = {"role": "user", "content": "hi"}


def post(
    sim: Simulator, *messages: dict[str, Any], headers: dict[str, str] | None = None, **more: Any
) -> Reply:
    body = {"model": "kimi-k2-0905-preview", "max_tokens": 99, "messages": list(messages) or [HI]} | more
    given = {"x-api-key": TEST_KEY, "Authorization": f"Bearer {TEST_KEY}", "anthropic-version": "2023-06-01"}
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=20)
    try:
        sent = json.dumps({k: v for k, v in body.items() if v is not ...})
        connection.request("POST", "/anthropic/v1/messages", sent, headers if headers is not None else given)
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()


def says(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"max_tokens": ...}, "max_tokens"),
        ({"temperature": 1.2}, "temperature"),
        ({"model": "kimi-k3", "temperature": 0.6}, "only 1 is allowed"),
        ({"response_format": {"type": "json_object"}}, "Extra inputs"),
        ({"system": ""}, "system"),
        ({"tools": [{"type": "function", "function": TOOL}]}, "input_schema"),
        ({"tools": [TOOL, TOOL]}, "unique"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "read_file"}}, "not supported"),
        ({"tool_choice": {"type": "none"}}, "tool_choice"),
        ({"model": "kimi-k3", "thinking": {"type": "enabled"}}, "thinking is not supported"),
        ({"model": "no-such"}, "Not found the model"),
    ],
)
def test_a_request_that_breaks_the_form_is_refused(fields, because):
    with server() as sim:
        reply = post(sim, **fields)
        assert reply.status in (400, 404)
        assert reply.json["type"] == "error"
        assert because in reply.message


@pytest.mark.parametrize(
    ("messages", "because"),
    [
        ([{"role": "system", "content": "You are kcode."}], "'user' or 'assistant'"),
        ([says("assistant", {"type": "text", "text": "hi"})], "first message"),
        ([{"role": "user", "content": ""}], "must not be empty"),
        ([says("user", {"type": "text", "text": " "})], "non-whitespace"),
        ([{**HI, "name": "me"}], "nothing else"),
        ([HI, says("assistant", ASKED)], "without `tool_result`"),
        ([HI, says("assistant", ASKED), HI], "without `tool_result`"),
        ([HI, says("assistant", ASKED), says("user", {"type": "text", "text": "x"}, ANSWERED)], "come first"),
        ([HI, says("assistant", ASKED), says("user", ANSWERED, ANSWERED)], "single result"),
        ([says("user", ANSWERED)], "no call before it"),
        ([HI, says("assistant", {**ASKED, "id": "functions.read_file:0"})], "pattern"),
        ([HI, says("assistant", {**ASKED, "input": "{}"})], "dictionary"),
        ([HI, says("assistant", ASKED, ASKED)], "unique"),
        (
            [HI, says("assistant", {"type": "thinking", "thinking": "a", "signature": "b"})],
            "Invalid `signature`",
        ),
    ],
)
def test_a_history_that_breaks_the_form_is_refused(messages, because):
    with server() as sim:
        reply = post(sim, *messages)
        assert reply.status == 400
        assert because in reply.message


def test_a_thinking_models_call_without_its_reasoning_is_refused():
    with server() as sim:
        history = [HI, says("assistant", ASKED), says("user", ANSWERED)]
        reply = post(sim, *history, model="kimi-k3")
        assert "reasoning_content is missing in assistant tool call message at index 1" in reply.message
        thought = {"type": "thinking", "thinking": "", "signature": signature_of("")}
        assert post(sim, HI, says("assistant", thought, ASKED), history[2], model="kimi-k3").status == 200


def test_a_thought_that_was_sealed_comes_back_with_its_seal():
    asked = use(call("read_file"), reasoning="Look.")
    with Simulator([asked, Answer(text="ok", repeat=True)]) as sim:
        blocks = post(sim, model="kimi-k3").json["content"]
        result = {"type": "tool_result", "tool_use_id": blocks[1]["id"], "content": "text"}
        bare = {"type": "thinking", "thinking": "Look."}
        assert "signature" in post(sim, HI, says("assistant", bare, blocks[1]), says("user", result)).message
        assert post(sim, HI, says("assistant", *blocks), says("user", result)).status == 200


def test_the_key_and_the_version_are_wanted_in_their_headers():
    with server() as sim:
        bearer = {"Authorization": f"Bearer {TEST_KEY}"}
        assert "anthropic-version" in post(sim, headers=bearer).message
        assert post(sim, headers=bearer | {"anthropic-version": "2023-06-01"}).status == 401
