from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from kcode.conversation.ledger import Assistant, Call, Entry, System, ToolResult, Tools, User
from kcode.conversation.projection import project
from kcode.providers.base import (
    AuthError,
    CallDelta,
    Chunk,
    ConnectionLost,
    ContentFiltered,
    ContextOverflow,
    Finish,
    ModelNotFound,
    QuotaExhausted,
    ReasoningDelta,
    Request,
    Retrying,
    ServerFailed,
    TextDelta,
    Unreachable,
    Usage,
)
from kcode.providers.chat import ChatProvider
from kcode.providers.registry import open_provider, resolve
from tests.k2sim import Chunking, Fault, call, fail, say, use

from .support import KEY, ask, make_provider, make_request, make_settings

TOOLS = Tools(
    json.dumps(
        [
            {
                "type": "function",
                "function": {
                    "name": "read_file",
                    "description": "Read a file.",
                    "parameters": {
                        "type": "object",
                        "properties": {"path": {"type": "string", "description": "the file"}},
                        "required": ["path"],
                    },
                },
            }
        ]
    )
)
PROFILE = {"moonshot": "moonshot", "ark": "ark", "openai": "openai-compatible"}
MODEL = {"moonshot": "kimi-k2-0905-preview", "ark": "kimi-k2-250905", "openai": "moonshotai/Kimi-K2-Instruct"}


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def provider_for(sim, shape: str = "moonshot", **options) -> ChatProvider:
    options = {"model": MODEL[shape], "name": PROFILE[shape]} | options
    return make_provider(sim.base_url, **options)


def text(chunks: list[Chunk]) -> str:
    since = max((n for n, c in enumerate(chunks) if isinstance(c, Retrying)), default=-1)
    return "".join(c.text for c in chunks[since + 1 :] if isinstance(c, TextDelta))


async def converse(provider: ChatProvider, steps: int) -> list[Entry]:
    """A tool loop as the agent runs it: project, send, collect, answer each call."""
    ledger: list[Entry] = [System("You are kcode. " * 200), TOOLS, User("look at a.py")]
    for _ in range(steps):
        wire = project(ledger, provider.dialect)
        request = Request(provider.model.id, wire.tools, wire.messages, 1024, "session-1")
        said, thought, calls = "", None, {}
        async for chunk in provider.stream(request):
            match chunk:
                case TextDelta(piece):
                    said += piece
                case ReasoningDelta(piece):
                    thought = (thought or "") + piece
                case CallDelta(index, call_id, name, arguments):
                    known = calls.get(index, Call("", "", ""))
                    calls[index] = Call(
                        known.id or call_id or "", known.name or name or "", known.arguments + arguments
                    )
        ledger.append(Assistant(said, thought, tuple(calls.values())))
        ledger += [ToolResult(c.id, c.name, f"content of {c.arguments}") for c in calls.values()]
    await provider.close()
    return ledger


@pytest.mark.parametrize("shape", ["moonshot", "ark", "openai"])
def test_a_tool_loop_is_legal_and_every_body_extends_the_one_before(k2sim, shape):
    both = [call("read_file", path="a.py"), call("read_file", path="b.py")]
    script = [use(*both), use(call("read_file", path="c.py")), say("Done.")]
    sim = k2sim(script, shape=shape, model_ids=[MODEL[shape]], require_k2_ids=shape != "moonshot")
    ledger = run(converse(provider_for(sim, shape), 3))
    assert [r.status for r in sim.chats] == [200, 200, 200]
    assert all(step.extends for step in sim.prefix_report())
    assert ledger[-1] == Assistant("Done.", None, ())
    results = [e.text for e in ledger if isinstance(e, ToolResult)]
    assert [json.loads(r.removeprefix("content of "))["path"] for r in results] == ["a.py", "b.py", "c.py"]


def test_reasoning_of_the_running_loop_goes_back_to_a_model_that_insists(k2sim):
    script = [
        use(call("read_file", path="a.py"), reasoning="I should look."),
        say("Done.", reasoning="Seen."),
    ]
    sim = k2sim(script)
    ledger = run(converse(provider_for(sim, model="kimi-k2.7-code"), 2))
    assert [r.status for r in sim.chats] == [200, 200]
    assert ledger[-1] == Assistant("Done.", "Seen.", ())


