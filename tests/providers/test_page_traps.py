"""Traps of the services that no other test here steps into, over HTTP against the simulator."""

from __future__ import annotations

import asyncio
import json

import pytest

from kcode.agent.session import Session
from kcode.conversation.ledger import Assistant, Call, Epoch, System, ToolResult, Tools, User
from kcode.conversation.projection import project
from kcode.providers.base import ContextOverflow, ModelNotFound, ProviderError, TextDelta
from kcode.providers.registry import open_provider, resolve
from tests.agent.conftest import finished, run_turn, tool_texts
from tests.k2sim import Answer, Fault, call, fail, say, use

from .loopback import loopback, stream, whole
from .support import ask, make_provider, make_request, make_settings


def session_on(sim, root, mode="ask", **provider):
    root.mkdir(exist_ok=True)
    settings = make_settings(base_url=sim.base_url, api_key=sim.api_key, **provider)
    session = Session.open(root, settings, open_provider(resolve(settings, {}), settings))
    session.mode = mode
    return session


def said(chunks):
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


@pytest.mark.parametrize(
    ("at", "stray"),
    [
        (2, ToolResult("nobody", "read_file", "x")),
        (4, ToolResult("nobody", "read_file", "x")),
        (4, ToolResult("one", "read_file", "the same once more")),
        (5, ToolResult("one", "read_file", "too late")),
    ],
)
def test_a_result_that_answers_no_call_is_not_sent(k2sim, at, stray):
    ledger = [System("s"), User("u"), Assistant("", None, (Call("one", "read_file", "{}"),))]
    ledger += [ToolResult("one", "read_file", "x"), Assistant("Done."), User("more")]
    ledger.insert(at, stray)
    sim = k2sim([say("Yes.")])
    provider = make_provider(sim.base_url)
    wire = project(ledger, provider.dialect)
    assert said(asyncio.run(ask(provider, make_request(*wire.messages)))) == "Yes."
    [result] = [m for m in sim.chats[0].json["messages"] if m["role"] == "tool"]
    assert result["content"] == "x"


@pytest.mark.parametrize("streamed", [True, False])
def test_an_error_object_of_older_engines_is_one_under_a_success_too(streamed):
    error = {"object": "error", "type": "BadRequestError", "code": 400}
    error["message"] = "This model's maximum context length is 100 tokens"

    async def story():
        async with loopback(stream(error) if streamed else whole(error)) as server:
            await ask(make_provider(server.url, name="vllm", model="kimi-k2"))

    with pytest.raises(ContextOverflow):
        asyncio.run(story())


@pytest.mark.parametrize("kind", ["markup_in_text", "markup_in_reasoning", "markup_stripped"])
def test_a_call_that_was_read_out_of_markup_needs_the_same_approval(k2sim, tmp_path, kind):
    write = use(call("write_file", path="a.txt", content="x"), faults=(Fault(kind),))
    run = use(call("run_command", command="touch b.txt"), faults=(Fault(kind),))
    sim = k2sim([write, run, say("Then not.")], shape="openai", model_ids=["kimi-k2"])
    session = session_on(sim, tmp_path / "work", name="vllm")  # nobody is there to say yes
    assert finished(run_turn(session, "write")).text == "Then not."
    assert not list((tmp_path / "work").glob("*.txt"))
    assert len(tool_texts(session)) == 2
    assert not any(result.ok for result in session.ledger if isinstance(result, ToolResult))


def test_an_answer_of_reasoning_alone_is_asked_for_in_words_and_not_sent_again_blindly(k2sim, tmp_path):
    think = say("never shown", reasoning="Hm.", faults=(Fault("think_only"),))
    sim = k2sim([think, say("Here.")])
    session = session_on(sim, tmp_path / "work", name="moonshot", model="kimi-k2-thinking")
    assert finished(run_turn(session, "tell")).text == "Here."
    first, second = sim.chats
    assert second.json["messages"][-1]["role"] == "user"
    assert len(second.json["messages"]) > len(first.json["messages"])
    assert all(step.extends for step in sim.prefix_report())


