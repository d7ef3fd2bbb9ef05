from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from kcode.githooks.script import recorded_program, script
from tests.githooks.conftest import KCODE, Repository

FOREIGN = b'#!/bin/sh\necho foreign "$@" >&2\n# bytes that are no UTF-8: \xff\nexit ${FOREIGN_EXIT:-0}\n'


def hook_of(repo: Repository) -> Path:
    return repo.root / ".git" / "hooks" / "pre-commit"


def put_foreign(repo: Repository, mode: int = 0o750) -> Path:
    path = hook_of(repo)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(FOREIGN)
    path.chmod(mode)
    return path


def test_the_hook_is_executable_and_names_kcode_absolutely(hooked: Repository) -> None:
    path = hook_of(hooked)
    assert os.access(path, os.X_OK)
    assert recorded_program(path.read_bytes()) == str(KCODE)


def test_installing_twice_changes_nothing(hooked: Repository) -> None:
    before = hook_of(hooked).read_bytes()
    assert hooked.kcode("hook", "install", "pre-commit").returncode == 0
    assert hook_of(hooked).read_bytes() == before
    assert sorted(p.name for p in hook_of(hooked).parent.glob("pre-commit*") if p.suffix != ".sample") == [
        "pre-commit"
    ]


def test_a_hook_that_was_there_runs_first_and_comes_back_identical(repo: Repository) -> None:
    path = put_foreign(repo)
    assert repo.kcode("hook", "install", "pre-commit").returncode == 0
    repo.stage("a.py", "a = 1\n")
    done = repo.commit()
    assert (done.returncode, done.stderr) == (0, "foreign\n")
    assert repo.kcode("hook", "uninstall", "pre-commit").returncode == 0
    assert path.read_bytes() == FOREIGN
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert not path.with_name("pre-commit.kcode-chained").exists()


def test_the_no_of_the_other_hook_counts(repo: Repository) -> None:
    put_foreign(repo)
    repo.kcode("hook", "install", "pre-commit")
    repo.stage("a.py", "a = 1\n")
    assert repo.commit(env={"FOREIGN_EXIT": "3"}).returncode != 0
    assert repo.count() == 0


def test_the_other_hook_runs_even_where_kcodes_is_skipped(repo: Repository) -> None:
    put_foreign(repo)
    repo.kcode("hook", "install", "pre-commit")
    repo.stage("a.py", "a = 1\n")
    assert "foreign" in repo.commit(env={"KCODE_HOOKS": "0"}).stderr


def test_a_hook_that_git_would_not_run_is_not_run_either(repo: Repository) -> None:
    put_foreign(repo, 0o640)
    repo.kcode("hook", "install", "pre-commit")
    repo.stage("a.py", "a = 1\n")
    assert repo.commit().stderr == ""


def test_a_hook_that_replaced_ours_is_never_lost(repo: Repository) -> None:
    put_foreign(repo)
    repo.kcode("hook", "install", "pre-commit")
    hook_of(repo).write_bytes(b"#!/bin/sh\n# third\n")
    for action in ("install", "uninstall"):
        assert repo.kcode("hook", action, "pre-commit").returncode == ExitCode.USAGE
    assert hook_of(repo).read_bytes() == b"#!/bin/sh\n# third\n"
    assert hook_of(repo).with_name("pre-commit.kcode-chained").read_bytes() == FOREIGN


def test_uninstall_leaves_a_foreign_hook_alone(repo: Repository) -> None:
    path = put_foreign(repo)
    assert repo.kcode("hook", "uninstall", "pre-commit").returncode == 0
    assert path.read_bytes() == FOREIGN


def test_the_configured_hooks_folder_is_used(repo: Repository) -> None:
    repo.git("config", "core.hooksPath", ".githooks")
    inside = repo.root / "deep" / "down"
    inside.mkdir(parents=True)
    done = Repository(inside).kcode("hook", "install", "pre-commit")
    assert (done.returncode, "core.hooksPath" in done.stderr) == (0, True)
    assert (repo.root / ".githooks" / "pre-commit").exists()
    assert not hook_of(repo).exists()


def test_a_worktree_shares_the_hook(hooked: Repository, tmp_path: Path) -> None:
    hooked.stage("a.py", "a = 1\n")
    hooked.commit()
    tree = tmp_path / "tree"
    hooked.git("worktree", "add", "-q", str(tree))
    other = Repository(tree)
    assert "pre-commit: installed" in other.kcode("hook", "status").stdout
    other.stage("b.py", "k = '" + "sk-" + "Zk3v9QpL7xWm2TnR8sYb4HcD'\n")
    assert other.commit().returncode == 1


def test_status_tells_the_states_apart(repo: Repository) -> None:
    assert "not installed" in repo.kcode("hook", "status").stdout
    put_foreign(repo)
    assert "another hook" in repo.kcode("hook", "status").stdout
    repo.kcode("hook", "install", "pre-commit")
    assert "installed, chained" in repo.kcode("hook", "status").stdout
    hook_of(repo).write_text(script("pre-commit", "/gone/kcode"))
    assert "/gone/kcode" in repo.kcode("hook", "status").stdout


@pytest.mark.parametrize("action", [["install", "pre-commit"], ["uninstall", "pre-commit"], ["status"]])
def test_outside_a_repository_it_is_a_usage_error(tmp_path: Path, action: list[str]) -> None:
    done = Repository(tmp_path).kcode("hook", *action)
    assert done.returncode == ExitCode.USAGE
    assert "git init" in done.stderr


def test_an_odd_path_survives_the_shell(tmp_path: Path) -> None:
    odd = tmp_path / "it's $HOME `x`" / "kcode"
    odd.parent.mkdir()
    odd.write_text('#!/bin/sh\necho "ran: $*"\n')
    odd.chmod(0o755)
    text = script("pre-commit", str(odd))
    assert recorded_program(text.encode()) == str(odd)
    hook = tmp_path / "pre-commit"
    hook.write_text(text)
    for shell in ("sh", "bash"):
        done = subprocess.run([shell, str(hook)], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "ran: hook run pre-commit\n", "")
