"""What throws work or history away is asked about in every mode; what only adds is not."""

from __future__ import annotations

import pytest

from kcode.config.settings import Mode
from kcode.safety.policy import judge_command

ALL: tuple[Mode, ...] = ("ask", "edits", "auto")


@pytest.mark.parametrize("mode", ALL)
@pytest.mark.parametrize(
    "command",
    [
        "git push",
        "git push --force origin main",
        "git reset --hard",
        "git reset --har HEAD~1",
        "git clean -fdx",
        "git checkout -f",
        "git checkout -- a.py",
        "git checkout .",
        "git checkout HEAD~1 -- src",
        "git switch --discard-changes main",
        "git restore a.py",
        "git restore --staged --worktree a.py",
        "git branch -D topic",
        "git branch -df topic",
        "git tag -d v1",
        "git commit --amend --no-edit",
        "git rebase main",
        "git filter-branch --all",
        "git filter-repo --path a",
        "git stash drop",
        "git stash clear",
        "git reflog expire --all",
        "git update-ref -d refs/heads/topic",
        "git gc --prune=now",
        "git merge --abort",
        "git pull --rebase",
        "git fetch origin +main:main",
        "true && git reset --hard",
    ],
)
def test_what_loses_work_is_asked_about_in_every_mode(command: str, mode: Mode) -> None:
    assert judge_command(command, mode, frozenset({"command"})).verdict == "ask"


@pytest.mark.parametrize(
    "command",
    [
        "git add -A",
        "git commit -m 'Add a cart'",
        "git switch -c topic",
        "git checkout -b topic",
        "git restore --staged a.py",
        "git revert HEAD --no-edit",
        "git stash push",
        "git merge topic",
        "git tag v1",
        "git reset a.py",
        "git clean -n",
        "git clean --dry-run",
    ],
)
def test_what_can_be_taken_back_is_asked_about_unless_auto(command: str) -> None:
    assert judge_command(command, "ask", frozenset()).verdict == "ask"
    assert judge_command(command, "auto", frozenset()).verdict == "allow"
