"""The provider check's lines where the command line's tests cannot look: healed markup, odd answers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from kcode.errors import ConfigError, ExitCode
from kcode.providers.base import AuthError, ModelNotFound
from kcode.providers.chat import ChatProvider
from kcode.providers.check import NAMES, Line, Report, check, refused
from kcode.providers.registry import resolve
from tests.k2sim import Answer, ChatRequest, Fault, call, fail, say, use

from .support import KEY, make_settings

ASKED = call("report_number", number=7)


def report_of(sim: Any, **wanted: Any) -> dict[str, Line]:
    given = {"name": "moonshot", "base_url": sim.base_url, "api_key": KEY, "model": "kimi-k2-0905-preview"}
    endpoint = resolve(make_settings(**(given | wanted)), {})

    async def story() -> Report:
        provider = ChatProvider(endpoint)
        brief = ChatProvider(replace(endpoint, model=replace(endpoint.model, thinking="no")))
        report = Report(lambda line: None)
        try:
            await check(provider, brief, report)
        finally:
            await provider.close()
            await brief.close()
        return report

    report = asyncio.run(asyncio.wait_for(story(), 60))
    assert [line.name for line in report.lines] == list(NAMES)
    return {line.name: line for line in report.lines}


def answers(asked: Answer) -> Any:
    return lambda request: asked if request.tool_names else say("hi")


def test_a_server_without_a_tool_parser_works_where_its_dialect_lets_markup_be_read(k2sim):
    sim = k2sim(answers(use(ASKED, faults=(Fault("markup_in_text"),))), shape="openai")
    healed = report_of(sim, name="sglang", model="kimi-k2")
    assert healed["tools"].status == "ok"
    assert "raw markup" in healed["tools"].detail
    assert healed["streaming"].status == "not tried"
    raw = report_of(sim, name="trtllm", model="kimi-k2", wire="completions")
    assert {line.status for line in raw.values()} <= {"ok", "not tried", "not offered"}
    plain = report_of(sim, name="sglang", model="kimi-k2", dialect="heal=false")
    assert plain["tools"].status == "not"
    assert "no tool parser" in plain["tools"].detail


def test_an_answer_in_one_piece_is_told(k2sim):
    sim = k2sim(answers(say("7")))
    assert report_of(sim)["streaming"].status == "not"


def test_a_thinking_model_without_reasoning_is_told(k2sim):
    sim = k2sim(answers(use(ASKED)), shape="openai", reasoning_field="reasoning")
    line = report_of(sim, name="vllm", model="kimi-k2-thinking")["thinking"]
    assert line.status == "not"
    assert "reasoning parser" in line.detail


def test_a_next_step_that_fails_is_the_caching_line_and_the_exit_code(k2sim):
    def answer(request: ChatRequest) -> Answer:
        if request.last_tool:
            return fail("content_filter")
        return use(ASKED) if request.tool_names else say("hi")

    line = report_of(k2sim(answer))["caching"]
    assert line.status == "not"
    assert line.error is not None
    assert line.detail.startswith("the next step failed")


def test_a_tool_request_that_is_refused_leaves_the_key_and_the_model_as_found(k2sim):
    sim = k2sim(answers(fail("content_filter")))
    lines = report_of(sim)
    assert (lines["auth"].status, lines["model"].status) == ("ok", "ok")
    assert lines["tools"].status == "not"
    assert lines["usage"].status == "not tried"


def test_the_answers_conversation_is_legal_for_a_model_that_insists_on_reasoning(k2sim):
    sim = k2sim(answers(use(ASKED)))
    lines = report_of(sim, model="kimi-k2.7-code")
    assert lines["caching"].status == "ok"
    said = sim.chats[2].json["messages"][2]
    assert said["reasoning_content"] == ""
    assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"number": 7}


@pytest.mark.parametrize(
    ("error", "name", "code"),
    [
        (AuthError("no key"), "auth", ExitCode.AUTH),
        (ConfigError("the address is wrong"), "model", ExitCode.USAGE),
        (ModelNotFound("retired"), "model", ExitCode.USAGE),
    ],
)
def test_what_cannot_be_asked_at_all_is_reported_on_its_line(error, name, code):
    report = Report(lambda line: None)
    refused(error, report)
    assert [line.name for line in report.lines] == list(NAMES)
    assert [line.name for line in report.lines if line.status == "not"] == [name]
    assert report.exit_code == code
