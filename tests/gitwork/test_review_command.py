"""``kcode review``: findings that are checked against the diff."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from kcode.errors import ExitCode
from tests.gitwork.conftest import Project, environment
from tests.k2sim import Answer, ChatRequest, Simulator, say
from tests.ui.sitting import KCODE, Sitting

Sim = Callable[..., Simulator]


def finding(file: str = "shop.py", line: int = 2, **more: Any) -> dict[str, Any]:
    return {
        "file": file,
        "line": line,
        "code": "",
        "severity": "high",
        "problem": "The last price is dropped.",
        "scenario": "total([1, 2]) gives 1.",
        "suggestion": "return sum(prices)",
        **more,
    }


def found(*findings: dict[str, Any]) -> Answer:
    return say(json.dumps({"findings": list(findings)}))


def asked(sim: Simulator, number: int = -1) -> str:
    return "\n".join(message["content"] for message in sim.chats[number].json["messages"])


@pytest.fixture
def changed(project: Project) -> Project:
    project.write("shop.py", "def total(prices):\n    return sum(prices[:-1])\n")
    return project


def test_a_finding_says_where_what_when_and_how(changed: Project, k2sim: Sim) -> None:
    done = changed.kcode(k2sim([found(finding())]), "review")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "shop.py:2: high: The last price is dropped.\n"
        "    fails when: total([1, 2]) gives 1.\n"
        "    return sum(prices)\n"
    )
    assert "everything that is not committed: 1 file looked at, 1 finding" in done.stderr
    assert "cost: ¥" in done.stderr


def test_nothing_found_is_said_plainly(changed: Project, k2sim: Sim) -> None:
    done = changed.kcode(k2sim([found()]), "review", "--fail-on", "low")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing was found" in done.stderr


@pytest.mark.parametrize(
    ("severity", "limit", "code"),
    [
        ("high", "high", ExitCode.NOT_ACHIEVED),
        ("medium", "high", ExitCode.OK),
        ("medium", "low", ExitCode.NOT_ACHIEVED),
        ("low", "medium", ExitCode.OK),
    ],
)
def test_the_exit_code_goes_by_the_worst_finding(
    changed: Project, k2sim: Sim, severity: str, limit: str, code: ExitCode
) -> None:
    sim = k2sim([found(finding(severity=severity))])
    assert changed.kcode(sim, "review", "--fail-on", limit).returncode == code


def test_lines_are_checked_against_the_diff(project: Project, k2sim: Sim) -> None:
    project.stage("long.py", "".join(f"a{n} = {n}\n" for n in range(1, 41)))
    project.git("commit", "-qm", "long")
    project.write("long.py", "".join(f"a{n} = {n if n != 20 else 21}\n" for n in range(1, 41)))
    sim = k2sim(
        [
            found(
                finding("long.py", 20, problem="exact"),
                finding("b/long.py", 3, code="a20 = 21", problem="moved to the line it quotes"),
                finding("long.py", 18, problem="beside"),
                finding("long.py", 2, problem="outside"),
                finding("elsewhere.py", 1, problem="invented"),
            )
        ]
    )
    done = project.kcode(sim, "review", "--json")
    result = json.loads(done.stdout)
    assert {each["problem"]: (each["line"], each["place"]) for each in result["findings"]} == {
        "exact": (20, "changed"),
        "moved to the line it quotes": (20, "changed"),
        "beside": (18, "context"),
        "outside": (2, "file"),
    }
    assert result["dropped"] == 1
    assert "   20 +a20 = 21" in asked(sim)


def test_the_worst_comes_first_and_the_same_only_once(changed: Project, k2sim: Sim) -> None:
    low = finding(severity="low", problem="Later.")
    done = changed.kcode(k2sim([found(low, finding(), finding())]), "review")
    assert [line for line in done.stdout.split("\n") if line.startswith("shop.py")] == [
        "shop.py:2: high: The last price is dropped.",
        "shop.py:2: low: Later.",
    ]


def test_staged_ranges_revisions_and_paths(project: Project, k2sim: Sim) -> None:
    project.stage("one.py", "one = 1\n")
    project.git("commit", "-qm", "one")
    project.stage("two.py", "two = 2\n")
    project.write("three.py", "three = 3\n")
    before = project.state()
    sim = k2sim(lambda request: found())
    seen = {}
    for words in (
        (),
        ("--staged",),
        ("HEAD~1..HEAD",),
        ("HEAD~1",),
        ("three.py", "two.py"),
        ("HEAD", "two.py"),
    ):
        done = project.kcode(sim, "review", *words)
        assert done.returncode == 0, done.stderr
        seen[words] = [name for name in ("one", "two", "three") if f"=== {name}.py" in asked(sim)]
    assert seen == {
        (): ["two", "three"],
        ("--staged",): ["two"],
        ("HEAD~1..HEAD",): ["one"],
        ("HEAD~1",): ["one", "two", "three"],
        ("three.py", "two.py"): ["two", "three"],
        ("HEAD", "two.py"): ["two"],
    }
    assert project.state() == before


def test_words_that_are_neither_are_refused(changed: Project, k2sim: Sim) -> None:
    done = changed.kcode(k2sim([]), "review", "nowhere.py")
    assert done.returncode == ExitCode.USAGE
    assert "'nowhere.py' is neither a revision nor a path" in done.stderr


def test_an_empty_change_needs_no_model_and_fails_nothing(project: Project, k2sim: Sim) -> None:
    sim = k2sim([])
    done = project.kcode(sim, "review", "--fail-on", "low")
    assert done.returncode == 0
    assert "there is nothing to look at" in done.stderr
    assert not sim.chats


def test_a_large_change_is_asked_about_in_parts_that_begin_alike(project: Project, k2sim: Sim) -> None:
    for number in range(6):
        body = "".join(f"def function_{number}_{n}():\n    return {n}\n\n\n" for n in range(500))
        project.write(f"part{number}.py", body)

    def answer(request: ChatRequest) -> Answer:
        last = [m["content"] for m in request.body["messages"] if "=== part" in m["content"]][-1]
        file = last.split("=== ")[1].split(" ")[0]
        return found(finding(file, 1, code=f"def function_{file[4]}_0():"))

    sim = k2sim(answer)
    done = project.kcode(sim, "review", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["requests"] == len(sim.chats) > 1
    assert result["seen"] == result["lines"]
    first = [record.json["messages"][:2] for record in sim.chats]
    assert all(messages == first[0] for messages in first)
    assert all(len(asked(sim, number)) < 60_000 for number in range(len(sim.chats)))


def test_what_nobody_wrote_and_what_is_secret_is_not_sent(project: Project, k2sim: Sim) -> None:
    project.write("uv.lock", "version = 1\n")
    project.write(".env", "NAME=market\n")
    project.write("logo.png", b"\x89PNG\0\0")
    project.write("key.py", 'KEY = "sk-Zk3vQ9xT7mB2wL5pR8nYaJ4cHdE6fGuS"\n')
    sim = k2sim([found()])
    done = project.kcode(sim, "review")
    assert done.returncode == 0, done.stderr
    assert "version = 1" not in asked(sim)
    assert "market" not in asked(sim)
    assert "Zk3vQ9xT7" not in asked(sim)
    assert "not looked at: .env, logo.png, uv.lock" in done.stderr


def test_an_answer_that_is_no_json_is_asked_for_again(changed: Project, k2sim: Sim) -> None:
    sim = k2sim([say("Looks good to me!"), found(finding())])
    done = changed.kcode(sim, "review")
    assert done.returncode == 0, done.stderr
    assert len(sim.chats) == 2
    assert "shop.py:2: high" in done.stdout


def test_a_review_is_billed_and_is_no_session_to_continue(changed: Project, k2sim: Sim) -> None:
    sim = k2sim([found()])
    assert changed.kcode(sim, "review").returncode == 0
    assert re.search(r"requests +1\n", changed.kcode(sim, "cost").stdout)
    done = changed.kcode(sim, "-c", "-p", "go on")
    assert done.returncode == ExitCode.USAGE
    assert "no session to continue" in done.stderr


def test_a_look_writes_nothing_into_the_repository(project: Project, k2sim: Sim) -> None:
    project.write("data.bin", b"\0" + b"x" * 3_000_000)
    project.write("large.txt", "line\n" * 600_000)
    project.write("new.py", "new = 1\n")
    blobs = [project.git("hash-object", name) for name in ("data.bin", "large.txt", "new.py")]
    sim = k2sim([found()])
    done = project.kcode(sim, "review")
    assert done.returncode == 0, done.stderr
    assert "    1 +new = 1" in asked(sim)
    assert "not looked at: data.bin, large.txt" in done.stderr
    kept = project.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert not set(blobs) & set(kept)
    assert project.git("status", "--short") == "?? data.bin\n?? large.txt\n?? new.py"


def test_before_the_first_commit_everything_is_new(empty: Project, k2sim: Sim) -> None:
    empty.stage("staged.py", "a = 1\n")
    empty.write("new.py", "b = 1\n")
    sim = k2sim([found()])
    done = empty.kcode(sim, "review")
    assert done.returncode == 0, done.stderr
    assert "=== staged.py (added" in asked(sim)
    assert "=== new.py (added" in asked(sim)


# --- patches, formats, applying ---------------------------------------------------------------------

MAIL = """From 0123456789 Mon Sep 17 00:00:00 2001
From: A <a@example.invalid>
Subject: [PATCH] Drop the last price

