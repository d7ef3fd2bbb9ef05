"""The Anthropic-shaped wire, end to end against the simulator."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from kcode.agent.collect import Answer as Collected
from kcode.agent.collect import cut_off
from kcode.conversation.ledger import Assistant, Call, Entry, System, ToolResult, Tools, User
from kcode.conversation.projection import project
from kcode.errors import ConfigError
from kcode.providers.base import (
    AuthError,
    CallDelta,
    Chunk,
    ConnectionLost,
    ContentFiltered,
    ContextOverflow,
    Finish,
    InvalidRequest,
    ModelNotFound,
    Overloaded,
    QuotaExhausted,
    ReasoningDelta,
    Request,
    Retrying,
    ServerFailed,
    TextDelta,
    Usage,
    WrongAddress,
)
from kcode.providers.messages import MessagesProvider
from kcode.providers.registry import open_provider, resolve
from kcode.providers.retry import RetryPolicy
from tests.k2sim import Answer, Chunking, Fault, call, extends, fail, say, use
from tests.k2sim import Call as ScriptedCall
from tests.k2sim.messages import real_temperature

from .support import KEY, make_request, make_settings

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
THINKING = "kimi-k3"
PLAIN = "kimi-k2-0905-preview"


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def base(sim) -> str:
    return sim.base_url.removesuffix("/v1") + "/anthropic"


def provider_for(sim, *, model: str = THINKING, retries: int = 0, key: str = KEY, **more) -> MessagesProvider:
    wanted = make_settings(
        name="anthropic-compatible", **({"base_url": base(sim), "model": model, "api_key": key} | more)
    )
    endpoint = resolve(wanted, {})
    return MessagesProvider(endpoint, timeout_s=20.0, policy=RetryPolicy(retries, base_s=0.01))


async def ask(provider: MessagesProvider, request: Request | None = None) -> list[Chunk]:
    try:
        return [chunk async for chunk in provider.stream(request or make_request())]
    finally:
        await provider.close()


def text(chunks: list[Chunk]) -> str:
    since = max((n for n, c in enumerate(chunks) if isinstance(c, Retrying)), default=-1)
    return "".join(c.text for c in chunks[since + 1 :] if isinstance(c, TextDelta))


def assembled(chunks: list[Chunk]) -> Assistant:
    """What the agent makes of an answer."""
    answer = Collected()
    for chunk in chunks:
        if isinstance(chunk, Retrying):
            answer = Collected()
        else:
            answer.take(chunk)
    return answer.assistant((), 0)


async def converse(provider: MessagesProvider, steps: int, *, said: str = "look at a.py") -> list[Entry]:
    """A tool loop as the agent runs it: project, send, collect, answer each call."""
    ledger: list[Entry] = [System("You are kcode. " * 200), TOOLS, User(said)]
    for _ in range(steps):
        await step(provider, ledger)
    await provider.close()
    return ledger


async def step(provider: MessagesProvider, ledger: list[Entry]) -> list[Chunk]:
    wire = project(ledger, provider.dialect)
    request = Request(provider.model.id, wire.tools, wire.messages, 1024, "session-1")
    chunks = [chunk async for chunk in provider.stream(request)]
    answer = assembled(chunks)
    ledger.append(answer)
    ledger += [ToolResult(c.id, c.name, f"content of {c.arguments}") for c in answer.calls]
    return chunks


@pytest.mark.parametrize("model", [THINKING, PLAIN])
def test_a_tool_loop_of_ten_steps_is_legal_and_every_body_extends_the_one_before(k2sim, model):
    thinks = {"reasoning": "Which file is next?"} if model == THINKING else {}
    two = [call("read_file", path="a.py"), call("read_file", path="b.py")]
    script: list[Answer] = [use(*two, **thinks)]
    script += [use(call("read_file", path=f"{n}.py"), text=f"Now {n}.", **thinks) for n in range(8)]
    sim = k2sim([*script, say("Done.", **thinks)])
    ledger = run(converse(provider_for(sim, model=model), 10))
    assert [r.status for r in sim.chats] == [200] * 10
    assert all(s.extends for s in sim.prefix_report())
    assert ledger[-1].content == "Done."
    results = [e.text for e in ledger if isinstance(e, ToolResult)]
    paths = [json.loads(r.removeprefix("content of "))["path"] for r in results]
    assert paths == ["a.py", "b.py", *(f"{n}.py" for n in range(8))]
    assert sim.chats[-1].cached_tokens > sim.chats[1].cached_tokens > 0


def test_the_results_of_one_step_go_back_in_one_message_in_call_order(k2sim):
    sim = k2sim([use(call("read_file", path="a.py"), call("read_file", path="b.py")), say("Done.")])

    async def story():
        provider = provider_for(sim, model=PLAIN)
        ledger: list[Entry] = [User("look"), TOOLS]
        await step(provider, ledger)
        ledger[-2:] = reversed(ledger[-2:])  # whatever finished first
        await step(provider, ledger)
        await provider.close()

    run(story())
    last = sim.chats[1].json["messages"][-1]
    asked = [b["id"] for b in sim.chats[1].json["messages"][-2]["content"]]
    assert [b["tool_use_id"] for b in last["content"]] == asked
    assert [b["type"] for b in last["content"]] == ["tool_result", "tool_result"]


def test_a_users_word_after_tool_results_leaves_the_earlier_message_as_it_was(k2sim):
    sim = k2sim([use(call("read_file", path="a.py"), reasoning="Look."), fail("server_error"), say("Done.")])

    async def story():
        provider = provider_for(sim)
        ledger: list[Entry] = [User("look"), TOOLS]
        await step(provider, ledger)
        with pytest.raises(ServerFailed):
            await step(provider, ledger)
        ledger.append(User("go on"))
        await step(provider, ledger)
        await provider.close()

    run(story())
    assert [r.status for r in sim.chats] == [200, 500, 200]
    assert extends(sim.chats[1].raw, sim.chats[2].raw)


def test_the_reasoning_comes_back_under_its_own_seal(k2sim):
    script = [
        use(call("read_file", path="a.py"), reasoning="I should look — 先看看."),
        say("Done.", reasoning="Seen."),
        say("Again."),
    ]
    sim = k2sim(script)

    async def story():
        provider = provider_for(sim)
        ledger: list[Entry] = [User("look"), TOOLS]
        await step(provider, ledger)
        await step(provider, ledger)
        ledger.append(User("and now?"))
        await step(provider, ledger)
        await provider.close()
        return ledger

    ledger = run(story())
    assert [r.status for r in sim.chats] == [200, 200, 200]
    assert ledger[2].reasoning == "I should look — 先看看."
    thoughts = [
        block
        for message in sim.chats[2].json["messages"]
        if message["role"] == "assistant"
        for block in message["content"]
        if block["type"] == "thinking"
    ]
    assert [t["thinking"] for t in thoughts] == ["I should look — 先看看.", "Seen."]
    assert all(t["signature"] for t in thoughts)


def test_a_changed_seal_is_refused_by_the_simulator(k2sim):
    sim = k2sim([use(call("read_file", path="a.py"), reasoning="I should look."), say("Done.")])

    async def story(spoil):
        provider = provider_for(sim)
        ledger: list[Entry] = [User("look"), TOOLS]
        await step(provider, ledger)
        ledger[2] = spoil(ledger[2])
        try:
            await step(provider, ledger)
        finally:
            await provider.close()

    with pytest.raises(InvalidRequest, match="signature"):
        run(story(lambda answer: replace(answer, signature="c2VhbA==")))


def test_a_call_whose_reasoning_never_came_goes_back_with_an_empty_one(k2sim):
    """Moonshot refuses a thinking model's tool call without reasoning (facts B.7)."""
    sim = k2sim([say("Done.")])
    entries = [User("look"), Assistant("", None, (Call("read_file:0", "read_file", "{}"),))]
    entries.append(ToolResult("read_file:0", "read_file", "text"))

    async def story():
        provider = provider_for(sim)
        wire = project([TOOLS, *entries], provider.dialect)
        return await ask(provider, make_request(*wire.messages, tools=wire.tools))

    assert text(run(story())) == "Done."
    assert sim.chats[0].json["messages"][1]["content"][0] == {"type": "thinking", "thinking": ""}