def test_a_model_that_gives_nothing_however_often_ends_the_turn(k2sim, tmp_path):
    sim = k2sim([Answer(faults=(Fault("empty"),), repeat=True)])
    session = session_on(sim, tmp_path / "work", name="moonshot", model="kimi-k2-thinking")
    end = finished(run_turn(session, "tell"))
    assert isinstance(end.error, ProviderError)
    assert len(sim.chats) < 10


@pytest.mark.parametrize("profile", ["ark-coding", "ark-agent"])
def test_a_model_that_a_plan_does_not_have_is_named_with_what_it_has_and_asked_once(k2sim, profile, tmp_path):
    sim = k2sim([fail("http", status=404, body="")], shape="ark", model_ids=["kimi-k2.7-code"])
    url = sim.base_url.replace("/api/v3", "/api/coding/v3")
    provider = make_provider(url, name=profile, model="kimi-k2.7-code", retries=3)
    with pytest.raises(ModelNotFound) as caught:
        asyncio.run(ask(provider))
    assert "kimi-k3" in caught.value.remedy
    assert len(sim.chats) == 1


@pytest.mark.parametrize(
    ("suffix", "path"),
    [("", "/api/v3"), ("/chat/completions", "/api/v3"), ("/", "/api/v3"), ("/models", "/api/v3")],
)
def test_the_endpoints_path_is_appended_once_whatever_the_address_ends_in(k2sim, suffix, path):
    sim = k2sim([say("Hi.")], shape="ark")
    provider = make_provider(sim.base_url + suffix, name="ark", model="kimi-k2-250905")
    assert said(asyncio.run(ask(provider))) == "Hi."
    assert sim.chats[0].path == f"{path}/chat/completions"


@pytest.mark.parametrize("profile", ["ark-coding", "ark-agent"])
@pytest.mark.parametrize("model", ["", "kimi-k9-of-next-year"])
def test_a_plan_which_has_no_model_list_is_not_asked_for_one(k2sim, profile, model):
    sim = k2sim([say("Hi.")], shape="ark", model_ids=["kimi-k2.7-code", "kimi-k9-of-next-year"])
    url = sim.base_url.replace("/api/v3", "/api/plan/v3")
    settings = make_settings(name=profile, base_url=url, api_key=sim.api_key, model=model)
    provider = open_provider(resolve(settings, {}), settings)
    assert said(asyncio.run(ask(provider))) == "Hi."
    assert [record.method for record in sim.requests] == ["POST"]


def test_a_tool_that_was_not_declared_in_this_session_is_refused_with_those_that_were(k2sim, tmp_path):
    sim = k2sim([use(call("list_dir")), say("Then not.")])
    session = session_on(sim, tmp_path / "work", name="moonshot", model="kimi-k2-0905-preview")
    reading = [tool for tool in json.loads(session.projection().tools) if "read_file" in str(tool)][:1]
    for tool in reading:
        tool["function"].pop("strict", None)
    session.begin(Epoch("clear"), System("s"), Tools(json.dumps(reading)))  # as an older kcode declared it
    assert finished(run_turn(session, "look")).text == "Then not."
    assert tool_texts(session) == ["Error: no tool 'list_dir' in this session; there are: read_file"]


def test_a_request_that_a_gateway_finds_too_large_is_a_conversation_that_is_too_long(k2sim):
    page = "<html><head><title>413 Request Entity Too Large</title></head></html>"
    sim = k2sim([fail("http", status=413, body=page)])
    with pytest.raises(ContextOverflow) as caught:
        asyncio.run(ask(make_provider(sim.base_url, retries=2)))
    assert "/compact" in caught.value.remedy
    assert len(sim.chats) == 1
