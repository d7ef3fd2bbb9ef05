"""Absolute paths inside the workspace are inside; everything else is judged as it was."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from kcode.safety.commands import assess
from kcode.safety.policy import judge, judge_command
from kcode.safety.rules import rule_from
from kcode.tools.base import Intent
from tests.safety.test_policy_cases import ASKED, DENIED, EVERY_MODE, SENSITIVE

ROOT = Path("/home/me/shop")
NOTHING: frozenset[str] = frozenset()


def verdict(command: str, mode: str = "ask", root: Path = ROOT) -> str:
    return judge_command(command, mode, NOTHING, root=root).verdict  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "command",
    [
        "cat /home/me/shop/README.md",
        "cd /home/me/shop && pytest -q",
        "cd /home/me/shop/ && ls -la /home/me/shop/src",
        "rg foo /home/me/shop/src | head",
        "head -n 20 '/home/me/shop/a b.txt'",
        'wc -l "/home/me/shop/src/a.py"',
        "cat /home/me/shop/src/*.py | wc -l",
        "find /home/me/shop -name '*.py'",
        "find /home/me/shop/src -type f | wc -l",
        "sed -n 1,20p /home/me/shop/a.py",
        "awk '{print $1}' /home/me/shop/a.txt",
        "git diff -- /home/me/shop/src/a.py",
        "/home/me/shop/.venv/bin/pytest -q /home/me/shop/tests",
        "/home/me/shop/.venv/bin/python -m pytest",
        "python -m pytest /home/me/shop/tests/test_a.py::test_b",
        "PYTHONPATH=/home/me/shop/src pytest",
        "mypy --config-file=/home/me/shop/mypy.ini src",
        "bash -c 'cat /home/me/shop/a'",
        "ls | xargs -n 1 wc -l /home/me/shop/a",
        "cat < /home/me/shop/a.txt",
        "diff /home/me/shop/a /home/me/shop/b",
    ],
)
def test_an_everyday_command_may_name_the_workspace_by_its_path(command: str) -> None:
    assert verdict(command) == "allow", judge_command(command, "ask", NOTHING, root=ROOT)
    assert verdict(command, root=Path("/home/me/other")) == "ask"


@pytest.mark.parametrize(
    "command",
    [
        "touch /home/me/shop/a",
        "sed -i s/a/b/ /home/me/shop/a",
        "rm /home/me/shop/a",
        "echo a > /home/me/shop/out.txt",
        "tar xf /home/me/shop/a.tar",
    ],
)
def test_writing_inside_is_writing_and_no_danger(command: str) -> None:
    assert verdict(command) == "ask"
    assert verdict(command, "auto") == "allow"
    assert verdict(command, "auto", root=Path("/home/me/other")) == "ask"


@pytest.mark.parametrize(
    "command",
    [
        "cat /home/me/shop/../keys.txt",
        "cat /home/me/shop/src/../../x",
        "cat /home/me/shopping/list",
        "cat /home/me/sho",
        "cat /home/me",
        "cat ~/shop/a",
        "cat /etc/hosts",
        "cd /home/me && cat a",
        "cat /home/me/shop/$x",
        "cat /home/me/shop$x/a",
        "cat -- -/home/me/shop/a/../../b",
        "/home/me/shop/ls",
        "/home/me/shop/cat a",
        "env /home/me/shop/ls",
        "ls | xargs /home/me/shop/cat",
        "sh -c /home/me/shop/ls",
        "/home/me/shop/bin/pytest",
        "cat //home/me/shop/a",
    ],
)
def test_what_only_looks_inside_is_still_asked_about(command: str) -> None:
    assert verdict(command) == "ask"


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf /home/me/shop",
        "rm -rf /home/me/shop/",
        "rm -rf /home/me/shop/*",
        "cat /home/me/shop/.env",
        "cat /home/me/shop/.git/config",
        "echo x > /home/me/shop/.git/hooks/pre-commit",
        "cat /home/me/shop/.e*",
        "cat '/home/me/shop/.env'",
        "rm -rf /home/me/shop/../other",
        "touch /home/me/shop/../a",
        "echo a > /home/me/shop/../../a",
        "cp a /home/me/shopping/a",
    ],
)
def test_danger_and_secrets_inside_need_a_yes_in_every_mode(command: str) -> None:
    assert verdict(command, "auto") == "ask"


@pytest.mark.parametrize("root", ["/", "/home", "/usr", "/etc"])
def test_a_folder_of_the_system_is_no_workspace(root: str) -> None:
    assert verdict("rm -rf /home", "auto", Path(root)) == "deny"
    assert verdict("touch /etc/passwd2", "auto", Path(root)) == "ask"
    assert verdict("cat /usr/share/doc", root=Path(root)) == "ask"


@pytest.mark.parametrize("command", [*ASKED, *DENIED, *SENSITIVE, *EVERY_MODE])
def test_knowing_the_workspace_makes_nothing_else_milder(command: str) -> None:
    assert verdict(command) == judge_command(command, "ask", NOTHING).verdict


@pytest.mark.parametrize(
    "command", ["sed -i s/a/b/ /srv/deep/down/a", "sed -i -e s/a/b/ /a/b/c/d", "sed -ne s/a/b/ -i /a/b/c/d"]
)
def test_sed_that_writes_far_away_is_dangerous_however_deep(command: str) -> None:
    assert verdict(command, "auto") == "ask"


def test_rules_over_paths_hold_for_absolute_ones() -> None:
    deny = rule_from("path: vendor/*", "deny", "user", "here")
    intent = Intent("command", command="touch /home/me/shop/vendor/a")
    assert judge(intent, False, "auto", NOTHING, rules=[deny], root=ROOT).verdict == "deny"


def test_a_command_is_shown_and_matched_as_it_was_written() -> None:
    (found,) = assess("touch /home/me/shop/a", str(PurePosixPath(ROOT)))
    assert found.command == "touch /home/me/shop/a"
    assert found.paths == ("./a",)
