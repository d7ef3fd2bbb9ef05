"""``kcode provider``: the list, the check and the verifier, as somebody at a terminal meets them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from kcode.errors import ExitCode
from kcode.providers.verify.cases import SHIPPED, read_cases
from tests.cli.conftest import KCODE, Run
from tests.k2sim import TEST_KEY, Answer, ChatRequest, Fault, Simulator, call, extends, fail, say, use
from tests.k2sim import Call as ScriptedCall

NAMES = ["auth", "model", "tools", "streaming", "thinking", "caching", "usage"]


def environment(
    sim: Simulator, provider: str = "moonshot", model: str = "kimi-k3", **more: str
) -> dict[str, str]:
    base = sim.base_url
    if provider == "anthropic-compatible":
        base = base.removesuffix("/v1") + "/anthropic"
    return {
        "KCODE_PROVIDER": provider,
        "KCODE_BASE_URL": base,
        "KCODE_API_KEY": TEST_KEY,
        "KCODE_MODEL": model,
        **more,
    }


def able(request: ChatRequest) -> Answer:
    """A service that does all that is asked."""
    if not request.tool_names:
        return say("hello")
    return use(call("report_number", number=7), reasoning="Seven.")


def checked(done: Any) -> dict[str, tuple[str, str]]:
    found = {line["name"]: (line["status"], line["detail"]) for line in json.loads(done.stdout)["checks"]}
    assert list(found) == NAMES
    return found


# --- list --------------------------------------------------------------------------------------


def test_the_list_tells_where_a_key_was_found_and_never_the_key(kcode: Run) -> None:
    env = {"MOONSHOT_API_KEY": TEST_KEY}
    listed = kcode("provider", "list", "--json", env=env)
    table = json.loads(listed.stdout)
    rows = {row["name"]: row for row in table["profiles"]}
    assert table["chosen"] == "moonshot"
    assert rows["moonshot"]["key"] == "key: MOONSHOT_API_KEY"
    assert rows["anthropic-compatible"]["key_found"]
    assert not rows["ark"]["key_found"]
    assert rows["vllm"]["key"] == "no key needed"
    plain = kcode("provider", env=env)
    assert plain.stdout == kcode("provider", "list", env=env).stdout
    marked = [line for line in plain.stdout.splitlines() if line.startswith("* ")]
    assert [line.split()[1] for line in marked] == ["moonshot"]
    assert TEST_KEY not in plain.stdout + plain.stderr + listed.stdout


def test_the_list_is_shown_where_the_settings_name_no_provider_that_works(kcode: Run) -> None:
    done = kcode("provider", "list", env={"KCODE_PROVIDER": "moonshoot"})
    assert done.returncode == 0
    assert "moonshot-intl" in done.stdout
    assert "no provider `moonshoot`" in done.stderr


def test_an_address_of_yours_is_shown_without_its_login(kcode: Run) -> None:
    env = {"KCODE_PROVIDER": "vllm", "KCODE_BASE_URL": "http://me:secret@127.0.0.1:9/v1"}
    shown = kcode("provider", "list", env=env).stdout
    assert "127.0.0.1:9" in shown
    assert "secret" not in shown


# --- check -------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["moonshot", "anthropic-compatible"])
def test_a_service_that_works_is_told_in_plain_words(kcode: Run, k2sim: Any, provider: str) -> None:
    sim = k2sim(able)
    done = kcode("provider", "check", env=environment(sim, provider))
    assert extends(sim.chats[1].raw, sim.chats[2].raw)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:7]] == [["ok", name] for name in NAMES]
    assert lines[7].startswith("3 answers: ")
    assert "¥" in lines[7]
    assert [r.status for r in sim.chats] == [200, 200, 200]
    limits = [r.json.get("max_completion_tokens", r.json.get("max_tokens")) for r in sim.chats]
    assert limits[0] == 1
    assert sim.chats[2].cached_tokens >= 256
    assert TEST_KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("provider", "shape", "model"),
    [
        ("ark", "ark", "kimi-k2-thinking-251104"),
        ("vllm", "openai", "kimi-k2-thinking"),
        ("sglang", "openai", "kimi-k2-thinking"),
    ],
)
def test_other_wires_and_dialects_are_checked_alike(
    kcode: Run, k2sim: Any, provider: str, shape: str, model: str
) -> None:
    sim = k2sim(able, shape=shape, require_k2_ids=shape == "openai")
    done = kcode("provider", "check", "--json", env=environment(sim, provider, model))
    assert done.returncode == 0, done.stderr
    assert {status for status, _ in checked(done).values()} == {"ok"}


def test_json_carries_every_line_the_tokens_and_the_price(kcode: Run, k2sim: Any) -> None:
    sim = k2sim(able)
    record = json.loads(kcode("provider", "check", "--json", env=environment(sim)).stdout)
    assert record["model"] == "kimi-k3"
    assert record["host"] == f"127.0.0.1:{sim.port}"
    assert record["tokens"]["prompt"] == sum(r.prompt_tokens for r in sim.chats)
    assert record["tokens"]["cached"] == sum(r.cached_tokens for r in sim.chats) > 0
    assert float(record["cost"]) > 0
    assert record["exit_code"] == 0


@pytest.mark.parametrize(
    ("fault", "code", "line"),
    [
        ("wrong_key", ExitCode.AUTH, "auth"),
        ("quota_exceeded", ExitCode.QUOTA, "model"),
        ("server_error", ExitCode.PROVIDER, "model"),
        ("model_gone", ExitCode.USAGE, "model"),
    ],
)
def test_what_fails_is_named_what_follows_is_not_tried_and_the_exit_code_says_it(
    kcode: Run, k2sim: Any, fault: str, code: ExitCode, line: str
) -> None:
    sim = k2sim([fail(fault)])
    env = environment(sim, KCODE_PROVIDER__RETRIES="0")
    done = kcode("provider", "check", "--json", env=env)
    assert done.returncode == code
    found = checked(done)
    assert found[line][0] == "not"
    assert {found[name][0] for name in NAMES[NAMES.index(line) + 1 :]} == {"not tried"}
    assert len(sim.chats) == 1


def test_a_refused_key_is_told_with_what_to_do(kcode: Run, k2sim: Any) -> None:
    sim = k2sim(able, api_key="sk-test-another-fake-key")
    done = kcode("provider", "check", "--json", env=environment(sim))
    assert done.returncode == ExitCode.AUTH
    status, detail = checked(done)["auth"]
    assert status == "not"
    assert "KCODE_API_KEY" in detail
    assert not sim.chats


def test_no_key_at_all_is_a_finding_too(kcode: Run) -> None:
    done = kcode("provider", "check", "ark", "--json")
    assert done.returncode == ExitCode.AUTH
    assert "ARK_API_KEY" in checked(done)["auth"][1]


def test_a_server_that_is_not_there_is_told_as_such(kcode: Run) -> None:
    env = {
        "KCODE_BASE_URL": "http://127.0.0.1:9/v1",
        "KCODE_MODEL": "kimi-k2",
        "KCODE_PROVIDER__RETRIES": "0",
    }
    done = kcode("provider", "check", "vllm", "--json", env=env)
    assert done.returncode == ExitCode.PROVIDER
    found = checked(done)
    assert found["auth"] == ("not tried", "no answer came")
    assert "Nothing listens" in found["model"][1]


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        (say("The number is 7."), "asked to call a tool, the model said"),
        (say("<|tool_calls_section_begin|>"), "asked to call a tool|raw markup"),
        (use(ScriptedCall("report_number", '{"number":"7"}')), "do not fit its schema"),
        (use(ScriptedCall("report_number", '{"number":7')), "not JSON"),
        (use(call("other_tool", number=7)), "called: other_tool"),
    ],
)
def test_tools_that_do_not_work_fail_the_check(kcode: Run, k2sim: Any, answer: Answer, because: str) -> None:
    sim = k2sim(lambda request: say("hi") if not request.tool_names else answer)
    done = kcode("provider", "check", "--json", env=environment(sim, model="kimi-k2-0905-preview"))
    status, detail = checked(done)["tools"]
    assert status == "not"
    assert any(part in detail for part in because.split("|"))
    assert done.returncode == ExitCode.PROVIDER


def test_what_a_service_does_not_offer_is_no_failure(kcode: Run, k2sim: Any) -> None:
    plain = use(call("report_number", number=7), usage={"cached_tokens": 0})
    sim = k2sim(lambda request: say("hi") if not request.tool_names else plain)
    done = kcode("provider", "check", "--json", env=environment(sim, model="kimi-k2-0905-preview"))
    assert done.returncode == 0
    found = checked(done)
    assert found["caching"][0] == found["thinking"][0] == "not offered"
    assert found["usage"][0] == "ok"


def test_a_server_that_tells_no_tokens_is_told(kcode: Run, k2sim: Any) -> None:
    quiet = (Fault("usage_missing"),)

    def answer(request: ChatRequest) -> Answer:
        if request.tool_names:
            return use(call("report_number", number=7), faults=quiet)
        return say("hi", faults=quiet)

    found = checked(kcode("provider", "check", "--json", env=environment(k2sim(answer))))
    assert found["usage"][0] == found["caching"][0] == "not"


def test_the_check_of_another_profile_leaves_the_configured_ones_address_alone(
    kcode: Run, k2sim: Any
) -> None:
    sim = k2sim(able)
    done = kcode("provider", "check", "kimi-code", "--json", env=environment(sim))
    assert done.returncode == ExitCode.AUTH
    assert not sim.requests


def test_the_embedded_model_is_no_service_to_ask(kcode: Run) -> None:
    done = kcode("provider", "check", "embedded")
    assert done.returncode == ExitCode.USAGE


# --- verify ------------------------------------------------------------------------------------


def right(request: ChatRequest) -> Answer:
    """A vendor that calls tools exactly where the shipped cases expect it."""
    for case in read_cases(SHIPPED):
        if [m.get("content") for m in case.messages] == [m.get("content") for m in request.messages]:
            if case.expected == "stop":
                return say("In words.")
            function = case.tools[0]["function"]
            return use(ScriptedCall(function["name"], json.dumps(_fitting(function["parameters"]))))
    raise AssertionError(request.messages[-1])


def _fitting(schema: dict[str, Any]) -> Any:
    """A value that fits the schema."""
    kind = schema["type"]
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _fitting(properties[name]) for name in schema.get("required", ())}
    if kind == "array":
        return [_fitting(schema["items"])]
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True}[kind]


def test_a_vendor_that_calls_tools_where_it_should_passes(kcode: Run, k2sim: Any, tmp_path: Path) -> None:
    sim = k2sim(right)
    out = tmp_path / "results.jsonl"
    done = kcode("provider", "verify", "--out", str(out), env=environment(sim))
    assert done.returncode == 0, done.stderr + done.stdout
    assert "schema accuracy   100.00%" in done.stdout
    assert "trigger F1        100.00%" in done.stdout
    assert "pass: F1 ≥ 0.73 for a thinking model, against the cases' own expectation" in done.stdout
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == 1 + len(read_cases(SHIPPED)) == 1 + len(sim.chats)
    assert TEST_KEY not in out.read_text()


def test_a_vendor_that_never_calls_one_fails(kcode: Run, k2sim: Any) -> None:
    sim = k2sim(lambda request: say("In words."))
    done = kcode("provider", "verify", "--json", env=environment(sim, model="kimi-k2-0905-preview"))
    record = json.loads(done.stdout)
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert record["passed"] is False
    assert record["tool_call_f1"] == 0
    assert record["needed_f1"] == 0.80
    assert record["schema_accuracy"] is None


def own_cases(tmp_path: Path, count: int) -> Path:
    tool = {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
    path = tmp_path / "cases.jsonl"
    lines = [
        {"messages": [{"role": "user", "content": f"question {n}"}]}
        | {"tools": [{"type": "function", "function": tool}]}
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_without_a_reference_only_schema_accuracy_is_told_and_it_says_so(
    kcode: Run, k2sim: Any, tmp_path: Path
) -> None:
    sim = k2sim(lambda request: use(call("get_weather", city="Oslo")))
    cases = own_cases(tmp_path, 3)
    done = kcode("provider", "verify", "--cases", str(cases), env=environment(sim))
    assert done.returncode == 0
    assert "not known without --reference" in done.stdout
    assert "schema accuracy   100.00%, 3 of 3" in done.stdout
    assert "verdict           none" in done.stdout


def test_one_vendors_results_are_anothers_reference(kcode: Run, k2sim: Any, tmp_path: Path) -> None:
    def official(request: ChatRequest) -> Answer:
        return use(call("get_weather", city="Oslo")) if request.last_user[-1] in "01" else say("no")

    cases, reference = str(own_cases(tmp_path, 4)), str(tmp_path / "official.jsonl")
    first = kcode(
        "provider", "verify", "--cases", cases, "--out", reference, env=environment(k2sim(official))
    )
    assert first.returncode == 0, first.stderr
    vendor = k2sim(lambda request: use(call("get_weather", city="Oslo")))
    done = kcode(
        "provider", "verify", "--cases", cases, "--reference", reference, "--json", env=environment(vendor)
    )
    record = json.loads(done.stdout)
    assert record["trigger"] == {"tp": 2, "fp": 2, "fn": 0, "tn": 0}
    assert record["tool_call_f1"] == pytest.approx(2 / 3)
    assert record["passed"] is False
    assert done.returncode == ExitCode.NOT_ACHIEVED


def test_raw_markup_is_the_vendors_failure_and_is_not_healed(kcode: Run, k2sim: Any, tmp_path: Path) -> None:
    leaked = use(call("get_weather", city="Oslo"), faults=(Fault("markup_in_text"),))
    sim = k2sim(lambda request: leaked, shape="openai")
    env = environment(sim, "vllm", "kimi-k2")
    done = kcode("provider", "verify", "--cases", str(own_cases(tmp_path, 2)), "--json", env=env)
    record = json.loads(done.stdout)
    assert record["finish_reasons"] == {"stop": 2}
    assert record["count_finish_reason_tool_calls"] == 0


def test_interrupted_it_leaves_a_file_to_resume_and_asks_only_what_is_left(
    k2sim: Any, kcode: Run, tmp_path: Path
) -> None:
    stop = threading.Event()

    def answer(request: ChatRequest) -> Answer:
        if request.step > 4:
            stop.wait(20)
        return say("no")

    sim = k2sim(answer)
    cases, out = own_cases(tmp_path, 8), tmp_path / "out.jsonl"
    arguments = ["provider", "verify", "--cases", str(cases), "--out", str(out), "--concurrency", "1"]
    process = subprocess.Popen(
        [str(KCODE), *arguments],
        env={**os.environ, **environment(sim)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(sim.requests) < 5 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    stop.set()
    assert process.returncode == ExitCode.INTERRUPTED, said
    assert "--resume goes on from 4 of 8" in said
    refused = kcode(*arguments, env=environment(sim))
    assert refused.returncode == ExitCode.USAGE
    before = len(sim.chats)
    done = kcode(*arguments, "--resume", "--json", env=environment(sim))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["finish_reasons"] == {"stop": 8}
    assert len(sim.chats) - before == 4


def test_a_used_up_balance_ends_the_run_with_its_own_exit_code(
    kcode: Run, k2sim: Any, tmp_path: Path
) -> None:
    sim = k2sim([say("One."), fail("quota_exceeded")])
    arguments = ["--cases", str(own_cases(tmp_path, 4)), "--concurrency", "1"]
    done = kcode("provider", "verify", *arguments, env=environment(sim))
    assert done.returncode == ExitCode.QUOTA
    assert "--resume goes on from 1 of 4" in done.stderr


def test_cases_that_cannot_be_read_cost_nothing(kcode: Run, k2sim: Any, tmp_path: Path) -> None:
    sim = k2sim([say("never")])
    path = tmp_path / "cases.jsonl"
    path.write_text("{}\n")
    done = kcode("provider", "verify", "--cases", str(path), env=environment(sim))
    assert done.returncode == ExitCode.USAGE
    assert "cases.jsonl:1" in done.stderr
    assert not sim.requests
