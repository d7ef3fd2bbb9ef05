from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.approval import Answer as Verdict
from kcode.agent.events import AnswerDiscarded, CallStarted, Event, TurnFinished, UsageReported
from kcode.agent.session import Session
from kcode.conversation.ledger import Checkpoint
from kcode.errors import ExitCode, LimitReached
from tests.agent.conftest import Person, finished, run_turn, tool_texts
from tests.k2sim import Chunking, Simulator, call, fail, say, use

Open = Callable[..., Session]
FIX = call("edit_file", path="shop.py", edits=[{"old_text": " - 1", "new_text": ""}])


def test_a_bug_is_read_edited_tested_and_answered(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim(
        [
            use(call("read_file", path="shop.py"), call("read_file", path="test_shop.py"), reasoning=None),
            use(FIX),
            use(call("run_tests")),
            say("Fixed: total no longer subtracts one."),
        ]
    )
    session = open_session(sim, agent={"mode": "edits"})
    end = finished(run_turn(session, "fix the failing test"))
    assert end.reason == "answered"
    assert end.files_changed == ("shop.py",)
    assert "sum(prices)\n" in (repo / "shop.py").read_text()
    assert "1 passed" in tool_texts(session)[-1]
    assert all(step.extends for step in sim.prefix_report())
    assert any(isinstance(entry, Checkpoint) for entry in session.ledger)


def test_parallel_results_return_in_call_order(k2sim: Any, open_session: Open) -> None:
    sim = k2sim(
        [
            use(call("grep", pattern="total"), call("read_file", path="shop.py"), call("list_dir")),
            say("seen"),
        ]
    )
    session = open_session(sim)
    run_turn(session, "look around")
    sent = sim.chats[-1].json["messages"]
    calls = [c["id"] for c in sent[-4]["tool_calls"]]
    assert [m["tool_call_id"] for m in sent[-3:]] == calls


def test_calls_side_by_side_are_all_told_to_start_before_one_ends(k2sim: Any, open_session: Open) -> None:
    steps = [use(call("read_file", path="shop.py"), call("read_file", path="test_shop.py")), say("seen")]
    events = run_turn(open_session(k2sim(steps)), "look around")
    told = [type(event).__name__ for event in events if type(event).__name__.startswith("Call")]
    assert told == ["CallStarted", "CallStarted", "CallFinished", "CallFinished"]


def test_the_file_changes_only_after_a_yes_and_a_reason_reaches_the_model(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([use(FIX), use(FIX), say("done")])
    session = open_session(sim)
    person = Person([Verdict("no", "look at the caller first")])
    session.approver = person
    before = (repo / "shop.py").read_text()
    seen: list[str] = []
    original = person.ask

    async def watch(question: Any) -> Verdict:
        seen.append((repo / "shop.py").read_text())
        return await original(question)

    person.ask = watch  # type: ignore[method-assign]
    run_turn(session, "fix it")
    assert seen == [before, before]
    assert "look at the caller first" in tool_texts(session)[0]
    assert "sum(prices)\n" in (repo / "shop.py").read_text()


def test_all_is_not_asked_again(k2sim: Any, open_session: Open) -> None:
    second = call(
        "edit_file", path="shop.py", edits=[{"old_text": "sum(prices)", "new_text": "sum(list(prices))"}]
    )
    sim = k2sim([use(FIX), use(second), say("done")])
    session = open_session(sim)
    person = Person([Verdict("all")])
    session.approver = person
    run_turn(session, "fix it")
    assert len(person.asked) == 1


def test_plan_mode_changes_nothing_and_tells_the_model(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([use(FIX), use(call("run_command", command="touch made")), say("a plan")])
    session = open_session(sim, agent={"mode": "plan"})
    before = (repo / "shop.py").read_bytes()
    run_turn(session, "plan it")
    assert (repo / "shop.py").read_bytes() == before
    assert not (repo / "made").exists()
    assert all("plan" in text for text in tool_texts(session))


def test_headless_refuses_what_it_would_ask(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([use(call("run_command", command="touch made")), say("could not")])
    session = open_session(sim)
    assert finished(run_turn(session, "make a file")).reason == "answered"
    assert not (repo / "made").exists()
    assert "declined" in tool_texts(session)[0]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [('{"path": "sho', "JSON"), ('{"file": "shop.py"}', "path"), ('{"path": 5}', "path")],
)
def test_bad_arguments_come_back_as_an_error_that_names_them(
    k2sim: Any, open_session: Open, arguments: str, expected: str
) -> None:
    from tests.k2sim import Call

    sim = k2sim([use(Call("read_file", arguments)), say("sorry")])
    session = open_session(sim)
    run_turn(session, "read")
    assert expected in tool_texts(session)[0]
    assert tool_texts(session)[0].startswith("Error")


def test_an_unknown_tool_is_answered_with_the_tools_there_are(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(call("open_browser", url="x")), say("ok")])
    session = open_session(sim)
    run_turn(session, "browse")
    assert "read_file" in tool_texts(session)[0]


async def interrupted_after(session: Session, text: str, wanted: type[Event]) -> list[Event]:
    events = []
    async for event in session.turn(text):
        events.append(event)
        if isinstance(event, wanted):
            session.interrupt()
    return events


def test_an_interrupt_keeps_what_was_said_and_the_next_request_is_legal(
    k2sim: Any, open_session: Open
) -> None:
    from kcode.agent.events import AnswerText

    slow = Chunking(text_chars=4, delay_ms=50)
    sim = k2sim([say("one two three four five", chunking=slow), say("again")])
    session = open_session(sim)

    async def both() -> list[Event]:
        first = await interrupted_after(session, "count", AnswerText)
        return first + [event async for event in session.turn("go on")]

    events = asyncio.run(both())
    ends = [event for event in events if isinstance(event, TurnFinished)]
    assert [end.reason for end in ends] == ["interrupted", "answered"]
    assert sim.chats[-1].status == 200
    assert sim.chats[-1].json["messages"][-2]["content"].startswith("one")
    assert session.cost.unpriced == 1
    assert all(step.extends for step in sim.prefix_report())


def test_an_interrupted_call_is_answered_as_not_run_and_finished_ones_keep_their_results(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim(
        [
            use(call("read_file", path="shop.py"), call("run_command", command="sleep 60")),
            say("again"),
        ]
    )
    session = open_session(sim, agent={"mode": "auto"})

    async def both() -> None:
        async for event in session.turn("wait"):
            if isinstance(event, CallStarted) and event.name == "run_command":
                await asyncio.sleep(0.1)
                session.interrupt()
        async for _ in session.turn("go on"):
            pass

    asyncio.run(both())
    first, second = tool_texts(session)
    assert "def total" in first
    assert "interrupted" in second
    assert sim.chats[-1].status == 200


def test_resume_in_a_new_session_extends_the_old_bytes(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(call("read_file", path="shop.py")), say("one"), say("two")])
    session = open_session(sim)
    run_turn(session, "first")
    asyncio.run(session.close())
    again = open_session(sim, resume=True)
    assert again.id == session.id
    run_turn(again, "second")
    assert all(step.extends for step in sim.prefix_report())
    assert sim.chats[-1].cached_tokens > 0


def test_two_fresh_sessions_share_system_and_tools(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("one"), say("two")])
    for _ in range(2):
        run_turn(open_session(sim), "hello")
    first, second = (record.json for record in sim.chats)
    assert first["tools"] == second["tools"]
    assert first["messages"][0] == second["messages"][0]
    assert sim.chats[1].cached_tokens >= 256


def test_the_first_request_is_small(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("hi")])
    run_turn(open_session(sim), "hello")
    assert sim.chats[0].prompt_tokens <= 4_500


