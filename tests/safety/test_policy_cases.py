from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal, get_args

import pytest

from kcode.config.settings import Mode
from kcode.safety.policy import judge_command

DATA = Path(__file__).parents[1] / "data" / "policy"
NOTHING: frozenset[str] = frozenset()
FREE: tuple[Mode, ...] = ("ask", "edits", "auto")
ALL: tuple[Mode, ...] = get_args(Mode)
Verdict = Literal["allow", "ask", "deny"]


def cases(file: str, *names: str) -> list[str]:
    table = tomllib.loads((DATA / f"{file}.toml").read_text("utf-8"))
    return [one for name in names for one in table[name]]


EVERYDAY = cases("everyday", "reads", "git", "builds_and_tests") + cases("working_day", "free")
ASKED = cases("dangerous", "asked") + cases("attacks", "asked", "every_mode")
DENIED = cases("dangerous", "denied")
SENSITIVE = cases("sensitive", "sensitive")
EVERY_MODE = cases("sensitive", "every_mode") + cases("attacks", "every_mode")


def verdict(command: str, mode: Mode, granted: frozenset[str] = NOTHING) -> Verdict:
    return judge_command(command, mode, granted).verdict


def test_there_are_hundreds_of_cases_in_both_directions() -> None:
    assert len(set(EVERYDAY)) > 450
    assert len({*ASKED, *DENIED, *SENSITIVE, *EVERY_MODE}) > 1000


@pytest.mark.parametrize("command", EVERYDAY)
def test_an_everyday_command_is_not_asked_about(command: str) -> None:
    for mode in FREE:
        judgement = judge_command(command, mode, NOTHING)
        assert judgement.verdict == "allow", judgement


@pytest.mark.parametrize("command", ASKED)
def test_what_changes_or_hides_something_is_never_allowed_silently(command: str) -> None:
    for mode in ("ask", "edits"):
        assert verdict(command, mode) != "allow"


@pytest.mark.parametrize("command", DENIED)
def test_what_ruins_a_system_is_denied_in_every_mode(command: str) -> None:
    for mode in ALL:
        assert verdict(command, mode, frozenset({"command"})) == "deny"


@pytest.mark.parametrize("command", [*SENSITIVE, *EVERY_MODE])
def test_a_yes_is_needed_in_every_mode_whatever_was_granted(command: str) -> None:
    for mode in FREE:
        assert verdict(command, mode, frozenset({"command"})) != "allow"


@pytest.mark.parametrize("command", SENSITIVE)
def test_the_sensitive_file_is_named(command: str) -> None:
    assert "sensitive" in judge_command(command, "auto", NOTHING).why


@pytest.mark.parametrize("command", EVERYDAY[:40])
def test_plan_mode_runs_no_command(command: str) -> None:
    assert verdict(command, "plan") == "deny"


def test_one_bad_part_spoils_a_long_everyday_command() -> None:
    everyday = " && ".join(EVERYDAY[:10])
    assert verdict(everyday, "ask") == "allow"
    assert verdict(f"{everyday} && rm a", "ask") == "ask"


def test_what_was_tried_in_a_second_session_is_asked_about() -> None:
    tried = cases("second_session", "asked", "every_mode")
    assert len(set(tried)) > 450
    assert [one for one in tried for mode in ("ask", "edits") if verdict(one, mode) == "allow"] == []
    everywhere = cases("second_session", "every_mode")
    assert [one for one in everywhere if verdict(one, "auto", frozenset({"command"})) == "allow"] == []


def test_the_everyday_commands_of_many_languages_are_not_asked_about() -> None:
    everyday = cases("second_session", "free")
    assert len(set(everyday)) > 180
    assert [one for one in everyday for mode in FREE if verdict(one, mode) != "allow"] == []
