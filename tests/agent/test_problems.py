from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.events import CallFinished, Event, Notice
from kcode.agent.session import Session
from kcode.diagnostics import watch
from kcode.safety.trust import trust
from tests.agent.conftest import run_turn, tool_texts
from tests.k2sim import call, say, use

Open = Callable[..., Session]
EDIT = call(
    "edit_file", path="shop.py", edits=[{"old_text": "def total", "new_text": "import os\n\ndef total"}]
)
TOLD = "shop.py:1:8: F401 `os` imported but unused [ruff]"


@pytest.fixture
def linted(repo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    own = Path(sys.executable).parent / "ruff"
    if not own.exists():
        pytest.skip("ruff is not installed here")
    (repo / ".venv" / "bin").mkdir(parents=True)
    (repo / ".venv" / "bin" / "ruff").symlink_to(own)
    (repo / "ruff.toml").write_text("lint.select = ['F']\n")
    trust(repo)
    return repo


def test_an_edits_result_tells_the_problems_it_brought(
    k2sim: Any, open_session: Open, linted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WAIT_S", 60.0)
    sim = k2sim([use(EDIT), use(call("read_file", path="shop.py")), say("done")])
    session = open_session(sim, agent={"mode": "edits"})
    events = run_turn(session, "import os")
    assert "New problems since this edit" in tool_texts(session)[0]
    assert TOLD in tool_texts(session)[0]
    assert TOLD not in tool_texts(session)[1]
    ended = next(event for event in events if isinstance(event, CallFinished))
    assert ended.outcome.brief.endswith(", 1 new problem (ruff)")


def test_what_is_found_late_comes_with_the_next_message_and_nothing_sent_is_changed(
    k2sim: Any, open_session: Open, linted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WAIT_S", 0.0)
    sim = k2sim([use(EDIT), say("done"), say("so it is")])
    session = open_session(sim, agent={"mode": "edits"})

    async def go() -> list[Event]:
        seen = [event async for event in session.turn("import os")]
        diagnostics = session.problems._diagnostics
        assert diagnostics is not None
        await diagnostics.wait()
        session.on_event = seen.append
        seen += [event async for event in session.turn("and now?")]
        await session.close()
        return seen

    events = asyncio.run(go())
    assert TOLD not in tool_texts(session)[0]
    assert TOLD in sim.chats[-1].json["messages"][-1]["content"]
    assert all(step.extends for step in sim.prefix_report())
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert notices == ["checked after the edit: 1 new problem (ruff)"]


def test_a_refused_edit_and_a_read_are_not_checked(k2sim: Any, open_session: Open, linted: Path) -> None:
    wrong = call("edit_file", path="shop.py", edits=[{"old_text": "nowhere to be seen", "new_text": "x"}])
    session = open_session(k2sim([use(wrong), say("done")]), agent={"mode": "edits"})
    run_turn(session, "try")
    assert session.problems._diagnostics is None
