"""``commit-msg``: the form of a message. ``prepare-commit-msg``: where a draft is made, and where not."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.githooks.conftest import Repository
from tests.gitwork.conftest import environment
from tests.k2sim import Simulator, say

Sim = Callable[..., Simulator]


@pytest.fixture
def checked(repo: Repository) -> Repository:
    assert repo.kcode("hook", "install", "commit-msg").returncode == 0
    return repo


def commit(repo: Repository, message: str, *more: str) -> subprocess.CompletedProcess[str]:
    repo.git("commit", "-q", "--allow-empty", "--no-verify", "-m", "zero") if repo.count() == 0 else None
    return repo.run("git", "commit", "-q", "--allow-empty", "-m", message, *more)


def test_a_long_subject_stops_the_commit_and_the_message_is_kept(checked: Repository) -> None:
    done = commit(checked, "A" * 90)
    assert done.returncode == 1
    assert "the subject has 90 characters, 72 is the most" in done.stderr
    assert 'git commit -e -F ".git/COMMIT_EDITMSG"' in done.stderr
    assert (checked.root / ".git" / "COMMIT_EDITMSG").read_text() == "A" * 90 + "\n"
    again = checked.run("git", "commit", "-q", "--allow-empty", "--no-verify", "-F", ".git/COMMIT_EDITMSG")
    assert again.returncode == 0


def test_a_repository_of_long_subjects_may_go_on_so(checked: Repository) -> None:
    for number in range(3):
        checked.git("commit", "-q", "--allow-empty", "--no-verify", "-m", f"{number} " + "B" * 85)
    assert commit(checked, "A" * 80).returncode == 0
    checked.kcode("config", "set", "hooks.subject_length", "50")
    assert commit(checked, "A" * 80).returncode == 1


def test_a_type_is_asked_for_where_the_repository_has_them(checked: Repository) -> None:
    assert commit(checked, "Add a cart").returncode == 0
    for message in ("feat: carts", "fix(cart): total", "docs: readme"):
        checked.git("commit", "-q", "--allow-empty", "--no-verify", "-m", message)
    done = commit(checked, "Add a cart")
    assert done.returncode == 1
    assert "the subject has no type, such as one of: " in done.stderr
    assert commit(checked, "feat!: a cart").returncode == 0
    assert commit(checked, 'Revert "feat: carts"').returncode == 0
    checked.kcode("config", "set", "hooks.conventional", "off")
    assert commit(checked, "Add a cart").returncode == 0


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("Add\nno empty line", "the second line is not empty"),
        ("Add\n\n" + "<" * 7 + " HEAD\nmine", "a conflict marker is left"),
        ("Add\n\n# ------------------------ >8 ------------------------\nrest", "a scissors line is left"),
    ],
)
def test_leftovers_in_a_message(checked: Repository, message: str, why: str) -> None:
    done = commit(checked, message)
    assert done.returncode == 1
    assert why in done.stderr


def test_what_git_writes_below_the_message_does_not_count(checked: Repository, tmp_path: Path) -> None:
    checked.stage("a.txt", "x" * 200 + "\n")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\n{ echo Add a; cat "$1"; } > "$1.new" && mv "$1.new" "$1"\n')
    editor.chmod(0o755)
    done = checked.run("git", "commit", "-q", "-v", env={"GIT_EDITOR": str(editor)})
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("way", ["variable", "no-verify"])
def test_both_ways_around(checked: Repository, way: str) -> None:
    more = ["--no-verify"] if way == "no-verify" else []
    env = {"KCODE_HOOKS": "0"} if way == "variable" else {}
    done = checked.run("git", "commit", "-q", "--allow-empty", "-m", "A" * 90, *more, env=env)
    assert done.returncode == 0


# --- drafts ---------------------------------------------------------------------------------------


@pytest.fixture
def drafted(repo: Repository) -> Repository:
    assert repo.kcode("hook", "install", "prepare-commit-msg").returncode == 0
    repo.git("commit", "-q", "--allow-empty", "-m", "start")
    return repo


def test_a_draft_waits_in_the_editor(drafted: Repository, k2sim: Sim, tmp_path: Path) -> None:
    sim = k2sim([say("Add a cart")])
    seen = tmp_path / "seen"
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\ncp "$1" "{seen}"\n')
    editor.chmod(0o755)
    drafted.stage("cart.py", "cart = 1\n")
    done = drafted.run("git", "commit", "-q", env=environment(sim, {"GIT_EDITOR": str(editor)}))
    assert done.returncode == 0, done.stderr
    assert drafted.git("log", "-1", "--format=%B") == "Add a cart"
    assert "# kcode drafted this message" in seen.read_text()
    assert "# Changes to be committed" in seen.read_text()
    assert "+cart = 1" in sim.chats[0].json["messages"][1]["content"]


@pytest.mark.parametrize(
    "arguments", [["-m", "Mine"], ["-F", "said"], ["-t", "said"], ["--amend", "--no-edit"], ["-C", "HEAD"]]
)
def test_a_message_of_yours_is_not_drafted_over(
    drafted: Repository, k2sim: Sim, tmp_path: Path, arguments: list[str]
) -> None:
    sim = k2sim([])
    drafted.stage("cart.py", "cart = 1\n")
    drafted.write("said", "Said\n")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\necho more >> "$1"\n')
    editor.chmod(0o755)
    done = drafted.run("git", "commit", "-q", *arguments, env=environment(sim, {"GIT_EDITOR": str(editor)}))
    assert done.returncode == 0, done.stderr
    assert not sim.chats


def test_without_a_key_or_a_server_the_commit_goes_on(drafted: Repository, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "By hand\\n" > "$1"\n')
    editor.chmod(0o755)
    for number, env in enumerate(
        [
            {},
            {
                "KCODE_PROVIDER": "moonshot",
                "KCODE_API_KEY": "sk-test-not-a-real-key",
                "KCODE_BASE_URL": "http://127.0.0.1:9/v1",
                "KCODE_PROVIDER__RETRIES": "0",
            },
        ]
    ):
        drafted.stage(f"cart{number}.py", "cart = 1\n")
        done = drafted.run("git", "commit", "-q", env={**env, "GIT_EDITOR": str(editor)})
        assert done.returncode == 0, done.stderr
        assert "git goes on" in done.stderr
        assert drafted.git("log", "-1", "--format=%s") == "By hand"


def test_fail_closed_stops_the_commit_where_nothing_could_be_drafted(drafted: Repository) -> None:
    drafted.kcode("config", "set", "hooks.fail_closed", "true")
    drafted.stage("cart.py", "cart = 1\n")
    done = drafted.run("git", "commit", "-q", env={"GIT_EDITOR": "true"})
    assert done.returncode == 1
    assert "hooks.fail_closed stops it" in done.stderr
