from __future__ import annotations

from typing import Any

import pytest

from tests.k2sim_tests.client import assistant_call, chat, props, result, server, tool

USER = {"role": "user", "content": "hi"}
LOOP = [USER, assistant_call(), result()]
THINKING_LOOP = [USER, assistant_call(reasoning_content="hm"), result()]
STRING = {"type": "string"}


BAD_MESSAGES: dict[str, tuple[list[Any], str]] = {
    "unknown role": ([{"role": "robot", "content": "x"}], "role 'robot'"),
    "developer role": ([{"role": "developer", "content": "x"}], "role 'developer'"),
    "no messages": ([], "messages must be a non-empty array"),
    "message is a string": (["hi"], "messages[0] must be an object"),
    "content is a number": ([{"role": "user", "content": 5}], "must be a string or an array"),
    "content is an object": ([{"role": "user", "content": {"text": "x"}}], "must be a string or an array"),
    "unknown part": ([{"role": "user", "content": [{"type": "audio"}]}], "part type 'audio' is unknown"),
    "empty user": ([{"role": "user", "content": ""}], "position 0 with role 'user' must not be empty"),
    "empty system": ([{"role": "system", "content": ""}, USER], "position 0 with role 'system'"),
    "no content": ([{"role": "user"}], "must not be empty"),
    "empty text part": (
        [{"role": "user", "content": [{"type": "text", "text": ""}]}],
        "text content is empty",
    ),
    "empty text part beside calls": (
        [USER, assistant_call(content=[{"type": "text", "text": ""}]), result()],
        "text content is empty",
    ),
    "empty assistant": (
        [USER, {"role": "assistant", "content": ""}, USER],
        "the message at position 1 with role 'assistant' must not be empty",
    ),
    "assistant with reasoning only": (
        [USER, {"role": "assistant", "content": "", "reasoning_content": "hm"}, USER],
        "the message at position 1 with role 'assistant' must not be empty",
    ),
    "unknown field": ([{**USER, "colour": "red"}], "unknown field 'colour'"),
    "result without call": ([USER, result("x:0")], "tool_call_id x:0 is not found"),
    "result with another id": ([USER, assistant_call(), result("x:0")], "tool_call_id x:0 is not found"),
    "second result for one call": ([*LOOP, result()], "tool_call_id read_file:0 is not found"),
    "result without id": (
        [USER, assistant_call(), {"role": "tool", "content": "x"}],
        "tool_call_id is missing",
    ),
    "empty result": ([USER, assistant_call(), result(content="")], "role 'tool' must not be empty"),
    "call without result at the end": ([USER, assistant_call()], "tool_call_id read_file:0 is not found"),
    "call without result before the user": (
        [USER, assistant_call(), USER, result()],
        "tool_call_id read_file:0 is not found",
    ),
    "empty calls": ([USER, {"role": "assistant", "content": "x", "tool_calls": []}], "non-empty array"),
    "call with unknown field": (
        [
            USER,
            {"role": "assistant", "tool_calls": [{"index": 0, **assistant_call()["tool_calls"][0]}]},
            result(),
        ],
        "unknown field in messages[1].tool_calls[0]",
    ),
    "two calls with one id": (
        [USER, {"role": "assistant", "tool_calls": assistant_call()["tool_calls"] * 2}, result()],
        "is duplicated",
    ),
    "call with a bad name": ([USER, assistant_call("a.b"), result()], "function name 'a.b' is invalid"),
    "arguments are no JSON": ([USER, assistant_call(arguments="{"), result()], "is not valid JSON"),
    "arguments hold NaN": ([USER, assistant_call(arguments='{"x":NaN}'), result()], "NaN is not JSON"),
    "arguments are no object": ([USER, assistant_call(arguments="[1]"), result()], "must be a JSON object"),
    "user with calls": ([{**USER, "tool_calls": []}], "only assistant messages have tool_calls"),
    "user with reasoning": ([{**USER, "reasoning_content": "x"}], "only assistant messages"),
    "reasoning is null": (
        [USER, {"role": "assistant", "content": "x", "reasoning_content": None}],
        "be a string",
    ),
    "partial before the end": (
        [USER, {"role": "assistant", "content": "x", "partial": True}, USER],
        "partial is allowed on the last assistant message only",
    ),
    "partial user": ([{**USER, "partial": True}], "only assistant messages have partial"),
}


@pytest.mark.parametrize("case", BAD_MESSAGES)
def test_a_bad_history_is_refused_with_the_reason(case: str) -> None:
    messages, text = BAD_MESSAGES[case]
    with server() as sim:
        reply = chat(sim, messages)
    assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")
    assert text in reply.message


