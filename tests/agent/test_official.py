from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from kcode.agent.events import CallFinished, CallStarted, Notice
from kcode.agent.session import Session
from kcode.conversation.ledger import Fee, Tools
from kcode.errors import ConfigError
from kcode.tools.registry import all_tools
from tests.agent.conftest import finished, run_turn
from tests.k2sim import Call, Simulator, call, say, use
from tests.k2sim.platform import ENCRYPTED

Open = Callable[..., Session]
SEARCH = Call("$web_search", '{ "search_result": {"search_id":"6b2"},"usage": {"total_tokens":9341} }')


def declared(sim: Simulator, request: int = 0) -> list[str]:
    return [tool["function"]["name"] for tool in sim.chats[request].json["tools"]]


def offered(names: str, **more: Any) -> dict[str, Any]:
    return {"official_tools": names, **more}


def test_official_tools_are_declared_behind_kcodes_own(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("Hello.")])
    run_turn(open_session(sim, provider=offered("date $web_search excel")), "hi")
    own = [tool.name for tool in all_tools()]
    assert declared(sim) == [*own, "$web_search", "date", "list_sheets", "read_sheet"]


def test_a_search_is_answered_with_its_arguments_and_paid_for(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(SEARCH), say("K3 is out.")])
    session = open_session(sim, provider=offered("$web_search"))
    events = run_turn(session, "news?")
    assert finished(events).text == "K3 is out."
    *_, asked, answered = sim.chats[1].json["messages"]
    assert asked["tool_calls"][0]["type"] == "builtin_function"
    assert answered["content"] == asked["tool_calls"][0]["function"]["arguments"]
    assert answered["content"] == SEARCH.arguments
    (fee,) = [entry for entry in session.ledger if isinstance(entry, Fee)]
    assert (fee.kind, fee.amount, fee.currency) == ("$web_search", "0.03", "CNY")
    assert session.spent() >= Decimal("0.03")
    (outcome,) = [event.outcome for event in events if isinstance(event, CallFinished)]
    assert outcome.brief == "about 9,341 tokens enter the next prompt"
    assert any("¥0.03 a call" in event.title for event in events if isinstance(event, CallStarted))


def test_a_formula_runs_at_moonshot_and_its_sealed_output_goes_back_untouched(
    k2sim: Any, open_session: Open
) -> None:
    sim = k2sim([use(call("web_search", query="k2")), say("Found.")])
    sim.platform.fibers["web_search"] = {"context": {"encrypted_output": ENCRYPTED}}
    session = open_session(sim, provider=offered("web-search"))
    run_turn(session, "search")
    assert sim.chats[1].json["messages"][-1]["content"] == ENCRYPTED
    assert sum(record.path.endswith("/fibers") for record in sim.requests) == 1


def test_a_failed_fiber_is_told_to_the_model_and_the_turn_goes_on(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(call("fetch", url="https://example.org")), say("It is gone.")])
    sim.platform.fibers["fetch"] = {"status": "failed", "context": {"error": "the page is gone"}}
    events = run_turn(open_session(sim, provider=offered("fetch")), "fetch it")
    assert finished(events).text == "It is gone."
    assert sim.chats[1].json["messages"][-1]["content"] == "Error: the page is gone"
    (outcome,) = [event.outcome for event in events if isinstance(event, CallFinished)]
    assert not outcome.ok


def test_the_requests_of_a_session_extend_each_other(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(SEARCH), use(call("date", operation="now")), say("Done."), say("Again.")])
    session = open_session(sim, provider=offered("$web_search date"))
    run_turn(session, "one")
    run_turn(session, "two")
    assert len(sim.answered) == 4
    assert all(step.extends for step in sim.prefix_report())
    assert sum(record.path.endswith("/tools") for record in sim.requests) == 1


def test_a_continued_session_keeps_its_tools_and_runs_them(k2sim: Any, open_session: Open) -> None:
    first = k2sim([say("Hello.")])
    session = open_session(first, provider=offered("date"))
    run_turn(session, "hi")
    session.journal.close()
    second = k2sim([use(call("date", operation="now")), say("Monday.")])
    again = open_session(second, resume=True, provider=offered("date"))
    assert finished(run_turn(again, "which day?")).text == "Monday."
    assert declared(second) == declared(first)
    assert second.chats[1].json["messages"][-1]["content"] == "date ran"


def test_where_the_service_cannot_list_them_the_turn_goes_on_without(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("Hello.")])
    sim.platform.functions["fetch"] = []
    session = open_session(sim, provider=offered("fetch"))
    events = run_turn(session, "hi")
    assert finished(events).text == "Hello."
    assert any("`fetch`" in event.text for event in events if isinstance(event, Notice))
    assert "fetch" not in declared(sim)


def test_an_unknown_name_is_refused_when_the_session_opens(k2sim: Any, open_session: Open) -> None:
    with pytest.raises(ConfigError, match="`web_search`"):
        open_session(k2sim(), provider=offered("web_search"))


def test_a_search_beside_thinking_is_refused_when_the_session_opens(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([use(SEARCH), say("Fine.")])
    with pytest.raises(ConfigError, match="thinks"):
        open_session(sim, provider=offered("$web_search", model="kimi-k2.6"))
    calm = open_session(sim, provider=offered("$web_search", model="kimi-k2.6", thinking="off"))
    assert finished(run_turn(calm, "news?")).text == "Fine."


def test_after_clear_the_official_tools_are_offered_again(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("one"), say("two")])
    session = open_session(sim, provider=offered("date"))
    run_turn(session, "hi")
    session.clear()
    run_turn(session, "hi")
    assert declared(sim, 1) == declared(sim)


def test_without_the_setting_nothing_is_asked_or_declared(k2sim: Any, open_session: Open) -> None:
    sim = k2sim([say("Hello.")])
    session = open_session(sim)
    run_turn(session, "hi")
    assert declared(sim) == [tool.name for tool in all_tools()]
    assert sum(isinstance(entry, Tools) for entry in session.ledger) == 1
    assert not any("formulas" in record.path for record in sim.requests)