def test_ids_of_another_server_are_made_legal_in_calls_and_results_alike(k2sim):
    sim = k2sim([say("Done.")])
    calls = (
        Call("functions.read_file:0", "read_file", "{}"),
        Call("functions_read_file_0", "read_file", "{}"),
    )
    entries = [User("look"), Assistant("", None, calls)]
    entries += [ToolResult(c.id, c.name, c.id) for c in calls]

    async def story():
        provider = provider_for(sim, model=PLAIN)
        wire = project([TOOLS, *entries], provider.dialect)
        return await ask(provider, make_request(*wire.messages, tools=wire.tools))

    assert text(run(story())) == "Done."
    results = sim.chats[0].json["messages"][2]["content"]
    assert [r["content"] for r in results] == [c.id for c in calls]
    assert len({r["tool_use_id"] for r in results}) == 2


@pytest.mark.parametrize("argument_chars", [0, 1, 24])
def test_a_calls_input_is_read_whole_from_its_start_or_in_fragments(k2sim, argument_chars):
    asked = use(
        call("read_file", path="ein Würfel 🎲.py"),
        ScriptedCall("list_dir", "{}"),
        chunking=Chunking(argument_chars=argument_chars),
    )
    sim = k2sim([asked])
    answer = assembled(run(ask(provider_for(sim, model=PLAIN))))
    assert [(c.name, json.loads(c.arguments)) for c in answer.calls] == [
        ("read_file", {"path": "ein Würfel 🎲.py"}),
        ("list_dir", {}),
    ]
    assert answer.finish == "tool_calls"


