from __future__ import annotations

from typing import Any

import pytest

from tests.k2sim_tests.client import assistant_call, chat, props, request, result, server, tool

USER = {"role": "user", "content": "hi"}
LOOP = [USER, assistant_call(), result()]
THINKING_LOOP = [USER, assistant_call(reasoning_content="hm"), result()]
STRING = {"type": "string"}


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


def test_a_body_that_is_no_json_is_refused() -> None:
    with server() as sim:
        reply = request(sim, "POST", "/chat/completions", b"{")
        with_nan = request(sim, "POST", "/chat/completions", b'{"model":"kimi-k2-0905-preview","top_p":NaN}')
    assert (reply.status, reply.message) == (400, "the request body is not valid JSON")
    assert with_nan.message == reply.message


def test_an_unknown_path_is_not_found() -> None:
    with server() as sim:
        assert request(sim, "POST", "/responses", b"{}").status == 404
