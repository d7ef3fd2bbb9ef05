from __future__ import annotations

from typing import Any

import pytest

from tests.k2sim import Answer, Simulator
from tests.k2sim_tests.client import assistant_call, chat, props, request, result, tool

USER = {"role": "user", "content": "hi"}
LOOP = [USER, assistant_call(), result()]
THINKING_LOOP = [USER, assistant_call(reasoning_content="hm"), result()]
STRING = {"type": "string"}


def server(shape: str = "moonshot", **options: Any) -> Simulator:
    return Simulator([Answer(text="ok", repeat=True)], shape=shape, **options)


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


BAD_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown field": ({"max_new_tokens": 5}, "unknown field 'max_new_tokens'"),
    "model missing": ({"model": ...}, "model is missing"),
    "temperature over 1": ({"temperature": 1.2}, "invalid temperature: must be between 0 and 1"),
    "temperature is text": ({"temperature": "0.6"}, "invalid temperature"),
    "top_p over 1": ({"top_p": 1.5}, "invalid top_p"),
    "penalty": ({"presence_penalty": 3}, "invalid presence_penalty"),
    "n too large": ({"n": 6}, "invalid n"),
    "n with temperature 0": ({"n": 2, "temperature": 0}, "n must be 1 when temperature is close to 0"),
    "six stops": ({"stop": list("abcdef")}, "at most 5 strings"),
    "long stop in bytes": ({"stop": "停" * 11}, "at most 32 bytes"),
    "tool_choice required": ({"tool_choice": "required"}, "tool_choice 'required' is not supported"),
    "tool_choice named": (
        {"tool_choice": {"type": "function", "function": {"name": "read_file"}}},
        "tool_choice 'specified' is incompatible with thinking enabled",
    ),
    "tool_choice any": ({"tool_choice": "any"}, "tool_choice 'any' is unknown"),
    "thinking is true": (
        {"model": "kimi-k2.6", "thinking": True},
        "the thinking field in the request (expected type object) is illegal",
    ),
    "thinking for 0905": ({"thinking": {"type": "enabled"}}, "thinking is not supported"),
    "thinking for k2-thinking": (
        {"model": "kimi-k2-thinking", "thinking": {"type": "enabled"}},
        "thinking is not supported",
    ),
    "thinking for k3": ({"model": "kimi-k3", "thinking": {"type": "enabled"}}, "thinking is not supported"),
    "thinking off for k2.7": (
        {"model": "kimi-k2.7-code", "thinking": {"type": "disabled"}},
        "invalid thinking: only type=enabled is allowed for this model",
    ),
    "thinking keep": ({"model": "kimi-k2.6", "thinking": {"keep": "some"}}, "keep is null or 'all'"),
    "effort for k2": ({"reasoning_effort": "high"}, "reasoning_effort is not supported"),
    "effort minimal": ({"model": "kimi-k3", "reasoning_effort": "minimal"}, "low, high or max"),
    "temperature on k2.6": (
        {"model": "kimi-k2.6", "temperature": 0.6},
        "invalid temperature: only 1 is allowed for this model",
    ),
    "temperature on k3": ({"model": "kimi-k3", "temperature": 0.3}, "only 1 is allowed for this model"),
    "top_p on k2.6": ({"model": "kimi-k2.6", "top_p": 1.0}, "invalid top_p: only 0.95"),
    "temperature 1 without thinking": (
        {"model": "kimi-k2.6", "temperature": 1, "thinking": {"type": "disabled"}},
        "only 0.6 is allowed",
    ),
    "stream is text": ({"stream": "yes"}, "stream must be a boolean"),
    "stream_options without stream": (
        {"stream_options": {"include_usage": True}},
        "only allowed when stream",
    ),
    "response format": ({"response_format": {"type": "xml"}}, "response_format.type 'xml' is unknown"),
    "schema without name": ({"response_format": {"type": "json_schema", "json_schema": {}}}, "needs a name"),
    "strict schema with a ref": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": props(A={"$ref": "#/a"})},
            }
        },
        "$ref is not supported",
    ),
    "max tokens 0": ({"max_tokens": 0}, "max_tokens must be a positive integer"),
    "prompt and answer over the window": ({"max_completion_tokens": 262_144}, "Input token length too long"),
}


