"""``pre-push``: the tests of what is pushed. ``post-merge``: what a merge asks for."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from kcode.githooks.merged import lines
from kcode.githooks.push import Pushed, changed_files, read_pushed
from tests.githooks.conftest import Repository

GOOD, BAD = "def total(p):\n    return sum(p)\n", "def total(p):\n    return 0\n"
TEST = "from shop import total\n\ndef test_total():\n    assert total([1, 2]) == 3\n"


@pytest.fixture
def pushing(repo: Repository, tmp_path: Path) -> Repository:
    repo.run("git", "init", "-q", "--bare", str(tmp_path / "remote"))
    repo.git("remote", "add", "origin", str(tmp_path / "remote"))
    repo.stage("shop.py", GOOD)
    repo.stage("tests/test_shop.py", TEST)
    repo.stage("tests/test_other.py", "def test_other():\n    assert False\n")
    repo.stage("conftest.py", "")
    repo.commit()
    repo.git("push", "-q", "origin", "main")
    repo.kcode("config", "set", "tests.python", sys.executable)
    assert repo.kcode("hook", "install", "pre-push").returncode == 0
    return repo


def test_only_the_tests_of_what_is_pushed_run(pushing: Repository) -> None:
    pushing.stage("shop.py", GOOD + "\n")
    pushing.commit()
    done = pushing.run("git", "push", "-q", "origin", "main")
    assert done.returncode == 0, done.stderr


def test_a_failing_test_stops_the_push_and_offers_the_repair(pushing: Repository) -> None:
    pushing.stage("shop.py", BAD)
    pushing.commit()
    done = pushing.run("git", "push", "-q", "origin", "main")
    assert done.returncode != 0
    assert "the push was stopped: 1 test fails" in done.stderr
    assert 'kcode fix "tests/test_shop.py::test_total"' in done.stderr
    assert pushing.run("git", "push", "-q", "--no-verify", "origin", "main").returncode == 0


def test_the_older_hook_and_kcode_both_read_what_is_pushed(pushing: Repository, tmp_path: Path) -> None:
    pushing.kcode("hook", "uninstall", "pre-push")
    seen = tmp_path / "seen"
    older = pushing.root / ".git" / "hooks" / "pre-push"
    older.write_text(f'#!/bin/sh\ncat > "{seen}"\n')
    older.chmod(0o755)
    pushing.kcode("hook", "install", "pre-push")
    pushing.stage("shop.py", BAD)
    pushing.commit()
    assert pushing.run("git", "push", "-q", "origin", "main").returncode != 0
    assert seen.read_text().startswith("refs/heads/main ")


def test_what_is_not_checked_out_is_not_tested(pushing: Repository) -> None:
    pushing.git("branch", "side")
    pushing.stage("shop.py", BAD)
    pushing.commit()
    done = pushing.run("git", "push", "-q", "origin", "side")
    assert done.returncode == 0
    assert "not what is checked out" in done.stderr


def test_deleting_a_branch_tests_nothing(pushing: Repository) -> None:
    pushing.git("push", "-q", "--no-verify", "origin", "main:gone")
    assert pushing.run("git", "push", "-q", "origin", ":gone").returncode == 0


def test_tests_that_cannot_run_stop_nothing_unless_told_to(pushing: Repository) -> None:
    pushing.stage("shop.py", BAD)
    pushing.commit()
    env = {"KCODE_TESTS__PYTHON": "/no/such/python", "KCODE_HOOKS__FAIL_CLOSED": "true"}
    assert pushing.run("git", "push", "-q", "origin", "main", env=env).returncode != 0
    done = pushing.run(
        "git", "push", "-q", "origin", "main", env={**env, "KCODE_HOOKS__FAIL_CLOSED": "false"}
    )
    assert done.returncode == 0
    assert "nothing was checked" in done.stderr


def test_a_new_branch_counts_what_the_remote_has_not(pushing: Repository) -> None:
    pushing.git("checkout", "-q", "-b", "topic")
    pushing.stage("new.py", "n = 1\n")
    pushing.commit("--no-verify")
    commit = pushing.git("rev-parse", "HEAD")
    row = f"refs/heads/topic {commit} refs/heads/topic {'0' * 40}\n"
    assert read_pushed(row + f"(delete) {'0' * 40} refs/heads/old {commit}\n") == [
        Pushed("refs/heads/topic", commit, "refs/heads/topic", "0" * 40)
    ]
    assert changed_files(pushing.root, read_pushed(row), "origin") == ["new.py"]


def test_tests_that_import_what_is_pushed_through_others_run_too(pushing: Repository) -> None:
    pushing.stage("cart.py", "from shop import total\n\ndef pay(p):\n    return total(p)\n")
    pushing.stage("tests/test_pay.py", "from cart import pay\n\ndef test_pay():\n    assert pay([1]) == 1\n")
    pushing.commit("--no-verify")
    pushing.git("push", "-q", "--no-verify", "origin", "main")
    pushing.stage("shop.py", BAD)
    pushing.commit()
    done = pushing.run("git", "push", "-q", "origin", "main")
    assert "2 tests fail" in done.stderr
    assert "tests/test_pay.py::test_pay" in done.stderr
    assert "test_other" not in done.stderr


def test_a_deleted_file_brings_the_tests_that_import_it(pushing: Repository) -> None:
    pushing.git("rm", "-q", "shop.py")
    pushing.commit()
    done = pushing.run("git", "push", "-q", "origin", "main")
    assert done.returncode != 0
    assert "tests/test_shop.py" in done.stderr


def test_a_push_where_no_test_is_affected_says_so_and_goes_on(pushing: Repository) -> None:
    pushing.stage("README.md", "words\n")
    pushing.commit()
    done = pushing.run("git", "push", "-q", "origin", "main")
    assert done.returncode == 0
    assert "no test belongs to what is pushed" in done.stderr
    assert "test_other" not in done.stderr


@pytest.mark.skipif(not shutil.which("node"), reason="not installed: node")
def test_any_runner_tests_what_is_pushed(pushing: Repository) -> None:
    pushing.stage("web/package.json", '{"scripts": {"test": "node --test"}}')
    pushing.stage("web/src/cart.js", "exports.total = () => 0;\n")
    pushing.stage(
        "web/test/cart.test.js",
        "const {test} = require('node:test');\nconst {total} = require('../src/cart.js');\n"
        "test('totals', () => require('assert').equal(total(), 3));\n",
    )
    pushing.commit()
    done = pushing.run("git", "push", "-q", "origin", "main")
    assert "the push was stopped: 1 test fails" in done.stderr
    assert 'kcode fix "web/test/cart.test.js::totals"' in done.stderr


def test_a_merge_says_what_it_asks_for(repo: Repository) -> None:
    repo.kcode("hook", "install", "post-merge")
    repo.stage("a.txt", "a\n")
    repo.commit()
    repo.git("checkout", "-q", "-b", "side")
    repo.stage("package.json", "{}\n")
    repo.stage("app/migrations/0002_x.py", "x = 1\n")
    repo.commit()
    repo.git("checkout", "-q", "main")
    done = repo.run("git", "merge", "-q", "side")
    assert done.returncode == 0
    assert "dependencies changed: package.json" in done.stderr
    assert "migrations came: app/migrations/0002_x.py" in done.stderr


def test_an_ordinary_merge_says_nothing() -> None:
    assert lines(["src/a.py", "docs/package.md"]) == []
