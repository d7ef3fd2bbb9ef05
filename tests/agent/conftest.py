from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.approval import Answer as Verdict
from kcode.agent.approval import Question
from kcode.agent.events import Event, TurnFinished
from kcode.agent.session import Session
from kcode.config.settings import Settings
from kcode.conversation.ledger import ToolResult
from kcode.providers.registry import open_provider, resolve
from tests.k2sim import TEST_KEY, Simulator


@dataclass
class Person:
    """Answers questions as told, and remembers them."""

    verdicts: list[Verdict] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)

    async def ask(self, question: Question) -> Verdict:
        self.asked.append(question)
        return self.verdicts.pop(0) if self.verdicts else Verdict("yes")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    (root / "shop.py").write_text("def total(prices):\n    return sum(prices) - 1\n")
    (root / "test_shop.py").write_text(
        "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
    )
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def settings_for(sim: Simulator, **sections: dict[str, Any]) -> Settings:
    provider = {
        "name": "moonshot",
        "model": "kimi-k2-0905-preview",
        "base_url": sim.base_url,
        "api_key": TEST_KEY,
    }
    provider |= sections.pop("provider", {})
    return Settings.model_validate({"provider": provider, **sections})


@pytest.fixture
def open_session(repo: Path) -> Callable[..., Session]:
    def opened(sim: Simulator, *, resume: bool = False, root: Path = repo, **sections: Any) -> Session:
        settings = settings_for(sim, **sections)
        endpoint = resolve(settings, {})
        return Session.open(root, settings, open_provider(endpoint, settings), resume=resume)

    return opened


def run_turn(session: Session, text: str) -> list[Event]:
    """One turn to its end, in an event loop of its own for a test's whole session."""

    async def collect() -> list[Event]:
        return [event async for event in session.turn(text)]

    return asyncio.run(collect())


def finished(events: list[Event]) -> TurnFinished:
    last = events[-1]
    assert isinstance(last, TurnFinished)
    return last


def tool_texts(session: Session) -> list[str]:
    return [entry.text for entry in session.ledger if isinstance(entry, ToolResult)]
