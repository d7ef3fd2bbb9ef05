from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kcode.errors import ExitCode
from tests.k2sim import Chunking, Simulator, call, fail, say, use
from tests.ui.conftest import MODEL, environment
from tests.ui.sitting import KCODE

Run = Callable[..., subprocess.CompletedProcess[str]]
Sim = Callable[..., Simulator]
READ = call("read_file", path="shop.py")
EDIT = call("edit_file", path="shop.py", edits=[{"old_text": "sum(prices) - 1", "new_text": "sum(prices)"}])


def test_text_puts_the_answer_alone_on_stdout(kcode: Run, k2sim: Sim) -> None:
    ended = kcode(k2sim([use(READ, text="Let me look."), say("It subtracts **one**.\n\n")]), "-p", "why?")
    assert ended.stdout == "It subtracts **one**.\n"
    assert ended.returncode == ExitCode.OK
    assert "[ok] " in ended.stderr
    assert "shop.py" in ended.stderr
    assert "[usage] " in ended.stderr


def test_json_is_one_object_of_the_documented_schema(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([use(EDIT), say("Done. 完成。")])
    ended = kcode(sim, "-p", "fix it", "--mode", "edits", "--output", "json")
    (line,) = ended.stdout.splitlines()
    result = json.loads(line)
    assert list(result) == documented_fields("kcode.result/1")
    assert result["schema"] == "kcode.result/1"
    assert result["answer"] == "Done. 完成。"
    assert result["exit_reason"] == "answered"
    assert result["exit_code"] == 0
    assert result["files_changed"] == ["shop.py"]
    assert result["model"] == MODEL
    assert result["usage"]["requests"] == result["steps"] == 2
    assert result["usage"]["prompt_tokens"] == sum(r.prompt_tokens for r in sim.chats)
    assert result["usage"]["cached_tokens"] == sum(r.cached_tokens for r in sim.chats)


def test_stream_json_is_one_event_per_line_and_the_result_last(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([use(READ, reasoning="look first"), say("Line\u2028one\nline two")])
    ended = kcode(sim, "-p", "why?", "--output", "stream-json")
    objects = [json.loads(line) for line in ended.stdout.split("\n") if line]
    *events, result = objects
    assert {event["schema"] for event in events} == {"kcode.event/1"}
    assert result["schema"] == "kcode.result/1"
    types = [event["type"] for event in events]
    assert types[0] == "turn_started"
    assert types[-1] == "turn_finished"
    assert set(types) <= set(documented_types())
    assert "".join(e["text"] for e in events if e["type"] == "answer") == "Line\u2028one\nline two"
    (finished,) = (e for e in events if e["type"] == "call_finished")
    assert finished["ok"] is True
    assert "return sum(prices) - 1" in finished["text"]
    assert result["answer"] == "Line\u2028one\nline two"


def documented_fields(schema: str) -> list[str]:
    text = (Path(__file__).parents[2] / "docs/headless.md").read_text()
    section = text.split(f"of schema `{schema}`", 1)[1].split("```json", 1)[0]
    return [row.split("`")[1] for row in section.splitlines() if row.startswith("| `")]


def documented_types() -> list[str]:
    text = (Path(__file__).parents[2] / "docs/headless.md").read_text()
    section = text.split("of schema `kcode.event/1`", 1)[1].split("Text in JSON", 1)[0]
    return [row.split("`")[1] for row in section.splitlines() if row.startswith("| `")][1:]


def test_every_event_is_documented_with_its_fields() -> None:
    from kcode.ui.wire import NAMES

    assert set(documented_types()) == set(NAMES.values())


@pytest.mark.parametrize("output", ["text", "json", "stream-json"])
def test_what_needs_a_person_is_refused_and_never_hangs(
    kcode: Run, k2sim: Sim, repo: Path, output: str
) -> None:
    sim = k2sim([use(EDIT), say("I may not.")])
    ended = kcode(sim, "-p", "fix it", "--output", output)
    assert ended.returncode == 0
    assert "without a person" in sim.chats[-1].json["messages"][-1]["content"]
    assert "- 1" in (repo / "shop.py").read_text()


def test_control_sequences_of_the_model_do_not_reach_stdout(kcode: Run, k2sim: Sim) -> None:
    ended = kcode(k2sim([say("ok\x1b[2J\x1b]0;x\x07 \u202edone")]), "-p", "go")
    assert "\x1b" not in ended.stdout
    assert "\u202e" not in ended.stdout


def test_json_keeps_them_as_data(kcode: Run, k2sim: Sim) -> None:
    ended = kcode(k2sim([say("ok\x1b[2J")]), "-p", "go", "--output", "json")
    assert "\x1b" not in ended.stdout
    assert json.loads(ended.stdout)["answer"] == "ok\x1b[2J"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("wrong_key", ExitCode.AUTH), ("quota_exceeded", ExitCode.QUOTA), ("model_gone", ExitCode.USAGE)],
)
def test_an_error_of_the_provider_sets_its_exit_code_and_is_in_the_result(
    kcode: Run, k2sim: Sim, kind: str, code: ExitCode
) -> None:
    ended = kcode(k2sim([fail(kind)]), "-p", "go", "--output", "json")
    result = json.loads(ended.stdout)
    assert ended.returncode == result["exit_code"] == code
    assert result["exit_reason"] == "error"
    assert result["detail"]
    assert result["remedy"]
    assert "Traceback" not in ended.stderr


