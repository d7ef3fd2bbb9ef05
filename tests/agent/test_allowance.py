from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.events import Event, Notice
from kcode.agent.session import Session
from kcode.conversation.journal import Journal
from kcode.conversation.ledger import UsageEntry
from kcode.conversation.spending import today
from kcode.errors import ExitCode, UsageError
from kcode.providers.base import ProviderError
from tests.agent.conftest import finished, run_turn
from tests.k2sim import Simulator, call, say, use

Sim = Callable[..., Simulator]
Open = Callable[..., Session]
LONG = "A line of the file that fills the window a little.\n" * 400


def reads(number: int) -> list[Any]:
    return [
        use(call("read_file", path=f"part{n}.txt", line_count=400), text=f"Part {n}.") for n in range(number)
    ]


def warnings(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice) and event.level == "warning"]


@pytest.fixture
def parts(repo: Path) -> None:
    for number in range(20):
        (repo / f"part{number}.txt").write_text(f"{number}\n{LONG}")


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("limit", ["0.15", "¥0.2", "0.3 CNY"])
def test_the_request_that_would_cross_the_limit_is_not_sent(
    open_session: Open, k2sim: Sim, limit: str
) -> None:
    session = open_session(k2sim(reads(20)), agent={"max_cost": limit})
    last = finished(run_turn(session, "read everything"))
    assert last.reason == "limit"
    assert last.error is not None
    assert last.error.exit_code == ExitCode.LIMIT
    assert "agent.max_cost" in last.error.remedy
    amount = Decimal(limit.strip("¥ CNY"))
    assert session.spent() <= amount
    assert session.spent() > amount * Decimal("0.6")  # and not far too early


@pytest.mark.usefixtures("parts")
def test_the_answer_may_be_as_long_as_what_is_left_pays_for(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([say("word " * 20_000)], vocabulary="o200k")
    session = open_session(sim, agent={"max_cost": "0.1"}, provider={"max_output_tokens": 16_000})
    run_turn(session, "talk")
    (asked,) = sim.chats
    room = asked.json["max_completion_tokens"]
    assert 1_024 <= room < 16_000
    assert asked.prompt_tokens * 4 + room * 16 <= 100_000  # CNY per million
    assert session.spent() <= Decimal("0.1")


def test_eighty_percent_is_warned_of_once(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([say("one"), say("two"), say("three")])
    session = open_session(sim, agent={"max_cost": "0.2"})
    assert warnings(run_turn(session, "a")) == []
    entry = UsageEntry("m", 1, 0, 1, cost="0.15", currency="CNY")
    session.record(entry)
    session.cost.add(entry)
    (warned,) = warnings(run_turn(session, "b"))
    assert "of ¥0.2000 (this session) is spent (agent.max_cost)" in warned
    assert warnings(run_turn(session, "c")) == []


def test_a_resumed_session_is_not_warned_again(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([say("one"), say("two")])
    session = open_session(sim, agent={"max_cost": "0.2"})
    entry = UsageEntry("m", 1, 0, 1, cost="0.165", currency="CNY")
    session.record(entry)
    session.cost.add(entry)
    assert len(warnings(run_turn(session, "a"))) == 1
    session.journal.close()
    again = open_session(sim, resume=True, agent={"max_cost": "0.2"})
    assert warnings(run_turn(again, "b")) == []


def test_the_day_s_limit_counts_the_other_sessions(open_session: Open, k2sim: Sim, tmp_path: Path) -> None:
    other = Journal.create(tmp_path)
    other.append(UsageEntry("m", 1, 0, 1, cost="0.45", currency="CNY", at=today() + 1))
    other.append(UsageEntry("m", 1, 0, 1, cost="9", currency="CNY", at=today() - 1))
    other.append(UsageEntry("m", 1, 0, 1, cost="9", currency="USD", at=today() + 1))
    other.close()
    sim = k2sim([say("one"), say("two")])
    session = open_session(sim, agent={"max_cost_day": "0.5"})
    (warned,) = warnings(run_turn(session, "a"))
    assert "today, all sessions together" in warned
    more = Journal.create(tmp_path)
    more.append(UsageEntry("m", 1, 0, 1, cost="0.05", currency="CNY", at=today() + 2))
    more.close()
    last = finished(run_turn(session, "b"))
    assert (last.reason, len(sim.chats)) == ("limit", 1)
    assert last.error is not None
    assert "agent.max_cost_day" in last.error.remedy


def test_a_limit_in_another_currency_is_a_usage_error(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([say("one")])
    session = open_session(sim, agent={"max_cost": "$2"})
    last = finished(run_turn(session, "a"))
    assert isinstance(last.error, UsageError)
    assert "is billed in CNY" in last.error.message
    assert not sim.chats


def test_a_limit_that_cannot_be_kept_is_said(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([say("one"), say("two")], shape="openai")
    session = open_session(sim, agent={"max_cost": "$2"}, provider={"name": "vllm", "model": "kimi-k2"})
    (warned,) = warnings(run_turn(session, "a"))
    assert "cannot be kept" in warned
    assert warnings(run_turn(session, "b")) == []


@pytest.mark.usefixtures("parts")
def test_a_limit_ends_a_turn_whose_history_can_be_continued(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([*reads(20), say("Enough.")])
    session = open_session(sim, agent={"max_cost": "0.06"})
    run_turn(session, "read everything")
    session.journal.close()
    again = open_session(sim, resume=True, agent={"max_cost": "5"})
    last = finished(run_turn(again, "go on"))
    assert not isinstance(last.error, ProviderError)
    assert all(step.extends for step in sim.prefix_report())
