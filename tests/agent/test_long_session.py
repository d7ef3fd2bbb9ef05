"""Two hundred steps of everything a session goes through, seen from the server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.approval import Answer as Verdict
from kcode.agent.events import AnswerText
from kcode.agent.rewind import moments, plan_files, rewind
from kcode.agent.session import Session
from kcode.conversation.ledger import Epoch
from tests.agent.conftest import Person
from tests.k2sim import TEST_KEY, ChatRequest, Chunking, Simulator, call, say, use

Open = Callable[..., Session]
BLOCK = 256
STEPS = 200


def plan(request: ChatRequest) -> Any:
    """Reads, looks, edits and writes by the number of the request; every seventh answer ends the turn."""
    step = request.step
    thought = "Let me see what is there, and then decide. " * 3
    if step % 7 == 0:
        return say(f"Done with step {step}. 完成了第 {step} 步。", reasoning=thought)
    if step % 3 == 0:
        calls = [call("read_file", path="shop.py"), call("grep", pattern=f"total|{step}"), call("list_dir")]
    elif step % 5 == 0:
        calls = [call("write_file", path=f"notes/{step}.txt", content=f"note {step}\n" * 30)]
    else:
        calls = [call("read_file", path="test_shop.py", start_line=1 + step % 4)]
    return use(*calls, reasoning=thought)


def ask_in_a_new_process(sim: Simulator, repo: Path, model: str, prompt: str) -> None:
    environment = {
        **os.environ,
        "KCODE_PROVIDER": "moonshot",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        "KCODE_MODEL": model,
        "PYTHONHASHSEED": "7",
        "LC_ALL": "C.UTF-8",
        "TZ": "Asia/Shanghai",
    }
    program = Path(sys.executable).parent / "kcode"
    done = subprocess.run(
        [program, "-c", "--mode", "edits", "-p", prompt],
        cwd=repo,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr


async def spoken(session: Session, text: str) -> None:
    async for _ in session.turn(text):
        pass


async def interrupted(session: Session, text: str) -> None:
    async for event in session.turn(text):
        if isinstance(event, AnswerText):
            session.interrupt()


async def rewound(session: Session) -> None:
    position = moments(session.ledger)[-1].position
    await rewind(session, position, "conversation", await plan_files(session, position))


@pytest.mark.parametrize("model", ["kimi-k2-0905-preview", "kimi-k2.7-code"])
def test_every_request_extends_the_one_before_except_at_a_named_epoch(
    k2sim: Any, open_session: Open, repo: Path, model: str
) -> None:
    slow = say("a long story " * 40, chunking=Chunking(text_chars=8, delay_ms=40), reasoning="hm")

    def answer(request: ChatRequest) -> Any:
        return slow if "tell me a story" in request.last_user else plan(request)

    sim = k2sim(answer, model_ids=[model])

    async def live() -> Session:
        session = open_session(sim, provider={"model": model})
        turn = 0
        while len(sim.answered) < STEPS:
            turn += 1
            session.approver = Person([Verdict("no", "not this file")] if turn % 3 == 0 else [])
            await spoken(session, f"message {turn}: go on, please")
            if turn % 4 == 0:
                (repo / "shop.py").write_text(f"def total(prices):\n    return sum(prices) + {turn}\n")
            if turn == 6:
                await interrupted(session, "tell me a story")
            if turn == 9:
                assert model in await session.provider.list_models()  # what /model shows
            if turn == 12:
                await rewound(session)
            if turn == 15:
                await session.close()
                await asyncio.to_thread(ask_in_a_new_process, sim, repo, model, "and from another process")
                session = open_session(sim, resume=True, provider={"model": model})
        return session

    session = asyncio.run(live())
    named = [entry for entry in session.ledger if isinstance(entry, Epoch)][1:]
    breaks = [step for step in sim.prefix_report() if not step.extends]
    assert [epoch.reason for epoch in named] == ["rewind"]
    assert len(breaks) <= len(named), breaks
    assert _share(sim) >= 0.99


def _share(sim: Simulator) -> float:
    """Cached tokens against what whole blocks of the prompt before would allow."""
    allowed = sum(record.prompt_tokens // BLOCK * BLOCK for record in sim.answered[:-1])
    return sum(record.cached_tokens for record in sim.answered[1:]) / allowed