def test_cached_tokens_are_reported_from_the_second_step_on(k2sim):
    sim = k2sim([use(call("read_file", path="a.py")), say("Done.")])

    async def story():
        provider = provider_for(sim)
        wire = project([System("You are kcode. " * 200), TOOLS, User("hi")], provider.dialect)
        request = make_request(*wire.messages, tools=wire.tools)
        seen = [[c async for c in provider.stream(request)] for _ in range(2)]
        await provider.close()
        return seen

    first, second = run(story())
    usages = [next(c for c in chunks if isinstance(c, Usage)) for chunks in (first, second)]
    assert usages[0].cached == 0
    assert usages[1].cached >= 256
    assert usages[1].cached <= usages[1].prompt


@pytest.mark.parametrize("wire_bytes", [1, 7, 64])
def test_the_wire_may_cut_anywhere(k2sim, wire_bytes):
    said = "Ein Würfel — 你好, 世界 🎲"
    sim = k2sim([say(said, chunking=Chunking(text_chars=3, wire_bytes=wire_bytes, comments=True))])
    assert text(run(ask(provider_for(sim)))) == said


@pytest.mark.parametrize(
    "fault",
    [
        "reset_before",
        "close_before",
        "reset",
        "hangup",
        "cut",
        "no_done",
        "no_finish",
        "malformed_json",
        "error_mid_stream",
        "engine_overloaded",
        "rate_limit_concurrency",
        "server_error",
        "unavailable",
        "gateway_timeout_html",
        "bad_gateway_html",
    ],
)
def test_what_passes_is_tried_again_with_the_same_bytes(k2sim, fault):
    sim = k2sim([fail(fault), say("Recovered.")])
    chunks = run(ask(provider_for(sim, retries=2)))
    assert text(chunks) == "Recovered."
    assert sum(isinstance(c, Retrying) for c in chunks) == 1
    assert sim.chats[0].raw == sim.chats[1].raw


@pytest.mark.parametrize("shape", ["moonshot", "ark"])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("quota_exceeded", QuotaExhausted),
        ("wrong_key", AuthError),
        ("forbidden", AuthError),
        ("model_gone", ModelNotFound),
        ("content_filter", ContentFiltered),
        ("context_overflow", ContextOverflow),
        ("too_large", ContextOverflow),
    ],
)
def test_what_stays_is_asked_once_and_told_with_a_remedy(k2sim, shape, fault, expected):
    sim = k2sim([fail(fault), say("never")], shape=shape)
    with pytest.raises(expected) as caught:
        run(ask(provider_for(sim, shape, retries=3)))
    assert len(sim.chats) == 1
    assert caught.value.remedy


def test_the_days_tokens_are_not_waited_for(k2sim):
    sim = k2sim([fail("rate_limit_tpd"), say("never")])
    with pytest.raises(QuotaExhausted) as caught:
        run(ask(provider_for(sim, retries=3)))
    assert "tomorrow" in caught.value.remedy


def test_a_wrong_key_is_refused_for_good(k2sim):
    sim = k2sim([say("never")])
    with pytest.raises(AuthError) as caught:
        run(ask(provider_for(sim, key="sk-test-another-fake-key", retries=3)))
    assert "another-fake-key" not in caught.value.message + caught.value.remedy


def test_a_model_that_is_gone_names_what_the_server_lists(k2sim):
    sim = k2sim([say("never")], model_ids=["kimi-k2.7-code", "kimi-k3"])
    with pytest.raises(ModelNotFound) as caught:
        run(ask(provider_for(sim)))
    assert "It lists: kimi-k2.7-code, kimi-k3." in caught.value.remedy


