"""``kcode commit --split``: several commits out of one change, hunk by hunk, nothing lost on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.agent.splitting import Group, Plan
from kcode.errors import ExitCode, UsageError
from kcode.ui.splitting import plan_text, read_plan
from kcode.workspace import staging
from kcode.workspace.splitting import splittable
from tests.gitwork.conftest import Project
from tests.gitwork.test_session_commands import answer, editor
from tests.k2sim import Answer, Simulator, say
from tests.ui.sitting import Sitting

Sim = Callable[..., Simulator]
Sit = Callable[..., Sitting]

LINES = [f"line {n}\n" for n in range(1, 41)]


def plan_of(*commits: tuple[str, list[int]]) -> Answer:
    rows = [{"message": message, "changes": changes} for message, changes in commits]
    return say(json.dumps({"commits": rows}))


def text(**changed: str) -> str:
    """Forty lines, those named changed: ``l3="three"``."""
    lines = list(LINES)
    for name, value in changed.items():
        lines[int(name[1:]) - 1] = f"{value}\n"
    return "".join(lines)


@pytest.fixture
def long(project: Project) -> Project:
    """A file with two hunks that are changed, and a new file."""
    project.stage("long.txt", text())
    project.git("commit", "-qm", "Forty lines")
    project.write("long.txt", text(l3="three", l37="thirty-seven"))
    project.write("new.py", "x = 1\n")
    return project


def committed(project: Project, rev: str, name: str = "long.txt") -> str:
    return project.git("show", f"{rev}:{name}") + "\n"


def asked(sim: Simulator) -> str:
    return "\n".join(message["content"] for message in sim.chats[-1].json["messages"])


def test_hunks_of_one_file_go_into_different_commits(long: Project, k2sim: Sim) -> None:
    sim = k2sim([plan_of(("Spell three", [1]), ("Spell thirty-seven\n\nIt was a number.", [2, 3]))])
    done = long.kcode(sim, "commit", "--split", "--yes")
    assert done.returncode == 0, done.stderr
    assert long.git("log", "--format=%s", "-3").split("\n") == [
        "Spell thirty-seven",
        "Spell three",
        "Forty lines",
    ]
    assert committed(long, "HEAD~1") == text(l3="three")
    assert committed(long, "HEAD") == text(l3="three", l37="thirty-seven")
    assert long.git("show", "--format=", "--name-only", "HEAD").split() == ["long.txt", "new.py"]
    assert long.git("status", "--short") == ""
    assert len(done.stdout.split()) == 2
    assert "[1] long.txt:3 (+1 -1)" in asked(sim)
    assert "[3] new.py (added) (+1 -0)" in asked(sim)


def test_the_later_hunk_can_come_first(long: Project, k2sim: Sim) -> None:
    done = long.kcode(k2sim([plan_of(("B", [2]), ("A", [1, 3]))]), "commit", "--split", "--yes")
    assert done.returncode == 0, done.stderr
    assert committed(long, "HEAD~1") == text(l37="thirty-seven")
    assert committed(long, "HEAD") == text(l3="three", l37="thirty-seven")


def test_only_what_is_staged_is_divided(long: Project, k2sim: Sim) -> None:
    long.git("add", "long.txt")
    long.write("long.txt", text(l3="three", l37="thirty-seven", l20="untouched so far"))
    sim = k2sim([plan_of(("A", [1]), ("B", [2]))])
    done = long.kcode(sim, "commit", "--split", "--yes")
    assert done.returncode == 0, done.stderr
    assert "untouched so far" not in asked(sim)
    assert committed(long, "HEAD") == text(l3="three", l37="thirty-seven")
    assert long.git("status", "--short").split("\n") == ["M long.txt", "?? new.py"]


def test_what_the_model_forgets_goes_beside_what_is_nearest(long: Project, k2sim: Sim) -> None:
    sim = k2sim([plan_of(("New", [3]), ("Three", [1, 1, 9]))])
    done = long.kcode(sim, "commit", "--split", "--yes")
    assert done.returncode == 0, done.stderr
    assert "the model forgot part 2" in done.stderr
    assert long.git("show", "--format=", "--name-only", "HEAD").split() == ["long.txt"]
    assert committed(long, "HEAD") == text(l3="three", l37="thirty-seven")


def test_without_a_yes_the_plan_is_printed_and_nothing_committed(long: Project, k2sim: Sim) -> None:
    before = long.state()
    sim = k2sim([plan_of(("A", [1, 2]), ("B", [3]))] * 2)
    done = long.kcode(sim, "commit", "--split")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert done.stdout == "A\n    long.txt\n\nB\n    new.py\n\n"
    data = json.loads(long.kcode(sim, "commit", "--split", "--json").stdout)
    assert [(made["message"], made["files"]) for made in data["commits"]] == [
        ("A", ["long.txt"]),
        ("B", ["new.py"]),
    ]
    assert long.state() == before


def test_binary_renamed_deleted_linked_and_executable_files_are_parts(project: Project, k2sim: Sim) -> None:
    for name, content in {
        "a.bin": b"\0one",
        "old.txt": text(),
        "gone.txt": "x\n",
        "run.sh": "echo\n",
    }.items():
        project.stage(name, content)
    project.git("commit", "-qm", "Files")
    project.write("a.bin", b"\0two")
    project.git("mv", "old.txt", "renamed.txt")
    project.git("reset", "-q")
    (project.root / "gone.txt").unlink()
    (project.root / "link").symlink_to("run.sh")
    project.write("run.sh", "echo hello\n").chmod(0o755)
    sim = k2sim([plan_of(*((f"Commit {n}", [n]) for n in range(1, 8)))])
    done = project.kcode(sim, "commit", "--split", "--yes")
    assert done.returncode == 0, done.stderr
    assert project.git("status", "--short") == ""
    assert "old.txt -> renamed.txt" in asked(sim)
    assert "run.sh (mode)" in asked(sim)
    assert project.git("ls-files", "--stage", "run.sh").startswith("100755")
    modes = [project.git("ls-tree", rev, "run.sh").partition(" ")[0] for rev in ("HEAD~1", "HEAD")]
    assert modes == ["100755", "100755"]
    assert project.git("rev-list", "--count", "HEAD") == "8"


def test_bytes_that_are_no_utf8_and_crlf_stay(project: Project, k2sim: Sim) -> None:
    before = b"\xc4\xe3 one\r\n" + b"".join(line.encode() for line in LINES) + b"\xff last"
    after = before.replace(b"one", b"two").replace(b"\xff last", b"\xfe last")
    project.stage("odd.txt", before)
    project.git("commit", "-qm", "Odd")
    project.write("odd.txt", after)
    done = project.kcode(k2sim([plan_of(("B", [2]), ("A", [1]))]), "commit", "--split", "--yes")
    assert done.returncode == 0, done.stderr
    (project.root / "odd.txt").unlink()
    project.git("checkout", "-q", "HEAD~1", "--", "odd.txt")
    assert (project.root / "odd.txt").read_bytes() == before.replace(b"\xff last", b"\xfe last")
    project.git("checkout", "-q", "HEAD", "--", "odd.txt")
    assert (project.root / "odd.txt").read_bytes() == after


@pytest.mark.parametrize("staged", [False, True])
def test_a_hook_that_refuses_the_second_leaves_the_rest(long: Project, k2sim: Sim, staged: bool) -> None:
    if staged:
        long.git("add", "-A")
    tree = long.git("write-tree")
    long.hook("commit-msg", 'grep -q Second "$1" && { echo no second; exit 1; }; exit 0\n')
    sim = k2sim([plan_of(("First", [1]), ("Second", [2]), ("Third", [3]))])
    done = long.kcode(sim, "commit", "--split", "--yes")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert "1 of 3 commits was made" in done.stderr
    assert "no second" in done.stderr
    assert long.message() == "First"
    assert committed(long, "HEAD") == text(l3="three")
    assert (long.root / ".git" / "KCODE_EDITMSG").read_text() == "Second\n"
    expected = ["M  long.txt", "A  new.py"] if staged else [" M long.txt", "?? new.py"]
    rows = long.git("-c", "color.ui=false", "status", "--short")
    assert f"{rows}" == "\n".join(expected).strip()
    if staged:
        assert long.git("write-tree") == tree
    assert (long.root / "long.txt").read_text() == text(l3="three", l37="thirty-seven")


def test_a_hook_that_formats_is_kept(long: Project, k2sim: Sim) -> None:
    long.hook("pre-commit", "if [ -e new.py ]; then echo 'x = 2' > new.py; git add new.py; fi\n")
    done = long.kcode(k2sim([plan_of(("New", [3]), ("Long", [1, 2]))]), "commit", "--split", "--yes")
    assert done.returncode == 0, done.stderr
    assert "a hook changed what was committed" in done.stderr
    assert long.git("show", "HEAD:new.py") == "x = 2"
    assert long.git("status", "--short") == ""


def test_intent_to_add_of_what_stays_is_kept(long: Project, k2sim: Sim) -> None:
    long.git("add", "--intent-to-add", "new.py")
    long.hook("commit-msg", 'grep -q Second "$1" && exit 1; exit 0\n')
    sim = k2sim([plan_of(("First", [1, 2]), ("Second", [3]))])
    done = long.kcode(sim, "commit", "--all", "--split", "--yes")
    assert done.returncode == ExitCode.NOT_ACHIEVED
    assert long.git("status", "--short") == "A new.py"


def test_the_first_commits_of_a_repository(empty: Project, k2sim: Sim) -> None:
    empty.write("a.py", "x = 1\n")
    empty.write("b.py", "y = 1\n")
    done = empty.kcode(k2sim([plan_of(("A", [1]), ("B", [2]))]), "commit", "--split", "--yes")
    assert done.returncode == 0, done.stderr
    assert empty.git("log", "--format=%s").split("\n") == ["B", "A"]
    assert empty.git("status", "--short") == ""


def test_every_state_between_is_exact(project: Project) -> None:
    """Any choice of parts gives a file whose diff to the change is the parts that are left."""
    import asyncio
    from itertools import combinations

    from kcode.workspace.splitting import tree_with

    project.stage("long.txt", text())
    project.git("commit", "-qm", "Forty lines")
    new = text(l1="one", l13="thirteen\nand more", l40="forty").replace("line 25\n", "")
    project.write("long.txt", new)
    change = asyncio.run(staging.draftable(project.root, ()))
    found = splittable(project.root, change)
    assert len(found.parts) == 4
    whole = project.git("diff", "--numstat", found.base, found.tree).split()[:2]
    for size in range(1, 5):
        for chosen in combinations([1, 2, 3, 4], size):
            tree = tree_with(project.root, found, chosen, {})
            halves = [
                project.git("diff", "--numstat", *pair).split()[:2]
                for pair in ((found.base, tree), (tree, found.tree))
            ]
            sums = [sum(int(half[n]) for half in halves if half) for n in (0, 1)]
            assert sums == [int(count) for count in whole]
    assert tree == found.tree


def test_blank_lines_that_git_was_told_to_shorten_move_no_hunk(project: Project) -> None:
    import asyncio

    from kcode.workspace.splitting import tree_with

    project.git("config", "diff.suppressBlankEmpty", "true")
    lines = [f"{n}\n\n" for n in range(20)]
    project.stage("blank.txt", "".join(lines))
    project.git("commit", "-qm", "Blank lines")
    lines[2], lines[15] = "two\n\n", "fifteen\n\n"
    project.write("blank.txt", "".join(lines))
    change = asyncio.run(staging.draftable(project.root, ()))
    found = splittable(project.root, change)
    first = project.git("show", f"{tree_with(project.root, found, [1], {})}:blank.txt")
    assert first.strip() == "".join([*lines[:15], "15\n\n", *lines[16:]]).strip()


def test_a_person_reorders_joins_rewords_and_drops_in_the_editor(
    sit: Sit, k2sim: Sim, long: Project, tmp_path: Path
) -> None:
    (tmp_path / "plan").write_text(
        "=== commit\nNew first\n\nWith a body.\n--- parts\n3\n\n=== commit\nThree\n--- parts\n1\n"
    )
    env = editor(tmp_path, f'cp "{tmp_path}/plan" "$1"')
    sim = k2sim([plan_of(("Three", [1]), ("Thirty-seven", [2]), ("New", [3]))])
    person = sit(sim, "commit", "--split", env=env, rows=60, columns=100)
    text_ = person.see(r"Make these 3 commits\?  y yes  e edit the plan  r divide again with a hint  n no:")
    assert "long.txt:37 line 33 (+1 -1)" in text_
    person.type("e\r")
    text_ = person.see(r"1 part stays in the work tree[\s\S]*Make these 2 commits")
    person.type("y\r")
    assert person.end() == 0
    assert long.message("HEAD~1") == "New first\n\nWith a body."
    assert committed(long, "HEAD") == text(l3="three")
    assert long.git("status", "--short") == "M long.txt"


def test_no_leaves_everything(sit: Sit, k2sim: Sim, long: Project) -> None:
    before = long.state()
    person = sit(k2sim([plan_of(("A", [1, 2, 3]))]), "commit", "--split", rows=50)
    person.see(r"Make this commit\?")
    person.type("n\r")
    person.see("nothing was committed")
    assert person.end() == ExitCode.NOT_ACHIEVED
    assert long.state() == before


def test_plain_commit_offers_to_divide_in_the_session(sit: Sit, k2sim: Sim, long: Project) -> None:
    person = sit(k2sim([plan_of(("A", [1, 2]), ("B", [3]))]), rows=60)
    person.see("ask mode")
    person.type("/commit\r")
    answer(person, r"Commit what\?", "s")
    answer(person, r"Make these 2 commits\?", "y")
    person.see(r"\[[0-9a-f]{7,}\] B")
    assert long.git("log", "--format=%s", "-2").split("\n") == ["B", "A"]


def test_a_plan_survives_the_editor_and_nonsense_is_named(project: Project) -> None:
    import asyncio

    project.write("a.py", "x = 1\n")
    project.write("b.py", "x = 1\n")
    found = splittable(project.root, asyncio.run(staging.draftable(project.root, ())))
    plan = Plan((Group("A\n\nbody", (1,)), Group("B", (2,))))
    assert read_plan(plan_text(plan, found.parts), found.parts) == plan
    for bad in (
        "=== commit\nA\n--- parts\n7\n",
        "=== commit\nA\n--- parts\n1\n1\n",
        "",
        "=== commit\n\n--- parts\n1\n",
    ):
        with pytest.raises(UsageError):
            read_plan(bad, found.parts)


def test_the_trailer_of_the_setting_is_on_every_commit(long: Project, k2sim: Sim) -> None:
    env = {"KCODE_COMMIT__TRAILER": "Assisted-by: kcode"}
    sim = k2sim([plan_of(("A", [1]), ("B", [2, 3]))])
    assert long.kcode(sim, "commit", "--split", "--yes", env=env).returncode == 0
    assert long.message("HEAD~1") == "A\n\nAssisted-by: kcode"
    assert long.message() == "B\n\nAssisted-by: kcode"
    assert os.environ.get("KCODE_COMMIT__TRAILER") is None
