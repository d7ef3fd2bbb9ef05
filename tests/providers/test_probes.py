"""What no documentation settles is asked of the service: taken, refused, or taken and not heeded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kcode.providers.base import AuthError
from kcode.providers.check import Line, Report
from kcode.providers.probes import probe
from kcode.providers.registry import resolve, wire_class
from tests.k2sim import ChatRequest, say

from .support import KEY, make_settings


def lines(sim: Any, **wanted: Any) -> dict[str, list[Line]]:
    given = {"base_url": sim.base_url, "api_key": KEY}
    endpoint = resolve(make_settings(**(given | wanted)), {})
    report = Report(lambda line: None)
    asyncio.run(asyncio.wait_for(probe(endpoint, lambda other: wire_class(other)(other), report), 60))
    found: dict[str, list[Line]] = {}
    for line in report.lines:
        found.setdefault(line.name, []).append(line)
    return found


def heeding(request: ChatRequest) -> Any:
    partial = request.body["messages"][-1]["role"] == "assistant"
    return say(" four, five, six, seven, eight, nine" if partial else "hi")


def test_a_service_that_continues_answers_is_told_so_and_what_it_refuses_too(k2sim):
    found = lines(k2sim(heeding), name="moonshot", model="kimi-k2-0905-preview")
    partial, other = found["continuing"]
    assert (partial.status, partial.detail) == ("ok", "`partial=partial` works and is in use")
    assert other.status == "not offered"
    assert "`partial=continue` is refused" in other.detail
    assert found["strict"][0].detail == "`strict_tools=true` is taken; provider.dialect keeps it"
    assert found["cache ttl"][0].status == "ok"


def test_a_service_that_takes_the_field_and_begins_anew_does_not_continue(k2sim):
    sim = k2sim(lambda request: say("one, two, three, four"))
    (partial, _) = lines(sim, name="moonshot", model="kimi-k2-0905-preview")["continuing"]
    assert partial.status == "not offered"
    assert "began anew" in partial.detail


def test_arks_chat_refuses_what_it_does_not_know(k2sim):
    found = lines(k2sim(heeding, shape="ark"), name="ark", model="kimi-k2-250905", wire="chat")
    assert {line.status for line in found["continuing"]} == {"not offered"}
    assert found["cache ttl"][0].status == "not offered"


def test_an_engine_that_continues_the_final_message_is_in_use(k2sim):
    found = lines(k2sim(heeding, shape="openai"), name="vllm", model="kimi-k2")
    assert [line.status for line in found["continuing"]] == ["not offered", "ok"]


def test_a_refused_key_says_nothing_about_the_settings(k2sim):
    with pytest.raises(AuthError):
        lines(k2sim(heeding), name="moonshot", model="kimi-k2-0905-preview", api_key="sk-test-other-key")
