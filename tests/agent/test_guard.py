from __future__ import annotations

import pytest

from kcode.agent.circles import REPEATS
from kcode.agent.guard import Guard
from kcode.config.settings import AgentSettings


def guard(**limits: object) -> Guard:
    return Guard(AgentSettings.model_validate(limits))


def calls_until_stop(pairs: list[tuple[str, str, str]], rounds: int) -> int | None:
    watching = guard()
    count = 0
    for _ in range(rounds):
        for pair in pairs:
            count += 1
            if watching.after_call(*pair):
                return count
    return None


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_loops_of_up_to_four_calls_are_stopped(length: int) -> None:
    pairs = [("grep", f'{{"pattern":"{n}"}}', "nothing") for n in range(length)]
    stopped = calls_until_stop(pairs, 10)
    assert stopped is not None
    assert stopped <= length * (REPEATS - 1) + 1


def test_the_same_call_with_new_results_is_work_not_a_loop() -> None:
    watching = guard()
    assert not any(watching.after_call("run_tests", "{}", f"{n} failed") for n in range(50))


def test_each_limit_stops_before_the_request_that_would_cross_it() -> None:
    turns = guard(max_turns=2)
    assert [turns.before_request() is None for _ in range(3)] == [True, True, False]
    late = guard(max_seconds=0.001)
    late.started -= 1
    stop = late.before_request()
    assert stop is not None
    assert stop.kind == "limit"


def test_an_hour_in_which_the_user_was_asked_ends_no_turn() -> None:
    watching = guard(max_seconds=60)
    watching.started -= 3600
    assert watching.before_request(waited_s=3590.0) is None
    assert watching.before_request() is not None
