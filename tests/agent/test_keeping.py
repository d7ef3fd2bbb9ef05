from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.session import Session
from kcode.conversation.cache import explain
from kcode.conversation.ledger import Note, User
from kcode.conversation.reasoning import NOTE
from kcode.errors import ExitCode
from kcode.providers.base import ContextOverflow
from tests.agent.conftest import finished, run_turn
from tests.agent.test_cache_story import LONG, loop
from tests.k2sim import Simulator, say

Sim = Callable[..., Simulator]
Open = Callable[..., Session]


@pytest.fixture
def parts(repo: Path) -> None:
    for number in range(4):
        (repo / f"part{number}.txt").write_text(f"{number}\n{LONG}")


@pytest.mark.usefixtures("parts")
def test_k2_6_keeps_the_reasoning_where_that_is_cheaper_and_nothing_breaks(
    open_session: Open, k2sim: Sim
) -> None:
    sim = k2sim([answer for number in range(3) for answer in loop(number)], vocabulary="o200k")
    session = open_session(sim, provider={"model": "kimi-k2.6"})
    for number in range(3):
        run_turn(session, f"read part {number}")
    assert all(record.json["thinking"] == {"type": "enabled", "keep": "all"} for record in sim.answered)
    report = explain(session.ledger)
    assert report.breaks == ()
    assert report.cached == report.reachable == sum(record.cached_tokens for record in sim.answered)
    (note,) = [entry for entry in session.ledger if isinstance(entry, Note) and entry.kind == NOTE]
    assert note.text.startswith("kept")
    guess, counted = session.context_tokens(), sim.answered[-1].prompt_tokens
    assert guess > counted  # the kept reasoning is part of the next prompt


@pytest.mark.usefixtures("parts")
def test_a_choice_is_kept_to_when_the_session_is_resumed(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([answer for number in range(2) for answer in loop(number)])
    session = open_session(sim, provider={"model": "kimi-k2.6"})
    run_turn(session, "read part 0")
    session.journal.close()
    again = open_session(sim, resume=True, provider={"model": "kimi-k2.6"})
    run_turn(again, "read part 1")
    assert len([e for e in again.ledger if isinstance(e, Note) and e.kind == NOTE]) == 1
    assert all(step.extends for step in sim.prefix_report())


@pytest.mark.parametrize("model", ["kimi-k2-thinking", "kimi-k2.7-code", "kimi-k2-0905-preview"])
def test_models_without_the_choice_are_not_asked(open_session: Open, k2sim: Sim, model: str) -> None:
    sim = k2sim([say("ok")])
    run_turn(open_session(sim, provider={"model": model}), "hi")
    assert "thinking" not in sim.chats[0].json


def test_thinking_that_is_switched_off_has_nothing_to_keep(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([say("ok")])
    run_turn(open_session(sim, provider={"model": "kimi-k2.6", "thinking": "off"}), "hi")
    assert sim.chats[0].json["thinking"] == {"type": "disabled"}


PASTES = {
    "english": "a line of a log that somebody pasted whole\n" * 46_000,
    "chinese": "把整个日志都粘贴进来的一行文字。\n" * 42_000,
}


@pytest.mark.parametrize("paste", PASTES)
def test_a_paste_that_no_compaction_can_fit_is_refused_before_it_is_sent(
    open_session: Open, k2sim: Sim, paste: str
) -> None:
    sim = k2sim([say("ok"), say("still here")])
    session = open_session(sim)
    run_turn(session, "hello")
    text = PASTES[paste]
    assert len(text.encode()) > 1_950_000
    last = finished(run_turn(session, text))
    assert isinstance(last.error, ContextOverflow)
    assert last.error.exit_code == ExitCode.LIMIT
    assert "file" in last.error.remedy
    assert len(sim.chats) == 1
    assert len([entry for entry in session.ledger if isinstance(entry, User)]) == 1
    assert finished(run_turn(session, "and now?")).text == "still here"


def test_the_largest_message_that_is_taken_is_not_bounced_by_the_server(
    open_session: Open, k2sim: Sim
) -> None:
    refused: list[int] = []
    for words in range(20_000, 32_000, 2_000):
        sim = k2sim(lambda request: say("ok"), context={"kimi-k2-0905-preview": 32_768}, vocabulary="o200k")
        options: dict[str, Any] = {"provider": {"context": 32_768}}
        last = finished(run_turn(open_session(sim, **options), "word " * words))
        if isinstance(last.error, ContextOverflow):
            refused.append(words)
            assert not sim.chats
        else:
            assert last.reason == "answered"
            assert {record.status for record in sim.chats} == {200}
    assert refused
    assert 20_000 not in refused