@pytest.mark.parametrize(
    "kind", ["engine_overloaded", "server_error", "gateway_timeout_html", "cut", "malformed_json"]
)
def test_a_failed_request_is_repeated_byte_for_byte(k2sim: Any, open_session: Open, kind: str) -> None:
    sim = k2sim([fail(kind, retry_after="0") if kind == "engine_overloaded" else fail(kind), say("here")])
    session = open_session(sim)
    events = run_turn(session, "hello")
    assert finished(events).reason == "answered"
    assert finished(events).text == "here"
    assert any(isinstance(event, AnswerDiscarded) for event in events)
    assert sim.chats[0].raw == sim.chats[1].raw


def test_quota_is_not_retried_and_says_so(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([fail("quota_exceeded")])
    end = finished(run_turn(open_session(sim), "hello"))
    assert end.error is not None
    assert end.error.exit_code == ExitCode.QUOTA
    assert len(sim.chats) == 1


def test_a_text_cut_at_the_output_limit_is_continued(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("first half, ", finish="length"), say("second half")])
    end = finished(run_turn(open_session(sim), "tell"))
    assert end.text == "first half, second half"


def test_a_call_cut_at_the_output_limit_does_not_run(k2sim: Any, open_session: Open, repo: Path) -> None:
    from tests.k2sim import Call

    cut = Call("write_file", '{"path": "new.py", "content": "x = 1\\ny =')
    sim = k2sim([use(cut, finish="length"), say("in pieces then")])
    session = open_session(sim, agent={"mode": "edits"})
    run_turn(session, "write")
    assert not (repo / "new.py").exists()
    assert "cut off" in tool_texts(session)[0]


