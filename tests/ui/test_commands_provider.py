from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.agent.session import Session
from kcode.config.settings import Settings
from kcode.conversation.journal import Journal, session_files
from kcode.conversation.ledger import Epoch
from kcode.ui import switching
from tests.k2sim import TEST_KEY, Simulator, say
from tests.ui.sitting import Sitting

Sit = Callable[..., Sitting]
Sim = Callable[..., Simulator]
READY = r"ask mode · kimi"


def ask(person: Sitting, message: str, answer: str) -> None:
    person.type(f"{message}\r")
    person.see(answer)
    person.settle()


def test_provider_goes_on_with_another_and_back_with_the_conversation_kept(
    sit: Sit, k2sim: Sim, repo: Path
) -> None:
    home = k2sim([say("From home."), say("Home again.")])
    other = k2sim([say("From the box.")], shape="openai", api_key=None)
    person = sit(home, rows=40, columns=120)
    person.see(READY)
    ask(person, "one", r"From home\.")
    person.type(f"/provider vllm {other.base_url}\r")
    person.see(r"provider +vllm\n[\s\S]*address +127\.0\.0\.1")
    ask(person, "two", r"From the box\.")
    person.type("/provider moonshot\r")
    person.see(r"provider +moonshot\n")
    ask(person, "three", r"Home again\.")
    person.type("/exit\r")
    assert person.end() == 0
    assert [m["role"] for m in other.chats[-1].json["messages"]] == ["system", "user", "assistant", "user"]
    assert TEST_KEY not in str(dict(other.chats[-1].headers))
    assert len(home.chats[-1].json["messages"]) == 6
    _, entries = Journal.open(session_files(repo)[-1])
    assert [e.reason for e in entries if isinstance(e, Epoch)] == ["start", "model", "model"]


def test_a_provider_without_a_key_says_how_to_log_in_and_the_old_one_stays(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Still here.")])
    person = sit(sim, rows=40)
    person.see(READY)
    person.type("/provider ark\r")
    person.see(r"needs a key, and none is set\.\s+try: `kcode login ark`")
    ask(person, "one", r"Still here\.")
    person.see(READY)


def test_a_server_that_is_not_there_leaves_the_old_provider(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Still here.")])
    person = sit(sim, rows=40)
    person.see(READY)
    person.type("/provider vllm http://127.0.0.1:9/v1\r")
    person.see("error:")
    ask(person, "one", r"Still here\.")


def test_provider_lists_the_profiles_with_the_one_in_use(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([]), rows=40)
    person.see(READY)
    person.type("/provider\r")
    text = person.see(r"\* moonshot +Moonshot; key from KCODE_API_KEY")
    person.see(r"ark +Volcengine Ark; no key: kcode login ark")
    assert TEST_KEY not in text
    person.type("/provider vlm\r")
    person.see(r"there is no provider 'vlm'\n +try: did you mean /provider vllm\?")
    person.type("/provider a b c\r")
    person.see(r"/provider does not know 'c'")


def test_a_model_that_is_not_served_leaves_the_present_one(sit: Sit, k2sim: Sim) -> None:
    sim = k2sim([say("Still here.")])
    person = sit(sim)
    person.see(READY)
    person.type("/model kimi-k9-turbo\r")
    person.see("error:")
    ask(person, "one", r"Still here\.")
    assert sim.chats[-1].json["model"] == "kimi-k2-0905-preview"


def test_a_switch_that_cannot_be_recorded_closes_the_new_provider_and_keeps_the_old(
    k2sim: Sim, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim = k2sim([])
    monkeypatch.setenv("KCODE_API_KEY", TEST_KEY)
    section = {"name": "moonshot", "base_url": sim.base_url, "model": "kimi-k2.6", "api_key": TEST_KEY}
    settings = Settings.model_validate({"provider": section})
    session = Session.open(repo, settings, switching.opened(settings))
    old = session.provider
    session.journal._file.close()  # as when the disk is gone

    async def run() -> None:
        with pytest.raises(ValueError, match="closed file"):
            await switching.switch(session, switching.with_model(settings, "kimi-k2-0905-preview"))

    asyncio.run(run())
    assert session.provider is old
    assert session.settings is settings
    assert session.window == old.model.context


def test_model_offers_the_models_that_the_provider_listed(sit: Sit, k2sim: Sim) -> None:
    person = sit(k2sim([], model_ids=["kimi-k2-0905-preview", "kimi-k2.6", "kimi-special"]), rows=40)
    person.see(READY)
    person.type("/model kimi-k2")
    person.see(r"\n +kimi-k2\.6 *\n")
    person.type("\x03")
    person.see(r"\n +kimi-k2\.6 *\n", gone=True)
    person.type("/model\r")
    person.see(r"listed now .*kimi-special")
    person.settle()
    person.type("/model kimi-sp")
    person.see(r"\n +kimi-special *\n")
    person.type("\x09")
    person.see(r"❯ /model kimi-special")
