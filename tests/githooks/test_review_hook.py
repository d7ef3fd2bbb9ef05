"""The model's review in ``pre-commit``: only of what is staged, bounded, and blocking from a severity on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.githooks.conftest import Repository
from tests.gitwork.conftest import environment
from tests.k2sim import Simulator, say

Sim = Callable[..., Simulator]


def found(severity: str) -> object:
    finding = {
        "file": "a.py",
        "line": 1,
        "code": "",
        "severity": severity,
        "problem": "It is wrong.",
        "scenario": "",
        "suggestion": "",
    }
    return say(json.dumps({"findings": [finding]}))


@pytest.mark.parametrize(
    ("severity", "at", "code"),
    [("high", "high", 1), ("medium", "high", 0), ("low", "low", 1), ("high", "never", 0)],
)
def test_a_finding_stops_from_the_set_severity(
    hooked: Repository, k2sim: Sim, severity: str, at: str, code: int
) -> None:
    sim = k2sim([found(severity)])
    hooked.stage("a.py", "a = 1\n")
    hooked.write("b.py", "not staged\n")
    env = environment(sim, {"KCODE_HOOKS__REVIEW": "on", "KCODE_HOOKS__BLOCK_AT": at})
    done = hooked.commit(env=env)
    assert done.returncode == code, done.stderr
    assert f"a.py:1: {severity}: It is wrong." in done.stderr
    assert "cost: ¥" in done.stderr
    assert "not staged" not in json.dumps(sim.chats[0].json)


def test_the_settings_file_turns_it_on_and_nothing_is_asked_otherwise(hooked: Repository, k2sim: Sim) -> None:
    sim = k2sim([found("high")])
    hooked.stage("a.py", "a = 1\n")
    assert hooked.commit(env=environment(sim)).returncode == 0
    assert not sim.chats
    hooked.kcode("config", "set", "hooks.review", "on")
    hooked.stage("a.py", "a = 2\n")
    assert hooked.commit(env=environment(sim)).returncode == 1
    assert len(sim.chats) == 1


def test_what_the_checks_stop_is_not_sent(hooked: Repository, k2sim: Sim) -> None:
    sim = k2sim([])
    hooked.stage("a.py", "breakpoint()\n")
    assert hooked.commit(env=environment(sim, {"KCODE_HOOKS__REVIEW": "on"})).returncode == 1
    assert not sim.chats


@pytest.mark.parametrize("limit", ["REVIEW_SECONDS", "REVIEW_COST"])
def test_time_and_money_are_bounded_and_the_commit_goes_on(
    hooked: Repository, k2sim: Sim, limit: str
) -> None:
    sim = k2sim(lambda request: found("high"))
    hooked.stage("a.py", "a = 1\n")
    env = environment(sim, {"KCODE_HOOKS__REVIEW": "on", f"KCODE_HOOKS__{limit}": "0.00001"})
    done = hooked.commit(env=env)
    assert done.returncode == 0, done.stderr
    assert "the staged change was not reviewed: " in done.stderr
    assert "git goes on" in done.stderr


def test_without_network_it_blocks_only_where_told_to(hooked: Repository) -> None:
    env = {
        "KCODE_PROVIDER": "moonshot",
        "KCODE_API_KEY": "sk-test-not-a-real-key",
        "KCODE_BASE_URL": "http://127.0.0.1:9/v1",
        "KCODE_PROVIDER__RETRIES": "0",
        "KCODE_HOOKS__REVIEW": "on",
    }
    hooked.stage("a.py", "a = 1\n")
    assert hooked.commit(env={**env, "KCODE_HOOKS__FAIL_CLOSED": "true"}).returncode == 1
    assert hooked.commit(env=env).returncode == 0


def test_the_embedded_model_reviews_nothing_and_says_so(hooked: Repository, tmp_path: Path) -> None:
    weights = tmp_path / "tiny.gguf"
    weights.write_bytes(b"GGUF" + bytes(64))
    env = {"KCODE_PROVIDER": "embedded", "KCODE_EMBEDDED__MODEL": str(weights), "KCODE_HOOKS__REVIEW": "on"}
    hooked.stage("a.py", "a = 1\n")
    done = hooked.commit(env=env)
    assert done.returncode == 0, done.stderr
    assert "the staged change was not reviewed: the embedded model is too small" in done.stderr
    assert "git goes on" in done.stderr


def test_settings_of_a_folder_that_is_not_trusted_are_named(hooked: Repository, k2sim: Sim) -> None:
    sim = k2sim([])
    hooked.write(".kcode/config.toml", '[hooks]\nreview = "off"\n\n[tests]\ncommand = "make check"\n')
    hooked.stage("a.py", "a = 1\n")
    done = hooked.commit(env=environment(sim))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("this folder is not trusted: its settings ") == 1
    assert "kcode permissions trust" in done.stderr
