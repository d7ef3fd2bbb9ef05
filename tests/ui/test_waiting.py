from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kcode.config.settings import Settings
from kcode.errors import ExitCode
from kcode.providers.base import HttpFacts, Request
from kcode.providers.limiter import Limiter, Turn
from kcode.providers.registry import resolve
from tests.k2sim import TEST_KEY, Simulator, fail, say
from tests.ui.conftest import MODEL, environment
from tests.ui.sitting import KCODE, Sitting

Sim = Callable[..., Simulator]


@pytest.mark.parametrize("key", ["\x1b", "\x03"])
def test_esc_and_ctrl_c_cancel_the_wait_for_another_attempt(
    sit: Callable[..., Sitting], k2sim: Sim, key: str
) -> None:
    sim = k2sim([fail("engine_overloaded", retry_after="90"), say("Here again.")])
    person = sit(sim)
    person.type("hello\r")
    person.see(r"trying again in \d+s .* Esc cancels")
    person.type(key)
    person.see("interrupted")
    person.type("and now?\r")
    person.see("Here again")
    roles = [m["role"] for m in sim.chats[-1].json["messages"]]
    assert roles.count("user") == 2
    assert "assistant" not in roles


def test_each_retry_is_one_line_on_stderr(
    kcode: Callable[..., subprocess.CompletedProcess[str]], k2sim: Sim
) -> None:
    sim = k2sim([fail("server_error"), fail("cut"), say("whole")])
    ended = kcode(sim, "-p", "hello")
    assert ended.returncode == ExitCode.OK
    assert ended.stdout == "whole\n"
    lines = [line for line in ended.stderr.splitlines() if line.startswith("[retry]")]
    assert len(lines) == 2
    assert all("trying again" in line for line in lines)


@pytest.fixture
def turn_taken(k2sim: Sim) -> Iterator[tuple[Simulator, Turn]]:
    """An account that allows one request at once, and a process (this one) that holds it."""
    sim = k2sim([say("Hello.")])
    settings = Settings.model_validate(
        {"provider": {"name": "moonshot", "base_url": sim.base_url, "api_key": TEST_KEY, "model": MODEL}}
    )
    limiter = Limiter.of(resolve(settings, {}))
    limiter.refused(HttpFacts(message="max organization concurrency: 1"))
    turn = limiter.turn(Request(MODEL, b"", (), 0))

    async def take() -> None:
        assert [waiting async for waiting in turn.admitted()] == []

    asyncio.run(take())
    yield sim, turn
    turn.leave()


def test_what_a_request_waits_for_is_an_event_and_it_goes_on_when_its_turn_comes(
    turn_taken: tuple[Simulator, Turn], repo: Path
) -> None:
    sim, turn = turn_taken
    running = subprocess.Popen(
        [KCODE, "-p", "hello", "--output", "stream-json"],
        cwd=repo,
        env=environment(sim),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    events = []
    for line in running.stdout:
        events.append(json.loads(line))
        if events[-1]["type"] == "waiting_to_send":
            assert sim.chats == []
            turn.leave()
    assert running.wait() == ExitCode.OK
    (waited,) = [event for event in events if event["type"] == "waiting_to_send"]
    assert "1 request at once" in waited["why"]
    assert events[-1]["answer"] == "Hello."


def test_esc_gives_a_place_in_the_queue_up(
    sit: Callable[..., Sitting], turn_taken: tuple[Simulator, Turn]
) -> None:
    sim, turn = turn_taken
    person = sit(sim)
    person.type("hello\r")
    person.see("waiting for a turn: the account allows 1 request at once")
    person.type("\x1b")
    person.see("interrupted")
    assert sim.chats == []
    turn.leave()
    person.type("again\r")
    person.see("Hello")
