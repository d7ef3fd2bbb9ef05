from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcode.agent.events import (
    AnswerText,
    CallFinished,
    CallStarted,
    Event,
    RequestStarted,
    Steered,
    UsageReported,
)
from kcode.agent.rewind import moments, plan_files, rewind
from kcode.agent.session import Session
from kcode.conversation.export import as_markdown
from kcode.conversation.journal import load
from tests.agent.conftest import finished, run_turn
from tests.k2sim import Chunking, Simulator, call, fail, say, use

Open = Callable[..., Session]
ALL = {"agent": {"mode": "auto"}, "safety": {"sandbox": "off"}}
SLOW = Chunking(text_chars=4, delay_ms=20)


def turn_with(session: Session, text: str, steers: dict[type[Event], list[str]]) -> list[Event]:
    """One turn; at the first event of each type its messages are steered."""

    async def collect() -> list[Event]:
        events = []
        async for event in session.turn(text):
            events.append(event)
            for steered in steers.pop(type(event), []):
                assert session.steer(steered)
        return events

    return asyncio.run(collect())


def sent_by_user(sim: Simulator) -> list[str]:
    messages = sim.chats[-1].json["messages"]
    return [message["content"].split("\n")[0] for message in messages if message["role"] == "user"]


def test_a_steered_message_follows_the_results_of_the_running_step(k2sim: Any, open_session: Open) -> None:
    look = [call("read_file", path="shop.py"), call("list_dir")]
    sim = k2sim([use(*look), say("in French then")])
    session = open_session(sim)
    events = turn_with(session, "explain it", {CallStarted: ["in French, please"]})
    assert [event.text for event in events if isinstance(event, Steered)] == ["in French, please"]
    roles = [message["role"] for message in sim.chats[-1].json["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "tool", "user"]
    assert finished(events).text == "in French then"
    assert all(step.extends for step in sim.prefix_report())
    assert session.unanswered() == []


def test_a_message_that_comes_while_the_last_answer_does_is_answered_too(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([say("the first answer", chunking=SLOW), say("the second answer")])
    session = open_session(sim)
    end = finished(turn_with(session, "one", {AnswerText: ["and two"]}))
    assert end.reason == "answered"
    assert end.text == "the second answer"
    assert sent_by_user(sim) == ["one", "and two"]
    assert all(step.extends for step in sim.prefix_report())


def test_several_are_sent_in_order_each_a_message_to_go_back_to(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim(
        [
            use(call("write_file", path="a.txt", content="1")),
            use(call("write_file", path="b.txt", content="2")),
            say("done"),
        ]
    )
    session = open_session(sim, **ALL)
    turn_with(session, "one", {CallStarted: ["two", "three"]})
    assert [moment.text for moment in moments(session.ledger)] == ["one", "two", "three"]

    async def back() -> None:
        position = moments(session.ledger)[2].position
        await rewind(session, position, "both", await plan_files(session, position))

    asyncio.run(back())
    assert (repo / "a.txt").exists()
    assert not (repo / "b.txt").exists()
    assert "## You" in as_markdown(*load(session.journal.path), str)


def test_what_commands_did_before_and_after_a_steered_message_is_told_apart(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim(
        [
            use(call("run_command", command="echo 1 > a.txt")),
            use(call("run_command", command="echo 2 > b.txt")),
            say("done"),
        ]
    )
    session = open_session(sim, **ALL)
    turn_with(session, "one", {CallStarted: ["two"]})

    async def back() -> Any:
        position = moments(session.ledger)[1].position
        return await rewind(session, position, "both", await plan_files(session, position))

    done = asyncio.run(back())
    assert done.restored == ("b.txt",)
    assert (repo / "a.txt").exists()
    assert not (repo / "b.txt").exists()


def test_without_a_running_turn_nothing_is_steered(k2sim: Any, open_session: Open) -> None:
    session = open_session(k2sim([say("hi")]))
    assert not session.steer("hello")
    run_turn(session, "hello")
    assert not session.steer("more")
    assert session.unanswered() == []


def test_an_interrupt_gives_back_what_no_request_has_carried(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("a long story", chunking=SLOW), say("again")])
    session = open_session(sim)

    async def go() -> list[Event]:
        events = []
        async for event in session.turn("tell"):
            events.append(event)
            if isinstance(event, AnswerText) and session.steer("shorter"):
                session.interrupt()
        return events

    assert finished(asyncio.run(go())).reason == "interrupted"
    assert session.unanswered() == ["shorter"]
    assert session.unanswered() == []
    run_turn(session, "shorter")
    assert sent_by_user(sim) == ["tell", "shorter"]


def test_a_failed_turn_gives_it_back(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([fail("quota_exceeded")])
    session = open_session(sim)
    end = finished(turn_with(session, "tell", {RequestStarted: ["shorter"]}))
    assert end.reason == "error"
    assert session.unanswered() == ["shorter"]


def test_a_turn_at_its_limit_gives_it_back(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(call("list_dir"))])
    session = open_session(sim, agent={"max_turns": 1})
    assert finished(turn_with(session, "look", {CallStarted: ["look closer"]})).reason == "limit"
    assert session.unanswered() == ["look closer"]


def test_a_message_too_large_for_the_window_comes_back_and_the_turn_goes_on(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([use(call("list_dir")), say("done")], context={"kimi-k2-0905-preview": 16_000})
    session = open_session(sim, provider={"context": 16_000, "max_output_tokens": 2_000})
    end = finished(turn_with(session, "look", {CallStarted: ["word " * 20_000]}))
    assert end.text == "done"
    assert session.unanswered() == ["word " * 20_000]


def test_a_killed_kcode_gives_back_what_was_accepted(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(call("list_dir")), say("done"), say("yes")])
    session = open_session(sim)

    journal = session.journal.path

    async def until_killed() -> bytes:
        async for event in session.turn("look"):
            if isinstance(event, CallStarted) and session.steer("look closer"):
                return journal.read_bytes()
        raise AssertionError("no call")

    as_left = asyncio.run(until_killed())
    asyncio.run(session.close())
    journal.write_bytes(as_left)
    again = open_session(sim, resume=True)
    assert again.unanswered() == ["look closer"]
    run_turn(again, "go on")
    assert sim.chats[-1].status == 200


def test_the_journal_has_a_message_before_a_request_carries_it(k2sim: Any, open_session: Open) -> None:
    on_disk: list[str] = []

    def answer(request: Any) -> Any:
        on_disk.append(session.journal.path.read_text())
        return use(call("list_dir")) if request.step == 1 else say("done")

    session = open_session(k2sim(answer))
    turn_with(session, "look", {CallStarted: ["closer"]})
    assert '"typed":"closer"' in on_disk[1].replace(" ", "")


STEPS = st.lists(st.sampled_from(["read", "write", "answer"]), min_size=1, max_size=4)
MOMENTS = st.dictionaries(
    st.sampled_from([CallStarted, CallFinished, AnswerText, UsageReported, RequestStarted]),
    st.lists(st.text("ab 数\n", min_size=1, max_size=9).filter(str.strip), max_size=2),
    max_size=3,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=STEPS,
    steers=MOMENTS,
    model=st.sampled_from(["kimi-k2-0905-preview", "kimi-k2-thinking"]),
    stop=st.booleans(),
)
def test_whenever_messages_come_requests_extend_and_every_one_is_sent_or_comes_back(
    k2sim: Any, open_session: Open, steps: list[str], steers: Any, model: str, stop: bool
) -> None:
    number = iter(range(1_000))

    def answer(request: Any) -> Any:
        kind = steps[next(number) % len(steps)] if next(number) < 30 else "answer"
        if kind == "read":
            return use(call("read_file", path="shop.py", start_line=1 + next(number) % 2), call("list_dir"))
        if kind == "write":
            return use(call("write_file", path=f"{next(number)}.txt", content="x"))
        return say("so it is", reasoning="hm")

    sim = k2sim(answer, model_ids=[model])
    session = open_session(sim, provider={"model": model}, agent={"mode": "edits", "max_turns": 12})
    wanted: list[str] = []

    async def go() -> None:
        left = {kind: list(texts) for kind, texts in steers.items()}
        async for event in session.turn("begin"):
            for text in left.pop(type(event), []):
                if session.steer(text):
                    wanted.append(text)
            if stop and isinstance(event, CallFinished):
                session.interrupt()
        await session.close()

    asyncio.run(go())
    joined = [moment.text for moment in moments(session.ledger)][1:]
    session = open_session(sim, resume=True, provider={"model": model})
    assert joined + session.unanswered() == wanted
    run_turn(session, "and on")
    asyncio.run(session.close())
    assert all(chat.status == 200 for chat in sim.chats)
    assert all(step.extends for step in sim.prefix_report())