@pytest.mark.parametrize("case", BAD_FIELDS)
def test_a_bad_field_is_refused_with_the_reason(case: str) -> None:
    fields, text = BAD_FIELDS[case]
    with server() as sim:
        reply = chat(sim, **fields)
    assert reply.status == 400
    assert text in reply.message
    assert sim.requests[0].refusal == reply.message


GOOD: dict[str, dict[str, Any]] = {
    "least": {},
    "full": {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "look"}], "name": "ann"},
            assistant_call(content="", id="a"),
            result("a", name="read_file"),
            {"role": "assistant", "content": "done"},
            USER,
        ],
        "tools": [
            tool(strict=False),
            tool("grep-it", props(A={"anyOf": [STRING, {"type": "null"}]}, B={**STRING, "enum": ["x"]})),
            {"type": "builtin_function", "function": {"name": "$web_search"}},
        ],
        "temperature": 0.6,
        "top_p": 1.0,
        "max_completion_tokens": 1000,
        "max_tokens": 5,
        "stop": ["a"] * 5,
        "n": 1,
        "tool_choice": "auto",
        "prompt_cache_key": "s1",
        "response_format": {"type": "json_object"},
    },
    "no tools": {"messages": [USER], "tool_choice": "none", "stop": "停" * 10},
    "null content beside calls": {"messages": [USER, assistant_call(content=None), result()]},
    "128 tools": {"tools": [tool(f"tool_{i}") for i in range(128)]},
    "partial": {"messages": [USER, {"role": "assistant", "content": "{", "partial": True}]},
    "results in any order": {
        "messages": [
            USER,
            {
                "role": "assistant",
                "tool_calls": [assistant_call(id=i)["tool_calls"][0] for i in ("a", "b")],
            },
            result("b"),
            result("a"),
        ]
    },
    "ids reused in a later turn": {"messages": [*LOOP, {"role": "assistant", "content": "x"}, *LOOP]},
    "k2.6 without thinking": {
        "model": "kimi-k2.6",
        "thinking": {"type": "disabled"},
        "temperature": 0.6,
        "top_p": 0.95,
    },
    "k2.6 keeps all": {"model": "kimi-k2.6", "thinking": {"type": "enabled", "keep": "all"}},
    "k2.7 loop with reasoning": {"model": "kimi-k2.7-code", "messages": THINKING_LOOP},
    "k2.7 with empty reasoning": {
        "model": "kimi-k2.7-code",
        "messages": [USER, assistant_call(reasoning_content=""), result()],
    },
    "k2.7 old loop without reasoning": {
        "model": "kimi-k2.7-code",
        "messages": [*LOOP, {"role": "assistant", "content": "done"}, USER],
    },
    "k2-thinking does not insist on reasoning": {"model": "kimi-k2-thinking", "messages": LOOP},
    "k3 may be forced": {
        "model": "kimi-k3",
        "tool_choice": "required",
        "reasoning_effort": "low",
        "tools": [tool()],
    },
    "schema not strict": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "strict": False, "schema": {"$ref": "#"}},
        }
    },
}


@pytest.mark.parametrize("case", GOOD)
def test_a_good_request_passes(case: str) -> None:
    with server() as sim:
        reply = chat(sim, **GOOD[case])
    assert reply.status == 200, reply.data
    assert reply.json["choices"][0]["message"]["content"] == "ok"


@pytest.mark.parametrize("model", ["kimi-k2.7-code", "kimi-k3", "kimi-k3.1-pro"])
def test_the_running_tool_loop_must_echo_its_reasoning(model: str) -> None:
    with server() as sim:
        reply = chat(sim, [USER, {"role": "assistant", "content": "a"}, *LOOP], model=model)
    assert reply.status == 400
    assert reply.message == (
        "thinking is enabled but reasoning_content is missing in assistant tool call message at index 3"
    )


def test_arguments_that_are_no_json_pass_where_the_server_is_told_to_be_lenient() -> None:
    with server(strict_arguments=False) as sim:
        assert chat(sim, [USER, assistant_call(arguments="{"), result()]).status == 200


def test_an_unknown_model_is_not_found_in_each_shape_s_own_words() -> None:
    with server() as sim:
        reply = chat(sim, model="kimi-k9")
        assert (reply.status, reply.json["error"]["type"]) == (404, "resource_not_found_error")
        assert reply.message == "Not found the model kimi-k9 or Permission denied"
    with server("ark") as sim:
        reply = chat(sim, model="kimi-k9")
        assert (reply.status, reply.json["error"]["code"]) == (404, "InvalidEndpointOrModel.NotFound")
    with server("openai") as sim:
        assert (chat(sim, model="kimi-k9").status) == 404