def test_an_answer_of_reasoning_alone_is_nudged(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([fail("think_only"), say("here")])
    assert finished(run_turn(open_session(sim), "hello")).text == "here"


def test_a_model_that_never_answers_ends_the_turn_with_an_error(k2sim: Any, open_session: Open) -> None:
    sim = k2sim(lambda request: say("   "))
    assert finished(run_turn(open_session(sim), "hello")).reason == "error"
    assert len(sim.chats) <= 4


def test_a_loop_is_stopped_in_code(k2sim: Any, open_session: Open) -> None:
    sim = k2sim(lambda request: use(call("read_file", path="shop.py")))
    end = finished(run_turn(open_session(sim), "hello"))
    assert end.reason == "loop"
    assert len(sim.chats) <= 6


def test_the_turn_limit_ends_it_and_is_said(k2sim: Any, open_session: Open) -> None:
    sim = k2sim(lambda request: use(call("grep", pattern=f"x{request.step}")))
    end = finished(run_turn(open_session(sim, agent={"max_turns": 3}), "hello"))
    assert end.reason == "limit"
    assert end.error is not None
    assert "3 steps" in end.detail
    assert len(sim.chats) == 3


def test_cost_is_the_usage_at_the_catalogues_prices(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(call("read_file", path="shop.py")), say("done")])
    session = open_session(sim)
    events = run_turn(session, "hello")
    reports = [event for event in events if isinstance(event, UsageReported)]
    assert [r.prompt for r in reports] == [record.prompt_tokens for record in sim.chats]
    assert [r.cached for r in reports] == [record.cached_tokens for record in sim.chats]
    by_hand = sum(
        (r.prompt - r.cached) * 4 + r.cached * 1 + r.completion * 16 for r in reports
    )  # fen per 1M tokens x 100: kimi-k2-0905 is 4 / 1 / 16 CNY
    assert int(session.spent() * 1_000_000) == by_hand


def test_undo_restores_the_files_of_the_last_turn_and_tells_the_model(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    sim = k2sim([use(FIX), use(call("write_file", path="new.py", content="x = 1\n")), say("done"), say("ok")])
    session = open_session(sim, agent={"mode": "edits"})
    before = (repo / "shop.py").read_bytes()
    run_turn(session, "fix")
    assert {edit.path for edit in session.changes()} == {"shop.py", "new.py"}
    assert set(session.undo()) == {"shop.py", "new.py"}
    assert (repo / "shop.py").read_bytes() == before
    assert not (repo / "new.py").exists()
    assert session.changes() == []
    assert session.undo() == []
    run_turn(session, "go on")
    assert "took back your changes" in sim.chats[-1].json["messages"][-1]["content"]


def test_clear_starts_anew_with_the_same_head(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("one"), say("two")])
    session = open_session(sim)
    run_turn(session, "first")
    session.clear()
    run_turn(session, "second")
    first, second = (record.json for record in sim.chats)
    assert len(second["messages"]) == 2
    assert second["messages"][0] == first["messages"][0]
    assert second["tools"] == first["tools"]


def test_a_full_window_is_compacted_on_the_live_prefix(k2sim: Any, open_session: Open, repo: Path) -> None:
    (repo / "big.txt").write_text("".join(f"line {n} of a long file\n" for n in range(3_000)))

    def answer(request: Any) -> Any:
        if "hand-off" in request.last_user[:200] and "Write" in request.last_user:
            return say("## Goal\nread big.txt\n## Next action\nsay done")
        if request.last_tool or "<hand-off>" in request.last_user:
            return say("done")
        return use(call("read_file", path="big.txt"))

    sim = k2sim(answer, context={"kimi-k2-0905-preview": 16_000})
    session = open_session(sim, provider={"context": 16_000, "max_output_tokens": 2_000})
    ends = [finished(run_turn(session, f"read it, part {n}")) for n in range(4)]
    assert {end.reason for end in ends} == {"answered"}
    compactions = [r for r in sim.chats if "Write a hand-off" in json.dumps(r.json["messages"][-1])]
    assert compactions
    report = {step.following: step for step in sim.prefix_report()}
    assert all(report[record.number].extends for record in compactions if record.number in report)
    assert any("part 0" in m["content"] for m in sim.chats[-1].json["messages"] if m["role"] == "user")


