from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kcode.errors import ExitCode
from tests.cli.conftest import KCODE, Run
from tests.cli.test_print import at
from tests.k2sim import Answer, Chunking, Simulator, call, fail, say, use

Sim = Callable[..., Simulator]
SCHEMAS = Path(__file__).parents[2] / "docs/schemas"
WRITE = call("write_file", path="new.txt", content="hello\n")
READ = call("read_file", path="a.txt")


def schema(name: str) -> Draft202012Validator:
    found = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


RESULT, EVENT, COST = schema("kcode.result-1"), schema("kcode.event-1"), schema("kcode.cost-1")


def result_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The last line of stdout, which has to be a result and to agree with the exit code."""
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    RESULT.validate(result)
    assert result["exit_code"] == done.returncode
    assert "Traceback" not in done.stderr
    return result


# --- what is carried -------------------------------------------------------------------------------


def test_the_result_carries_usage_cost_session_and_files(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([use(WRITE, reasoning="hm"), say("Written.", reasoning="done")])
    done = kcode("-p", "write it", "--mode", "edits", "--model", "kimi-k3", "--output", "json", env=at(sim))
    result = result_of(done)
    prompt = sum(record.prompt_tokens for record in sim.answered)
    cached = sum(record.cached_tokens for record in sim.answered)
    completion = sum(record.completion_tokens for record in sim.answered)
    assert result["usage"] == {
        "requests": 2, "prompt_tokens": prompt, "cached_tokens": cached,
        "completion_tokens": completion, "reasoning_tokens": 0,
    }  # fmt: skip
    (cost,) = result["cost"]
    exact = Decimal((prompt - cached) * 20 + cached * 2 + completion * 100) / 1_000_000
    assert Decimal(cost["amount"]) == exact
    assert Decimal(cost["saved_by_caching"]) == Decimal(cached * 18) / 1_000_000
    assert result["cost_complete"]
    assert result["files_changed"] == ["new.txt"]
    assert (result["provider"], result["model"], result["exit_reason"]) == ("moonshot", "kimi-k3", "answered")
    shown = kcode("session", "show", result["session_id"])
    assert shown.returncode == 0, shown.stderr


def test_what_a_command_changed_is_among_the_files(kcode: Run, k2sim: Sim, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "old.txt").write_text("old\n")
    command = call("run_command", command="echo new > made.txt; rm old.txt")
    sim = k2sim([use(WRITE, command), say("Done.")])
    done = kcode("-p", "do it", "--mode", "auto", "--model", "kimi-k3", "--output", "json", env=at(sim))
    assert sorted(result_of(done)["files_changed"]) == ["made.txt", "new.txt", "old.txt"]


def test_a_continued_session_tells_the_turn_s_cost_and_its_own(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([say("one"), say("two")])
    options = ["--model", "kimi-k3", "--output", "json"]
    first = result_of(kcode("-p", "a", *options, env=at(sim)))
    second = result_of(kcode("-c", "-p", "b", *options, env=at(sim)))
    assert second["session_id"] == first["session_id"]
    assert second["usage"]["requests"] == 1
    both = Decimal(first["cost"][0]["amount"]) + Decimal(second["cost"][0]["amount"])
    assert Decimal(second["session_cost"][0]["amount"]) == both


def test_every_event_of_a_rich_turn_follows_its_schema(kcode: Run, k2sim: Sim, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text\n")
    answers: list[Answer] = [
        fail("engine_overloaded", retry_after="0"),
        use(READ, call("run_command", command="ls"), text="Look.", reasoning="hm"),
        say("Done. 完成"),
    ]
    done = kcode("-p", "go", "--model", "kimi-k3", "--output", "stream-json", env=at(k2sim(answers)))
    *events, _ = [json.loads(line) for line in done.stdout.splitlines()]
    for event in events:
        EVENT.validate(event)
    assert {"turn_started", "call_finished", "usage", "answer_discarded", "turn_finished"} <= {
        event["type"] for event in events
    }
    assert result_of(done)["answer"].endswith("Done. 完成")


def test_the_schema_knows_every_event() -> None:
    from kcode.ui.wire import NAMES

    branches = json.loads((SCHEMAS / "kcode.event-1.json").read_text())["oneOf"]
    assert {branch["properties"]["type"]["const"] for branch in branches} == set(NAMES.values())


def test_kcode_cost_follows_its_schema(kcode: Run, k2sim: Sim) -> None:
    kcode("-p", "hi", "--model", "kimi-k3", env=at(k2sim([say("fine")])))
    COST.validate(json.loads(kcode("cost", "--json").stdout))
    COST.validate(json.loads(kcode("cost", "--json", "--by", "day").stdout))


def test_a_request_cut_off_before_its_report_leaves_the_cost_incomplete(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([Answer(text="x", faults=(fail("usage_missing").faults[0],))])
    result = result_of(kcode("-p", "hi", "--model", "kimi-k3", "--output", "json", env=at(sim)))
    assert result["cost_complete"] is False


# --- exit codes ------------------------------------------------------------------------------------

OVERLOADED = {"KCODE_PROVIDER__RETRIES": "0"}
ENDINGS: list[tuple[str, list[Answer], list[str], dict[str, str], ExitCode, str]] = [
    ("answered", [say("ok")], [], {}, ExitCode.OK, "answered"),
    ("content filter", [fail("content_filter")], [], {}, ExitCode.NOT_ACHIEVED, "error"),
    ("model gone", [fail("model_gone")], [], {}, ExitCode.USAGE, "error"),
    ("wrong key", [fail("wrong_key")], [], {}, ExitCode.AUTH, "error"),
    ("no balance", [fail("quota_exceeded")], [], {}, ExitCode.QUOTA, "error"),
    ("turn limit", [use(READ), say("late")], ["--max-turns", "1"], {}, ExitCode.LIMIT, "limit"),
    ("cost limit", [say("never")], ["--max-cost", "¥0.001"], {}, ExitCode.LIMIT, "limit"),
    ("overloaded", [fail("engine_overloaded")], [], OVERLOADED, ExitCode.PROVIDER, "error"),
    ("gateway", [fail("bad_gateway_html")], [], OVERLOADED, ExitCode.PROVIDER, "error"),
    (
        "refused as malformed",
        [fail("http", status=400, body='{"error":{"message":"bad field","type":"invalid_request_error"}}')],
        [], {}, ExitCode.INTERNAL, "error",
    ),
]  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending[0])
def test_every_ending_has_its_code_and_a_result(
    kcode: Run, k2sim: Sim, ending: tuple[str, list[Answer], list[str], dict[str, str], ExitCode, str]
) -> None:
    _, answers, options, env, code, reason = ending
    sim = k2sim(answers)
    done = kcode("-p", "go", "--output", "json", "--model", "kimi-k3", *options, env={**at(sim), **env})
    result = result_of(done)
    assert (done.returncode, result["exit_reason"]) == (code, reason)
    if code:
        assert result["detail"]
        assert result["remedy"] or code == ExitCode.INTERNAL


def test_equal_calls_without_end_are_a_limit(kcode: Run, k2sim: Sim, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text\n")
    sim = k2sim(lambda request: use(READ))
    done = kcode("-p", "go", "--output", "json", "--model", "kimi-k3", env=at(sim))
    result = result_of(done)
    assert (done.returncode, result["exit_reason"]) == (ExitCode.LIMIT, "loop")


BEFORE: list[tuple[list[str], dict[str, str], ExitCode]] = [
    (["--provider", "moonshot"], {}, ExitCode.AUTH),
    (["--provider", "nobody"], {}, ExitCode.USAGE),
    (["--max-cost", "5 EUR"], {}, ExitCode.USAGE),
    (["-c", "--provider", "moonshot"], {"KCODE_API_KEY": "sk-test-not-a-real-key"}, ExitCode.USAGE),
    (["--provider", "embedded"], {}, ExitCode.ENVIRONMENT),
    (
        ["--provider", "moonshot", "--max-cost", "$2"],
        {"KCODE_API_KEY": "sk-test-not-a-real-key"},
        ExitCode.USAGE,
    ),
]


@pytest.mark.parametrize(("options", "env", "code"), BEFORE, ids=lambda value: str(value))
@pytest.mark.parametrize("output", ["json", "stream-json"])
def test_what_fails_before_the_turn_has_a_result_too(
    kcode: Run, output: str, options: list[str], env: dict[str, str], code: ExitCode
) -> None:
    done = kcode("-p", "go", "--output", output, *options, env=env)
    assert len(done.stdout.splitlines()) == 1, done.stderr
    result = result_of(done)
    assert (done.returncode, result["exit_reason"], result["session_id"]) == (code, "error", "")
    assert result["detail"].split(":")[0].split("'")[0] in done.stderr


def test_an_empty_prompt_has_a_result(kcode: Run) -> None:
    done = kcode("-p", "", "--output", "json")
    assert result_of(done)["exit_code"] == ExitCode.USAGE


def test_in_text_nothing_but_the_answer_reaches_stdout(kcode: Run) -> None:
    done = kcode("-p", "go", "--provider", "moonshot")
    assert (done.returncode, done.stdout) == (ExitCode.AUTH, "")


def test_an_unwritable_state_folder_is_the_machine_s_fault(kcode: Run, k2sim: Sim, tmp_path: Path) -> None:
    blocked = tmp_path / "state"
    blocked.write_text("a file where a folder should be\n")
    env = {**at(k2sim([say("x")])), "XDG_STATE_HOME": str(blocked)}
    done = kcode("-p", "go", "--output", "json", "--model", "kimi-k3", env=env)
    assert result_of(done)["exit_code"] == ExitCode.ENVIRONMENT


def test_an_interrupt_has_a_result_with_what_was_said(k2sim: Sim, tmp_path: Path) -> None:
    sim = k2sim([say("begun " * 2_000, chunking=Chunking(delay_ms=20))])
    command = [str(KCODE), "-p", "talk", "--model", "kimi-k3", "--output", "json"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, **at(sim)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    while not sim.chats or len(sim.chats[0].sent) < 5_000:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    result = result_of(subprocess.CompletedProcess(command, process.returncode, out, err))
    assert (result["exit_code"], result["exit_reason"]) == (ExitCode.INTERRUPTED, "interrupted")
    assert result["cost_complete"] is False
