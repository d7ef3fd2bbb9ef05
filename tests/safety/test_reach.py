# ruff: noqa: E501 - a shell command that is wrapped is another one
"""Searches that name no file and read one that holds secrets all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from kcode.safety.commands import touches_sensitive

REACHING = [
    "grep -r PASSWORD .", "grep -rn PASSWORD", "grep -R PASSWORD sub", "grep --recursive PASSWORD", "egrep -ri pass .",
    "grep -d recurse PASSWORD .", "grep -rn --include='*' PASSWORD .", "grep -rn --include='.env*' PASSWORD .",
    "rg -uu PASSWORD", "rg -uuu PASSWORD .", "rg --hidden --no-ignore PASSWORD", "rg -. PASSWORD", "rg -u PASSWORD",
    "find . -type f | xargs cat", "find . -name '.e*' | xargs cat", "find . -type f -print0 | xargs -0 grep PASSWORD",
    "ls -A | xargs head -1", "cat $(ls -A)", "for f in $(ls -A); do cat $f; done", "find . -type f | while read f; do cat \"$f\"; done",
    "cat `find .`", "cat sub/*", "cat */*", "sh -c 'grep -r PASSWORD .'", "ls; grep -r PASSWORD . | head",
    "find . -type f -exec cat {} +", "find . -type f -exec grep PASSWORD {} \\;", "cat .*", "head -n 5 .[a-z]*", "echo $(grep -r PASSWORD .)",
    "timeout 5 grep -rl PASSWORD .", "LC_ALL=C grep -r PASSWORD .", "cd sub && grep -r PASSWORD .", "xargs cat < list", "tac *.env",
]  # fmt: skip
HARMLESS = [
    "grep -rn foo --include='*.py' .", "grep -rn foo src", "grep foo src/app.py", "rg foo", "rg -n foo src", "rg -uu foo src",
    "cat src/*.py", "find . -name '*.py' | wc -l", "cat *.md", "find . -name '*.py' -exec grep -l foo {} +", "ls -la", "ls *",
    "rg --hidden -g '*.py' foo", "grep -rn foo . --exclude='.env*' --exclude='*.env'", "git grep foo", "wc -l sub/*", "du -sh .",
]  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path in (
        "sub/prod.env",
        ".env",
        "prod.env",
        "src/app.py",
        "README.md",
        "list",
        "tests/fixtures/server.pem",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x\n")
    return tmp_path


@pytest.mark.parametrize("command", REACHING)
def test_a_search_that_reaches_a_file_of_secrets_needs_a_yes(tree: Path, command: str) -> None:
    assert "environment file" in touches_sensitive(command, tree) or ".env" in touches_sensitive(
        command, tree
    )


@pytest.mark.parametrize("command", HARMLESS)
def test_a_search_that_reaches_none_needs_none(tree: Path, command: str) -> None:
    assert touches_sensitive(command, tree) == ""


@pytest.mark.parametrize("command", ["grep -r foo .", "find . -type f | xargs cat", "rg -uu foo"])
def test_where_there_are_no_secrets_nobody_is_asked(tmp_path: Path, command: str) -> None:
    (tmp_path / "app.py").write_text("x")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/config").write_text("x")
    assert touches_sensitive(command, tmp_path) == ""
