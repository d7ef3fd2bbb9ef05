from __future__ import annotations

import re

import pytest

from kcode.agent.narrow import brief, whole_sentences
from kcode.agent.subject import fitting_types, longest, pattern, read, scopes, shape
from kcode.workspace.logstyle import Style, learned
from kcode.workspace.unidiff import parse


def of(*subjects: str) -> Style:
    return learned([(subject, "") for subject in subjects])


TYPED = of("feat(cart): add gifts", "fix(cart): round down", "docs: say how", "test: more", "chore: tidy")


def test_a_form_of_the_log_holds_the_draft() -> None:
    form = re.compile(pattern(TYPED, ["src/cart.py"]))
    assert form.fullmatch("fix(cart): round half up")
    assert form.fullmatch("feat: add coupons to it")
    for other in (
        "Fix the rounding",
        "fix(shop): round half up",
        "docs: round half up",
        "fix: Round half up",
        "fix: short",
        "fix: " + "x" * 80,
        'fix: say "no" to it',
        "fix: one line\nand another",
    ):
        assert not form.fullmatch(other), other


def test_without_types_in_the_log_the_case_is_kept() -> None:
    assert re.fullmatch(pattern(of("Add a", "Mend b", "Take c"), []), "Close the race in it")
    assert not re.fullmatch(pattern(of("Add a", "Mend b", "Take c"), []), "close the race in it")
    assert re.fullmatch(pattern(of("add a", "mend b", "take c"), []), "close the race in it")
    assert re.fullmatch(pattern(of("修复登录", "新增搜索"), []), "修复了购物车的总价问题")


@pytest.mark.parametrize(
    ("paths", "types"),
    [
        (["README.md", "docs/a.txt"], ["docs"]),
        (["tests/test_cart.py"], ["test"]),
        (["src/cart.py", "tests/test_cart.py", "README.md"], ["feat", "fix"]),
    ],
)
def test_the_type_follows_from_the_files_where_it_can(paths: list[str], types: list[str]) -> None:
    assert fitting_types(TYPED.types, paths) == types


def test_a_log_whose_types_are_modules() -> None:
    modules = of("net: reuse buffers", "time: fix a race", "fs: add a test", "net: less locking")
    assert fitting_types(modules.types, ["src/net/tcp.rs"]) == ["net"]
    assert set(fitting_types(modules.types, ["build.rs"])) == {"net", "time", "fs"}


def test_only_scopes_that_name_a_touched_place() -> None:
    assert scopes(TYPED.subjects, ["packages/cart/index.ts"]) == ["cart"]
    assert scopes(TYPED.subjects, ["packages/shop/index.ts"]) == []
    odd = of("fix(a|b): x is y", "fix(we)ird): x", "fix(a.b): x")
    assert scopes(odd.subjects, ["a|b", "a.b", "we"]) == []


def test_the_schema_is_one_object_with_one_line() -> None:
    told = shape(TYPED, ["cart.py"])
    assert told["required"] == ["message"]
    assert told["properties"]["message"]["pattern"].startswith("^(feat|fix)")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ('{"message": "fix: round half up."}', "fix: round half up"),
        ('{\n  "message": "fix: round\\nhalf"}', "fix: round half"),
        ('{"message": "fix: round half up and', "fix: round half up"),
        ('{"message": "fix: the rounding of totals in the', "fix: the rounding of totals"),
        ("fix: round half up now", "fix: round half up now"),
        ('{"message": "\\u001b[31mred"}', "red"),
    ],
)
def test_the_line_is_read_from_whole_and_cut_answers(answer: str, message: str) -> None:
    assert read(answer, longest(TYPED)) == message


def test_a_line_that_fills_its_room_ends_with_a_whole_word() -> None:
    told = '{"message": "Update the workflow so that the artifact of each build is kept for and with the"}'
    assert read(told, 72) == "Update the workflow so that the artifact of each build is kept"


def test_a_brief_hunk_is_what_changed_and_a_line_around() -> None:
    rows = "".join(f" line {n}\n" for n in (1, 2, 3))
    (file,) = parse(
        f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,6 +1,7 @@ def f\n{rows}+new {'y' * 300}\n{rows}"
    )
    text = brief(file.hunks[0])
    assert text.startswith("@@ def f\n line 3\n+new yyy")
    assert text.endswith("y\n line 1\n")
    assert len(text) < 200


def test_a_cut_answer_ends_with_a_sentence() -> None:
    assert whole_sentences("It adds. Then it") == "It adds."
    assert whole_sentences("It adds.") == "It adds."
    assert whole_sentences("no end at all") == "no end at all"
    assert whole_sentences("它相加。然后") == "它相加。"
