from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def write_rules(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "permissions.toml").write_text(text)


@pytest.mark.parametrize(
    ("command", "code", "word"),
    [("ls -la | wc -l", 0, "allow"), ("rm a", 10, "ask"), ("rm -rf /", 11, "deny"), ("cat .env", 10, "ask")],
)
def test_the_verdict_is_the_exit_code(kcode: Run, command: str, code: int, word: str) -> None:
    shown = kcode("permissions", "explain", "--", command)
    assert shown.returncode == code, shown.stderr
    assert shown.stdout.startswith(f"{word}: ")
    assert "layer  built in" in shown.stdout


def test_the_mode_decides_too(kcode: Run) -> None:
    codes = [
        kcode("permissions", "explain", "--mode", mode, "--", "rm a").returncode
        for mode in ("plan", "ask", "edits", "auto")
    ]
    assert codes == [11, 10, 10, 0]
    assert kcode("permissions", "explain", "--mode", "x", "--", "ls").returncode == 2


def test_several_words_are_the_words_of_one_command(kcode: Run) -> None:
    assert kcode("permissions", "explain", "--", "bash", "-c", "rm -rf /").returncode == 11
    assert kcode("permissions", "explain", "--", "grep", "-rn", "a; rm b", "src").returncode == 0
    assert kcode("permissions", "explain", "--", "ls", "|", "sh").returncode == 10


def test_json_names_the_rule_the_layer_and_every_part(kcode: Run) -> None:
    shown = json.loads(kcode("permissions", "explain", "--json", "--", "ls && git push").stdout)
    assert (shown["schema"], shown["verdict"], shown["mode"]) == ("kcode.permissions/1", "ask", "ask")
    assert shown["layer"] == "built in"
    assert [(part["command"], part["verdict"]) for part in shown["parts"]] == [
        ("ls", "allow"),
        ("git push", "ask"),
    ]


def test_the_hosts_that_a_command_names_are_explained(kcode: Run) -> None:
    command = "curl https://a.example.com/x https://b.example.org/y"
    rules = ("--allow", "host: *.example.com", "--mode", "auto")
    shown = kcode("permissions", "explain", *rules, "--", command).stdout
    assert (
        "host   a.example.com: reached from the sandbox (allowed by the rule allow host: *.example.com"
        in shown
    )
    assert (
        "host   b.example.org: asked about at its first use, once in a session (no rule allows it)" in shown
    )
    told = json.loads(kcode("permissions", "explain", *rules, "--json", "--", command).stdout)
    assert [(row["host"], row["verdict"]) for row in told["hosts"]] == [
        ("a.example.com", "allow"),
        ("b.example.org", "ask"),
    ]


def test_the_users_rules_allow_and_deny(kcode: Run, own_home: Path) -> None:
    write_rules(own_home / ".config/kcode", 'allow = ["command: make deploy *"]\ndeny = ["command: ls *"]\n')
    allowed = kcode("permissions", "explain", "--", "make deploy now")
    assert allowed.returncode == 0
    assert "rule   allow command: make deploy *" in allowed.stdout
    assert "layer  user" in allowed.stdout
    assert kcode("permissions", "explain", "--", "echo $(ls)").returncode == 11


def test_a_projects_rules_only_tighten_until_the_folder_is_trusted(kcode: Run, project: Path) -> None:
    write_rules(project / ".kcode", 'allow = ["command: make deploy"]\ndeny = ["command: rg *"]\n')
    assert kcode("permissions", "explain", "--", "make deploy").returncode == 10
    assert kcode("permissions", "explain", "--", "rg x").returncode == 11
    assert "is trusted now" in kcode("permissions", "trust").stderr
    assert "was trusted already" in kcode("permissions", "trust").stderr
    shown = kcode("permissions", "explain", "--", "make deploy")
    assert (shown.returncode, "layer  project" in shown.stdout) == (0, True)
    assert "no longer" in kcode("permissions", "trust", "--remove").stderr
    assert kcode("permissions", "explain", "--", "make deploy").returncode == 10


def test_trust_is_kept_by_real_path_and_for_the_user_alone(
    kcode: Run, project: Path, own_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write_rules(project / ".kcode", 'allow = ["command: make deploy"]\n')
    link = tmp_path_factory.mktemp("links") / "link"
    link.symlink_to(project)
    assert kcode("permissions", "trust", cwd=link).returncode == 0
    assert kcode("permissions", "explain", "--", "make deploy").returncode == 0
    kept = own_home / ".local/state/kcode/trusted.json"
    assert json.loads(kept.read_text())["folders"] == [str(project.resolve())]
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.write_text("broken")
    assert kcode("permissions", "explain", "--", "make deploy").returncode == 10
    assert kcode("permissions", "trust").returncode == 9


def test_rules_of_the_command_line_come_last(kcode: Run) -> None:
    shown = kcode("permissions", "explain", "--allow", "command: rm a", "--json", "--", "rm a")
    assert (shown.returncode, json.loads(shown.stdout)["layer"]) == (0, "command line")
    assert kcode("permissions", "explain", "--deny", "path: secret", "--", "cat secret/a").returncode == 11
    assert (
        kcode("permissions", "explain", "--deny", "host: *.test", "--", "curl http://x.test").returncode == 11
    )


def test_a_rule_that_cannot_be_read_says_where(kcode: Run, project: Path) -> None:
    write_rules(project / ".kcode", '\nallow = ["make deploy"]\n')
    shown = kcode("permissions", "explain", "--", "ls")
    assert shown.returncode == 2
    assert "permissions.toml:2" in shown.stderr
    assert kcode("permissions", "explain", "--ask", "nonsense", "--", "ls").returncode == 2


def test_the_rules_that_hold_are_listed(kcode: Run, own_home: Path) -> None:
    write_rules(own_home / ".config/kcode", 'ask = ["command: npm *"]\n')
    shown = kcode("permissions", "list").stdout
    assert "not trusted" in shown
    assert "user      ask command: npm *" in shown
    assert json.loads(kcode("permissions", "list", "--json").stdout)["rules"][0]["layer"] == "user"
