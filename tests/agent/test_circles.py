from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kcode.agent.circles import PATIENCE, POLLS, REPEATS, Circles

DATA = Path(__file__).parents[1] / "data" / "loops"
LOOPS = tomllib.loads((DATA / "loops.toml").read_text())["loop"]
HONEST = [json.loads(line) for line in (DATA / "honest.jsonl").read_text().splitlines()]


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


def heard(circles: Circles, row: dict[str, Any], fill: Any = str) -> int:
    return circles.heard(
        row["name"],
        fill(row["arguments"]),
        fill(row["result"]),
        ok=row.get("ok", True),
        changed=row.get("changed", False),
        busy=row.get("busy", False),
    )


@pytest.mark.parametrize("loop", LOOPS, ids=names(LOOPS))
def test_a_loop_is_stopped_in_at_most_six_rounds(loop: dict[str, Any]) -> None:
    circles, vary = Circles(), loop.get("vary", [""])
    for number in range(1, 7):

        def fill(text: str, number: int = number) -> str:
            return text.replace("{n}", str(number)).replace("{v}", vary[(number - 1) % len(vary)])

        if any(heard(circles, row, fill) for row in loop["round"]):
            assert number > 2, "twice is no loop"
            return
    raise AssertionError("it goes on")


@pytest.mark.parametrize("sequence", HONEST, ids=names(HONEST))
def test_honest_work_is_never_taken_for_a_loop(sequence: dict[str, Any]) -> None:
    circles = Circles()
    stopped = [row for row in sequence["calls"] if heard(circles, row)]
    assert not stopped


def test_there_are_fifty_honest_sequences_of_some_length() -> None:
    assert len(HONEST) >= 50
    assert len({row["name"] for row in HONEST}) == len(HONEST)
    assert sum(len(row["calls"]) for row in HONEST) > 500


def test_what_waits_may_wait_for_long_but_not_for_ever() -> None:
    circles = Circles()
    times = [
        circles.heard("run_command", '{"command": "sleep 5; cat status"}', "building\n[exit code 0]")
        for _ in range(POLLS)
    ]
    assert times == [0] * (POLLS - 1) + [POLLS]


def test_what_changes_by_itself_is_asked_more_patiently() -> None:
    for more in ({"busy": True}, {}):
        circles, command = Circles(), "ls out" if more else "gh run view 7"
        arguments = json.dumps({"command": command})
        until = next(n for n in range(1, 99) if circles.heard("run_command", arguments, "pending", **more))
        assert until == REPEATS * PATIENCE


def test_a_change_that_was_not_made_before_makes_the_old_questions_new() -> None:
    circles = Circles()
    for number in range(20):
        assert not circles.heard("run_tests", "{}", "1 failed", ok=False)
        edit = {"path": "a.py", "edits": [{"old_text": "a", "new_text": str(number)}]}
        assert not circles.heard("edit_file", json.dumps(edit), "a.py: 1 edit", changed=True)


def test_what_the_user_says_in_between_sets_everything_back() -> None:
    circles = Circles()
    for _ in range(6):
        assert not any(circles.heard("git_status", "{}", "clean") for _ in range(REPEATS - 1))
        circles.forget()


@pytest.mark.parametrize(
    "arguments", ["", "nonsense", "[1]", '{"a": {"b": [null, true, 1.5, "x"]}}', "[" * 9_000]
)
def test_any_arguments_can_be_looked_at(arguments: str) -> None:
    circles = Circles()
    assert [bool(circles.heard("x", arguments, "")) for _ in range(REPEATS)] == [False] * 4 + [True]
