"""Where hooks run: locks, odd paths, partial commits, git started by programs without a PATH."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kcode.githooks.script import script
from tests.githooks.conftest import KCODE, Repository

KEY = "sk-" + "Zk3v9QpL7xWm2TnR8sYb4HcD"


def refused(repo: Repository, *arguments: str, env: dict[str, str] | None = None) -> bool:
    done = repo.commit(*arguments, env=env)
    return done.returncode == 1 and "API key" in done.stderr


def test_a_lock_that_somebody_holds_is_neither_needed_nor_taken(hooked: Repository) -> None:
    hooked.stage("a.py", f"a = '{KEY}'\n")
    lock = hooked.write(".git/index.lock", "held")
    index = (hooked.root / ".git/index").read_bytes()
    done = hooked.kcode("hook", "run", "pre-commit")
    assert (done.returncode, "a.py:1" in done.stderr) == (1, True)
    assert lock.read_text() == "held"
    assert (hooked.root / ".git/index").read_bytes() == index


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_hook_that_is_killed_leaves_nothing_and_stops_nothing(repo: Repository, ending: int) -> None:
    program = repo.root.parent / "slow kcode"
    program.write_text(f'#!/bin/sh\n[ "$1" = hook ] || exit 0\nkill -{ending} $$\n')
    program.chmod(0o755)
    hook = repo.write(".git/hooks/pre-commit", script("pre-commit", str(program)))
    hook.chmod(0o755)
    repo.stage("a.py", "a = 1\n")
    done = repo.commit()
    assert (done.returncode, repo.count()) == (0, 1)
    assert f"ended with code {128 + ending}" in done.stderr
    assert not (repo.root / ".git/index.lock").exists()


def test_ctrl_c_in_a_hook_ends_the_commit(repo: Repository) -> None:
    program, began = repo.root.parent / "kcode-slow", repo.root.parent / "began"
    program.write_text(f'#!/bin/sh\n[ "$1" = hook ] || exit 0\ntouch "{began}"\nsleep 60\n')
    program.chmod(0o755)
    repo.write(".git/hooks/pre-commit", script("pre-commit", str(program))).chmod(0o755)
    repo.stage("a.py", "a = 1\n")
    running = subprocess.Popen(["git", "commit", "-qm", "x"], cwd=repo.root, start_new_session=True)
    until = time.monotonic() + 60
    while not began.exists() and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(60) != 0
    assert repo.count() == 0


def test_git_without_a_path_of_its_users_finds_kcode(hooked: Repository) -> None:
    hooked.stage("a.py", f"a = '{KEY}'\n")
    git = shutil.which("git")
    assert git
    done = subprocess.run(
        [git, "commit", "-qm", "x"],
        cwd=hooked.root,
        env={"HOME": os.environ["HOME"], "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, "a.py:1" in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize(
    "arguments", [("f",), ("--only", "f"), ("--include", "f"), ("-a",), ("--amend", "-a")]
)
def test_every_way_to_commit_a_file_is_judged_by_what_it_commits(
    hooked: Repository, arguments: tuple[str, ...]
) -> None:
    hooked.stage("f", "a\n")
    hooked.commit()
    hooked.write("f", f"a\nkey = '{KEY}'\n")
    assert refused(hooked, *arguments)
    assert "+key" in hooked.git("diff")


def test_a_chosen_hunk_is_judged_alone(hooked: Repository) -> None:
    lines = "".join(f"{n}\n" for n in range(30))
    hooked.stage("f", lines)
    hooked.commit()
    hooked.write("f", f"first\n{lines}key = '{KEY}'\n")
    for answers, code in (("y\nn\n", 0), ("y\n", 1)):
        done = subprocess.run(
            ["git", "commit", "-q", "-p", "-m", "x"],
            cwd=hooked.root,
            input=answers,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stderr


def test_a_git_folder_elsewhere_named_by_variables_is_looked_at(tmp_path: Path) -> None:
    home = Repository(tmp_path / "höme")
    home.root.mkdir()
    home.git("init", "-q", "--bare", str(tmp_path / "dot files.git"))
    env = {"GIT_DIR": str(tmp_path / "dot files.git"), "GIT_WORK_TREE": str(home.root)}
    home.git("config", "core.bare", "false", env=env)
    assert home.run(str(KCODE), "hook", "install", env=env).returncode == 0
    assert (tmp_path / "dot files.git/hooks/pre-commit").exists()
    home.write(".profile", f"key='{KEY}'\n")
    home.git("add", ".profile", env=env)
    assert refused(home, env=env)


def test_a_folder_of_hooks_that_many_repositories_share(tmp_path: Path) -> None:
    shared = tmp_path / "all hooks"
    first, second = Repository(tmp_path / "one"), Repository(tmp_path / "zwei ü")
    for repo in (first, second):
        repo.root.mkdir()
        repo.git("init", "-q")
        repo.git("config", "core.hooksPath", str(shared))
    assert first.kcode("hook", "install", "pre-commit").returncode == 0
    assert "pre-commit: installed" in second.kcode("hook", "status").stdout
    second.stage("a.py", f"a = '{KEY}'\n")
    assert refused(second)
    assert second.kcode("hook", "uninstall").returncode == 0
    assert list(shared.iterdir()) == []


def test_a_submodule_has_hooks_of_its_own(repo: Repository, tmp_path: Path) -> None:
    part = Repository(tmp_path / "part")
    part.root.mkdir()
    part.git("init", "-q")
    part.stage("a", "a\n")
    part.commit()
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(part.root), "sub")
    inside = Repository(repo.root / "sub")
    assert inside.kcode("hook", "install").returncode == 0
    assert (repo.root / ".git/modules/sub/hooks/pre-commit").exists()
    assert "pre-commit: not installed" in repo.kcode("hook", "status").stdout
    inside.stage("a.py", f"a = '{KEY}'\n")
    assert refused(inside)


def test_a_worktree_of_a_bare_repository(tmp_path: Path) -> None:
    bare, tree = Repository(tmp_path / "b.git"), Repository(tmp_path / "tree")
    bare.root.mkdir()
    bare.git("init", "-q", "--bare")
    commit = bare.git("commit-tree", "-m", "x", bare.git("hash-object", "-t", "tree", "-w", "/dev/null"))
    bare.git("update-ref", "refs/heads/main", commit)
    bare.git("worktree", "add", "-q", str(tree.root), "main")
    assert tree.kcode("hook", "install").returncode == 0
    assert (bare.root / "hooks/pre-commit").exists()
    tree.stage("a.py", f"a = '{KEY}'\n")
    assert refused(tree)


@pytest.mark.parametrize("left", ["renamed", "written"])
def test_an_install_that_was_cut_off_can_be_finished_and_undone(repo: Repository, left: str) -> None:
    hooks = repo.root / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    aside = hooks / "pre-commit.kcode-chained"
    aside.write_bytes(b"#!/bin/sh\necho older >&2\n")
    aside.chmod(0o750)
    if left == "written":
        (hooks / "pre-commit.kcode-new").write_text("half")
    assert repo.kcode("hook", "install", "pre-commit").returncode == 0
    repo.stage("a.py", "a = 1\n")
    assert repo.commit().stderr == "older\n"
    assert repo.kcode("hook", "uninstall", "pre-commit").returncode == 0
    assert (hooks / "pre-commit").read_bytes() == b"#!/bin/sh\necho older >&2\n"
    assert [path.name for path in hooks.glob("pre-commit*") if path.suffix != ".sample"] == ["pre-commit"]


def test_the_check_of_a_commit_imports_nothing_that_it_does_not_need(repo: Repository) -> None:
    repo.stage("a.py", "a = 1\n")
    heavy = "{'asyncio', 'ssl', 'pydantic', 'git', 'rich', 'typer', 'openai', 'kcode.testrun'}"
    told = f"from kcode.githooks.run import main; main(['pre-commit']); print({heavy} & set(sys.modules))"
    done = repo.run(sys.executable, "-c", f"import sys; {told}")
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr
