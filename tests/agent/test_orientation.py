"""The map that a conversation begins with."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.orientation import FEWEST, code_map
from kcode.agent.session import Session
from kcode.codemap.build import build
from kcode.tools.mapping import measure
from tests.agent.conftest import run_turn
from tests.k2sim import say

Open = Callable[..., Session]
_MAP = re.compile(r"<code-map>.*?</code-map>", re.DOTALL)


@pytest.fixture
def project(repo: Path) -> Path:
    for number in range(FEWEST + 10):
        (repo / f"part{number}.py").write_text(
            f"from shop import total\n\n\ndef part{number}():\n    return total([])\n"
        )
    (repo / ".env.py").write_text("TOKEN_OF_MINE = 1\n")
    (repo / "id_rsa.py").write_text("def shown(): pass\n")
    build(repo)
    return repo


def maps(sim: Any) -> list[list[str]]:
    return [
        [found for message in chat.json["messages"] for found in _MAP.findall(str(message.get("content")))]
        for chat in sim.chats
    ]


def test_it_is_in_the_first_message_frozen_and_the_same_after_a_resume(
    k2sim: Any, open_session: Open, project: Path
) -> None:
    sim = k2sim([say("ok"), say("ok"), say("ok")])
    session = open_session(sim)
    run_turn(session, "hello")
    (project / "shop.py").write_text("def other(): pass\n")
    build(project)
    run_turn(session, "again")
    asyncio.run(session.close())
    run_turn(open_session(sim, resume=True), "and again")
    told = maps(sim)
    assert [len(each) for each in told] == [1, 1, 1]
    assert told[0] == told[1] == told[2]
    assert "shop.py:\n  1: def total(prices)" in told[0][0]
    assert all(step.extends for step in sim.prefix_report())


def test_it_stays_within_its_budget(k2sim: Any, open_session: Open, project: Path) -> None:
    sim = k2sim([say("ok")])
    run_turn(open_session(sim, agent={"map_tokens": 250}), "hello")
    [[found]] = maps(sim)
    drawn = found.partition("\n")[2].partition("\n")[2].removesuffix("</code-map>")
    assert 0 < measure(drawn) <= 250
    assert len(drawn) < len(list(project.glob("*.py"))) * 30


def test_there_is_none_where_it_would_not_help(k2sim: Any, open_session: Open, project: Path) -> None:
    sim = k2sim([say("ok"), say("ok"), say("ok")])
    run_turn(open_session(sim, agent={"map_tokens": 0}), "none is wanted")
    run_turn(open_session(sim, provider={"context": 9_000}), "the window is small")
    for number in range(12, FEWEST + 10):
        (project / f"part{number}.py").unlink()
    build(project)
    for path in list(project.glob("part*.py"))[:6]:
        path.unlink()
    build(project)
    run_turn(open_session(sim), "the project is small")
    assert maps(sim) == [[], [], []]


def test_a_model_on_this_machine_is_not_made_to_read_one(
    k2sim: Any, open_session: Open, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session(k2sim([]))
    assert code_map(session)
    monkeypatch.setattr(type(session.provider), "name", "embedded")
    assert code_map(session) == []


def test_a_compaction_gives_it_again_as_the_code_is_then(
    k2sim: Any, open_session: Open, project: Path
) -> None:
    sim = k2sim([say("words " * 12_000), say("the summary"), say("ok")])
    session = open_session(sim)
    run_turn(session, "hello " * 2_000)
    (project / "shop.py").write_text("def total(prices, rebate):\n    return 1\n")
    build(project)
    asyncio.run(session.compact("everything"))
    run_turn(session, "go on")
    told = maps(sim)
    assert "def total(prices)\n" in told[0][0]
    assert [("def total(prices, rebate)\n" in each) for each in told[-1]] == [True]
