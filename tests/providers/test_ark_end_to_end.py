"""Whole conversations with the simulator's Ark, over HTTP: loops, resumes, and the real session."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from kcode.agent.events import TurnFinished
from kcode.agent.session import Session
from kcode.config.paths import state_dir
from kcode.config.settings import Settings
from kcode.conversation.ledger import Assistant, ToolResult, UsageEntry
from kcode.providers.registry import open_provider, resolve
from kcode.providers.responses import ResponsesProvider
from tests.k2sim import TEST_KEY, Chunking, call, say, use
from tests.k2sim.responses_store import ark, rounds

from .ark_support import INSTRUCT, READ, THINKING, Talk, ark_provider, loop, run, talk

SMALL = Chunking(text_chars=4, argument_chars=5)


def new_items(record):
    return [item["type"] for item in record.json["input"]]


@pytest.mark.parametrize(("model", "reasoning"), [(THINKING, "Let me think. 想一想。"), (INSTRUCT, None)])
def test_a_loop_of_ten_steps_sends_each_thing_once(k2sim, model, reasoning):
    steps = [
        use(call("read_file", path=f"{n}.py"), reasoning=reasoning, chunking=SMALL, text=f"Step {n}.")
        for n in range(9)
    ]
    sim = k2sim([*steps, say("Done. 完成。", reasoning=reasoning, chunking=SMALL)], shape="ark")
    talking = talk(sim, loop("look at all of them"), model=model)
    first, *later = rounds(sim)
    assert len(later) == 9
    assert {r.status for r in rounds(sim)} == {200}
    assert new_items(first) == ["message", "message"]
    assert all(new_items(r) == ["function_call_output"] for r in later)
    assert all(len(r.raw) < 600 for r in later)
    assert [r.cached_tokens for r in later] == sorted(r.cached_tokens for r in later)
    assert all(r.cached_tokens > r.prompt_tokens - 512 for r in later)
    said = [e for e in talking.ledger if isinstance(e, Assistant)]
    assert said[-1].content == "Done. 完成。"
    assert {e.reasoning for e in said} == {reasoning}
    held = list(ark(sim).stored.values())[-1]
    assert [m.get("content") for m in held.messages if m["role"] == "tool"] == [
        e.text for e in talking.ledger if isinstance(e, ToolResult)
    ]


def test_parallel_calls_are_answered_by_the_servers_own_ids(k2sim):
    both = use(call("read_file", path="a.py"), call("read_file", path="b.py"))
    sim = k2sim([both, both, say("Done.")], shape="ark")
    talk(sim, loop())
    made = [[c.id for c in r.answer.calls] for r in rounds(sim)]
    answered = [[item["call_id"] for item in r.json["input"]] for r in rounds(sim)[1:]]
    assert answered == made[:2]


def test_another_process_continues_the_servers_copy(k2sim):
    sim = k2sim([READ, say("Done."), say("More.")], shape="ark")
    talking = talk(sim, loop())

    async def tomorrow():
        again = Talk(ark_provider(sim), talking.ledger)
        await again.ask("go on")
        await again.provider.close()

    run(tomorrow())
    assert rounds(sim)[-1].json["previous_response_id"]
    assert new_items(rounds(sim)[-1]) == ["message"]


def test_a_process_that_ended_between_a_call_and_its_result_goes_on(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")

    async def cut():
        one = Talk(ark_provider(sim))
        await one.ask("look at a.py")
        await one.provider.close()
        two = Talk(ark_provider(sim), one.ledger)
        two.answer_calls()
        await two.ask()
        await two.provider.close()

    run(cut())
    first, second = rounds(sim)
    assert second.json["input"][0]["call_id"] == first.answer.calls[0].id


def test_what_is_kept_on_disk_is_for_the_user_alone_and_has_no_words(k2sim):
    sim = k2sim([say("The secret answer.")], shape="ark")

    async def story(talking):
        await talking.ask("the secret question")

    talk(sim, story)
    [kept] = (state_dir() / "responses").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    text = kept.read_text()
    assert "secret" not in text
    assert TEST_KEY not in text
    assert json.loads(text)["links"][0]["response_id"].startswith("resp_")


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '"x"', '{"version": 1}', '{"version": 99, "owner": "x"}', "null", "\xff"]
)
def test_a_damaged_file_costs_one_full_resend(k2sim, damage):
    sim = k2sim([say("one"), say("two")], shape="ark")

    async def story(talking):
        await talking.ask("hi")

    talking = talk(sim, story)
    [kept] = (state_dir() / "responses").iterdir()
    kept.write_text(damage)

    async def again():
        two = Talk(ark_provider(sim), talking.ledger)
        await two.ask("go on")
        await two.provider.close()

    run(again())
    assert "previous_response_id" not in rounds(sim)[1].json
    assert rounds(sim)[1].status == 200


def test_a_disk_that_refuses_does_not_end_the_turn(k2sim):
    sim = k2sim([READ, say("Done.")], shape="ark")
    (state_dir()).mkdir(parents=True)
    (state_dir() / "responses").write_text("a file where the folder should be")
    talking = talk(sim, loop())
    assert talking.ledger[-1].content == "Done."
    assert "previous_response_id" in rounds(sim)[1].json


@pytest.mark.parametrize(
    "other", [{"model": INSTRUCT}, {"extra_body": (("service_tier", "auto"),)}], ids=["model", "settings"]
)
def test_another_model_or_other_settings_begin_a_chain_of_their_own(k2sim, other):
    sim = k2sim([say("one"), say("two")], shape="ark")

    async def story(talking):
        await talking.ask("hi")

    talking = talk(sim, story)

    async def switched():
        again = Talk(ark_provider(sim, **other), talking.ledger)
        await again.ask("go on")
        await again.provider.close()

    run(switched())
    assert [r.status for r in rounds(sim)] == [200, 200]
    assert "previous_response_id" not in rounds(sim)[1].json


# --- the real session -------------------------------------------------------------------------------


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    (root / "shop.py").write_text("def total(prices):\n    return sum(prices) - 1\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def open_session(sim, root: Path, *, resume: bool = False) -> Session:
    provider = {"name": "ark", "model": THINKING, "base_url": sim.base_url, "api_key": TEST_KEY}
    settings = Settings.model_validate({"provider": provider, "agent": {"mode": "auto"}})
    return Session.open(root, settings, open_provider(resolve(settings, {}), settings), resume=resume)


def turn(session: Session, *texts: str) -> TurnFinished:
    async def collect():
        try:
            for text in texts:
                *_, last = [event async for event in session.turn(text)]
            return last
        finally:
            await session.close()

    return asyncio.run(asyncio.wait_for(collect(), 60))


EDIT = call("edit_file", path="shop.py", edits=[{"old_text": " - 1", "new_text": ""}])


def test_the_sessions_tool_loop_sends_only_what_is_new(k2sim, repo):
    script = [
        use(call("read_file", path="shop.py"), reasoning="Look."),
        use(EDIT, reasoning="Fix."),
        say("Fixed.", reasoning="Done."),
        say("You are welcome.", reasoning=""),
    ]
    sim = k2sim(script, shape="ark")
    session = open_session(sim, repo)
    assert isinstance(session.provider, ResponsesProvider)
    end = turn(session, "fix total", "thanks")
    assert (end.reason, end.text) == ("answered", "You are welcome.")
    assert "sum(prices)\n" in (repo / "shop.py").read_text()
    assert [r.status for r in rounds(sim)] == [200] * 4
    assert [new_items(r) for r in rounds(sim)[1:]] == [
        ["function_call_output"],
        ["function_call_output"],
        ["message"],
    ]


def test_a_continued_session_continues_the_chain(k2sim, repo):
    sim = k2sim([use(EDIT, reasoning="Fix."), say("Fixed."), say("Nothing more.")], shape="ark")
    turn(open_session(sim, repo), "fix total")
    turn(open_session(sim, repo, resume=True), "anything else?")
    assert [r.status for r in rounds(sim)] == [200] * 3
    assert "previous_response_id" in rounds(sim)[-1].json
    assert new_items(rounds(sim)[-1]) == ["message"]


def test_storage_is_part_of_what_a_session_costs(k2sim, repo):
    sim = k2sim([say("Hello.")], shape="ark")
    session = open_session(sim, repo)
    turn(session, "hi")
    [entry] = [e for e in session.ledger if isinstance(e, UsageEntry)]
    assert entry.stored == entry.prompt + entry.completion
    rent = Decimal("0.017") * entry.stored * entry.stored_hours / 1_000_000
    assert Decimal(entry.storage) == rent
    assert Decimal(entry.cost) > rent


def test_malformed_arguments_do_not_end_a_sessions_chain_for_good(k2sim, repo):
    broken = replace(call("read_file"), arguments='{"path": ')
    sim = k2sim([say("Hi."), use(broken), say("Again."), say("Ok.")], shape="ark", strict_arguments=False)
    turn(open_session(sim, repo), "hi", "look", "and?")
    assert [r.status for r in rounds(sim)] == [200] * 4
    ids = [r.json.get("previous_response_id") for r in rounds(sim)]
    assert ids[0] is None
    assert ids[1] == ids[2] != ids[3]
