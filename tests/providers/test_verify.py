"""The vendor verifier: its numbers by the definition, its files, its runs against a real server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kcode.errors import UsageError
from kcode.providers import catalog
from kcode.providers.base import AuthError, QuotaExhausted
from kcode.providers.dialect import DIALECTS
from kcode.providers.verify.cases import SHIPPED, Case, read_cases, request_for
from kcode.providers.verify.metrics import Trigger, measure, needed_f1, passes, what_is_wrong
from kcode.providers.verify.results import ResultFile, expected, header_for, read_reference
from kcode.providers.verify.runner import run as ask_all
from tests.k2sim import Answer, ChatRequest, Fault, call, fail, say, use
from tests.k2sim import Call as ScriptedCall
from tests.k2sim.message_rules import HistoryRules, check_messages
from tests.k2sim.models import SimModel
from tests.k2sim.shapes import MOONSHOT
from tests.k2sim.tool_rules import check_tools

from .support import make_provider

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 10}},
            "required": ["city"],
        },
    },
}
INSTRUCT = catalog.unknown_model("kimi-k2-instruct", "vllm")
THINKS = catalog.unknown_model("kimi-k2-thinking", "vllm")


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def case(number: int, text: str = "", **more: Any) -> Case:
    message = {"role": "user", "content": text or f"question {number}"}
    return Case(number, f"key{number}", (message,), (TOOL,), **more)


def row(finish: str, *arguments: str, name: str = "get_weather") -> dict[str, Any]:
    calls = [{"id": "c", "function": {"name": name, "arguments": text}} for text in arguments]
    return {"status": "success", "finish_reason": finish, "tool_calls": calls}


def results(*rows: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {f"key{n}": r for n, r in enumerate(rows, 1)}


# --- the numbers -------------------------------------------------------------------------------

GOOD, BAD = '{"city":"Oslo"}', '{"town":"Oslo"}'


def test_the_trigger_rate_is_counted_request_by_request():
    rows = results(row("tool_calls", GOOD), row("tool_calls", GOOD), row("stop"), row("stop"), row("length"))
    reference = dict(zip(rows, ["tool_calls", "stop", "tool_calls", "stop", "tool_calls"], strict=True))
    found = measure([case(n) for n in range(1, 6)], rows, reference)
    assert found.trigger == Trigger(tp=1, fp=1, fn=2, tn=1)
    assert found.trigger.precision == 0.5
    assert found.trigger.recall == pytest.approx(1 / 3)
    assert found.trigger.f1 == pytest.approx(0.4)


def test_schema_accuracy_looks_at_answers_that_finished_with_tool_calls_and_at_nothing_else():
    rows = results(
        row("tool_calls", GOOD),
        row("tool_calls", GOOD, BAD),  # one wrong call spoils the answer
        row("stop", BAD),  # calls without the finish reason do not enter
        row("tool_calls"),  # announced, none sent
        {"status": "failed", "error": "HTTP 500"},
    )
    found = measure([case(n) for n in range(1, 6)], rows, None)
    assert (found.tool_answers, found.right_answers) == (3, 1)
    assert found.schema_accuracy == pytest.approx(1 / 3)
    assert set(found.wrong) == {2, 4}
    assert found.failures == {5: "HTTP 500"}
    assert found.trigger is None


@pytest.mark.parametrize(
    ("calls", "because"),
    [
        (row("tool_calls", BAD), "'city' is a required property"),
        (row("tool_calls", '{"city":"Oslo","days":11}'), "days: 11 is greater than"),
        (row("tool_calls", '{"city":"Oslo"'), "not JSON"),
        (row("tool_calls", '{"city":NaN}'), "NaN is not JSON"),
        (row("tool_calls", ""), "not JSON"),
        (row("tool_calls", '["Oslo"]'), "is not of type 'object'"),
        (row("tool_calls", GOOD, name="get_time"), "no such tool was declared"),
        (row("tool_calls"), "sent none"),
    ],
)
def test_what_is_wrong_with_a_call_is_named(calls, because):
    assert because in what_is_wrong(calls["tool_calls"], case(1))


def test_a_schema_that_points_into_the_network_is_not_fetched():
    function = {"name": "get_weather", "parameters": {"$ref": "http://127.0.0.1:9/schema.json"}}
    odd = replace(case(1), tools=({"type": "function", "function": function},))
    assert "cannot be used" in what_is_wrong(row("tool_calls", GOOD)["tool_calls"], odd)


@pytest.mark.parametrize(
    ("trigger", "model", "verdict"),
    [
        (Trigger(73, 27, 27, 10), THINKS, True),  # F1 is 0.73
        (Trigger(72, 28, 28, 10), THINKS, False),
        (Trigger(80, 20, 20, 10), INSTRUCT, True),
        (Trigger(79, 21, 21, 10), INSTRUCT, False),
        (Trigger(0, 1, 1, 0), INSTRUCT, False),
        (Trigger(0, 0, 0, 9), INSTRUCT, None),
        (None, INSTRUCT, None),
    ],
)
def test_the_bar_is_the_one_for_the_kind_of_model(trigger, model, verdict):
    measured = replace(measure([case(1)], {}, None), trigger=trigger)
    assert passes(measured, model) is verdict
    assert needed_f1(model) == (0.73 if model is THINKS else 0.80)


# --- the cases ---------------------------------------------------------------------------------


def test_the_shipped_cases_are_legal_requests_of_both_kinds_and_say_what_is_right():
    cases = read_cases(SHIPPED)
    for one in cases:
        check_tools(list(one.tools), MOONSHOT)
        check_messages(list(one.messages), MOONSHOT, SimModel("any"), HistoryRules(k2_ids=True))
    right = expected(cases)
    assert right is not None
    assert len(right) == len(cases) >= 40
    for habit in ("tool_calls", "stop"):  # a vendor that always does the same does not pass
        always = {one.key: row(habit) for one in cases}
        assert passes(measure(cases, always, right), THINKS) is False


def test_a_case_file_of_the_k2_vendor_verifier_is_read(tmp_path):
    lines = [
        {"messages": [{"role": "_input", "content": "Be brief."}, {"role": "user", "content": "hi"}]},
        {"model": "x", "stream": True, "temperature": 0.1, "max_tokens": 77, "tools": [TOOL]}
        | {"messages": [{"role": "user", "content": "hi"}]},
    ]
    path = tmp_path / "cases.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    first, second = read_cases(path)
    assert first.messages[0]["role"] == "system"
    assert (second.index, second.max_tokens, second.schema_of("get_weather") is not None) == (2, 77, True)
    assert expected([first, second]) is None


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "holds no case"),
        ("{", ":1: not valid JSON"),
        ("[]", ":1: a case is a JSON object"),
        ("{}", ":1: `messages`"),
        ('{"messages":[{"content":"hi"}]}', "`role`"),
        ('{"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"x"}]}', "`tools`"),
        ('{"messages":[{"role":"user","content":"hi"}],"expected_finish":"yes"}', "expected_finish"),
    ],
)
def test_a_case_file_that_cannot_be_used_is_told_with_its_line(tmp_path, text, because):
    path = tmp_path / "cases.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match=because):
        read_cases(path)


def test_ids_and_reasoning_of_a_case_are_spelled_as_the_server_wants_them():
    asked = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = (
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "reasoning_content": "Look.", "tool_calls": [asked]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    )
    request = request_for(replace(case(1), messages=messages), INSTRUCT, DIALECTS["vllm"])
    said = [json.loads(m) for m in request.messages]
    assert said[1]["reasoning"] == "Look."
    assert "content" not in said[1]
    assert said[1]["tool_calls"][0]["id"] == said[2]["tool_call_id"] == "functions.get_weather:0"
    kept = request_for(replace(case(1), messages=messages), INSTRUCT, DIALECTS["moonshot"])
    assert json.loads(kept.messages[2])["tool_call_id"] == "call_1"


def test_thinking_models_get_the_room_of_moonshots_own_runs():
    assert request_for(case(1, max_tokens=100), INSTRUCT, DIALECTS["vllm"]).max_output_tokens == 100
    wide = replace(THINKS, context=262144)
    assert request_for(case(1, max_tokens=100), wide, DIALECTS["vllm"]).max_output_tokens == 64000


# --- the files ---------------------------------------------------------------------------------

HEADER = {"kind": "kcode-verify", "version": 1, "provider": "vllm", "host": "h", "model": "m", "cases": "c"}


def finished(number: int) -> dict[str, Any]:
    return {"data_index": number, "case": f"key{number}", **row("stop")}


def test_a_run_that_was_torn_in_the_middle_of_a_line_goes_on_behind_the_last_whole_one(tmp_path):
    path = tmp_path / "deep" / "out.jsonl"
    with ResultFile(path, HEADER, resume=False) as file:
        file.append(finished(1))
        file.append({"data_index": 2, "case": "key2", "status": "failed", "error": "HTTP 500"})
    path.write_bytes(path.read_bytes() + b'{"data_index": 3, "ca')
    with ResultFile(path, HEADER, resume=True) as file:
        assert set(file.rows) == {"key1"}  # a failed request is asked again
        file.append(finished(3))
    lines = path.read_text().splitlines()
    assert [json.loads(line).get("case") for line in lines] == [None, "key1", "key2", "key3"]


def test_results_that_are_there_are_not_written_over(tmp_path):
    path = tmp_path / "out.jsonl"
    with ResultFile(path, HEADER, resume=False) as file:
        file.append(finished(1))
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        ResultFile(path, HEADER, resume=False)
    with pytest.raises(UsageError, match=r"another run \(model: m\)"):
        ResultFile(path, {**HEADER, "model": "other"}, resume=True)
    assert path.read_bytes() == before


def test_a_reference_is_a_results_file_of_ours_or_of_the_k2_vendor_verifier(tmp_path):
    cases = [case(1), case(2), case(3)]
    ours, theirs = tmp_path / "ours.jsonl", tmp_path / "theirs.jsonl"
    with ResultFile(ours, HEADER, resume=False) as file:
        file.append({**finished(7), "case": "key2", "finish_reason": "tool_calls"})
    theirs.write_text(
        '{"data_index":1,"status":"success","finish_reason":"stop"}\n'
        '{"data_index":3,"status":"failed","finish_reason":null}\n'
    )
    assert read_reference(ours, cases) == {"key2": "tool_calls"}
    assert read_reference(theirs, cases) == {"key1": "stop", "key3": "failed"}
    ours.write_text('{"case":"elsewhere","finish_reason":"stop"}\n')
    with pytest.raises(UsageError, match="no result for any"):
        read_reference(ours, cases)


# --- runs --------------------------------------------------------------------------------------


def ask(sim: Any, cases: Sequence[Case], *, concurrency: int = 3, retries: int = 2) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    async def story() -> None:
        provider = make_provider(sim.base_url, retries=retries)
        try:
            await ask_all(provider, cases, rows.append, concurrency=concurrency)
        finally:
            await provider.close()

    try:
        run(story())
    finally:
        ask.rows = rows  # type: ignore[attr-defined]
    return rows


def test_every_case_is_asked_once_and_its_answer_kept(k2sim):
    def answer(request: ChatRequest) -> Answer:
        if request.last_user.endswith("2"):
            return use(call("get_weather", city="Oslo"), reasoning="Look.")
        return say("In words.")

    sim = k2sim(answer)
    rows = sorted(ask(sim, [case(n) for n in range(1, 7)]), key=lambda r: r["data_index"])
    assert [r["finish_reason"] for r in rows] == ["stop", "tool_calls", "stop", "stop", "stop", "stop"]
    assert rows[1]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    assert all(r["usage"]["prompt_tokens"] > 0 and r["status"] == "success" for r in rows)
    assert len(sim.chats) == 6


def test_what_passes_is_tried_again_and_what_stays_is_kept_as_a_failure(k2sim):
    sim = k2sim([fail("engine_overloaded"), say("Recovered."), fail("content_filter")])
    rows = ask(sim, [case(1), case(2)], concurrency=1)
    assert (rows[0]["status"], rows[0]["retries"]) == ("success", 1)
    assert (rows[1]["status"], rows[1]["error_type"]) == ("failed", "ContentFiltered")


def test_a_used_up_balance_ends_the_run_and_keeps_what_was_answered(k2sim):
    sim = k2sim([say("One."), fail("quota_exceeded"), say("never")])
    with pytest.raises(QuotaExhausted):
        ask(sim, [case(n) for n in range(1, 9)], concurrency=1)
    assert [r["data_index"] for r in ask.rows] == [1]  # type: ignore[attr-defined]
    assert len(sim.chats) == 2


def test_a_wrong_key_is_not_asked_for_every_case(k2sim):
    sim = k2sim([Answer(faults=(Fault("wrong_key"),), repeat=True)])
    with pytest.raises(AuthError):
        ask(sim, [case(n) for n in range(1, 41)], concurrency=2)
    assert len(sim.chats) <= 4


def test_no_more_requests_are_under_way_than_allowed(k2sim):
    lock, now, most = threading.Lock(), [0], [0]
    gate = threading.Barrier(3, timeout=20)

    def answer(request: ChatRequest) -> Answer:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        gate.wait()  # opens only when three are here at once
        with lock:
            now[0] -= 1
        return say("ok")

    ask(k2sim(answer), [case(n) for n in range(1, 10)], concurrency=3)
    assert most[0] == 3


def test_calls_that_break_the_schema_are_counted_against_the_vendor(k2sim):
    sim = k2sim([use(ScriptedCall("get_weather", BAD)), use(call("get_weather", city="Oslo")), say("no")])
    cases = [case(1), case(2), case(3)]
    rows = ask(sim, cases, concurrency=1)
    found = measure(cases, {r["case"]: r for r in rows}, {"key1": "tool_calls", "key3": "tool_calls"})
    assert found.schema_accuracy == 0.5
    assert found.trigger == Trigger(tp=1, fp=0, fn=1, tn=0)
    assert found.compared == 2
    assert found.prompt > 0 < found.completion


def test_the_header_names_the_run(k2sim):
    provider = make_provider("http://127.0.0.1:9/v1")
    header = header_for(provider.endpoint, [case(1)])
    assert header["host"] == "127.0.0.1:9"
    assert header["model"] == "kimi-k2-0905-preview"
    assert "key" not in " ".join(header)


def test_the_cases_lie_beside_the_code_that_reads_them():
    assert Path(SHIPPED).parent.name == "verify"
