from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcode.workspace.diff import counts, hunks, unified

TEXT = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\n", "d"]), max_size=14).map("".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(TEXT, TEXT)
def test_git_applies_the_diff_and_gets_the_new_text(tmp_path: Path, before: str, after: str) -> None:
    patch = unified(before, after, "file.txt")
    path = tmp_path / "file.txt"
    path.write_bytes(before.encode())
    if before == after:
        assert patch == ""
        return
    done = subprocess.run(
        ["git", "apply", "--whitespace=nowarn", "-"],
        cwd=tmp_path,
        input=patch.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, (patch, done.stderr)
    assert path.read_bytes() == after.encode()


def test_creation_and_deletion_are_told_apart_from_emptiness() -> None:
    assert unified(None, "a\n", "f").startswith("--- /dev/null\n+++ b/f\n@@ -0,0 +1 @@\n+a\n")
    assert unified("a\n", None, "f").startswith("--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n")


def test_distant_changes_are_separate_hunks() -> None:
    lines = [f"{number}\n" for number in range(40)]
    changed = list(lines)
    changed[2], changed[30] = "x\n", "y\n"
    found = hunks("".join(lines), "".join(changed))
    assert [(hunk.old_start, hunk.old_count) for hunk in found] == [(1, 6), (28, 7)]
    assert counts("".join(lines), "".join(changed)) == (2, 2)


@pytest.mark.parametrize("size", [60_000])
def test_one_change_in_a_long_file_costs_only_its_neighbourhood(size: int) -> None:
    lines = [f"line {number}\n" for number in range(size)]
    changed = [*lines[: size // 2], "new\n", *lines[size // 2 :]]
    assert counts("".join(lines), "".join(changed)) == (1, 0)
