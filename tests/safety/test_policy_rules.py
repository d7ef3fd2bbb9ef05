from __future__ import annotations

from pathlib import Path

import pytest

from kcode.config.settings import Mode
from kcode.safety.policy import Judgement, judge, judge_command
from kcode.safety.rules import Layer, Rule, Verdict, hosts_in, rule_from
from kcode.tools.base import FileEdit, Intent

NOTHING: frozenset[str] = frozenset()


def rule(text: str, verdict: Verdict, layer: Layer = "user") -> Rule:
    return rule_from(text, verdict, layer, "here")


def verdict(command: str, *rules: Rule, mode: Mode = "ask") -> str:
    return judge_command(command, mode, NOTHING, tool="run_command", rules=rules).verdict


def test_a_rule_allows_its_own_part_only() -> None:
    allow = rule("command: make deploy *", "allow")
    assert verdict("make deploy", allow) == "allow"
    assert verdict("make deploy a | head", allow) == "allow"
    assert verdict("make deploy; rm a", allow) == "ask"
    assert verdict("make deploy $(rm a)", allow) == "ask"
    assert verdict("make deploy > x", allow) == "ask"
    assert verdict("FOO=1 make deploy", allow) == "ask"


def test_a_denied_command_is_found_inside_others_and_by_its_path() -> None:
    deny = rule("command: rg *", "deny")
    for command in (
        "rg x",
        "ls | rg x",
        "sh -c 'rg x'",
        "ls | xargs rg x",
        "/bin/rg x",
        "env ./rg x",
        "echo $(rg x)",
    ):
        assert verdict(command, deny, mode="auto") == "deny", command


@pytest.mark.parametrize("command", ["cat .env", "ls 'a", 'eval "$x"', "rm -rf /"])
def test_no_rule_allows_what_is_sensitive_not_understood_or_ruinous(command: str) -> None:
    assert (
        verdict(command, rule("command: *", "allow"), rule("tool: *", "allow"), rule("path: *", "allow"))
        != "allow"
    )


def test_what_is_dangerous_is_allowed_only_when_written_out() -> None:
    assert verdict("git push origin main", rule("command: git *", "allow")) == "ask"
    assert verdict("git push origin main", rule("command: git push origin main", "allow")) == "allow"


def test_a_deny_of_any_layer_decides_else_the_latest_layer() -> None:
    early, late = rule("command: rm a", "deny"), rule("command: rm a", "allow", "command line")
    assert verdict("rm a", early, late) == "deny"
    assert verdict("rm a", rule("command: rm a", "ask"), late) == "allow"
    assert verdict("rm a", rule("command: rm a", "allow"), rule("command: rm *", "ask", "project")) == "ask"
    assert verdict("rm a", rule("command: rm a", "allow"), rule("command: rm *", "ask")) == "ask"


def test_the_deciding_rule_and_its_layer_are_named() -> None:
    judged = judge_command("rm a", "ask", NOTHING, rules=[rule("command: rm *", "deny", "project")])
    assert (judged.rule, judged.layer) == ("deny command: rm *", "project")
    assert "deny command: rm *" in judged.why
    assert "project" in judged.why
    granted = judge_command("rm a", "ask", frozenset({"command"}))
    assert (granted.verdict, granted.layer) == ("allow", "session")


def test_rules_over_paths_hold_for_edits_and_redirects() -> None:
    docs = rule("path: docs/*", "allow")
    inside, outside = FileEdit("docs/a.md", "", "x"), FileEdit("src/a.py", "", "x")
    assert judge(Intent("edit", (inside,)), False, "ask", NOTHING, rules=[docs]).verdict == "allow"
    assert judge(Intent("edit", (inside, outside)), False, "ask", NOTHING, rules=[docs]).verdict == "ask"
    denied = judge(
        Intent("edit", (inside, outside)), False, "auto", NOTHING, rules=[rule("path: src", "deny")]
    )
    assert denied.verdict == "deny"
    assert verdict("echo a > docs/x", docs) == "allow"
    assert verdict("echo a > docs/../x", docs) == "ask"


