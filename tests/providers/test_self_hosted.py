"""Each self-hosted profile end to end: the agent's own session over HTTP, against what K2 engines refuse."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from kcode.agent.events import AnswerText, ReasoningText
from kcode.agent.session import Session
from kcode.config.paths import state_dir
from kcode.conversation.ledger import Assistant, Call, System, ToolResult, Tools, User
from kcode.conversation.projection import project
from kcode.providers.base import TextDelta, Unreachable
from kcode.providers.habits import recalled, remember
from kcode.providers.k2_template import ANSWER
from kcode.providers.registry import open_provider, resolve
from tests.agent.conftest import finished, run_turn, tool_texts
from tests.k2sim import Call as SimCall
from tests.k2sim import Fault, Simulator, call, say, use
from tests.k2sim.completions import completions

from .loopback import HELLO, Received, delta, loopback, stream, whole
from .loopback import call as fragment
from .support import ask, make_provider, make_request, make_settings
from .test_healing import run

PROFILES = ("vllm", "sglang", "ktransformers", "trtllm", "llama-server")
WIRES = ("auto", "completions")
FILE = 'MARK = "<|tool_call_end|><|im_end|>"\n'


def session_on(sim: Simulator, tmp_path: Path, **provider: object) -> Session:
    root = tmp_path / "work"
    root.mkdir(exist_ok=True)
    for number in range(8):
        (root / f"{number}.py").write_text(FILE)
    settings = make_settings(base_url=sim.base_url, api_key=sim.api_key, **provider)
    return Session.open(root, settings, open_provider(resolve(settings, {}), settings))


def ten_steps(**fields: object) -> list[object]:
    """Nine steps of calls, two of them parallel, one of a tool that is not there, then the answer."""
    reads = [use(call("read_file", path=f"{n}.py"), reasoning=f"Step {n}.", **fields) for n in range(7)]
    both = [call("list_dir"), call("read_file", path="7.py")]
    return [
        *reads,
        use(*both, reasoning="Both.", text="Two at once.", **fields),
        use(call("no_such_tool", path="x"), reasoning="Odd.", **fields),
        say("All **done**.", reasoning="That is all."),
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_a_loop_of_ten_steps_with_thinking_runs_over_chat(profile, tmp_path):
    field = "reasoning" if profile == "vllm" else "reasoning_content"
    options = {"require_k2_ids": True, "reasoning_field": field, "model_ids": ["kimi-k2-thinking"]}
    with Simulator(ten_steps(), shape="openai", **options) as sim:
        session = session_on(sim, tmp_path, name=profile)
        events = run_turn(session, "look around")
        assert [record.status for record in sim.chats] == [200] * 10
        assert all(step.extends for step in sim.prefix_report())
        assert not [e for e in sim.echo_report() if set(e.differs) - {"ids"}]
    assert finished(events).text == "All **done**."
    assert "".join(e.text for e in events if isinstance(e, ReasoningText)).endswith("That is all.")
    assert sum(isinstance(e, AnswerText) for e in events) > 1
    results = tool_texts(session)
    assert len(results) == 10 and "no tool 'no_such_tool'" in results[-1]
    for record in sim.chats:
        assert not {"prompt_cache_key", "thinking", "prompt_cache_options"} & set(record.json)
        assert all(isinstance(m.get("content", ""), str) for m in record.json["messages"])
        assert all(m.get("content") != "" for m in record.json["messages"])
        assert "strict" not in json.dumps(record.json["tools"])
        assert ("max_tokens" in record.json, "max_completion_tokens" in record.json) == (True, False)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("fault", ["markup_in_text", "markup_in_reasoning", "markup_stripped"])
def test_a_loop_of_ten_steps_runs_where_every_call_leaks(profile, fault, tmp_path):
    script = ten_steps(faults=(Fault(fault),))
    with Simulator(script, shape="openai", require_k2_ids=True, model_ids=["kimi-k2-thinking"]) as sim:
        session = session_on(sim, tmp_path, name=profile)
        events = run_turn(session, "look around")
        if fault != "markup_stripped":  # there a tool that is not declared is only text: the turn ends
            assert len(sim.chats) == 10
            assert len(tool_texts(session)) == 10
            assert "10 read out of raw markup" in session.accuracy().text()
        assert all(step.extends for step in sim.prefix_report())
        assert [record.status for record in sim.chats] == [200] * len(sim.chats)
    shown = "".join(e.text for e in events if isinstance(e, AnswerText | ReasoningText))
    assert "<|" not in shown
    assert finished(events).reason == "answered"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("model", ["kimi-k2", "kimi-k2-thinking"])
def test_a_loop_of_ten_steps_runs_over_raw_text(profile, model, tmp_path):
    with Simulator(ten_steps(), shape="openai", model_ids=[model]) as sim:
        session = session_on(sim, tmp_path, name=profile, wire="completions")
        events = run_turn(session, "look around")
        asked = completions(sim)
        assert [record.status for record in asked] == [200] * 10
        assert sim.chats == []
    prompts = [record.json["prompt"] for record in asked]
    assert all(after.startswith(before.removesuffix(ANSWER)) for before, after in pairwise(prompts))
    assert finished(events).text == "All **done**."
    assert len(tool_texts(session)) == 10
    assert "< |tool_call_end|>" in prompts[-1]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("profile", ["vllm", "sglang"])
def test_an_answer_cut_off_at_the_limit_is_completed(profile, wire, tmp_path):
    script = [say("first half, ", finish="length"), say("second half")]
    with Simulator(script, shape="openai", model_ids=["kimi-k2"]) as sim:
        session = session_on(sim, tmp_path, name=profile, wire=wire)
        assert finished(run_turn(session, "tell")).text == "first half, second half"
        if wire == "auto":
            body = sim.chats[1].json
            assert body["messages"][-1] == {"role": "assistant", "content": "first half, "}
            assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


@pytest.mark.parametrize("wire", WIRES)
def test_an_edit_cut_off_at_the_limit_is_completed(wire, tmp_path):
    arguments = json.dumps({"path": "b.py", "content": FILE * 3})
    half = len(arguments) // 2
    script = [
        use(SimCall("write_file", arguments[:half]), finish="length"),
        say(arguments[half:]),
        say("Written."),
    ]
    with Simulator(script, shape="openai", model_ids=["kimi-k2"], strict_arguments=False) as sim:
        settings = {"name": "vllm", "wire": wire}
        session = session_on(sim, tmp_path, **settings)
        session.mode = "auto"
        assert finished(run_turn(session, "write")).text == "Written."
    assert (tmp_path / "work" / "b.py").read_text() == FILE * 3


# --- reasoning goes back under the name it came by ------------------------------------------------


@pytest.mark.parametrize("came", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize("profile", ["vllm", "sglang", "openai-compatible"])
def test_reasoning_goes_back_under_the_name_it_came_by_from_the_first_echo_on(profile, came, tmp_path):
    script = [*ten_steps(), say("And again.", reasoning="Once more.")]
    with Simulator(script, shape="openai", reasoning_field=came, model_ids=["kimi-k2-thinking"]) as sim:
        session = session_on(sim, tmp_path, name=profile)
        run_turn(session, "look around")
        run_turn(session, "again")
        assert all(step.extends for step in sim.prefix_report())
        assert not [e for e in sim.echo_report() if set(e.differs) - {"ids"}]
        other = {"reasoning", "reasoning_content"} - {came}
        assert not any(other & set(m) for record in sim.chats for m in record.json["messages"])


def test_a_resumed_session_sends_the_bytes_that_it_sent_before(tmp_path):
    script = [
        use(call("list_dir"), reasoning="Hm."),
        say("One.", reasoning="So."),
        say("Two.", reasoning="Ah."),
    ]
    with Simulator(script, shape="openai", model_ids=["kimi-k2-thinking"]) as sim:  # the dialect's is another
        session = session_on(sim, tmp_path, name="vllm")
        run_turn(session, "look around")
        run(session.close())
        settings = make_settings(name="vllm", base_url=sim.base_url, api_key=sim.api_key)
        provider = open_provider(resolve(settings, {}), settings)
        run_turn(Session.open(tmp_path / "work", settings, provider, resume=True), "again")
        assert len(sim.chats) == 3
        assert all(step.extends for step in sim.prefix_report())


def test_what_is_kept_of_a_server_has_no_login_in_it():
    remember("http://ann:secret@127.0.0.1:8000/v1", "reasoning")
    assert recalled("http://127.0.0.1:8000/v1") == "reasoning"
    assert "secret" not in (state_dir() / "servers.json").read_text()
    (state_dir() / "servers.json").write_text("broken")
    assert recalled("http://127.0.0.1:8000/v1") == ""


def test_a_history_whose_reasoning_was_never_answered_goes_under_the_dialects_name():
    ledger = [
        System("s"),
        Tools('[{"type":"function","function":{"name":"grep"}}]'),
        User("u"),
        Assistant("", "Hm.", (Call("1", "grep", "{}"),)),
        ToolResult("1", "grep", "x"),
    ]

    async def story():
        renamed = stream(delta(reasoning_content="a"), delta(content="b"), delta(finish="stop"))
        async with loopback(renamed) as server:
            provider = make_provider(server.url, name="vllm", model="kimi-k2")
            wire = project(ledger, provider.dialect)
            request = make_request(*wire.messages, tools=wire.tools)
            for _ in range(2):
                async for _ in provider.stream(request):
                    pass
            await provider.close()
            return [r.body for r in server.chats()]

    one, two = run(story())
    assert one == two
    assert b'"role":"assistant","reasoning":"Hm."' in one


# --- the window -----------------------------------------------------------------------------------


def models(**fields: object) -> dict[str, object]:
    return {"object": "list", "data": [{"id": "kimi-k2", "object": "model", **fields}]}


def window_on(profile: str, **answers: object) -> int:
    def reply(received: Received):
        name = received.path.rsplit("/", 1)[-1]
        if name in answers:
            return whole(answers[name])
        return HELLO if received.method == "POST" else whole({"error": {"message": "no"}}, 404)

    async def story():
        async with loopback(reply) as server:
            provider = make_provider(server.url, name=profile, model="")
            await ask(provider)
            return provider.model.context

    return run(story())


def test_the_window_is_what_the_server_lists():
    assert window_on("vllm", models=models(max_model_len=65536)) == 65536


def test_llama_servers_window_is_the_one_it_runs_with_not_the_one_of_the_training():
    props = {"default_generation_settings": {"n_ctx": 16384}}
    listed = models(meta={"n_ctx_train": 131072})
    assert window_on("llama-server", models=listed, props=props) == 16384
    assert window_on("llama-server", models=listed) == 131072


def test_ktransformers_has_its_own_small_window_where_nobody_says_otherwise():
    assert window_on("ktransformers", models=models()) == 30_000
    assert window_on("ktransformers", models=models(max_model_len=65536)) == 65536
    settings = make_settings(name="ktransformers", model="kimi-k2")
    assert resolve(settings, {}).model.context == 30_000
    settings = make_settings(name="ktransformers", model="kimi-k2", context=100_000)
    assert resolve(settings, {}).model.context == 100_000


def test_a_server_that_is_down_is_told_within_two_more_tries(tmp_path):
    with Simulator([], shape="openai") as sim:
        url = sim.base_url
    provider = make_provider(url, name="vllm", model="kimi-k2", retries=9)
    seen = []

    async def story():
        async for chunk in provider.stream(make_request()):
            seen.append(chunk)

    with pytest.raises(Unreachable):
        run(story())
    assert len(seen) == 2
    assert not any(isinstance(chunk, TextDelta) for chunk in seen)


def test_a_server_that_sends_both_names_gets_the_newer_one_back():
    both = delta(reasoning="Hm.", reasoning_content="Hm.")
    called = delta(tool_calls=[fragment(0, "{}", "functions.grep:0", "grep")])
    ledger = [
        System("s"),
        User("u"),
        Assistant("", "Hm.", (Call("1", "grep", "{}"),)),
        ToolResult("1", "grep", "x"),
    ]

    async def story():
        async with loopback(stream(both, called, delta(finish="tool_calls"))) as server:
            provider = make_provider(server.url, name="sglang", model="kimi-k2")
            for messages in (project(ledger[:2], provider.dialect), project(ledger, provider.dialect)):
                async for _ in provider.stream(make_request(*messages.messages)):
                    pass
            await provider.close()
            return server.chats()[1].json

    assert run(story())["messages"][2]["reasoning"] == "Hm."
