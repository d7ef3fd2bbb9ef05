from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from kcode.agent.repetition import LONGEST, STREAM, Repetition, repeats
from kcode.agent.session import Session
from kcode.conversation.ledger import Assistant
from tests.agent.conftest import finished, run_turn
from tests.k2sim import Answer, Chunking, say

Open = Callable[..., Session]
AGAIN = "I will look at the file again, and then I will see. "
FAST = Chunking(text_chars=400)


@pytest.mark.parametrize("passage", ["\n", "0", "ab", AGAIN, "x" * 499 + "y" * 500])
@pytest.mark.parametrize("piece", [1, 13, 400, 30_000])
def test_a_passage_again_and_again_is_seen_however_it_comes(passage: str, piece: int) -> None:
    text = "At first something sensible. " + passage * (2 * STREAM // len(passage))
    watching = Repetition()
    fed = next(n for n in range(0, len(text), piece) if watching.feed(text[n : n + piece]))
    assert fed < STREAM + 5_000 + piece
    assert repeats(text)


def honest_texts() -> list[str]:
    rows = "\n".join(f"| {n} | entry {n * 7919 % 1000} | ok |" for n in range(900))
    return [
        rows,
        "=" * 200 + "\n" + rows,
        json.dumps([0] * 1_000) + rows,
        "\n".join(f"    assert total({n}) == {n}" for n in range(600)),
        ", ".join(str(n) for n in range(6_000)),
        ("x" * (LONGEST + 1) + "\n") * 20,
        "def test():\n    pass\n\n\n" * 200 + rows,
    ]


@pytest.mark.parametrize("text", honest_texts())
def test_tables_lists_and_long_lines_are_no_repetition(text: str) -> None:
    assert not repeats(text)
    watching = Repetition()
    assert not any(watching.feed(text) for _ in range(20))


def test_an_answer_without_end_is_stopped_and_what_was_said_is_kept(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say(AGAIN * 8_000, chunking=FAST), say("Differently now.")])
    session = open_session(sim)
    end = finished(run_turn(session, "hello"))
    assert end.reason == "loop"
    assert "repeats itself" in end.detail
    assert end.error is not None
    assert end.error.remedy
    assert len(sim.chats) == 1
    assert sim.chats[0].client_left or len(sim.chats[0].sent) < 8_000 * len(AGAIN)
    (said,) = [e for e in session.ledger if isinstance(e, Assistant)]
    assert said.content.startswith(AGAIN * 100)
    assert len(said.content) < 2 * STREAM
    assert finished(run_turn(session, "do it differently")).text == "Differently now."


@pytest.mark.parametrize("said", [{"text": AGAIN * 900}, {"text": "", "reasoning": AGAIN * 900}])
def test_what_repeats_itself_at_the_output_limit_is_not_gone_on_with(
    k2sim: Any, open_session: Open, said: dict[str, str]
) -> None:
    sim = k2sim(lambda request: Answer(finish="length", chunking=FAST, **said))
    session = open_session(sim, provider={"model": "kimi-k2.6"})
    end = finished(run_turn(session, "hello"))
    assert end.reason == "loop"
    assert "without end" in end.detail
    assert len(sim.chats) == 1


def test_thoughts_without_end_are_stopped(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("never said", reasoning=AGAIN * 8_000, chunking=FAST), say("Good.")])
    session = open_session(sim, provider={"model": "kimi-k2-thinking"})
    end = finished(run_turn(session, "hello"))
    assert end.reason == "loop"
    assert "thoughts" in end.detail
    assert finished(run_turn(session, "and now?")).text == "Good."
