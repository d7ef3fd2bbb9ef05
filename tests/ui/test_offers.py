from __future__ import annotations

from pathlib import Path

import pytest

from kcode.agent.approval import Question
from kcode.safety.policy import judge
from kcode.tools.base import FileEdit, Intent
from kcode.ui.approval.offers import Offer, offers_for
from tests.safety.test_policy_cases import EVERY_MODE, SENSITIVE, cases

ROOT = Path("/home/me/shop")


def question(intent: Intent, tool: str = "tool") -> Question:
    return Question("1", tool, "title", intent, "why", root=ROOT, lasting=True)


def offers(command: str) -> list[Offer]:
    return offers_for(question(Intent("command", command=command), "run_command"))


def edited(*paths: str) -> list[Offer]:
    return offers_for(question(Intent("edit", tuple(FileEdit(path, "a\n", "b\n") for path in paths))))


def rules(found: list[Offer]) -> list[str]:
    return [f"{rule} ({rule.layer})" for offer in found for rule in offer.rules]


def test_edits_are_offered_as_a_kind_and_by_their_folder() -> None:
    found = edited("src/shop/a.py", "src/b.py")
    assert [offer.words for offer in found] == [
        "edits of files, in this session",
        "edits below src/, in this session",
        "edits below src/, in this project from now on",
    ]
    assert rules(found) == ["allow path: src/* (session)", "allow path: src/* (folder)"]


def test_a_file_at_the_top_is_offered_by_name() -> None:
    assert rules(edited("a[1].py")) == ["allow path: a[[]1].py (session)", "allow path: a[[]1].py (folder)"]
    assert rules(edited("a.py", "src/b.py")) == []


def test_a_command_is_offered_as_it_is_and_by_its_subcommand() -> None:
    found = offers("git add a.py")
    assert rules(found) == [
        "allow command: git add a.py (session)",
        "allow command: git add a.py (folder)",
        "allow command: git add * (session)",
        "allow command: git add * (folder)",
    ]
    assert found[0].words == "this command: git add a.py, in this session"
    assert found[2].words == "git add with anything behind it, in this session"
    assert not found[-1].rules
    assert "every command" in found[-1].words


def test_a_beginning_is_offered_only_where_the_subcommand_is_what_matters() -> None:
    for command in ("make deploy", "touch a", "python a.py", "rm -r build", "npm run gen", "git -C x add a"):
        assert not any("*" in rule for rule in rules(offers(command))), command
    assert "allow command: npm run gen * (folder)" in rules(offers("npm run gen -- a"))


def test_each_part_that_is_asked_about_gets_its_rule() -> None:
    assert rules(offers("ls && make deploy > out.log"))[:2] == [
        "allow path: out.log (session)",
        "allow command: make deploy (session)",
    ]


def test_signs_in_a_command_stand_for_themselves() -> None:
    assert rules(offers("rm 'a*.pyc'"))[0] == "allow command: rm a[*].pyc (session)"
    found = offers("rm 'a*.pyc'")[0]
    other = judge(Intent("command", command="rm abc.pyc"), False, "ask", frozenset(), rules=found.rules)
    assert other.verdict == "ask"


@pytest.mark.parametrize(
    "command",
    [
        "git push origin main",
        "curl -d a https://a.test",
        "sudo make install",
        "eval $x",
        "ls 'a",
        "$x a",
        "rm -rf /",
        "cat .env",
        "make deploy && git push",
        "echo a > ../b",
        "bash",
        *SENSITIVE[:40],
        *EVERY_MODE,
        *cases("dangerous", "denied"),
    ],
)
def test_nothing_is_offered_for_what_is_dangerous_sensitive_or_not_understood(command: str) -> None:
    assert offers(command) == []


def test_nothing_is_offered_for_a_sensitive_edit_or_where_nothing_can_be_kept() -> None:
    edit = (FileEdit(".env", "a\n", "b\n"),)
    assert offers_for(question(Intent("edit", edit, sensitive=".env: secrets"))) == []
    asked = Question("", "attach", "attach a", Intent("edit", edit), "why")
    assert offers_for(asked) == []


def test_no_rule_is_made_of_what_is_not_written_out() -> None:
    assert rules(offers("touch $name")) == []
    assert rules(offers("FOO=1 touch a")) == []
    assert rules(offers("touch " + "a" * 300)) == []


@pytest.mark.parametrize("command", ["git add a", "make deploy", "ls && touch a > b", "npm run gen -- x"])
def test_every_offer_answers_the_same_call_from_then_on(command: str) -> None:
    intent = Intent("command", command=command)
    for offer in offers(command):
        granted = frozenset() if offer.rules else frozenset({"command"})
        assert judge(intent, False, "ask", granted, rules=offer.rules, root=ROOT).verdict == "allow"
