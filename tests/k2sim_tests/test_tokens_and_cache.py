from __future__ import annotations

from typing import Any

import pytest

from tests.k2sim import Simulator, call, say, use
from tests.k2sim.cache import BLOCK, PrefixCache
from tests.k2sim.tokens import count, render, tokenize
from tests.k2sim_tests.client import assistant_call, chat, request, result, server, tool

USER = {"role": "user", "content": "hi"}


def words(number: int) -> str:
    return " word" * number


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("hello world", 2),
        ("internationalisation", 3),
        ("12345", 2),
        ("a = b + 1", 5),
        ("x <|im_end|>", 3),
        ("\n\n\n", 1),
        ("        return x", 3),
        ("你好，世界", 6),
        ("<|im_user|>user<|im_middle|>hi<|im_end|>", 5),
        ("🙂", 2),
        ("é", 1),
    ],
)
def test_tokens_are_counted_by_the_documented_rule(text: str, tokens: int) -> None:
    assert count(text) == tokens
    assert "".join(tokenize(text)) == text


def test_the_prompt_is_rendered_tools_first_then_system_then_messages() -> None:
    messages = [USER, assistant_call(content="look"), result(name="read_file")]
    assert render(messages, [tool()]) == (
        '<|im_system|>tool_declare<|im_middle|>[{"type":"function","function":{"name":"read_file",'
        '"description":"d","parameters":{"type":"object","properties":{"path":{"type":"string"}}}}}]<|im_end|>'
        "<|im_system|>system<|im_middle|>You are Kimi, an AI assistant created by Moonshot AI.<|im_end|>"
        "<|im_user|>user<|im_middle|>hi<|im_end|>"
        "<|im_assistant|>assistant<|im_middle|>look<|tool_calls_section_begin|><|tool_call_begin|>read_file:0"
        "<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|><|im_end|>"
        "<|im_system|>read_file<|im_middle|>## Return of read_file:0\nok<|im_end|>"
        "<|im_assistant|>assistant<|im_middle|>"
    )


def test_a_thinking_template_drops_the_reasoning_of_finished_loops() -> None:
    messages = [
        {"role": "system", "content": "s"},
        USER,
        {"role": "assistant", "content": "old", "reasoning_content": "OLD"},
        USER,
        assistant_call(reasoning_content="NEW"),
        result(),
    ]
    dropped = render(messages, thinking=True)
    assert "<think></think>old" in dropped
    assert "<think>NEW</think>" in dropped
    assert "<think>OLD</think>" in render(messages, thinking=True, keep_reasoning=True)
    assert "<think>" not in render(messages)


def test_only_whole_blocks_behind_an_unbroken_prefix_are_cached() -> None:
    cache = PrefixCache()
    seen = [str(number) for number in range(1000)]
    cache.remember("m", seen)
    assert cache.cached("m", [*seen, "more"]) == 3 * BLOCK
    assert cache.cached("m", seen[:700]) == 2 * BLOCK
    assert cache.cached("m", [*seen[:600], "x", *seen[601:]]) == 2 * BLOCK
    assert cache.cached("m", ["x", *seen[1:]]) == 0
    assert cache.cached("other", seen) == 0


def test_a_prompt_is_never_cached_to_its_last_token() -> None:
    cache = PrefixCache()
    seen = [str(number) for number in range(512)]
    cache.remember("m", seen)
    assert cache.cached("m", seen) == BLOCK
    assert cache.cached("m", [*seen, "x"]) == 2 * BLOCK


@pytest.mark.parametrize(("length", "cached"), [(255, 0), (256, 0), (257, 256)])
def test_prompts_of_up_to_one_block_are_not_kept(length: int, cached: int) -> None:
    cache = PrefixCache()
    cache.remember("m", ["t"] * length)
    assert cache.cached("m", ["t"] * 600) == cached


def test_anything_seen_before_counts_not_only_the_request_before() -> None:
    with server() as sim:
        for text in ("a" + words(600), "b" + words(600), "a" + words(600)):
            chat(sim, [{"role": "user", "content": text}])
    assert [record.cached_tokens for record in sim.answered] == [0, 0, 512]


def test_a_grown_conversation_reads_its_whole_past_from_the_cache() -> None:
    history: list[Any] = [{"role": "system", "content": words(400)}, {"role": "user", "content": words(200)}]
    with server() as sim:
        first = chat(sim, history).json["usage"]
        grown = [*history, {"role": "assistant", "content": "ok"}, USER]
        second = chat(sim, grown).json["usage"]
    assert first["cached_tokens"] == 0
    assert first["prompt_tokens"] == count(render(history))
    assert second["cached_tokens"] == first["prompt_tokens"] // BLOCK * BLOCK == 512


def test_changed_tools_break_the_cache_from_the_first_block() -> None:
    message = [{"role": "user", "content": words(600)}]
    with server() as sim:
        for name in ("read_file", "write_file", "read_file"):
            chat(sim, message, tools=[tool(name)])
    assert [record.cached_tokens for record in sim.answered] == [0, 0, 512]