def test_a_limit_has_its_exit_code(kcode: Run, k2sim: Sim) -> None:
    ended = kcode(k2sim([use(READ), say("late")]), "-p", "go", "--max-turns", "1", "--output", "json")
    assert ended.returncode == ExitCode.LIMIT
    assert json.loads(ended.stdout)["exit_reason"] == "limit"


def test_a_reader_that_goes_away_ends_the_turn_quietly(repo: Path, k2sim: Sim) -> None:
    sim = k2sim([say("word " * 2_000, chunking=Chunking(delay_ms=20))])
    process = _start(sim, repo, "-p", "talk", "--output", "stream-json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=60) == ExitCode.INTERRUPTED
    assert "Traceback" not in process.stderr.read()
    assert "BrokenPipe" not in process.stderr.read()


def test_an_answer_nobody_reads_is_no_error(repo: Path, k2sim: Sim) -> None:
    process = _start(k2sim([say("word", chunking=Chunking(first_delay_ms=300))]), repo, "-p", "talk")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.wait(timeout=60)
    said = process.stderr.read()
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_and_what_was_said_is_kept(repo: Path, k2sim: Sim, number: int) -> None:
    sim = k2sim([say("begun " * 2_000, chunking=Chunking(delay_ms=20)), say("Went on.")])
    process = _start(sim, repo, "-p", "talk", "--output", "stream-json")
    assert process.stdout is not None
    lines: list[dict[str, Any]] = []
    while not any(line["type"] == "answer" for line in lines):
        lines.append(json.loads(process.stdout.readline()))
    process.send_signal(number)
    rest = process.stdout.read()
    assert process.wait(timeout=60) == ExitCode.INTERRUPTED
    result = json.loads(rest.splitlines()[-1])
    assert result["exit_reason"] == "interrupted"
    assert result["answer"].startswith("begun")
    again = subprocess.run(
        [KCODE, "-c", "-p", "go on"],
        cwd=repo,
        env=environment(sim),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert again.stdout == "Went on.\n"
    assert sim.chats[-1].json["messages"][2]["content"].startswith("begun")


def _start(sim: Simulator, repo: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [KCODE, *arguments],
        cwd=repo,
        env=environment(sim),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def test_an_ascii_terminal_gets_question_marks_not_a_failure(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([say("Done 完成")])
    ended = kcode(sim, "-p", "go", env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"})
    assert ended.returncode == 0
    assert ended.stdout.startswith("Done ")
    assert os.linesep in ended.stdout
