from __future__ import annotations

import os
from pathlib import Path

import pytest

from kcode.repair.candidates import Candidate
from kcode.repair.fim import Hole
from kcode.repair.judge import TracedFailure
from kcode.repair.rank import best_first, distance, special_case
from kcode.repair.scratch import copy_project
from kcode.repair.target import as_path, belongs, matching, names_nothing

OLD = "def fee(hours):\n    return hours * 3\n"
FAILURE = TracedFailure("AssertionError", "", (), "fee(42)", "84")


def candidate(line: str, stage: int = 0) -> Candidate:
    return Candidate("a.py", f"def fee(hours):\n{line}\n", Hole(2, 2), (line,), stage, "")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("    return 84", "84"),
        ("    return 84 if hours == 42 else 0", "42"),
        ("    return {42: 84}[hours]", "42"),
        ("    return hours * 2", ""),
        ("    return hours + 42", ""),
    ],
)
def test_deciding_by_the_tests_own_value_is_recognised(line: str, value: str) -> None:
    found = special_case(OLD, candidate(line).text, [FAILURE])
    assert bool(found) == bool(value)
    assert not value or found in ("42", "84")


def test_a_value_that_was_there_before_is_no_special_case() -> None:
    old = "def fee(hours):\n    return 0 if hours == 42 else hours * 3\n"
    assert special_case(old, old.replace("* 3", "* 2"), [FAILURE]) == ""


def test_small_honest_patches_come_first() -> None:
    special, large, small = (
        candidate("    return 84"),
        candidate("    return sum(2 for _ in range(hours))"),
        candidate("    return hours * 2", stage=2),
    )
    assert best_first([special, large, small], {"a.py": OLD}, [FAILURE]) == [small, large, special]


def test_the_size_of_a_patch_is_counted_in_tokens() -> None:
    assert distance("return a % b, b", "return b, a % b") <= 4
    assert distance("x = 1", "x  =  1") == 0
    assert distance("", "x = 1") == 3


IDS = [
    "tests/test_login.py::TestLogin::test_wrong_password",
    "tests/test_login.py::TestLogin::test_remembers_the_user",
    "tests/test_cart.py::test_total[1-2]",
    "tests/test_cart.py::test_total[3-4]",
]


def test_words_select_the_tests_they_fit_best() -> None:
    assert matching("the login test with the wrong password", IDS) == [IDS[0]]
    assert matching("login", IDS) == IDS[:2]
    assert matching("test_total fails", IDS) == IDS[2:]
    assert matching("passwords", IDS) == [IDS[0]]
    assert matching("database", IDS) == []


def test_words_about_failing_alone_name_no_test() -> None:
    assert names_nothing("fix the failing test, please")
    assert names_nothing("")
    assert not names_nothing("the login test")


def test_a_target_holds_what_lies_inside_it() -> None:
    assert belongs(IDS[0], ["tests/test_login.py"])
    assert belongs(IDS[0], ["tests"])
    assert belongs(IDS[2], ["tests/test_cart.py::test_total"])
    assert not belongs(IDS[2], ["tests/test_cart.py::test_tot"])


def test_only_files_inside_the_project_are_paths(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("")
    assert as_path(tmp_path, "test_a.py::test_x") == "test_a.py::test_x"
    assert as_path(tmp_path, str(tmp_path / "test_a.py")) == "test_a.py"
    assert as_path(tmp_path, "../other.py") is None
    assert as_path(tmp_path, "the login test") is None


def test_a_scratch_copy_has_what_tests_need_and_nothing_that_leads_back(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "pkg").mkdir(parents=True)
    (root / "pkg" / "app.py").write_text("x = 1\n")
    (root / "built.so").write_bytes(b"\x00")
    (root / ".gitignore").write_text("built.so\n")
    for name in (".git", "node_modules", "__pycache__"):
        (root / name).mkdir()
        (root / name / "file").write_text("")
    (root / "myenv").mkdir()
    (root / "myenv" / "pyvenv.cfg").write_text("")
    (root / "link.py").symlink_to(root / "pkg" / "app.py")
    (root / "outside").symlink_to(os.path.join("..", "elsewhere"))  # noqa: PTH118
    os.mkfifo(root / "pipe")

    copy = tmp_path / "copy"
    copy_project(root, copy)
    names = {path.relative_to(copy).as_posix() for path in copy.rglob("*")}
    assert names == {"pkg", "pkg/app.py", "built.so", ".gitignore", "link.py", "outside"}
    assert (copy / "link.py").resolve() == copy / "pkg" / "app.py"
    assert (copy / "outside").readlink() == tmp_path / "elsewhere"