def test_the_cache_is_not_touched_by_tool_choice_and_response_format() -> None:
    message = [{"role": "user", "content": words(600)}]
    with server() as sim:
        chat(sim, message)
        chat(sim, message, tool_choice="none", response_format={"type": "json_object"})
    assert sim.answered[1].cached_tokens == 512


def test_a_forgotten_cache_starts_anew() -> None:
    message = [{"role": "user", "content": words(600)}]
    with server() as sim:
        chat(sim, message)
        sim.cache.forget()
        chat(sim, message)
    assert sim.answered[1].cached_tokens == 0


def test_moonshot_reports_usage_in_the_finish_choice_and_cached_tokens_at_its_top() -> None:
    message = [{"role": "user", "content": words(300)}]
    with server() as sim:
        chat(sim, message)
        plain = chat(sim, message, stream=True).chunks
        asked = chat(sim, message, stream=True, stream_options={"include_usage": True}).chunks
    usage = plain[-1]["choices"][0]["usage"]
    assert plain[-1]["choices"][0]["finish_reason"] == "stop"
    assert usage["cached_tokens"] == 256
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert "prompt_tokens_details" not in usage
    assert asked[-2]["choices"][0]["usage"] == usage
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"] == usage


@pytest.mark.parametrize(("shape", "cached"), [("ark", 0), ("openai", 256)])
def test_other_shapes_nest_cached_tokens_and_report_only_when_asked(shape: str, cached: int) -> None:
    message = [{"role": "user", "content": words(300)}]
    with server(shape) as sim:
        first = chat(sim, message).json["usage"]
        plain = chat(sim, message, stream=True).chunks
        asked = chat(sim, message, stream=True, stream_options={"include_usage": True}).chunks
    assert first["prompt_tokens_details"] == {"cached_tokens": 0}
    assert all("usage" not in chunk and "usage" not in chunk["choices"][0] for chunk in plain)
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["prompt_tokens_details"] == {"cached_tokens": cached}
    assert "cached_tokens" not in asked[-1]["usage"]


def test_completion_tokens_include_reasoning_and_calls() -> None:
    answers = [
        say("one two", reasoning="three four five"),
        use(call("grep", pattern="x")),
    ]
    with Simulator(answers, shape="ark") as sim:
        first, second = chat(sim).json["usage"], chat(sim).json["usage"]
    assert first["completion_tokens"] == 5
    assert first["completion_tokens_details"] == {"reasoning_tokens": 3}
    assert second["completion_tokens"] == count("grep") + count('{"pattern": "x"}')


CUTS = [
    (1, "think", "", [], "length"),
    (3, "think more", "one", [], "length"),
    (6, "think more", "one two three", [""], "length"),
    (8, "think more", "one two three", ['{"'], "length"),
    (99, "think more", "one two three", ['{"pattern": "x"}'], "tool_calls"),
]


@pytest.mark.parametrize(("limit", "reasoning", "text", "arguments", "finish"), CUTS)
def test_an_answer_is_cut_at_the_limit_of_the_request(
    limit: int, reasoning: str, text: str, arguments: list[str], finish: str
) -> None:
    answer = use(call("grep", pattern="x"), text="one two three", reasoning="think more")
    with Simulator([answer]) as sim:
        choice = chat(sim, max_tokens=limit).json["choices"][0]
    message = choice["message"]
    assert (message["reasoning_content"], message["content"] or "", choice["finish_reason"]) == (
        reasoning,
        text,
        finish,
    )
    assert [c["function"]["arguments"] for c in message.get("tool_calls", [])] == arguments


@pytest.mark.parametrize(("shape", "limit"), [("moonshot", 1024), ("ark", 4096)])
def test_a_request_without_a_limit_gets_the_provider_s_short_one(shape: str, limit: int) -> None:
    with Simulator([say(words(5000))], shape=shape) as sim:
        reply = chat(sim).json
    assert reply["usage"]["completion_tokens"] == limit
    assert reply["choices"][0]["finish_reason"] == "length"


def test_single_usage_fields_can_be_overridden() -> None:
    for shape, place in (("moonshot", "cached_tokens"), ("ark", "prompt_tokens_details")):
        with Simulator([say("x", usage={"cached_tokens": 7, "prompt_tokens": 9})], shape=shape) as sim:
            usage = chat(sim).json["usage"]
        assert usage["prompt_tokens"] == 9
        assert usage[place] in (7, {"cached_tokens": 7})


def test_the_estimate_counts_messages_without_tools() -> None:
    body = b'{"model":"kimi-k2-0905-preview","messages":[{"role":"user","content":"hi"}]}'
    with server() as sim:
        reply = request(sim, "POST", "/tokenizers/estimate-token-count", body)
        refused = request(sim, "POST", "/tokenizers/estimate-token-count", body[:-1] + b',"tools":[]}')
    assert reply.json == {"data": {"total_tokens": count(render([USER]))}}
    assert refused.status == 400
