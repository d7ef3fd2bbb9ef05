"""An image that the model asks for: in the result for one that sees, a reason for one that does not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.session import Session
from kcode.conversation.projection import project
from kcode.providers.dialect import DIALECTS
from tests.agent.conftest import run_turn, tool_texts
from tests.k2sim import call, say, use

Open = Callable[..., Session]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x20" + b"\0" * 20
ADDRESS = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.fixture
def logo(repo: Path) -> Path:
    (repo / "logo.png").write_bytes(PNG)
    return repo


def sent(sim: Any) -> list[list[dict[str, Any]]]:
    """The messages of each request."""
    return [chat.json["messages"] for chat in sim.chats]


def test_a_model_that_sees_gets_the_image_with_the_result_and_again_after_a_resume(
    k2sim: Any, open_session: Open, logo: Path
) -> None:
    sim = k2sim([use(call("read_file", path="logo.png")), say("a logo"), say("still a logo")])
    session = open_session(sim, provider={"model": "kimi-k2.6"})
    run_turn(session, "what is on the logo?")
    session.journal.close()
    resumed = open_session(sim, resume=True, provider={"model": "kimi-k2.6"})
    run_turn(resumed, "and now?")
    first, second, third = sent(sim)
    assert second[: len(first)] == first
    assert third[: len(second)] == second
    (result,) = [message for message in second if message["role"] == "tool"]
    assert result["content"] == [
        {"type": "text", "text": "[logo.png is a PNG image of 64 by 32 pixels (44 bytes)]"},
        {"type": "image_url", "image_url": {"url": ADDRESS}},
    ]


def test_a_model_that_does_not_see_is_told_so(k2sim: Any, open_session: Open, logo: Path) -> None:
    sim = k2sim([use(call("read_file", path="logo.png")), say("I cannot see it")])
    session = open_session(sim, provider={"model": "kimi-k2-0905-preview"})
    run_turn(session, "what is on the logo?")
    assert tool_texts(session) == [
        "Error: logo.png is a PNG image of 64 by 32 pixels (44 bytes);"
        " the model in use, kimi-k2-0905-preview, does not see images"
    ]


def test_after_a_switch_to_a_model_that_does_not_see_only_the_words_are_sent(
    k2sim: Any, open_session: Open, logo: Path
) -> None:
    sim = k2sim([use(call("read_file", path="logo.png")), say("a logo")])
    session = open_session(sim, provider={"model": "kimi-k2.6"})
    run_turn(session, "what is on the logo?")
    messages = [json.loads(message) for message in project(session.ledger, DIALECTS["openai"]).messages]
    (result,) = [message for message in messages if message["role"] == "tool"]
    assert result["content"] == "[logo.png is a PNG image of 64 by 32 pixels (44 bytes)]"


def test_an_image_counts_in_the_window_by_what_it_takes_not_by_its_bytes(
    k2sim: Any, open_session: Open, logo: Path
) -> None:
    (logo / "logo.png").write_bytes(PNG + b"\0" * 3_000_000)
    sim = k2sim([use(call("read_file", path="logo.png")), say("a logo")])
    session = open_session(sim, provider={"model": "kimi-k2.6"})
    run_turn(session, "what is on the logo?")
    assert session.budget.by_kind(session.projection())["results"] < 10_000