BAD_TOOLS: dict[str, tuple[Any, str]] = {
    "empty": ([], "non-empty array"),
    "too many": ([tool(f"tool_{i}") for i in range(129)], "at most 128"),
    "duplicate": ([tool(), tool()], "function name read_file is duplicated"),
    "short name": ([tool("ls")], "function name 'ls' is invalid"),
    "dotted name": ([tool("fs.read")], "is invalid"),
    "name starts with a digit": ([tool("1abc")], "is invalid"),
    "long name": ([tool("a" * 65)], "is invalid"),
    "dollar name": ([tool("$web_search")], "is invalid"),
    "no function": ([{"type": "function"}], "must be an object with a function"),
    "other type": ([{**tool(), "type": "plugin"}], "type must be 'function'"),
    "unknown field": ([tool(examples=[])], "unknown field 'examples'"),
    "strict is text": ([tool(strict="yes")], "strict must be a boolean"),
    "top is no object": ([tool(parameters=STRING)], "top level must be of type object"),
    "top has no type": ([tool(parameters={"properties": {}})], "top level must be of type object"),
    "untyped property": (
        [tool(parameters=props(X={"description": "x"}))],
        "At path 'properties.X': type is not defined",
    ),
    "untyped enum": (
        [tool(parameters=props(X={"enum": ["a"]}))],
        "At path 'properties.X': type is not defined",
    ),
    "untyped nested property": (
        [tool(parameters=props(A=props(B={})))],
        "At path 'properties.A.properties.B': type is not defined",
    ),
    "untyped items": (
        [tool(parameters=props(A={"type": "array", "items": {}}))],
        "At path 'properties.A.items': type is not defined",
    ),
    "list of types": ([tool(parameters=props(X={"type": ["string", "null"]}))], "is not one of"),
    "ref": ([tool(parameters=props(X={"$ref": "#/$defs/Y"}))], "$ref is not supported"),
    "defs": ([tool(parameters={**props(), "$defs": {}})], "$defs is not supported"),
    "mixed enum": (
        [tool(parameters=props(X={**STRING, "enum": ["a", 1]}))],
        "enum value 1 is not of type string",
    ),
    "boolean in an integer enum": (
        [tool(parameters=props(X={"type": "integer", "enum": [True]}))],
        "is not of type integer",
    ),
    "untyped allOf": (
        [tool(parameters=props(X={**STRING, "allOf": [{}]}))],
        "At path 'properties.X.allOf.0'",
    ),
    "type beside anyOf": (
        [tool(parameters=props(X={**STRING, "anyOf": [STRING]}))],
        "type should be defined in anyOf items",
    ),
    "untyped anyOf": ([tool(parameters=props(X={"anyOf": [{}]}))], "At path 'properties.X.anyOf.0'"),
}


@pytest.mark.parametrize("case", BAD_TOOLS)
def test_bad_tool_declarations_are_refused_with_the_reason(case: str) -> None:
    tools, text = BAD_TOOLS[case]
    with server() as sim:
        reply = chat(sim, tools=tools)
    assert reply.status == 400
    assert text in reply.message


K2_CALLS = [
    USER,
    assistant_call(id="functions.read_file:0"),
    result("functions.read_file:0"),
    assistant_call("grep", id="functions.grep:1"),
    result("functions.grep:1"),
]


def test_a_raw_engine_takes_ids_counted_over_the_whole_conversation() -> None:
    with server("openai", require_k2_ids=True) as sim:
        assert chat(sim, K2_CALLS).status == 200


@pytest.mark.parametrize("id", ["call_abc", "read_file:0", "functions.grep:0", "functions.read_file:1"])
def test_a_raw_engine_refuses_ids_of_another_form(id: str) -> None:
    with server("openai", require_k2_ids=True) as sim:
        reply = chat(sim, [USER, assistant_call(id=id), result(id)])
    assert reply.status == 400
    assert "must be 'functions.read_file:0'" in reply.message


def test_a_raw_engine_pairs_results_in_call_order() -> None:
    calls = [assistant_call(id=f"functions.read_file:{i}")["tool_calls"][0] for i in range(2)]
    history = [USER, {"role": "assistant", "tool_calls": calls}]
    swapped = [*history, result("functions.read_file:1"), result("functions.read_file:0")]
    with server("openai", require_k2_ids=True) as sim:
        assert "call order" in chat(sim, swapped).message