@pytest.mark.parametrize("wire_bytes", [1, 7, 64])
def test_the_wire_may_cut_anywhere(k2sim, wire_bytes):
    said = "Ein Würfel — 你好, 世界 🎲"
    sim = k2sim([say(said, chunking=Chunking(text_chars=3, wire_bytes=wire_bytes, comments=True))])
    assert text(run(ask(provider_for(sim)))) == said


def test_usage_counts_what_was_cached_within_the_prompt(k2sim):
    sim = k2sim([say("One."), say("Two.", usage={"cache_creation_input_tokens": 100})])

    async def story():
        provider = provider_for(sim)
        request = make_request(json.dumps({"role": "user", "content": "word " * 600}).encode())
        seen = [[c async for c in provider.stream(request)] for _ in range(2)]
        await provider.close()
        return [next(c for c in chunks if isinstance(c, Usage)) for chunks in seen]

    first, second = run(story())
    prompt = sim.chats[0].prompt_tokens
    assert (first.prompt, first.cached, first.cache_write) == (prompt, 0, 0)
    assert (second.prompt, second.cache_write) == (prompt + 100, 100)
    assert 256 <= second.cached == sim.chats[1].cached_tokens
    assert second.completion == sim.chats[1].completion_tokens


def test_an_answer_cut_at_the_limit_says_so_and_its_last_call_is_not_run(k2sim):
    sim = k2sim([use(call("read_file", path="x" * 2000)), say("word " * 600)])
    request = make_request(max_output_tokens=40)
    cut_call = assembled(run(ask(provider_for(sim, model=PLAIN), request)))
    cut_text = assembled(run(ask(provider_for(sim, model=PLAIN), request)))
    assert (cut_call.finish, cut_text.finish) == ("length", "length")
    assert cut_off(cut_call) == cut_call.calls[-1].id
    assert 0 < len(cut_text.content) < 3000


