from __future__ import annotations

import asyncio
from collections.abc import Callable

from kcode.agent.planning import accepted, proposed
from kcode.agent.session import Session
from tests.agent.conftest import run_turn
from tests.k2sim import Simulator, fail, say

Sim = Callable[..., Simulator]
Open = Callable[..., Session]


def test_the_plan_is_what_the_turn_answered(k2sim: Sim, open_session: Open) -> None:
    session = open_session(k2sim([say("1. Add a cart\n2. Test it")]))
    assert proposed(session) == ""
    run_turn(session, "plan a cart")
    assert proposed(session) == "1. Add a cart\n2. Test it"


def test_a_turn_that_failed_left_no_plan(k2sim: Sim, open_session: Open) -> None:
    session = open_session(k2sim([say("1. Add a cart"), fail("wrong_key")]))
    run_turn(session, "plan a cart")
    run_turn(session, "plan it better")
    assert proposed(session) == ""


def test_an_accepted_plan_is_the_users_word_whatever_it_holds() -> None:
    text = accepted("1. Replace {plan} in the template\n")
    assert "<plan>\n1. Replace {plan} in the template\n</plan>" in text


def test_an_accepted_plan_outlives_a_compaction(k2sim: Sim, open_session: Open) -> None:
    plan = "1. Add a cart named zwiebel\n2. Test it"
    sim = k2sim([say("word " * 8_000), say("Began."), say("Half of it is done."), say("Going on.")])
    session = open_session(sim, provider={"max_output_tokens": 16_000})
    run_turn(session, "tell me all about carts")
    run_turn(session, accepted(plan))
    asyncio.run(session.compact("the carts"))
    run_turn(session, "go on")
    sent = "".join(message["content"] for message in sim.chats[-1].json["messages"][1:])
    assert "word word" not in sent
    assert plan in sent
