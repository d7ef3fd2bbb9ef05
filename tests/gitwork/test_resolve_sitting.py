"""``kcode resolve`` with somebody at the terminal, and ``/resolve`` in the session."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.errors import ExitCode
from tests.gitwork.conflicted import BOTH, OURS, TEST, THEIRS, branches, merge, proposed, put, shop
from tests.gitwork.conftest import Project
from tests.gitwork.test_session_commands import answer, editor, last_user
from tests.k2sim import Simulator, say
from tests.ui.sitting import Sitting

Sim = Callable[..., Simulator]
Sit = Callable[..., Sitting]
ASKED = r"Resolve it how\?  o ours  t theirs  b both  p propose  e edit  s skip  q stop here:"


def status(project: Project) -> str:
    return project.git("status", "--short")


def shown(project: Project) -> str:
    return (project.root / "shop.py").read_text()


@pytest.mark.parametrize(("key", "result"), [("o", OURS), ("t", THEIRS)])
def test_a_side_is_chosen_without_a_model(
    sit: Sit, k2sim: Sim, project: Project, key: str, result: str
) -> None:
    shop(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=50, env={"KCODE_PROVIDER": "no-such-provider"})
    text = person.see(ASKED)
    assert "1/1  shop.py:2" in text
    for line in ("return round(sum(prices), 2)", "return sum(prices)", "return sum(prices) * 1.19"):
        assert line in text
    assert "ours  HEAD" in text
    assert "theirs  feature" in text
    person.type(f"{key}\r")
    person.see("1 file is resolved and added")
    person.see("nothing is left: git merge --continue goes on")
    assert person.end() == 0
    assert shown(project) == result
    assert status(project) == ("" if key == "o" else "M  shop.py")


def test_both_sides_one_after_the_other(sit: Sit, k2sim: Sim, project: Project) -> None:
    branches(project, "list.txt", "a\nz\n", "a\nours\nz\n", "a\ntheirs\nz\n")
    merge(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=50)
    person.see(ASKED)
    person.type("b\r")
    assert person.end() == 0
    assert (project.root / "list.txt").read_text() == "a\nours\ntheirs\nz\n"


def test_a_proposal_is_read_refined_and_taken(sit: Sit, k2sim: Sim, project: Project) -> None:
    shop(project)
    sim = k2sim([proposed("    return sum(prices) * 1.19\n", why="The tax."), proposed()])
    person = sit(sim, "resolve", columns=120, rows=60)
    person.see(ASKED)
    person.type("p\r")
    text = person.see(r"Take it\?  y yes  e edit it  r again, with a hint  n no:")
    assert "not in it: return round(sum(prices), 2)" in text
    person.type("r\r")
    person.see("what should it be like")
    person.type("keep the cents, too\r")
    person.see(r"Tax, then cents[\s\S]*Take it\?")
    person.type("y\r")
    assert person.end() == 0
    assert BOTH in shown(project)
    assert "keep the cents, too" in str(sim.chats[-1].json["messages"])


def test_an_edit_with_markers_is_not_taken_and_one_without_is(
    sit: Sit, k2sim: Sim, project: Project, tmp_path: Path
) -> None:
    shop(project)
    first = editor(
        tmp_path, 'if [ -e "$0.again" ]; then printf "    return 7\\n" > "$1"; fi; touch "$0.again"'
    )
    person = sit(k2sim([]), "resolve", columns=120, rows=60, env=first)
    person.see(ASKED)
    person.type("e\r")
    person.see("a conflict marker is left in it: nothing is taken")
    person.type("e\r")
    assert person.end() == 0
    assert "    return 7\n" in shown(project)


def test_what_is_skipped_stays_in_conflict(sit: Sit, k2sim: Sim, project: Project) -> None:
    two = "".join(f"line {n}\n" for n in range(20))
    ours = two.replace("line 2\n", "ours 2\n").replace("line 17\n", "ours 17\n")
    theirs = two.replace("line 2\n", "theirs 2\n").replace("line 17\n", "theirs 17\n")
    branches(project, "two.txt", two, ours, theirs)
    merge(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=60)
    person.see(r"1/2  two\.txt:3[\s\S]*Resolve it how")
    person.type("t\r")
    person.see(r"2/2  two\.txt:22[\s\S]*Resolve it how")
    person.type("s\r")
    person.see(r"still in conflict: two\.txt")
    assert person.end() == ExitCode.NOT_ACHIEVED
    text = (project.root / "two.txt").read_text()
    assert "theirs 2\n" in text
    assert "ours 2\n" not in text
    assert text.count("<<<<<<<") == 1
    assert status(project) == "UU two.txt"


def test_failing_tests_are_asked_about(sit: Sit, k2sim: Sim, project: Project) -> None:
    put(project, "test_shop.py", TEST, "A test")
    shop(project)
    before = shown(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=60)
    person.see(ASKED)
    person.type("o\r")
    person.see(r"test_shop\.py::test_total[\s\S]*The tests fail\.  a add it anyway  k keep the files")
    person.type("u\r")
    person.see("the conflicts are back as they were")
    assert person.end() == ExitCode.NOT_ACHIEVED
    assert shown(project) == before
    assert status(project) == "UU shop.py"


def test_the_end_of_a_file_without_newline_is_the_sides_own(sit: Sit, k2sim: Sim, project: Project) -> None:
    branches(project, "a.txt", "one", "two", "three\n")
    merge(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=50)
    person.see(ASKED)
    person.type("o\r")
    assert person.end() == 0
    assert (project.root / "a.txt").read_bytes() == b"two"


def test_a_deleted_file_is_kept_or_deleted(sit: Sit, k2sim: Sim, project: Project) -> None:
    branches(project, "a.txt", "one\n", "two\n", None)
    merge(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=50)
    text = person.see(r"Resolve it how\?  o keep it  d delete it  s skip")
    assert "a.txt: we changed it, they deleted it (or moved it)" in text
    person.type("d\r")
    assert person.end() == 0
    assert status(project) == "D  a.txt"
    assert not (project.root / "a.txt").exists()


def test_a_file_deleted_here_and_changed_there_can_come_back(sit: Sit, k2sim: Sim, project: Project) -> None:
    branches(project, "a.txt", "one\n", None, "two\n")
    merge(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=50)
    person.see(r"Resolve it how\?  t keep it  d delete it")
    person.type("t\r")
    assert person.end() == 0
    assert status(project) == "A  a.txt"
    assert (project.root / "a.txt").read_text() == "two\n"


def test_a_binary_file_is_one_side_whole(sit: Sit, k2sim: Sim, project: Project) -> None:
    branches(project, "logo.png", b"\x89PNG\0base", b"\x89PNG\0ours", b"\x89PNG\0theirs")
    merge(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=50)
    person.see(r"logo\.png: cannot be merged by lines[\s\S]*o keep ours  t keep theirs  d delete it")
    person.type("t\r")
    assert person.end() == 0
    assert (project.root / "logo.png").read_bytes() == b"\x89PNG\0theirs"
    assert status(project) == "M  logo.png"


def test_a_rename_on_one_side_and_another_on_the_other(sit: Sit, k2sim: Sim, project: Project) -> None:
    text = "".join(f"line {n}\n" for n in range(20))
    put(project, "old.txt", text, "base")
    project.git("switch", "-qc", "feature")
    project.git("mv", "old.txt", "theirs.txt")
    project.git("commit", "-qm", "theirs")
    project.git("switch", "-q", "main")
    project.git("mv", "old.txt", "ours.txt")
    project.git("commit", "-qm", "ours")
    merge(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=60)
    person.see(r"ours\.txt: only our side has it under this name[\s\S]*o keep it  d delete it")
    person.type("o\r")
    person.see(r"theirs\.txt: only their side has it under this name[\s\S]*t keep it  d delete it")
    person.type("d\r")
    person.see("3 files are resolved and added")
    assert person.end() == 0
    assert project.git("ls-files", "-u") == ""
    assert (project.root / "ours.txt").read_text() == text
    assert not (project.root / "theirs.txt").exists()


def test_two_files_of_one_name_and_of_different_modes(sit: Sit, k2sim: Sim, project: Project) -> None:
    project.git("switch", "-qc", "feature")
    put(project, "run.sh", "echo theirs\n", "theirs")
    project.git("switch", "-q", "main")
    project.write("run.sh", "echo ours\n").chmod(0o755)
    project.git("add", "run.sh")
    project.git("commit", "-qm", "ours")
    merge(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=60)
    person.see(ASKED)
    person.type("t\r")
    person.see(r"executable\?")
    person.type("n\r")
    assert person.end() == 0
    assert project.git("ls-files", "--stage", "run.sh").startswith("100644")
    assert (project.root / "run.sh").read_text() == "echo theirs\n"


def test_ctrl_c_keeps_what_git_had_made(sit: Sit, k2sim: Sim, project: Project) -> None:
    shop(project)
    before = shown(project)
    person = sit(k2sim([]), "resolve", columns=120, rows=50)
    person.see(ASKED)
    person.process.send_signal(signal.SIGINT)
    assert person.end() == ExitCode.INTERRUPTED
    assert shown(project) == before
    assert status(project) == "UU shop.py"


def test_in_the_session_undo_brings_the_conflict_back_and_the_model_is_told(
    sit: Sit, k2sim: Sim, project: Project
) -> None:
    shop(project)
    before = shown(project)
    sim = k2sim([proposed(), say("I see.")])
    person = sit(sim, columns=100, rows=60)
    person.see("ask mode")
    person.type("/resolve\r")
    answer(person, r"Resolve it how\?", "p")
    answer(person, r"Take it\?", "y")
    person.see("1 file is resolved and added")
    assert BOTH in shown(project)
    person.type("what now\r")
    person.see("I see")
    assert "The user resolved the conflicts in shop.py." in last_user(sim)
    person.type("/undo\r")
    person.see(r"shop\.py")
    person.settle()
    assert shown(project) == before
