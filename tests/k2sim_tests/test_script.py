from __future__ import annotations

from pathlib import Path

import pytest

from tests.k2sim import Answer, ChatRequest, Match, ScriptError, Simulator, call, say, use
from tests.k2sim.script import load, parse
from tests.k2sim_tests.client import assistant_call, chat, result

WHOLE = """
[chunking]
text_chars = 5

[[answer]]
when = { user_contains = "fix", step = 1 }
reasoning = "Look first."
text = "I look."
usage = { prompt_tokens = 11 }
chunking = { delay_ms = 1 }
fault = [{ kind = "cut", after_chunks = 3 }, "usage_missing"]

[[answer.calls]]
name = "read_file"
arguments = { path = "src/你好.py", line_count = 3 }

[[answer.calls]]
name = "grep"
arguments = '{"pattern": '
id = "mine"

[[answer]]
text = "Done."
repeat = true
fault = "engine_overloaded"
"""


def answers(text: str) -> list[Answer]:
    return parse(text)._answers


def test_a_script_file_says_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(WHOLE, "utf-8")
    first, second = load(file)._answers
    assert (first.reasoning, first.text, first.finish_reason) == ("Look first.", "I look.", "tool_calls")
    assert first.when == Match(user_contains="fix", step=1)
    assert [(c.name, c.arguments, c.id) for c in first.calls] == [
        ("read_file", '{"path": "src/你好.py", "line_count": 3}', ""),
        ("grep", '{"pattern": ', "mine"),
    ]
    assert (first.chunking.text_chars, first.chunking.delay_ms) == (5, 1)
    assert [(f.kind, f.after_chunks) for f in first.faults] == [("cut", 3), ("usage_missing", 1)]
    assert (second.repeat, second.faults[0].kind, second.finish_reason) == (True, "engine_overloaded", "stop")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[answer]\n", "s.toml: not valid TOML"),
        ("[[answers]]", "s.toml: 'answers' is not known; did you mean 'answer'?"),
        ("[answer]\ntext='x'", "s.toml: write [[answer]], with two brackets"),
        ("[[answer]]\ntxt='x'", "s.toml: answer 1: 'txt' is not known; did you mean 'text'?"),
        ("[[answer]]\n[[answer]]\ntext=5", "s.toml: answer 2: text must be str, not int"),
        ("[[answer]]\nrepeat=1", "answer 1: repeat must be bool, not int"),
        ("[[answer]]\nwhen={step=true}", "answer 1: when: step must be int, not bool"),
        (
            "[[answer]]\nwhen={user_contain='x'}",
            "answer 1: when: 'user_contain' is not known; did you mean 'user_contains'?",
        ),
        ("[[answer]]\nfault='reste'", "answer 1: fault: 'reste' is not a fault; did you mean 'reset'?"),
        ("[[answer]]\nfault={after_chunks=1}", "answer 1: fault: kind is missing"),
        ("[[answer]]\nfault=[5]", "answer 1: fault: must be a name or a table with a kind"),
        ("[[answer]]\n[[answer.calls]]\narguments='x'", "answer 1: call 1: name is missing"),
        (
            "[[answer]]\n[[answer.calls]]\nname='x'\narguments=5",
            "call 1: arguments must be dict or str, not int",
        ),
        ("[[answer]]\ncalls=['x']", "answer 1: call 1: must be a table with name and arguments"),
        ("[[answer]]\nusage={prompt_tokens='x'}", "answer 1: usage: every value must be a whole number"),
        ("[chunking]\nsize=5", "chunking: 'size' is not known"),
        ("[[answer]]\nchunking={delay_ms='x'}", "answer 1: chunking: delay_ms must be int or float, not str"),
    ],
)
def test_a_mistake_in_a_script_is_named_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ScriptError) as error:
        parse(text, "s.toml")
    assert message in str(error.value)


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match=r"gone\.toml: cannot be read: No such file"):
        load(tmp_path / "gone.toml")


def said(sim: Simulator, user: str = "hi") -> str:
    reply = chat(sim, [{"role": "user", "content": user}])
    return str(reply.json["choices"][0]["message"]["content"]) if reply.status == 200 else reply.message


def test_the_first_unused_answer_that_fits_is_taken() -> None:
    script = [
        say("never", when=Match(step=9)),
        say("fixing", when=Match(user_contains="fix")),
        say("first"),
        say("fixing again", when=Match(user_contains="fix")),
        say("always", repeat=True),
    ]
    with Simulator(script) as sim:
        told = [said(sim), said(sim, "please fix"), said(sim, "fix it"), said(sim, "fix it"), said(sim)]
    assert told == ["first", "fixing", "fixing again", "always", "always"]
    assert sim.script.left == 1


def test_a_repeating_answer_is_taken_only_when_no_single_one_fits() -> None:
    with Simulator([say("always", repeat=True), say("once")]) as sim:
        assert [said(sim), said(sim), said(sim)] == ["once", "always", "always"]


def test_an_answer_can_wait_for_a_tool_s_result() -> None:
    script = [
        say("after grep", when=Match(tool="grep")),
        say("after read", when=Match(tool="read_file", result_contains="def")),
        say("no result", when=Match(tool="")),
    ]
    user = {"role": "user", "content": "hi"}
    with Simulator(script) as sim:
        reply = chat(sim, [user, assistant_call(), result(content="def f()")])
        assert reply.json["choices"][0]["message"]["content"] == "after read"
        assert said(sim) == "no result"
        reply = chat(sim, [user, assistant_call("grep", id="g:0"), result("g:0")])
        assert reply.json["choices"][0]["message"]["content"] == "after grep"


def test_a_script_that_has_run_out_says_so() -> None:
    with Simulator([say("one")]) as sim:
        said(sim)
        reply = chat(sim, [{"role": "user", "content": "and then?"}])
    assert (reply.status, reply.json["error"]["type"]) == (500, "k2sim_script_error")
    assert "no answer for chat request 2: last user text 'and then?'" in reply.message
    assert sim.requests[1].refusal == reply.message


def test_answers_can_be_added_while_the_server_runs() -> None:
    with Simulator() as sim:
        sim.add(say("a"))
        sim.add(text="b")
        assert [said(sim), said(sim)] == ["a", "b"]


def test_a_callable_sees_the_request() -> None:
    seen: list[ChatRequest] = []

    def speak(request: ChatRequest) -> Answer:
        seen.append(request)
        return say(f"step {request.step}: {request.last_user}")

    with Simulator(speak) as sim:
        assert [said(sim, "a"), said(sim, "b")] == ["step 1: a", "step 2: b"]
    assert seen[0].model == "kimi-k2-0905-preview"


def test_a_callable_that_fails_is_an_answer_too() -> None:
    def speak(request: ChatRequest) -> Answer:
        raise AssertionError("not like this")

    with Simulator(speak) as sim:
        assert "not like this" in said(sim)


@pytest.mark.parametrize(
    ("shape", "id"), [("moonshot", "grep:1"), ("openai", "functions.grep:1"), ("ark", "call_")]
)
def test_ids_of_calls_count_on_from_the_history(shape: str, id: str) -> None:
    with Simulator([use(call("grep", pattern="x"))], shape=shape) as sim:
        reply = chat(sim, [{"role": "user", "content": "hi"}, assistant_call(), result()])
    assert reply.json["choices"][0]["message"]["tool_calls"][0]["id"].startswith(id)