def test_a_call_cut_before_its_first_argument_is_not_taken_for_an_empty_one(k2sim):
    sim = k2sim([Answer(calls=(ScriptedCall("delete_path", ""),), finish="length")])
    answer = assembled(run(ask(provider_for(sim, model=PLAIN))))
    assert cut_off(answer) == answer.calls[0].id


def test_a_refusal_is_told_as_filtered_content(k2sim):
    sim = k2sim([say("I cannot.", finish="content_filter")])
    assert run(ask(provider_for(sim)))[-1] == Finish("content_filter")


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
        ("rate_limit_tpd", QuotaExhausted),
    ],
)
def test_what_stays_is_asked_once_and_told_with_a_remedy(k2sim, fault, expected):
    sim = k2sim([fail(fault), say("never")])
    with pytest.raises(expected) as caught:
        run(ask(provider_for(sim, retries=3)))
    assert len(sim.chats) == 1
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("overloaded_error", Overloaded), ("api_error", ServerFailed), ("billing_error", QuotaExhausted)],
)
def test_an_error_in_the_middle_is_raised_as_what_its_type_says(k2sim, kind, expected):
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "sorry"}})
    sim = k2sim([fail("http", status=400 if kind == "billing_error" else 500, body=body)])
    with pytest.raises(expected, match="sorry"):
        run(ask(provider_for(sim)))


def test_a_stream_without_its_end_is_not_an_answer(k2sim):
    sim = k2sim([fail("no_done")])
    with pytest.raises(ConnectionLost):
        run(ask(provider_for(sim)))


def test_calls_that_were_announced_and_lost_are_fetched_without_streaming(k2sim):
    good = use(call("read_file", path="a.py"))
    sim = k2sim([replace(good, faults=(Fault("finish_without_calls"),)), good])
    chunks = run(ask(provider_for(sim, model=PLAIN)))
    since = next(n for n, c in enumerate(chunks) if isinstance(c, Retrying))
    assert [type(c) for c in chunks[since + 1 :]] == [CallDelta, CallDelta, Usage, Finish]
    assert [json.loads(r.raw)["stream"] for r in sim.chats] == [True, False]


# --- temperature -------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [None, 0.6, 0.3, 0.0, 0.1])
def test_the_real_temperature_is_what_the_user_set(k2sim, wanted):
    sim = k2sim([say("hi")])
    provider = provider_for(sim, model=PLAIN, temperature=wanted)
    run(ask(provider, make_request(temperature=wanted)))
    assert real_temperature(sim.chats[0]) == pytest.approx(0.6 if wanted is None else wanted, abs=1e-5)


def test_a_temperature_above_what_the_endpoint_can_give_is_refused_before_anything_is_sent(k2sim):
    sim = k2sim([say("never")])
    with pytest.raises(ConfigError) as caught:
        provider_for(sim, model=PLAIN, temperature=0.7)
    assert "0.6 is the highest" in caught.value.message
    assert "--provider moonshot" in caught.value.remedy
    assert not sim.requests


def test_a_model_that_thinks_at_one_is_refused_with_the_provider_that_can(k2sim):
    sim = k2sim([say("never")])
    with pytest.raises(ConfigError, match="`kimi-k2-thinking` wants a temperature of 1") as caught:
        provider_for(sim, model="kimi-k2-thinking")
    assert "--provider moonshot" in caught.value.remedy
    assert "set provider.temperature" not in caught.value.remedy


def test_a_server_that_does_not_multiply_is_told_by_the_dialect(k2sim):
    sim = k2sim([say("hi")])
    run(ask(provider_for(sim, model="kimi-k2-thinking", dialect="temperature_scale=1")))
    assert sim.chats[0].json["temperature"] == 1.0


def test_a_model_with_fixed_sampling_gets_no_temperature(k2sim):
    sim = k2sim([say("hi")])
    run(ask(provider_for(sim, temperature=0.9), make_request(temperature=0.9)))
    assert "temperature" not in sim.chats[0].json


# --- the address and the key ---------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/messages"])
def test_the_version_is_appended_to_the_address_once(k2sim, ending):
    sim = k2sim([say("hi")])
    assert text(run(ask(provider_for(sim, base_url=base(sim) + ending)))) == "hi"
    assert sim.chats[0].path == "/anthropic/v1/messages"


