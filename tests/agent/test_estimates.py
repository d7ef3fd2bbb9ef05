from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.agent.events import RequestStarted
from kcode.agent.session import Session
from tests.agent.conftest import run_turn
from tests.k2sim import Answer, Simulator, call, say, use

Sim = Callable[..., Simulator]
ROOT = Path(__file__).parents[2]
CLOSE_ENOUGH = 0.03  # of the whole prompt


def english() -> str:
    """Our own pages."""
    pages = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "AGENTS.md", ROOT / "CONTRIBUTING.md"]
    prose = "\n".join(page.read_text() for page in pages)
    return "\n".join(line for line in prose.splitlines() if not line.startswith("|"))


def chinese() -> str:
    """A page about kcode in Chinese, written for this test."""
    return (ROOT / "tests/conversation/chinese.txt").read_text()


def code() -> str:
    """Our own source."""
    return "\n".join(path.read_text() for path in sorted((ROOT / "kcode/conversation").glob("*.py")))


TEXTS = {"english": english, "chinese": chinese, "code": code}


def parts(text: str, number: int) -> list[str]:
    """``text`` in about equal parts, cut between lines or sentences."""
    pieces = [piece for piece in re.split(r"(?<=\n)|(?<=。)", text) if piece]
    size = sum(map(len, pieces)) / number
    made, length = [""] * number, 0
    for piece in pieces:
        made[min(number - 1, int(length / size))] += piece
        length += len(piece)
    return made


def compared(session: Session, sim: Simulator, turns: list[str]) -> list[tuple[int, int]]:
    """For every request what was estimated before it left, and what the server counted."""
    events = [event for text in turns for event in run_turn(session, text)]
    guessed = [event.prompt_tokens for event in events if isinstance(event, RequestStarted)]
    return list(zip(guessed, [record.prompt_tokens for record in sim.answered], strict=True))


@pytest.mark.parametrize("vocabulary", ["o200k", "rule"])
@pytest.mark.parametrize("model", ["kimi-k2-0905-preview", "kimi-k2-thinking", "kimi-k2.7-code"])
@pytest.mark.parametrize("language", TEXTS)
def test_after_two_answers_the_next_prompt_is_estimated_within_3_percent(
    open_session: Callable[..., Session], repo: Path, k2sim: Sim, language: str, model: str, vocabulary: str
) -> None:
    text = TEXTS[language]()
    thinks = model != "kimi-k2-0905-preview"
    chunks = parts(text, 6)
    for number, chunk in enumerate(chunks):
        (repo / f"part{number}.txt").write_text(chunk)
    thought = chunks[0][:600] if thinks else None
    reads: list[Answer] = [use(call("read_file", path=f"part{n}.txt"), reasoning=thought) for n in range(6)]
    said: list[Answer] = [say(chunk[:300], reasoning=thought) for chunk in chunks]
    script = [reads[0], reads[1], said[0], reads[2], reads[3], said[1], reads[4], reads[5], said[2], said[3]]
    sim = k2sim(script, vocabulary=vocabulary)
    session = open_session(sim, provider={"model": model})
    asked = [chunk[-400:] for chunk in chunks[:4]]
    pairs = compared(session, sim, asked)
    assert len(pairs) == len(script)
    errors = [abs(guess - counted) / counted for guess, counted in pairs[2:]]
    assert max(errors) <= CLOSE_ENOUGH, pairs