--- a line of the message that looks like a header
---
 shop.py | 2 +-
 1 file changed, 1 insertion(+), 1 deletion(-)

diff --git a/shop.py b/shop.py
index 1..2 100644
--- a/shop.py
+++ b/shop.py
@@ -1,2 +1,2 @@
 def total(prices):
-    return sum(prices)
+    return sum(prices[:-1])
--\x20
2.39.5

"""
PLAIN = "--- shop.py\t2026-01-01\n+++ shop.py\t2026-01-02\n@@ -1 +1,2 @@\n-a\n+b\n+c\n"
MEND = {"old": "    return sum(prices[:-1])", "new": "    return sum(prices)"}


def piped(project: Project, sim: Simulator, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [KCODE, "review", *arguments],
        cwd=project.root,
        env=environment(sim),
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("patch", "line"), [(MAIL, "    2 +    return sum(prices[:-1])"), (PLAIN, "    2 +c")]
)
def test_a_patch_comes_from_standard_input_or_a_file(
    project: Project, k2sim: Sim, patch: str, line: str
) -> None:
    sim = k2sim(lambda request: found(finding()))
    done = piped(project, sim, patch, "-")
    assert done.returncode == 0, done.stderr
    assert line in asked(sim)
    assert "--- a line of the message" not in asked(sim)
    assert "2.39.5" not in asked(sim)
    assert "a patch on standard input: 1 file looked at, 1 finding" in done.stderr
    project.write("x.patch", patch)
    assert "shop.py:2: high" in project.kcode(sim, "review", "x.patch").stdout


def test_a_patch_needs_no_repository(project: Project, k2sim: Sim) -> None:
    sim = k2sim([found(finding())])
    outside = Project(project.root.parent)
    assert piped(outside, sim, MAIL, "-").returncode == 0
    done = outside.kcode(sim, "review")
    assert done.returncode == ExitCode.USAGE
    assert "kcode review - < x.patch" in done.stderr


def test_input_without_a_diff_is_refused(project: Project, k2sim: Sim) -> None:
    done = piped(project, k2sim([]), "Hello\n", "-")
    assert done.returncode == ExitCode.USAGE
    assert "there is no diff in -" in done.stderr


def test_sarif_is_for_code_scanning(changed: Project, k2sim: Sim) -> None:
    sim = k2sim([found(finding(), finding(severity="low", problem="Later."))])
    done = changed.kcode(sim, "review", "--format", "sarif", "--fail-on", "high")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    log = json.loads(done.stdout)
    (run,) = log["runs"]
    assert (log["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "kcode")
    assert [each["level"] for each in run["results"]] == ["error", "note"]
    known = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {each["ruleId"] for each in run["results"]} <= known
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "shop.py"
    assert place["region"]["startLine"] == 2


def test_sarif_has_the_fix_as_lines_to_replace(changed: Project, k2sim: Sim) -> None:
    sim = k2sim([found(finding(**MEND), finding(**{**MEND, "old": "not there", "problem": "Other."}))])
    (run,) = json.loads(changed.kcode(sim, "review", "--format", "sarif").stdout)["runs"]
    (fix,) = run["results"][0]["fixes"]
    (replacement,) = fix["artifactChanges"][0]["replacements"]
    assert replacement["deletedRegion"] == {"startLine": 2, "startColumn": 1, "endLine": 3, "endColumn": 1}
    assert replacement["insertedContent"]["text"] == "    return sum(prices)\n"
    assert "fixes" not in run["results"][1]


def test_githubs_annotations_are_escaped(changed: Project, k2sim: Sim) -> None:
    sim = k2sim([found(finding(problem="100% wrong:\nreally", scenario="", suggestion=""))])
    done = changed.kcode(sim, "review", "--format", "github")
    assert done.stdout == ("::error file=shop.py,line=2,title=kcode review%3A high::100%25 wrong:%0Areally\n")


def test_an_unknown_format_is_refused(changed: Project, k2sim: Sim) -> None:
    assert changed.kcode(k2sim([]), "review", "--format", "xml").returncode == ExitCode.USAGE


def test_a_suggested_change_is_applied_from_the_last_review(changed: Project, k2sim: Sim) -> None:
    sim = k2sim([found(finding(**MEND), finding(problem="No change.", severity="low"))])
    assert "can be applied: kcode review --apply 1" in changed.kcode(sim, "review").stdout
    asked_first = changed.kcode(sim, "review", "--apply", "1")
    assert asked_first.returncode == ExitCode.USAGE
    assert "+    return sum(prices)" in asked_first.stderr
    assert changed.kcode(sim, "review", "--apply", "2", "--yes").returncode == ExitCode.NOT_ACHIEVED
    assert changed.kcode(sim, "review", "--apply", "3", "--yes").returncode == ExitCode.USAGE
    done = changed.kcode(sim, "review", "--apply", "1", "--yes")
    assert (done.returncode, done.stdout) == (0, "shop.py\n"), done.stderr
    assert (changed.root / "shop.py").read_text() == "def total(prices):\n    return sum(prices)\n"
    assert len(sim.chats) == 1
    again = changed.kcode(sim, "review", "--apply", "1", "--yes")
    assert again.returncode == ExitCode.NOT_ACHIEVED
    assert changed.git("status", "--short") == ""


def test_without_a_review_there_is_nothing_to_apply(changed: Project, k2sim: Sim) -> None:
    done = changed.kcode(k2sim([]), "review", "--apply", "1", "--yes")
    assert done.returncode == ExitCode.USAGE
    assert "no review" in done.stderr


def test_a_yes_applies_it(changed: Project, k2sim: Sim, sit: Callable[..., Sitting]) -> None:
    sim = k2sim([found(finding(**MEND))])
    changed.kcode(sim, "review")
    sitting = sit(sim, "review", "--apply", "1")
    sitting.see("Apply this?")
    sitting.type("y\r")
    assert sitting.end() == 0
    assert (changed.root / "shop.py").read_text() == "def total(prices):\n    return sum(prices)\n"


def test_at_the_terminal_a_finding_is_applied_after_its_diff_and_a_yes(
    changed: Project, k2sim: Sim, sit: Callable[..., Sitting]
) -> None:
    sim = k2sim([found(finding(**MEND), finding(problem="No change.", severity="low"))])
    sitting = sit(sim, "review", rows=40)
    sitting.see(r"Apply which\? \(1; Enter: none\)")
    sitting.type("1\r")
    sitting.see(r"\+    return sum\(prices\)[\s\S]*Apply this\?")
    sitting.type("y\r")
    sitting.see("finding 1 is applied")
    assert sitting.end() == 0
    assert (changed.root / "shop.py").read_text() == "def total(prices):\n    return sum(prices)\n"


def test_in_the_session_a_finding_is_applied_told_and_undone(
    changed: Project, k2sim: Sim, sit: Callable[..., Sitting]
) -> None:
    from tests.gitwork.test_session_commands import answer

    before = (changed.root / "shop.py").read_text()
    sim = k2sim([found(finding(**MEND)), say("I see.")])
    sitting = sit(sim, rows=60, columns=100)
    sitting.see("ask mode")
    sitting.type("/review\r")
    answer(sitting, r"Apply which\?", "1\r")
    answer(sitting, r"Apply this\?", "y")
    sitting.see("finding 1 is applied")
    answer(sitting, "the model knows them", "what now\r")
    sitting.see("I see")
    assert "The user applied what the review suggests to shop.py." in asked(sim)
    sitting.type("/undo\r")
    sitting.see(r"shop\.py[\s\S]*undo|restored|took back")
    sitting.settle()
    assert (changed.root / "shop.py").read_text() == before