def test_both_forms_of_the_key_and_the_version_are_sent(k2sim):
    sim = k2sim([say("hi")])
    run(ask(provider_for(sim)))
    headers = sim.chats[0].headers
    assert headers["x-api-key"] == KEY
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["anthropic-version"] == "2023-06-01"


def test_a_wrong_address_is_told_with_the_path_that_was_asked(k2sim):
    sim = k2sim([say("never")], shape="openai")
    with pytest.raises(WrongAddress, match="no chat endpoint") as caught:
        run(ask(provider_for(sim, base_url=f"http://127.0.0.1:{sim.port}/elsewhere")))
    assert "/elsewhere/v1/messages" in caught.value.remedy


def test_the_profile_is_moonshots_own_address_by_default():
    endpoint = resolve(make_settings(name="anthropic-compatible"), {"MOONSHOT_API_KEY": KEY})
    assert endpoint.base_url == "https://api.moonshot.cn/anthropic"
    assert endpoint.model.id == "kimi-k3"
    assert endpoint.dialect.wire == "messages"


def test_an_address_that_ends_in_anthropic_is_spoken_to_in_that_form():
    given = make_settings(base_url="https://api.moonshot.ai/anthropic/v1", model="kimi-k3")
    endpoint = resolve(given, {"MOONSHOT_API_KEY": KEY})
    assert endpoint.profile.name == "anthropic-compatible"
    assert endpoint.base_url == "https://api.moonshot.ai/anthropic"


def test_the_models_are_listed_at_the_chat_api_beside_where_this_one_has_no_list(k2sim):
    sim = k2sim([say("hi")], model_ids=["kimi-k3", "kimi-k2.6"])

    async def story():
        provider = provider_for(sim)
        try:
            return await provider.list_models()
        finally:
            await provider.close()

    assert run(story()) == ["kimi-k3", "kimi-k2.6"]
    assert [r.path for r in sim.requests] == ["/anthropic/v1/models", "/v1/models"]


def test_a_model_that_is_gone_names_what_the_server_lists(k2sim):
    sim = k2sim([say("never")], model_ids=["kimi-k3", "kimi-k2.6"])
    with pytest.raises(ModelNotFound) as caught:
        run(ask(provider_for(sim, model="kimi-k4")))
    assert "It lists: kimi-k3, kimi-k2.6." in caught.value.remedy


def test_a_self_hosted_engine_of_this_form_is_asked_for_its_model(k2sim):
    sim = k2sim([say("hi")], shape="openai", context={"kimi-k2-instruct": 30000}, model_ids=[])
    wanted = make_settings(
        name="anthropic-compatible", base_url=sim.base_url, api_key=KEY, model="kimi-k2-instruct"
    )

    async def story():
        provider = open_provider(resolve(wanted, {}), wanted)
        assert isinstance(provider, MessagesProvider)
        endpoint = await provider.discover()
        return endpoint.model.context, text(await ask(provider))

    assert run(story()) == (30000, "hi")


def test_text_only_is_asked_for_by_the_tool_choice(k2sim):
    sim = k2sim([say("hi")])

    async def story():
        provider = provider_for(sim)
        wire = project([TOOLS, User("hi")], provider.dialect)
        return await ask(provider, make_request(*wire.messages, tools=wire.tools, no_calls=True))

    assert text(run(story())) == "hi"
    assert sim.chats[0].json["tool_choice"] == {"type": "none"}


def test_reasoning_streams_before_the_text(k2sim):
    sim = k2sim([say("Done.", reasoning="Let me think about it for a while.")])
    chunks = run(ask(provider_for(sim)))
    kinds = [type(c) for c in chunks if isinstance(c, (ReasoningDelta, TextDelta))]
    assert kinds.index(TextDelta) > 2
    assert ReasoningDelta not in kinds[kinds.index(TextDelta) :]