def test_a_self_hosted_server_is_asked_for_its_window(k2sim):
    sim = k2sim([say("hi")], shape="openai", context={"kimi-k2-instruct": 30000})
    wanted = make_settings(
        name="openai-compatible", base_url=sim.base_url, api_key=KEY, model="kimi-k2-instruct"
    )
    provider = open_provider(resolve(wanted, {}), wanted)
    assert provider.model.context == 30000
    assert provider.dialect.call_ids == "k2"
    assert "kimi-k2-instruct" in run(provider.list_models())


def test_a_window_set_by_hand_is_not_asked_for(k2sim):
    sim = k2sim([say("hi")], shape="openai")
    wanted = make_settings(name="vllm", base_url=sim.base_url, api_key=KEY, model="kimi-k2", context=20000)
    assert open_provider(resolve(wanted, {}), wanted).model.context == 20000
    assert not sim.requests


def test_a_server_that_is_not_there_matters_only_when_its_model_is_needed():
    named = make_settings(name="vllm", base_url="http://127.0.0.1:9", model="kimi-k2")
    assert open_provider(resolve(named, {}), named).model.id == "kimi-k2"
    unnamed = make_settings(name="vllm", base_url="http://127.0.0.1:9")
    with pytest.raises(Unreachable):
        open_provider(resolve(unnamed, {}), unnamed)


@pytest.mark.parametrize("fault", ["finish_without_calls", "empty_deltas"])
def test_calls_that_were_announced_and_lost_are_fetched_without_streaming(k2sim, fault):
    good = use(call("read_file", path="a.py"))
    sim = k2sim([replace(good, faults=(Fault(fault),)), good])

    async def story():
        provider = provider_for(sim)
        wire = project([TOOLS, User("hi")], provider.dialect)
        return await ask(provider, make_request(*wire.messages, tools=wire.tools))

    chunks = run(story())
    since = next(n for n, c in enumerate(chunks) if isinstance(c, Retrying))
    assert [type(c) for c in chunks[since + 1 :]] == [CallDelta, Usage, Finish]
    assert [json.loads(r.raw)["stream"] for r in sim.chats] == [True, False]


@pytest.mark.parametrize("fault", ["missing_index", "same_index", "wrong_index"])
def test_indexes_gone_wrong_do_not_mix_up_calls(k2sim, fault):
    both = use(call("read_file", path="a.py"), call("read_file", path="b.py"))
    sim = k2sim([replace(both, faults=(Fault(fault),)), say("Done.")])
    ledger = run(converse(provider_for(sim), 2))
    results = [e.text for e in ledger if isinstance(e, ToolResult)]
    assert results == ['content of {"path": "a.py"}', 'content of {"path": "b.py"}']
    assert [r.status for r in sim.chats] == [200, 200]


def test_impossible_usage_is_brought_into_bounds(k2sim):
    sim = k2sim([fail("usage_wrong")])
    usage = next(c for c in run(ask(provider_for(sim))) if isinstance(c, Usage))
    assert usage == Usage(prompt=1, completion=0, cached=1)


def test_a_stall_is_given_up_and_tried_again(k2sim):
    sim = k2sim([fail("stall", seconds=3.0), say("Recovered.")])
    chunks = run(ask(provider_for(sim, retries=1, timeout_s=0.3)))
    assert text(chunks) == "Recovered."


def test_an_error_in_the_middle_without_retries_is_raised_as_what_it_is(k2sim):
    sim = k2sim([fail("error_mid_stream")])
    with pytest.raises(ServerFailed, match="middle of the answer"):
        run(ask(provider_for(sim)))
    sim = k2sim([fail("cut")])
    with pytest.raises(ConnectionLost):
        run(ask(provider_for(sim)))


def test_leaving_early_is_seen_by_the_server(k2sim):
    sim = k2sim([say("word " * 400, chunking=Chunking(text_chars=5, delay_ms=5))])

    async def story():
        provider = provider_for(sim)
        answer = provider.stream(make_request())
        async for chunk in answer:
            if isinstance(chunk, TextDelta):
                break
        await answer.aclose()
        await provider.close()

    run(story())
    for _ in range(500):
        if sim.chats and sim.chats[0].client_left:
            break
        run(asyncio.sleep(0.01))
    assert sim.chats[0].client_left
