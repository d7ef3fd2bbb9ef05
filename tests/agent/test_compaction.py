from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.events import Notice
from kcode.agent.session import Session
from kcode.conversation.ledger import Assistant, Epoch, ToolResult
from kcode.errors import LimitReached
from kcode.providers.base import ContextOverflow
from tests.agent.conftest import finished, run_turn
from tests.k2sim import ChatRequest, call, fail, say, tokens, use

Open = Callable[..., Session]
ASKS = "Write a hand-off"
SMALL = {"context": 16_000, "max_output_tokens": 2_000}
PATCH = "*** Begin Patch\n*** Add File: new.py\n+x = 1\n*** End Patch"


def compactions(session: Session) -> list[Epoch]:
    return [e for e in session.ledger if isinstance(e, Epoch) and e.reason == "compaction"]


def handoff_of(body: dict[str, Any]) -> str:
    return next(
        m["content"] for m in body["messages"] if m["role"] == "user" and "<user-messages>" in m["content"]
    )


def test_the_handoff_names_what_was_read_changed_run_and_planned_even_if_the_model_forgets(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    fix = {"path": "shop.py", "edits": [{"old_text": "sum(prices) - 1", "new_text": "sum(prices)"}]}
    plan = [{"text": "fix total", "status": "done"}, {"text": "say so", "status": "pending"}]
    sim = k2sim(
        [
            use(call("read_file", path="shop.py", start_line=1, line_count=2), call("grep", pattern="total")),
            use(call("edit_file", **fix), call("update_todo", items=plan)),
            use(call("apply_patch", patch=PATCH)),
            use(call("run_tests")),
            say("fixed " + "at length " * 3_000),
            say("## Goal\nsomething"),
            say("as recorded"),
        ]
    )
    session = open_session(sim, agent={"mode": "edits"})
    run_turn(session, "fix the total, please")
    said = asyncio.run(session.compact("everything"))
    assert "1 message of yours" in said
    assert "the to-do list" in said
    run_turn(session, "what was done?")
    handoff = handoff_of(sim.answered[-1].json)
    for words in (
        "shop.py (lines 1-2)",
        "Files changed:\n- shop.py\n- new.py",
        "Searched for:\n- total",
        "tests: all tests → 1 passed",
        "[x] fix total",
        "[ ] say so",
        "fix the total, please",
        "## Goal\nsomething",
    ):
        assert words in handoff


def test_the_first_request_after_it_shares_tools_and_system_and_the_one_that_asks_extends_the_prefix(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([say("word " * 6_000), say("## Goal\nchat"), say("yes")])
    session = open_session(sim)
    run_turn(session, "talk")
    asyncio.run(session.compact("the words"))
    run_turn(session, "still there?")
    first, asking, after = (record for record in sim.answered)
    assert sim.prefix_report()[0].extends
    assert "The user asks to keep: the words" in asking.json["messages"][-1]["content"]
    head = first.raw.index(b'{"role":"user"')
    assert after.raw[:head] == first.raw[:head]


def test_the_users_own_words_survive_a_second_compaction(k2sim: Any, open_session: Open) -> None:
    long = "at length " * 4_000
    sim = k2sim([say(long), say("## Goal\none"), say(long), say("## Goal\ntwo"), say("c")])
    session = open_session(sim)
    run_turn(session, "the first wish")
    asyncio.run(session.compact("it"))
    run_turn(session, "the second wish")
    asyncio.run(session.compact("it"))
    run_turn(session, "go on")
    handoff = handoff_of(sim.answered[-1].json)
    assert "the first wish" in handoff
    assert "the second wish" in handoff


def test_the_last_steps_of_the_running_turn_go_on_word_for_word(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    (repo / "big.txt").write_text("filler words in a line\n" * 1_200)

    def answer(request: ChatRequest) -> Any:
        if ASKS in request.last_user:
            return say("## Goal\nread")
        if request.last_tool == "git_status":
            return say("done")
        if "<user-messages>" in str(request.body["messages"]):
            return use(call("git_status"))
        return use(
            call("read_file", path="big.txt", start_line=1 + 10 * request.calls_so_far, line_count=250)
        )

    sim = k2sim(answer, context={"kimi-k2-0905-preview": 16_000})
    session = open_session(sim, provider=SMALL)
    assert finished(run_turn(session, "read it")).text == "done"
    assert compactions(session)
    after = next(r.json["messages"] for r in sim.answered if "<user-messages>" in str(r.json["messages"]))
    roles = [message["role"] for message in after]
    assert roles[:2] == ["system", "user"]
    assert roles[2:] == ["assistant", "tool"] * ((len(roles) - 2) // 2)


def test_a_compaction_by_hand_that_would_not_pay_is_not_done(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("hi")])
    session = open_session(sim)
    run_turn(session, "hello")
    before = session.projection()
    with pytest.raises(LimitReached, match=r"not worth it: .*, which would never pay for itself;"):
        asyncio.run(session.compact())
    assert session.projection() == before
    assert len(sim.chats) == 1


def test_compact_read_again_compact_is_stopped(k2sim: Any, open_session: Open, repo: Path) -> None:
    for number in range(3):
        (repo / f"big{number}.txt").write_text("filler words in a line\n" * 2_000)

    def answer(request: ChatRequest) -> Any:
        if ASKS in request.last_user:
            return say("## Goal\nread all of it again")
        return use(call("read_file", path=f"big{request.step % 3}.txt"))

    sim = k2sim(answer, context={"kimi-k2-0905-preview": 24_000})
    session = open_session(sim, provider={"context": 24_000, "max_output_tokens": 2_000})
    events = run_turn(session, "read it all")
    assert finished(events).reason in ("limit", "error")
    assert len(compactions(session)) == 1
    assert any(isinstance(e, Notice) and "without anything new" in e.text for e in events)


def test_a_new_message_is_no_loop_even_where_the_answer_to_the_last_one_filled_the_window(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    (repo / "big.txt").write_text("filler words in a line\n" * 2_000)
    long = " ".join(f"word{n}" for n in range(6_000))

    def answer(request: ChatRequest) -> Any:
        if ASKS in request.last_user:
            return say("## Goal\nread")
        if "and now" in request.last_user:
            return say("All is well.")
        if "<user-messages>" in str(request.body["messages"]):
            return say(long)
        return use(
            call("read_file", path="big.txt", start_line=1 + 300 * request.calls_so_far, line_count=300)
        )

    sim = k2sim(answer, context={"kimi-k2-0905-preview": 24_000})
    session = open_session(sim, provider={"context": 24_000, "max_output_tokens": 12_000})
    run_turn(session, "read it")
    assert len(compactions(session)) == 1
    assert finished(run_turn(session, "and now?")).text == "All is well."
    assert len(compactions(session)) == 2


def test_a_task_of_600k_tokens_crosses_compactions_without_repeating_work(
    k2sim: Any, open_session: Open, repo: Path
) -> None:
    parts = [f"parts/part_{number:03}.txt" for number in range(104)]
    (repo / "parts").mkdir()
    for name in parts:
        (repo / name).write_text(f"this is the text of {name[6:]}, word after word after word\n" * 420)
    window = 262_144

    def answer(request: ChatRequest) -> Any:
        """Reads what neither its hand-off nor its messages show as read, four files at a time."""
        messages = request.body["messages"]
        if ASKS in str(messages[-1]["content"]):
            return say("## Goal\nread every part\n## Next action\nthe next part")
        seen = set(re.findall(r"parts/part_\d{3}\.txt", json.dumps(messages[1:])))
        left = [name for name in parts if name not in seen]
        return use(*(call("read_file", path=name) for name in left[:4])) if left else say("all read")

    sim = k2sim(answer)
    session = open_session(sim, provider={"max_output_tokens": 8_000})
    end = finished(run_turn(session, "read every part there is, once"))
    assert end.text == "all read"
    asked = Counter(
        json.loads(call.arguments)["path"]
        for answer in {e for e in session.ledger if isinstance(e, Assistant)}
        for call in answer.calls
    )
    assert asked == Counter(parts), "each part is read, none twice"
    results = {e for e in session.ledger if isinstance(e, ToolResult)}
    assert sum(tokens.count(result.text) for result in results) > 600_000
    assert len(compactions(session)) >= 2
    assert max(record.prompt_tokens for record in sim.answered) <= window
    breaks = [step for step in sim.prefix_report() if not step.extends]
    assert len(breaks) == len(compactions(session))


@pytest.mark.parametrize("handoff", [say("## Goal\ntalk"), fail("context_overflow")])
def test_a_conversation_that_the_server_finds_too_long_is_compacted_and_asked_once_more(
    k2sim: Any, open_session: Open, handoff: Any
) -> None:
    talk = [say("at length " * 3_000) for _ in range(3)]
    sim = k2sim([*talk, fail("context_overflow"), handoff, say("yes")])
    session = open_session(sim)
    for text in ("a", "b", "c"):
        assert finished(run_turn(session, text)).reason == "answered"
    events = run_turn(session, "still there?")
    assert finished(events).text == "yes"
    assert len(compactions(session)) == 1
    assert any(isinstance(e, Notice) and "too long" in e.text for e in events)
    assert "still there?" in handoff_of(sim.chats[-1].json)
    assert sim.chats[-1].prompt_tokens < sim.chats[-3].prompt_tokens / 2


def test_where_there_is_nothing_to_compact_the_servers_refusal_is_told_once(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([fail("context_overflow"), say("## Goal\nnothing"), say("never")])
    session = open_session(sim)
    end = finished(run_turn(session, "hi"))
    assert end.reason == "error"
    assert isinstance(end.error, ContextOverflow)
    assert "too long" in end.detail
    assert sim.script.left == 1
    assert not compactions(session)
