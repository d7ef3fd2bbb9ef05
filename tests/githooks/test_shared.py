"""Hooks that a repository keeps among its files: husky and lefthook."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from tests.githooks.conftest import KCODE, Repository

OLDER = b"npx lint-staged"
KEY = "sk-" + "Zk3v9QpL7xWm2TnR8sYb4HcD"


@pytest.fixture(params=[".husky/_", ".husky"])
def husky(repo: Repository, request: pytest.FixtureRequest) -> Repository:
    """As husky sets itself up: from version 9 on in a folder that it makes anew, before in its own."""
    repo.git("config", "core.hooksPath", request.param)
    (repo.root / ".husky").mkdir()
    if request.param == ".husky/_":
        runner = '#!/bin/sh\ns="${0%/*}/../${0##*/}"\n[ -f "$s" ] || exit 0\nsh -e "$s" "$@"\n'
        repo.write(".husky/_/pre-commit", runner).chmod(0o755)
    return repo


def with_kcode(repo: Repository) -> dict[str, str]:
    return {"PATH": f"{KCODE.parent}:{repo.run('sh', '-c', 'echo $PATH').stdout.strip()}"}


def test_husky_runs_it_from_the_path_and_it_leaves_without_a_trace(husky: Repository) -> None:
    before = sorted(path.name for path in (husky.root / ".husky").rglob("*"))
    done = husky.kcode("hook", "install", "pre-commit")
    assert (done.returncode, "husky" in done.stderr) == (0, True)
    file = husky.root / ".husky" / "pre-commit"
    assert str(KCODE) not in file.read_text()
    assert "pre-commit: installed, by husky" in husky.kcode("hook", "status").stdout
    husky.stage("a.py", f"a = '{KEY}'\n")
    assert husky.commit(env=with_kcode(husky)).returncode == 1
    assert husky.kcode("hook", "uninstall").returncode == 0
    assert not file.exists()
    assert sorted(path.name for path in (husky.root / ".husky").rglob("*")) == before


@pytest.mark.parametrize("content", [b"exit 0 # \xff\n", b"#!/bin/sh\ntrue", b"#!/bin/sh\ntrue\n\n"])
def test_huskys_own_lines_come_back_byte_for_byte(husky: Repository, content: bytes) -> None:
    file = husky.write(".husky/pre-commit", content)
    for _ in range(2):
        assert husky.kcode("hook", "install", "pre-commit").returncode == 0
    assert file.read_bytes().startswith(content)
    assert file.read_bytes().count(b"kcode hook run") == 1
    husky.kcode("hook", "uninstall", "pre-commit")
    assert file.read_bytes() == content


def test_where_kcode_is_not_on_the_path_huskys_hook_lets_through(husky: Repository) -> None:
    husky.write(".husky/pre-commit", b"#!/bin/sh\ntrue\n").chmod(0o755)
    husky.kcode("hook", "install", "pre-commit")
    husky.stage("a.py", f"a = '{KEY}'\n")
    tools = husky.root.parent / "bin"
    tools.mkdir()
    for name in ("git", "sh", "env", "true"):
        (tools / name).symlink_to(husky.run("sh", "-c", f"which {name}").stdout.strip())
    assert husky.commit(env={"PATH": str(tools)}).returncode == 0


def test_lefthook_gets_a_section_of_its_own(repo: Repository) -> None:
    before = b"commit-msg:\n  commands:\n    lint:\n      run: true\n"
    file = repo.write("lefthook.yml", before)
    done = repo.kcode("hook", "install", "pre-commit", "pre-push")
    assert done.returncode == 0, done.stderr
    text = file.read_text()
    guarded = "run: command -v kcode >/dev/null 2>&1 || exit 0; kcode hook run"
    assert f"pre-commit:\n  commands:\n    kcode:\n      {guarded} pre-commit || [ $? -ne 1 ]\n" in text
    assert f"{guarded} pre-push {{0}} || [ $? -ne 1 ]\n      use_stdin: true\n" in text
    assert "pre-push: installed, by lefthook" in repo.kcode("hook", "status").stdout
    assert repo.kcode("hook", "uninstall").returncode == 0
    assert file.read_bytes() == before


def test_it_is_said_that_lefthook_has_to_install_itself_anew(repo: Repository) -> None:
    repo.write("lefthook.yml", b"")
    said = "run `lefthook install`"
    assert said in repo.kcode("hook", "install", "pre-commit").stderr
    assert said in repo.kcode("hook", "status").stdout
    repo.write(".git/hooks/pre-commit", "#!/bin/sh\nlefthook run pre-commit\n")
    assert said not in repo.kcode("hook", "status").stdout


def test_a_section_of_an_older_kcode_is_taken_away_too(repo: Repository) -> None:
    older = "# kcode-hook: begin pre-commit\npre-commit:\n  commands:\n    kcode:\n"
    older += "      run: kcode hook run pre-commit\n# kcode-hook: end pre-commit\n"
    file = repo.write("lefthook.yml", f"# ours\n{older}commit-msg: {{}}\n")
    assert "pre-commit: installed, by lefthook" in repo.kcode("hook", "status").stdout
    assert repo.kcode("hook", "uninstall").returncode == 0
    assert file.read_text() == "# ours\ncommit-msg: {}\n"


@pytest.mark.skipif(not shutil.which("lefthook"), reason="not installed: lefthook")
def test_the_real_lefthook_runs_it_and_lets_through_who_has_no_kcode(repo: Repository) -> None:
    repo.write("lefthook.yml", b"")
    repo.kcode("hook", "install", "pre-commit")
    assert repo.run("lefthook", "install").returncode == 0
    repo.stage("a.py", f"a = '{KEY}'\n")
    done = repo.commit(env=with_kcode(repo))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a.py:1" in done.stdout + done.stderr
    without = [one for one in os.environ["PATH"].split(":") if not (Path(one) / "kcode").exists()]
    assert repo.commit(env={"PATH": ":".join(without)}).returncode == 0


@pytest.mark.skipif(not shutil.which("husky"), reason="not installed: husky")
def test_the_real_husky_runs_it(repo: Repository) -> None:
    repo.write("package.json", '{"scripts": {"test": "true"}}')
    assert repo.run("husky", "init").returncode == 0
    before = (repo.root / ".husky/pre-commit").read_bytes()
    assert repo.kcode("hook", "install", "pre-commit").returncode == 0
    repo.stage("a.py", f"a = '{KEY}'\n")
    done = repo.commit(env=with_kcode(repo))
    assert (done.returncode, "a.py:1" in done.stderr) == (1, True)
    repo.kcode("hook", "uninstall")
    assert (repo.root / ".husky/pre-commit").read_bytes() == before


def test_a_section_that_is_there_is_the_users_to_change(repo: Repository) -> None:
    before = b"pre-commit:\n  commands:\n    lint:\n      run: true\n"
    file = repo.write("lefthook.yml", before)
    done = repo.kcode("hook", "install", "pre-commit")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert "kcode hook run pre-commit" in done.stderr
    assert file.read_bytes() == before
