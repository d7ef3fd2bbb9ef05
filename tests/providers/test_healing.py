from __future__ import annotations

import asyncio
import json

import pytest

from kcode.providers.base import CallDelta, Finish, ReasoningDelta, Retrying, TextDelta, Usage
from kcode.providers.chat import ChatProvider
from kcode.providers.registry import resolve
from tests.k2sim import Fault, call, say, use

from .loopback import Reply, delta, event, loopback, stream, whole
from .loopback import call as fragment
from .markup import one, section
from .support import KEY, ask, make_provider, make_request, make_settings

TOOLS = json.dumps(
    [
        {
            "type": "function",
            "function": {"name": name, "parameters": {"type": "object", "properties": {}}},
        }
        for name in ("read_file", "grep")
    ]
).encode()
SECTION = section(one("functions.read_file:0", '{"path":"a.py"}'))


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def answers(sim, *, profile="vllm", model="kimi-k2", **fields):
    provider = make_provider(sim.base_url, name=profile, model=model)
    return run(ask(provider, make_request(tools=TOOLS, **fields)))


def from_loopback(*replies, profile="vllm", **fields):
    async def story():
        async with loopback(*replies) as server:
            provider = make_provider(server.url, name=profile, model="kimi-k2")
            return await ask(provider, make_request(tools=TOOLS, **fields)), server.chats()

    return run(story())


def calls(chunks):
    return [(c.name, c.arguments) for c in chunks if isinstance(c, CallDelta)]


def text(chunks):
    return "".join(c.text for c in chunks if isinstance(c, TextDelta))


def leaky(fault, **fields):
    both = [call("read_file", path="a.py"), call("grep", pattern="<|tool_call_end|>")]
    return use(*both, text="Let me look.", faults=(Fault(fault),), **fields)


BOTH = [("read_file", '{"path": "a.py"}'), ("grep", '{"pattern": "<|tool_call_end|>"}')]


@pytest.mark.parametrize("profile", ["vllm", "sglang", "ktransformers", "trtllm", "llama-server"])
@pytest.mark.parametrize(
    "fault", ["markup_in_text", "markup_announced", "markup_in_reasoning", "markup_stripped"]
)
def test_calls_that_the_servers_parser_left_in_the_text_are_calls(k2sim, profile, fault):
    sim = k2sim([leaky(fault, reasoning="Hm.")], shape="openai")
    chunks = answers(sim, profile=profile)
    assert calls(chunks) == BOTH
    assert all(c.healed for c in chunks if isinstance(c, CallDelta))
    assert text(chunks) == "Let me look."
    assert "".join(c.text for c in chunks if isinstance(c, ReasoningDelta)) == "Hm."
    assert len(sim.chats) == 1


def test_an_announced_call_that_the_text_holds_is_not_asked_for_again(k2sim):
    sim = k2sim([leaky("markup_announced"), say("never")], shape="openai")
    chunks = answers(sim)
    assert chunks[-1] == Finish("tool_calls")
    assert not any(isinstance(c, Retrying) for c in chunks)


def test_an_announced_call_that_came_nowhere_is_asked_for_once_without_streaming(k2sim):
    lost = use(call("read_file", path="a.py"), repeat=True, faults=(Fault("empty_deltas"),))
    sim = k2sim([lost], shape="openai")
    chunks = answers(sim)
    assert calls(chunks) == [("read_file", '{"path": "a.py"}')]
    assert [r.json["stream"] for r in sim.chats] == [True, False]


def test_the_retry_without_streaming_is_healed_too():
    empty = stream(delta(finish="tool_calls"))
    leaked = whole({"choices": [{"index": 0, "message": {"content": SECTION}, "finish_reason": "stop"}]})
    chunks, asked = from_loopback(empty, leaked)
    assert calls(chunks) == [("read_file", '{"path":"a.py"}')]
    assert [r.json["stream"] for r in asked] == [True, False]


def test_nothing_is_healed_where_the_server_sent_proper_calls(k2sim):
    sim = k2sim([leaky("markup_beside_calls")], shape="openai")
    chunks = answers(sim)
    assert len(calls([c for c in chunks if isinstance(c, CallDelta) and c.id])) == 2
    assert not any(c.healed for c in chunks if isinstance(c, CallDelta))
    assert "functions.read_file:0" in text(chunks)


def test_proper_calls_before_the_text_keep_it_as_text():
    reply = stream(
        delta(tool_calls=[fragment(0, '{"path":"b.py"}', "x", "read_file")]),
        delta(content=SECTION),
        delta(finish="tool_calls"),
    )
    chunks, _ = from_loopback(reply)
    assert calls(chunks) == [("read_file", '{"path":"b.py"}')]
    assert text(chunks) == SECTION


@pytest.mark.parametrize("profile", ["moonshot", "openai-compatible"])
def test_a_hosted_service_is_never_healed(k2sim, profile):
    sim = k2sim([leaky("markup_in_text")], shape="openai")
    if profile == "moonshot":
        chunks, _ = from_loopback(stream(delta(content=SECTION), delta(finish="stop")), profile=profile)
    else:
        chunks = answers(sim, profile=profile)
    assert calls(chunks) == []
    assert "<|tool_calls_section_begin|>" in text(chunks)


def test_a_request_without_tools_has_no_calls():
    reply = stream(delta(content=SECTION), delta(finish="stop"))

    async def story():
        async with loopback(reply) as server:
            return await ask(make_provider(server.url, name="vllm", model="kimi-k2"))

    chunks = run(story())
    assert (calls(chunks), text(chunks)) == ([], SECTION)


def test_the_rest_of_cut_arguments_is_text_whatever_it_says():
    partial = b'{"role":"assistant","content":"{\\"content\\": \\""}'
    reply = stream(delta(content=SECTION + '"}'), delta(finish="stop"))
    chunks, _ = from_loopback(reply, partial=partial, no_calls=True)
    assert (calls(chunks), text(chunks)) == ([], SECTION + '"}')


def test_a_call_of_a_tool_that_is_not_declared_is_told_as_that():
    reply = stream(delta(content=section(one("functions.web_search:0", "{}"))), delta(finish="stop"))
    assert calls(from_loopback(reply)[0]) == [("web_search", "{}")]


def test_thinking_without_a_reasoning_parser_is_told_apart(k2sim):
    sim = k2sim([say("Yes.", reasoning="Hm.", faults=(Fault("thinking_in_text"),))], shape="openai")
    chunks = answers(sim)
    assert text(chunks) == "Yes."
    assert (
        ReasoningDelta("Hm.") in chunks
        or "".join(c.text for c in chunks if isinstance(c, ReasoningDelta)) == "Hm."
    )


def test_a_placeholder_beside_calls_is_not_shown(k2sim):
    sim = k2sim([use(call("grep", pattern="x"), faults=(Fault("no_content"),))], shape="openai")
    chunks = answers(sim)
    assert text(chunks) == ""
    assert calls([c for c in chunks if isinstance(c, CallDelta) and c.name]) == [("grep", "")]


def test_usage_in_the_finish_chunk_and_calls_without_index_are_read():
    usage = {"prompt_tokens": 9, "completion_tokens": 2}
    finish = {**delta(finish="tool_calls"), "usage": usage}
    reply = Reply(
        pieces=[
            event(delta(tool_calls=[fragment(None, '{"path":', "functions.read_file:0", "read_file")])),
            event(delta(tool_calls=[fragment(None, '"a.py"}')])),
            event(finish),
            b"data: [DONE]\n\n",
        ]
    )
    chunks, _ = from_loopback(reply, profile="llama-server")
    assert "".join(c.arguments for c in chunks if isinstance(c, CallDelta)) == '{"path":"a.py"}'
    assert Usage(prompt=9, completion=2) in chunks


def test_an_empty_reasoning_is_kept_apart_from_none():
    reply = stream(delta(reasoning_content=""), delta(content="x"), delta(finish="stop"))
    assert from_loopback(reply)[0][0] == ReasoningDelta("")


def test_an_old_server_may_be_asked_for_calls_without_streaming(k2sim):
    sim = k2sim([use(call("grep", pattern="x")), say("Hi.")], shape="openai")
    settings = make_settings(
        name="vllm", base_url=sim.base_url, model="kimi-k2", api_key=KEY, dialect="stream_tools=false"
    )
    for tools in (TOOLS, b""):
        run(ask(ChatProvider(resolve(settings, {})), make_request(tools=tools)))
    assert [record.json["stream"] for record in sim.chats] == [False, True]


def test_healing_can_be_switched_off(k2sim):
    sim = k2sim([leaky("markup_in_text")], shape="openai")
    settings = make_settings(
        name="vllm", base_url=sim.base_url, model="kimi-k2", api_key=KEY, dialect="heal=false"
    )
    chunks = run(ask(ChatProvider(resolve(settings, {})), make_request(tools=TOOLS)))
    assert calls(chunks) == [] and "<|tool_calls_section_begin|>" in text(chunks)