def test_a_message_too_large_for_the_window_is_refused_before_it_is_sent(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([say("hi")])
    session = open_session(sim, provider={"context": 16_000})
    end = finished(run_turn(session, "word " * 40_000))
    assert end.error is not None
    assert "window" in end.error.message
    assert sim.chats == []
    assert finished(run_turn(session, "hello")).reason == "answered"


def test_a_wrong_key_is_an_auth_error(k2sim: Any, open_session: Open) -> None:
    sim: Simulator = k2sim([say("hi")])
    end = finished(run_turn(open_session(sim, provider={"api_key": "sk-test-other"}), "hello"))
    assert end.error is not None
    assert end.error.exit_code == ExitCode.AUTH
    assert "sk-test-other" not in end.error.message + end.error.remedy


def test_no_server_is_an_error_and_the_session_goes_on(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("hi")])
    session = open_session(sim, provider={"base_url": "http://127.0.0.1:9/v1", "retries": 1})
    end = finished(run_turn(session, "hello"))
    assert end.error is not None
    assert end.error.exit_code == ExitCode.PROVIDER


def test_a_thinking_model_that_calls_without_reasoning_is_not_stuck(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(call("read_file", path="shop.py")), say("done")])
    session = open_session(sim, provider={"model": "kimi-k2.7-code"})
    assert finished(run_turn(session, "read")).reason == "answered"
    assert sim.chats[-1].json["messages"][-2]["reasoning_content"] == ""


def test_a_folder_that_vanished_is_an_error_with_a_remedy(k2sim: Any, open_session: Open, repo: Path) -> None:
    sim = k2sim([say("hi")])
    session = open_session(sim)
    repo.rename(repo.with_name("elsewhere"))
    end = finished(run_turn(session, "hello"))
    assert end.error is not None
    assert end.error.exit_code == ExitCode.ENVIRONMENT
    assert end.error.remedy
    assert sim.chats == []


def test_a_compaction_that_does_not_halve_leaves_the_conversation_as_it_was(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([say("hi"), say("word " * 3_000), say("again")])
    session = open_session(sim)
    run_turn(session, "hello")
    before = session.projection()
    with pytest.raises(LimitReached, match="would not halve"):
        asyncio.run(session.compact("all of it"))
    assert session.projection() == before
    assert finished(run_turn(session, "go on")).text == "again"
    assert "hand-off" not in json.dumps(sim.chats[-1].json["messages"][1:])


def test_an_interrupted_compaction_leaves_the_conversation_as_it_was(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("hi"), say("a long hand-off", chunking=Chunking(text_chars=1, delay_ms=200))])
    session = open_session(sim)

    def second_answer_begun() -> None:
        while len(sim.answered) < 2:
            time.sleep(0.01)

    async def cancelled() -> None:
        async for _ in session.turn("hello"):
            pass
        before = session.projection()
        compacting = asyncio.create_task(session.compact("all of it"))
        await asyncio.to_thread(second_answer_begun)
        compacting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await compacting
        assert session.projection() == before

    asyncio.run(cancelled())


def test_the_results_of_one_step_share_a_small_window_and_say_what_was_cut(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    for number in range(6):
        (repo / f"big{number}.txt").write_text("".join(f"line {n} of the file\n" for n in range(2_000)))
    sim = k2sim(
        [use(*(call("read_file", path=f"big{n}.txt") for n in range(6))), say("seen")],
        context={"kimi-k2-0905-preview": 16_000},
    )
    session = open_session(sim, provider={"context": 16_000, "max_output_tokens": 2_000})
    assert finished(run_turn(session, "read them all")).text == "seen"
    texts = tool_texts(session)
    assert sum(map(len, texts)) < 16_000
    assert all("line 0 of" in text and "left out; the results of this step share" in text for text in texts)
