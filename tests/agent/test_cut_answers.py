from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.events import AnswerText, Notice, TurnFinished
from kcode.agent.session import Session
from kcode.conversation.ledger import Assistant, Note, UsageEntry
from tests.agent.conftest import finished, run_turn, tool_texts
from tests.k2sim import Call, call, fail, say, use

Open = Callable[..., Session]
CONTENT = "".join(f"line {number} of a long file\n" for number in range(60))


def words(events: list[Any]) -> str:
    return "".join(event.text for event in events if isinstance(event, AnswerText))


def test_a_cut_text_is_continued_behind_its_own_words_and_becomes_one_message(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([say("first half, ", finish="length"), say("second half"), say("yes")])
    session = open_session(sim)
    events = run_turn(session, "tell")
    assert finished(events).text == words(events) == "first half, second half"
    asked = sim.answered[1].json["messages"][-1]
    assert asked == {"role": "assistant", "content": "first half, ", "partial": True}
    run_turn(session, "sure?")
    assert sim.answered[2].json["messages"][2] == {
        "role": "assistant",
        "content": "first half, second half",
    }
    assert len([e for e in session.ledger if isinstance(e, UsageEntry)]) == 3


def test_the_reasoning_goes_with_the_words_it_led_to(k2sim: Any, open_session: Open) -> None:
    sim = k2sim(
        [say("first, ", reasoning="I think", finish="length"), say("second")], model_ids=["kimi-k2-thinking"]
    )
    session = open_session(sim, provider={"model": "kimi-k2-thinking"})
    run_turn(session, "tell")
    asked = sim.answered[1].json["messages"][-1]
    assert (asked["content"], asked["reasoning_content"], asked["partial"]) == ("first, ", "I think", True)


def test_a_cut_edit_is_completed_instead_of_lost(k2sim: Any, open_session: Open, repo: Path) -> None:
    whole = json.dumps({"path": "long.txt", "content": CONTENT})
    middle = len(whole) // 2
    sim = k2sim(
        [
            use(Call("write_file", whole[:middle]), text="Here it is.", finish="length"),
            say(whole[middle:]),
            say("written"),
        ]
    )
    session = open_session(sim, agent={"mode": "edits"})
    events = run_turn(session, "write it")
    assert (repo / "long.txt").read_text() == CONTENT
    assert finished(events).text == "written"
    assert "line 59" not in words(events), "the rest of the arguments is not shown as an answer"
    asked = sim.answered[1].json
    assert asked["messages"][-1]["content"] == "Here it is.\n\n" + whole[:middle]
    assert asked["tool_choice"] == "none"
    said = sim.answered[2].json["messages"][-2]
    assert json.loads(said["tool_calls"][0]["function"]["arguments"])["content"] == CONTENT


def test_a_call_that_is_cut_again_is_continued_again(k2sim: Any, open_session: Open, repo: Path) -> None:
    whole = json.dumps({"path": "long.txt", "content": CONTENT})
    third = len(whole) // 3
    sim = k2sim(
        [
            use(Call("write_file", whole[:third]), finish="length"),
            say(whole[third : 2 * third], finish="length"),
            say(whole[2 * third :] + "\n\nThat is the file."),
            say("written"),
        ]
    )
    run_turn(open_session(sim, agent={"mode": "edits"}), "write it")
    assert (repo / "long.txt").read_text() == CONTENT


def test_a_call_that_is_sent_again_whole_is_taken(k2sim: Any, open_session: Open, repo: Path) -> None:
    whole = json.dumps({"path": "long.txt", "content": CONTENT})
    sim = k2sim(
        [
            use(Call("write_file", whole[:200]), finish="length"),
            use(Call("write_file", whole)),
            say("written"),
        ]
    )
    run_turn(open_session(sim, agent={"mode": "edits"}), "write it")
    assert (repo / "long.txt").read_text() == CONTENT


@pytest.mark.parametrize("last", ["echo two >> ran.txt", "echo three >> ran.txt"])
def test_of_an_answer_that_is_sent_again_whole_nothing_runs_twice(
    k2sim: Any, open_session: Open, repo: Path, last: str
) -> None:
    first = call("run_command", command="echo one >> ran.txt")
    cut = call("run_command", command=last)
    sim = k2sim(
        [
            use(first, Call("run_command", cut.arguments[:20]), finish="length"),
            use(first, cut),
            say("done"),
        ]
    )
    run_turn(open_session(sim, agent={"mode": "auto"}), "run both")
    assert (repo / "ran.txt").read_text().split() == ["one", last.split()[1]]


def test_a_call_that_cannot_be_completed_does_not_run_and_says_why(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    cut = Call("write_file", '{"path": "new.py", "content": "x = 1\\ny =')
    sim = k2sim([use(cut, finish="length"), say("I cannot go on."), say("in pieces then")])
    session = open_session(sim, agent={"mode": "edits"})
    run_turn(session, "write")
    assert not (repo / "new.py").exists()
    assert "cut off" in tool_texts(session)[0]


def test_an_answer_that_was_all_reasoning_gets_more_room(k2sim: Any, open_session: Open) -> None:
    sim = k2sim(
        [say("", reasoning="I think and think", finish="length"), say("42", reasoning="Now I know")],
        model_ids=["kimi-k2-thinking"],
    )
    session = open_session(sim, provider={"model": "kimi-k2-thinking"})
    events = run_turn(session, "what is it?")
    assert finished(events).text == "42"
    first, second = (record.json for record in sim.answered)
    assert second["messages"] == first["messages"]
    assert second["max_completion_tokens"] == 2 * first["max_completion_tokens"]
    assert any(isinstance(event, Notice) and "reasoning" in event.text for event in events)


def test_where_answers_cannot_be_continued_the_model_is_asked_to_go_on(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([say("first half, ", finish="length"), say("second half")], shape="openai")
    session = open_session(sim, provider={"name": "trtllm", "model": "kimi-k2"})
    assert finished(run_turn(session, "tell")).text == "first half, second half"
    assert sim.answered[1].json["messages"][-1]["role"] == "user"


def test_a_retry_of_the_continuation_keeps_the_first_half(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("first half, ", finish="length"), fail("reset", after_chunks=2), say("second half")])
    assert finished(run_turn(open_session(sim), "tell")).text == "first half, second half"


def test_an_interrupted_continuation_keeps_both_halves(k2sim: Any, open_session: Open) -> None:
    from tests.k2sim import Chunking

    slow = Chunking(text_chars=4, delay_ms=200)
    sim = k2sim([say("first half, ", finish="length"), say("second half", chunking=slow)])
    session = open_session(sim)

    async def interrupted() -> list[Any]:
        events = []
        async for event in session.turn("tell"):
            events.append(event)
            if isinstance(event, AnswerText) and event.text.startswith("seco"):
                session.interrupt()
        return events

    end = asyncio.run(interrupted())[-1]
    assert isinstance(end, TurnFinished)
    assert end.reason == "interrupted"
    said = [e for e in session.ledger if isinstance(e, Assistant)]
    assert len(said) == 1
    assert said[0].content.startswith("first half, seco")


def test_a_crash_in_the_middle_keeps_the_half_that_was_paid_for(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([say("first half, ", finish="length"), say("second half"), say("I see")])
    session = open_session(sim)
    run_turn(session, "tell")
    path = session.journal.path
    asyncio.run(session.close())
    lines = path.read_bytes().splitlines(keepends=True)
    kept = next(n for n, line in enumerate(lines) if b'"cut-off"' in line)
    path.write_bytes(b"".join(lines[: kept + 1]))
    again = open_session(sim, resume=True)
    assert [e for e in again.ledger if isinstance(e, Assistant)][-1].content == "first half, "
    run_turn(again, "go on")
    assert sim.answered[-1].json["messages"][2]["content"] == "first half, "


def test_a_filtered_answer_ends_the_turn_and_its_calls_do_not_run(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    write = call("write_file", path="new.py", content="x = 1\n")
    sim = k2sim([use(write, text="Well", finish="content_filter")])
    session = open_session(sim, agent={"mode": "edits"})
    end = finished(run_turn(session, "write"))
    assert end.reason == "error"
    assert "content filter" in end.detail
    assert not (repo / "new.py").exists()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"path": "shop.py",}', "1 repair"),
        ('{"file_path": "shop.py"}', "1 repair"),
        ('{"path": "shop.py", "lines": 3}', "1 call refused"),
    ],
)
def test_calls_are_counted_for_the_schema_accuracy(
    k2sim: Any, open_session: Open, arguments: str, shown: str
) -> None:
    sim = k2sim([use(Call("read_file", arguments)), use(call("read_file", path="shop.py")), say("done")])
    session = open_session(sim)
    run_turn(session, "read")
    assert session.accuracy().text().startswith("50.0 % (1 of 2 answers with calls")
    assert shown in session.accuracy().text()
    assert any(isinstance(entry, Note) and entry.kind == "calls" for entry in session.ledger)


def test_a_mended_call_runs_and_is_sent_back_mended(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(Call("read-file", '{"path": "shop.py",}')), say("done")])
    session = open_session(sim)
    run_turn(session, "read")
    assert "def total" in tool_texts(session)[0]
    sent = sim.answered[-1].json["messages"][-2]["tool_calls"][0]["function"]
    assert json.loads(sent["arguments"]) == {"path": "shop.py"}