def test_a_retired_model_is_not_found_where_only_live_ones_are_served() -> None:
    with server(model_ids=["kimi-k2.6"]) as sim:
        assert chat(sim).status == 404
        assert chat(sim, model="kimi-k2.6").status == 200


@pytest.mark.parametrize(
    ("key", "kind"), [(None, "invalid_authentication"), ("sk-other", "incorrect_api_key")]
)
def test_a_missing_or_wrong_key_is_refused(key: str | None, kind: str) -> None:
    with server() as sim:
        reply = request(sim, "GET", "/models", key=key)
    assert (reply.status, reply.json["error"]["type"]) == (401, f"{kind}_error")


def test_ark_refuses_a_wrong_key_with_its_own_code() -> None:
    with server("ark") as sim:
        reply = request(sim, "GET", "/models", key="sk-other")
    assert (reply.status, reply.json["error"]["code"]) == (401, "AuthenticationError")


def test_a_server_without_keys_takes_any_request() -> None:
    with server("openai", api_key=None) as sim:
        assert request(sim, "GET", "/models", key=None).status == 200


BAD_ON_ARK: dict[str, tuple[dict[str, Any], str]] = {
    "developer": ({"messages": [{"role": "developer", "content": "x"}]}, "role 'developer'"),
    "both limits": ({"max_tokens": 5, "max_completion_tokens": 5}, "mutually exclusive"),
    "answer over the model's": ({"max_tokens": 32_769}, "max_tokens must be at most 32768"),
    "tool_choice": ({"tool_choice": "auto"}, "tool_choice is not supported"),
    "parallel": ({"parallel_tool_calls": False}, "parallel_tool_calls is not supported"),
    "thinking": ({"thinking": {"type": "enabled"}}, "thinking is not supported"),
    "effort": ({"reasoning_effort": "high"}, "reasoning_effort is not supported"),
    "cache key": ({"prompt_cache_key": "x"}, "unknown field 'prompt_cache_key'"),
    "five stops": ({"stop": list("abcde")}, "at most 4"),
    "stop while thinking": ({"model": "kimi-k2-thinking-251104", "stop": "a"}, "stop is not supported"),
    "json without the word": ({"response_format": {"type": "json_object"}}, "the word 'json'"),
    "schema on the plain model": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": props()}}},
        "json_schema is not supported",
    ),
    "temperature over 2": ({"temperature": 2.5}, "invalid temperature"),
    "partial": (
        {"messages": [USER, {"role": "assistant", "content": "x", "partial": True}]},
        "unknown field 'partial'",
    ),
}


@pytest.mark.parametrize("case", BAD_ON_ARK)
def test_ark_refuses_with_invalid_parameter(case: str) -> None:
    fields, text = BAD_ON_ARK[case]
    with server("ark") as sim:
        reply = chat(sim, **fields)
    assert (reply.status, reply.json["error"]["code"]) == (400, "InvalidParameter")
    assert text in reply.message


def test_ark_takes_what_its_documents_name() -> None:
    with server("ark") as sim:
        fields = {"temperature": 1.5, "top_p": 1.0, "max_tokens": 32_768, "tools": [tool()], "messages": LOOP}
        assert chat(sim, **fields).status == 200


def test_a_prompt_beyond_the_window_has_each_shape_s_own_name() -> None:
    with server("ark", context={"kimi-k2-250905": 5000}) as sim:
        assert chat(sim, max_tokens=5000).json["error"]["code"] == "OutofContextError"
    with server("openai", context={"kimi-k2": 100}) as sim:
        assert "maximum context length is 100 tokens" in chat(sim, max_tokens=101).message
    with server(context={"kimi-k2-0905-preview": 500}) as sim:
        assert "1024 for the answer" in chat(sim).message
        assert chat(sim, max_tokens=200).status == 200


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


def test_a_body_that_is_no_json_is_refused() -> None:
    with server() as sim:
        reply = request(sim, "POST", "/chat/completions", b"{")
    assert (reply.status, reply.message) == (400, "the request body is not valid JSON")


def test_an_unknown_path_is_not_found() -> None:
    with server() as sim:
        assert request(sim, "POST", "/responses", b"{}").status == 404
