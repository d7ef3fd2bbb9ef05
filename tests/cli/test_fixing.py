"""``kcode fix`` as a program: what it reads, asks, applies, commits and leaves behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from kcode.repair import scratch
from tests.cli.conftest import KCODE, Run
from tests.k2sim import TEST_KEY, Simulator, call, say, use
from tests.ui.sitting import Sitting

pytestmark = pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
Start = Callable[..., Simulator]

SHOP = (
    "function total(prices) {\n  return prices.reduce((sum, price) => sum - price, 0);\n}\n"
    "module.exports = { total };\n"
)
TESTS = (
    "const test = require('node:test');\nconst assert = require('node:assert');\n"
    "const { total } = require('../src/shop.js');\n"
    "test('adds prices', () => { assert.strictEqual(total([11, 26]), 37); });\n"
    "test('an empty cart is free', () => { assert.strictEqual(total([]), 0); });\n"
)
RIGHT = use(call("edit_file", path="src/shop.js", edits=[{"old_text": "sum - p", "new_text": "sum + p"}]))
DONE = say("The prices were taken away instead of added. The sign is a plus now.")


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    for name, text in (
        ("package.json", '{"name": "shop", "scripts": {"test": "node --test"}}\n'),
        ("src/shop.js", SHOP),
        ("test/shop.test.js", TESTS),
        ("notes.txt", "nothing\n"),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "A shop")
    return root


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies are made: nothing may be left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def env_of(sim: Simulator) -> Mapping[str, str]:
    return {
        "KCODE_PROVIDER": "moonshot",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        "KCODE_TESTS__TIMEOUT_S": "250",
        "KCODE_TESTS__RERUN_FAILED": "false",
    }


def copies(temp: Path) -> list[str]:
    return [path.name for path in temp.iterdir() if path.name.startswith(scratch.PREFIX)]


def test_a_command_behind_two_dashes_runs_the_tests(kcode: Run, shop: Path, k2sim: Start) -> None:
    sim = k2sim([RIGHT, DONE])
    done = kcode("fix", "--yes", "--json", "--", "npm", "run", "test", "--silent", cwd=shop, env=env_of(sim))
    result = json.loads(done.stdout)
    assert (done.returncode, result["status"], result["applied"]) == (0, "fixed", True), done.stderr
    assert "npm run test --silent" in result["runner"]
    assert "sum + price" in (shop / "src" / "shop.js").read_text()


def test_a_log_on_standard_input_says_what_to_repair(kcode: Run, shop: Path, k2sim: Start) -> None:
    sim = k2sim([RIGHT, DONE])
    log = "not ok 1 - adds prices\n  location: '/build/shop/test/shop.test.js:4:1'\n"
    done = kcode("fix", "--dry-run", "--json", cwd=shop, env=env_of(sim), stdin=log)
    result = json.loads(done.stdout)
    assert (done.returncode, result["status"]) == (0, "fixed"), done.stderr
    assert result["targets"] == ["test/shop.test.js::adds prices"]
    assert not result["applied"]
    assert (shop / "src" / "shop.js").read_text() == SHOP


def test_nothing_fails_has_an_exit_code_of_its_own(kcode: Run, shop: Path, k2sim: Start) -> None:
    (shop / "src" / "shop.js").write_text(SHOP.replace("sum - price", "sum + price"))
    done = kcode("fix", "prices", cwd=shop, env=env_of(k2sim([])))
    assert done.returncode == ExitCode.NOTHING_FAILS, done.stderr
    assert "'prices' passes" in done.stderr


def test_tests_that_cannot_run_have_an_exit_code_of_their_own(kcode: Run, shop: Path, k2sim: Start) -> None:
    done = kcode("fix", "--", "a-program-that-is-not-there", cwd=shop, env=env_of(k2sim([])))
    assert done.returncode == ExitCode.CANNOT_RUN_TESTS, done.stderr


def test_no_patch_has_an_exit_code_of_its_own(kcode: Run, shop: Path, k2sim: Start) -> None:
    done = kcode("fix", "--yes", cwd=shop, env=env_of(k2sim([say("I do not know.")])))
    assert done.returncode == ExitCode.NOT_ACHIEVED, done.stderr
    assert (shop / "src" / "shop.js").read_text() == SHOP


def test_words_for_several_failures_list_them_and_exit_2(kcode: Run, shop: Path, k2sim: Start) -> None:
    more = "test('prices of nobody', () => { total(null); });\n"
    (shop / "test" / "shop.test.js").write_text(TESTS + more)
    done = kcode("fix", "prices", cwd=shop, env=env_of(k2sim([])))
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert "adds prices" in done.stderr
    assert "prices of nobody" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--yes", "--dry-run"],
        ["--dry-run", "--commit"],
        ["--attempts", "0"],
        ["a test", "--", "npm", "test"],
        ["--branch", "a..b"],
        ["--branch", "taken"],
    ],
)
def test_what_does_not_go_together_is_told_before_a_model_works(
    kcode: Run, shop: Path, k2sim: Start, arguments: list[str]
) -> None:
    git(shop, "branch", "taken")
    sim = k2sim([])
    done = kcode("fix", *arguments, cwd=shop, env=env_of(sim))
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert not sim.chats


def test_the_patch_alone_is_committed_on_a_new_branch_with_the_users_hooks(
    kcode: Run, shop: Path, k2sim: Start
) -> None:
    hook = shop / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho committed > hook-ran.txt\n")
    hook.chmod(0o755)
    (shop / "notes.txt").write_text("staged, and not part of it\n")
    git(shop, "add", "notes.txt")
    sim = k2sim([RIGHT, DONE, say("Add prices instead of taking them away")])
    done = kcode("fix", "--yes", "--commit", "--branch", "fix/sum", cwd=shop, env=env_of(sim))
    assert done.returncode == 0, done.stderr
    assert git(shop, "log", "-1", "--format=%s") == "Add prices instead of taking them away"
    assert re.search(r"^cost: ", done.stderr, re.MULTILINE), "what the message cost"
    assert git(shop, "show", "--name-only", "--format=").splitlines() == ["src/shop.js"]
    assert git(shop, "branch", "--show-current") == "fix/sum"
    assert git(shop, "diff", "--cached", "--name-only") == "notes.txt"
    assert (shop / "hook-ran.txt").exists()


def test_a_file_with_changes_of_the_users_is_not_committed(kcode: Run, shop: Path, k2sim: Start) -> None:
    (shop / "src" / "shop.js").write_text("// mine\n" + SHOP)
    sim = k2sim([RIGHT, DONE])
    done = kcode("fix", "--yes", "--commit", cwd=shop, env=env_of(sim))
    assert done.returncode == ExitCode.NOT_ACHIEVED, done.stderr
    assert "had changes of yours before" in done.stderr
    assert git(shop, "log", "--oneline").count("\n") == 0
    assert "sum + price" in (shop / "src" / "shop.js").read_text(), "the patch stays applied"


def test_a_person_is_asked_on_the_terminal_though_the_log_came_by_a_pipe(shop: Path, k2sim: Start) -> None:
    sim = k2sim([RIGHT, DONE])
    log = shop / "ci.log"
    log.write_text("not ok 1 - adds prices\n  at test/shop.test.js:4:1\n")
    argv = ["sh", "-c", f"cat ci.log | {KCODE} fix"]
    with Sitting(argv, cwd=shop, env={**os.environ, **env_of(sim)}, columns=100, rows=40) as sitting:
        sitting.see(r"Apply this patch\?")
        assert (shop / "src" / "shop.js").read_text() == SHOP
        sitting.type("y\n")
        sitting.see("applied to src/shop.js")
        assert sitting.end() == 0
    assert "sum + price" in (shop / "src" / "shop.js").read_text()


def test_ctrl_c_at_the_question_applies_nothing(shop: Path, k2sim: Start, temp: Path) -> None:
    sim = k2sim([RIGHT, DONE])
    (shop / "ci.log").write_text("not ok 1 - adds prices\n  at test/shop.test.js:4:1\n")
    argv = ["sh", "-c", f"exec {KCODE} fix < ci.log"]
    with Sitting(argv, cwd=shop, env={**os.environ, **env_of(sim)}, columns=100, rows=40) as sitting:
        sitting.see(r"Apply this patch\?")
        sitting.type("\x03")
        assert sitting.end() == ExitCode.INTERRUPTED
    assert (shop / "src" / "shop.js").read_text() == SHOP
    assert not copies(temp)


def test_a_person_chooses_among_failures_that_fit_the_words(shop: Path, k2sim: Start) -> None:
    more = "test('prices of nobody', () => { total(null); });\n"
    (shop / "test" / "shop.test.js").write_text(TESTS + more)
    sim = k2sim([RIGHT, DONE])
    argv = [str(KCODE), "fix", "prices", "--dry-run"]
    with Sitting(argv, cwd=shop, env={**os.environ, **env_of(sim)}, columns=100, rows=40) as sitting:
        text = sitting.see("Which one")
        lines = [line for line in text.splitlines() if "adds prices" in line]
        sitting.type(f"{lines[-1].split()[0]}\n")
        sitting.see("1 failing test now passes")
        assert sitting.end() == 0


@pytest.mark.parametrize("attempts", [1, 2])
def test_ctrl_c_leaves_nothing_behind(shop: Path, k2sim: Start, temp: Path, attempts: int) -> None:
    sim = k2sim([use(call("run_tests"))] * 200)
    argv = [str(KCODE), "fix", "--yes", "--attempts", str(attempts)]
    child = subprocess.Popen(
        argv, cwd=shop, env={**os.environ, **env_of(sim)}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 240
    while not sim.chats and time.monotonic() < deadline:
        time.sleep(0.1)
    assert copies(temp), "the copies are there while the model works"
    child.send_signal(signal.SIGINT)
    assert child.wait(120) == ExitCode.INTERRUPTED
    assert not copies(temp)
    assert git(shop, "status", "--porcelain") == ""
    assert git(shop, "worktree", "list", "--porcelain").count("worktree ") == 1


def test_what_a_killed_repair_left_is_removed_by_the_next(
    kcode: Run, shop: Path, k2sim: Start, temp: Path
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = temp / f"{scratch.PREFIX}left"
    left.mkdir()
    (left / "owner").write_text(str(gone.pid))
    mine = temp / f"{scratch.PREFIX}mine"
    mine.mkdir()
    (mine / "owner").write_text(str(os.getpid()))
    (shop / "src" / "shop.js").write_text(SHOP.replace("sum - price", "sum + price"))
    done = kcode("fix", "prices", cwd=shop, env=env_of(k2sim([])))
    assert done.returncode == ExitCode.NOTHING_FAILS, done.stderr
    assert copies(temp) == [mine.name], "another kcode's copy stays"


def test_the_embedded_model_says_why_it_makes_no_attempts(kcode: Run, shop: Path) -> None:
    weights = os.environ.get("KCODE_TEST_MODEL", "")
    if not weights:
        pytest.skip("KCODE_TEST_MODEL names no model file")
    done = kcode("fix", "--attempts", "2", "--provider", "embedded", "--model", weights, cwd=shop)
    assert done.returncode == ExitCode.USAGE
    assert "hundreds of patches" in done.stderr
