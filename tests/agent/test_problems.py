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


TOY = Path(__file__).parent.parent / "diagnostics" / "toy_server.py"


@pytest.fixture
def served(repo: Path) -> dict[str, str]:
    """The settings of a project with a language server for ``.toy`` files."""
    trust(repo)
    (repo / "lib.toy").write_text("def size\n")
    (repo / "a.toy").write_text("use size\n")
    return {"servers": f".toy={sys.executable} {TOY} {repo / 'log'}"}


def test_a_language_server_tells_problems_and_renames_as_one_edit(
    k2sim: Any, open_session: Open, repo: Path, served: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WAIT_S", 60.0)
    wrong = call("edit_file", path="a.toy", edits=[{"old_text": "use size", "new_text": "use size use it"}])
    rename = call("rename_symbol", path="a.toy", line=1, name="size", new_name="length")
    sim = k2sim([use(wrong), use(rename), say("done")])
    session = open_session(sim, agent={"mode": "edits"}, diagnostics=served)

    async def go() -> None:
        _ = [event async for event in session.turn("rename it")]
        session.undo()
        await session.close()

    asyncio.run(go())
    assert "a.toy:1:14: T1 it is not defined" in tool_texts(session)[0]
    assert "Renamed size to length in 2 files" in tool_texts(session)[1]
    assert (repo / "lib.toy").read_text() == "def size\n"
    assert (repo / "a.toy").read_text() == "use size\n"
    assert "BROKEN" not in (repo / "log").read_text()
    assert "end: exit" in (repo / "log").read_text()


def test_renaming_is_offered_only_where_a_server_is_configured(
    k2sim: Any, open_session: Open, served: dict[str, str]
) -> None:
    rename = call("rename_symbol", path="a.toy", line=1, name="size", new_name="length")
    sim = k2sim([use(rename), say("done")])
    session = open_session(sim, agent={"mode": "edits"})
    run_turn(session, "rename it")
    assert "rename_symbol" not in session.declared
    assert tool_texts(session)[0].startswith("Error: no tool 'rename_symbol' in this session")
    assert "rename_symbol" in open_session(k2sim([]), diagnostics=served).declared
