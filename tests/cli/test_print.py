from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from tests.cli.conftest import Run
from tests.k2sim import TEST_KEY, Simulator, call, say, use

Sim = Callable[..., Simulator]


def at(sim: Simulator) -> dict[str, str]:
    return {"KCODE_PROVIDER": "moonshot", "KCODE_BASE_URL": sim.base_url, "KCODE_API_KEY": TEST_KEY}


def said(sim: Simulator, number: int = -1) -> str:
    users = [m for m in sim.chats[number].json["messages"] if m["role"] == "user"]
    return str(users[-1]["content"])


def test_the_answer_is_all_that_stdout_carries(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([say("Hello there.")])
    done = kcode("-p", "Greet me", env=at(sim))
    assert (done.returncode, done.stdout) == (0, "Hello there.\n"), done.stderr
    assert "Greet me" in said(sim)


def test_standard_input_comes_behind_the_prompt(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([say("ok"), say("ok")])
    kcode("-p", "Explain this:", env=at(sim), stdin="a traceback\n")
    assert "Explain this:\n\na traceback\n" in said(sim)
    kcode("-p", "-", env=at(sim), stdin="only this")
    assert said(sim).startswith("only this")


def test_too_much_standard_input_is_refused(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([])
    done = kcode("-p", "x", env=at(sim), stdin="x" * 2_000_001)
    assert done.returncode == ExitCode.USAGE
    assert not sim.chats


def test_tools_run_and_their_lines_go_to_stderr(kcode: Run, k2sim: Sim, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the word is plum\n")
    sim = k2sim([use(call("read_file", path="a.txt"), reasoning="look"), say("plum")])
    done = kcode("-p", "What is the word?", env=at(sim))
    assert (done.returncode, done.stdout) == (0, "plum\n"), done.stderr
    assert "a.txt" in done.stderr
    assert "the word is plum" in json.dumps(sim.chats[1].json["messages"])


def test_json_is_one_object(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([say("fine")])
    done = kcode("-p", "hi", "--output", "json", env=at(sim))
    result = json.loads(done.stdout)
    assert (result["answer"], result["exit_code"]) == ("fine", 0)


def test_continue_takes_up_the_last_session(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([say("one"), say("two")])
    kcode("-p", "first", env=at(sim))
    done = kcode("-c", "-p", "second", env=at(sim))
    assert done.stdout == "two\n", done.stderr
    assert "first" in json.dumps(sim.chats[1].json["messages"])
    assert all(step.extends for step in sim.prefix_report())


def test_nothing_to_continue_is_a_usage_error(kcode: Run, k2sim: Sim) -> None:
    done = kcode("-c", "-p", "x", env=at(k2sim([])))
    assert done.returncode == ExitCode.USAGE, done.stderr


def test_a_wrong_key_exits_3_with_the_remedy(kcode: Run, k2sim: Sim) -> None:
    env = {**at(k2sim([say("x")])), "KCODE_API_KEY": "sk-test-another-key"}
    done = kcode("-p", "hi", env=env)
    assert (done.returncode, done.stdout) == (ExitCode.AUTH, "")
    assert "sk-test-another-key" not in done.stderr


def test_a_server_that_is_not_there_exits_6(kcode: Run) -> None:
    env = {
        "KCODE_PROVIDER": "vllm",
        "KCODE_BASE_URL": "http://127.0.0.1:9/v1",
        "KCODE_PROVIDER__RETRIES": "0",
    }
    done = kcode("-p", "hi", "--model", "kimi-k2", env=env)
    assert done.returncode == ExitCode.PROVIDER, done.stderr


def test_no_key_is_an_error_before_any_request(kcode: Run) -> None:
    done = kcode("-p", "hi", "--provider", "moonshot")
    assert done.returncode == ExitCode.AUTH
    assert "MOONSHOT_API_KEY" in done.stderr


def test_the_turn_limit_exits_5(kcode: Run, k2sim: Sim) -> None:
    sim = k2sim([use(call("list_dir", path="."), reasoning="look"), say("done")])
    done = kcode("-p", "hi", "--max-turns", "1", env=at(sim))
    assert done.returncode == ExitCode.LIMIT, done.stderr


@pytest.mark.parametrize("arguments", [["-p", "hi"], ["fix"], ["demo"]], ids=" ".join)
def test_without_a_model_nothing_hangs_and_the_remedy_is_named(kcode: Run, arguments: list[str]) -> None:
    done = kcode(*arguments, env={"KCODE_PROVIDER": "embedded"})
    assert done.returncode == ExitCode.ENVIRONMENT, done.stderr
    assert "kcode models pull" in done.stderr