def test_rules_over_hosts() -> None:
    assert verdict("curl https://a.test/x", rule("host: a.test", "allow")) == "allow"
    assert verdict("curl https://a.test https://b.test", rule("host: a.test", "allow")) == "ask"
    assert verdict("git fetch git@b.test:x", rule("host: *.test", "deny")) == "deny"
    assert hosts_in("curl https://u:p@a.test:80/x b.test") == ("a.test", "b.test")


def test_rules_over_tools() -> None:
    assert (
        judge(
            Intent("test"), False, "ask", NOTHING, tool="run_tests", rules=[rule("tool: run_*", "deny")]
        ).verdict
        == "deny"
    )
    assert (
        judge(
            Intent("edit"), False, "ask", NOTHING, tool="edit_file", rules=[rule("tool: edit_file", "allow")]
        ).verdict
        == "allow"
    )
    assert (
        judge(
            Intent("edit"), False, "plan", NOTHING, tool="edit_file", rules=[rule("tool: edit_file", "allow")]
        ).verdict
        == "deny"
    )
    assert (
        judge(Intent("read"), True, "auto", NOTHING, tool="grep", rules=[rule("tool: grep", "ask")]).verdict
        == "ask"
    )


def test_a_call_that_is_sensitive_keeps_its_question_beside_an_allow() -> None:
    intent = Intent("command", command="cat .env", sensitive=".env: secrets")
    assert (
        judge(intent, False, "auto", NOTHING, tool="run_command", rules=[rule("command: *", "allow")]).verdict
        == "ask"
    )
    assert (
        judge(
            intent, False, "auto", NOTHING, tool="run_command", rules=[rule("command: cat *", "deny")]
        ).verdict
        == "deny"
    )


def test_rules_over_paths_hold_for_what_is_read() -> None:
    def read(*paths: str) -> Verdict:
        rules = [Rule("deny", "path", "secret/*", "user"), Rule("ask", "path", "/abs/*", "user")]
        intent = Intent("read", paths=paths)
        return judge(intent, True, "auto", NOTHING, tool="read_file", rules=rules).verdict

    assert read("src/a.py") == "allow"
    assert read("secret/a.py") == "deny"
    assert read("src/a.py", "secret/a.py") == "deny"
    assert read("./secret/deep/a.py") == "deny"
    assert read("/abs/a") == "ask"


def test_auto_mode_asks_where_no_sandbox_works() -> None:
    def auto(command: str, granted: frozenset[str] = NOTHING, *rules: Rule) -> Judgement:
        return judge_command(command, "auto", granted, rules=rules, confined=False)

    assert auto("touch x").verdict == "ask"
    assert "no sandbox works on this machine" in auto("touch x").why
    assert auto("pytest -q").verdict == "allow"
    assert auto("ls -la").verdict == "allow"
    assert auto("touch x", frozenset({"command"})).verdict == "allow"
    assert auto("touch x", NOTHING, Rule("allow", "command", "touch *", "user")).verdict == "allow"
    assert judge_command("touch x", "auto", NOTHING).verdict == "allow"


def test_folders_that_were_added_are_inside_and_keep_their_names() -> None:
    here, other = Path("/work/here"), Path("/work/other")

    def judged(command: str, *rules: Rule) -> Judgement:
        return judge_command(command, "edits", NOTHING, rules=rules, root=here, more=(other,))

    assert judged("cat /work/other/a.py").verdict == "allow"
    assert judged("cat /work/third/a.py").verdict == "ask"
    assert judged("cat /work/other/.env").verdict == "ask"
    assert judged("cat /work/other/../third/a").verdict == "ask"
    assert judged("cp a /work/other/b").why.startswith("edits mode asks")
    assert judged("cp a /work/third/b").why.startswith("dangerous")
    assert judged("cat /work/other/a.py", Rule("deny", "path", "/work/other/*", "user")).verdict == "deny"
    assert judged("cat /work/other/a.py", Rule("deny", "path", "other/*", "user")).verdict == "allow"
    assert judged("ls > /work/other/log", Rule("deny", "path", "/work/other/*", "user")).verdict == "deny"
