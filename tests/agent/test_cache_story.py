from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from kcode.agent.session import Session
from kcode.conversation.cache import BLOCK, CacheReport, explain
from kcode.providers.registry import open_provider, resolve
from tests.agent.conftest import run_turn, settings_for
from tests.k2sim import Answer, Simulator, call, say, use

Sim = Callable[..., Simulator]
Open = Callable[..., Session]
LONG = "A sentence that fills the window a little, so that blocks have something to hold. " * 60


def loop(number: int, thought: str | None = "I should look at the file first. " * 30) -> list[Answer]:
    """A turn's answers: two reads, then words."""
    return [
        use(call("read_file", path=f"part{number}.txt"), reasoning=thought),
        use(call("read_file", path="shop.py"), reasoning=thought),
        say(f"That was part {number}.", reasoning=thought),
    ]


def told(session: Session, sim: Simulator) -> CacheReport:
    """The report; its numbers must be the simulator's."""
    report = explain(session.ledger)
    assert report.requests == len(sim.answered)
    assert report.prompt == sum(record.prompt_tokens for record in sim.answered)
    assert report.cached == sum(record.cached_tokens for record in sim.answered)
    return report


@pytest.fixture
def parts(repo: Path) -> None:
    for number in range(4):
        (repo / f"part{number}.txt").write_text(f"{number}\n{LONG}")


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("model", ["kimi-k2-0905-preview", "kimi-k2.7-code"])
def test_an_unbroken_session_has_nothing_to_explain(open_session: Open, k2sim: Sim, model: str) -> None:
    thought = None if model == "kimi-k2-0905-preview" else "thinking " * 200
    sim = k2sim([answer for number in range(3) for answer in loop(number, thought)])
    session = open_session(sim, provider={"model": model})
    for number in range(3):
        run_turn(session, f"read part {number}")
    report = told(session, sim)
    assert report.breaks == ()
    assert report.cached == report.reachable == report.possible > 0
    assert report.share == 1.0


@pytest.mark.usefixtures("parts")
def test_the_break_at_the_end_of_a_thinking_loop_is_seen_and_priced(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([answer for number in range(3) for answer in loop(number)], vocabulary="o200k")
    session = open_session(sim, provider={"model": "kimi-k2-thinking"})
    for number in range(3):
        run_turn(session, f"read part {number}")
    report = told(session, sim)
    assert [(b.request, b.kind) for b in report.breaks] == [(4, "thinking"), (7, "thinking")]
    for broken in report.breaks:
        record = sim.answered[broken.request - 1]
        assert broken.cached == record.cached_tokens
        assert broken.lost == broken.possible - broken.cached > BLOCK
        assert broken.cost == broken.lost * Decimal(3) / 1_000_000  # 4 CNY for input, 1 for cached input
        assert broken.currency == "CNY"
    assert report.cached == report.reachable
    assert all(step.extends for step in sim.prefix_report())  # no client sees this break on its wire


@pytest.mark.usefixtures("parts")
def test_a_conversation_begun_anew_shares_its_head_and_says_so(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([*loop(0, None), *loop(1, None)])
    session = open_session(sim)
    run_turn(session, "read part 0")
    session.clear()
    run_turn(session, "read part 1")
    report = told(session, sim)
    (cleared,) = report.breaks
    assert (cleared.request, cleared.kind, cleared.lost) == (4, "clear", 0)
    assert BLOCK < cleared.cached < cleared.prompt
    assert report.share == 1.0


@pytest.mark.usefixtures("parts")
def test_another_model_reads_everything_again(open_session: Open, k2sim: Sim) -> None:
    sim = k2sim([*loop(0, None), *loop(1, None)])
    session = open_session(sim)
    run_turn(session, "read part 0")
    settings = settings_for(sim, provider={"model": "kimi-k2-turbo-preview"})
    session.switch(open_provider(resolve(settings, {}), settings))
    run_turn(session, "read part 1")
    report = told(session, sim)
    (switched,) = report.breaks
    assert (switched.request, switched.kind, switched.cached) == (4, "model", 0)
    assert switched.lost == sim.answered[2].prompt_tokens // BLOCK * BLOCK
    assert switched.cost == switched.lost * Decimal(7) / 1_000_000


@pytest.mark.usefixtures("parts")
def test_what_the_server_forgot_is_told_apart_from_what_the_client_broke(
    open_session: Open, k2sim: Sim
) -> None:
    sim = k2sim([*loop(0, None), *loop(1, None)])
    session = open_session(sim)
    run_turn(session, "read part 0")
    sim.cache.forget()
    run_turn(session, "read part 1")
    (forgotten,) = told(session, sim).breaks
    assert (forgotten.request, forgotten.kind) == (4, "missed")
