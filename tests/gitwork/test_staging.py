"""What a commit holds, and what a look at it leaves alone."""

from __future__ import annotations

import asyncio
import os

import pytest

from kcode.errors import NotAchieved
from kcode.workspace import staging
from kcode.workspace.unidiff import parse
from tests.gitwork.conftest import Project


def test_a_change_of_the_same_size_in_the_same_instant_is_seen(project: Project) -> None:
    path = project.write("shop.py", "a = 1\n")
    project.git("add", "shop.py")
    project.write("shop.py", "a = 2\n")
    index = project.root / ".git" / "index"
    now = index.stat().st_mtime_ns
    os.utime(path, ns=(now, now))
    project.git("update-index", "--refresh", check=False)
    seen = asyncio.run(staging.draftable(project.root, ()))
    assert "+a = 2" in seen.diff


def test_a_refused_commit_of_everything_puts_the_index_back_byte_for_byte(project: Project) -> None:
    project.stage("a.py", "a = 1\n")
    project.write("b.py", "b = 1\n")
    project.hook("pre-commit", "exit 1\n")
    index = project.root / ".git" / "index"
    before, at = index.read_bytes(), index.stat().st_mtime_ns
    wanted = asyncio.run(staging.draftable(project.root, ()))
    done = asyncio.run(staging.commit(project.root, wanted, "All of it"))
    assert (done.commit, done.code) == ("", 1)
    assert (index.read_bytes(), index.stat().st_mtime_ns) == (before, at)


def test_what_changed_since_it_was_shown_is_not_committed(project: Project) -> None:
    project.stage("a.py", "a = 1\n")
    wanted = asyncio.run(staging.draftable(project.root))
    project.stage("a.py", "a = 'something else'\n")
    before = project.state()
    with pytest.raises(NotAchieved, match="changed meanwhile"):
        asyncio.run(staging.commit(project.root, wanted, "Add a"))
    assert project.state() == before
    assert (project.root / ".git" / staging.KEPT_MESSAGE).read_text() == "Add a\n"


def test_in_a_linked_worktree_its_own_index_counts(project: Project) -> None:
    side = project.root.parent / "side"
    project.git("worktree", "add", "-q", "-b", "side", str(side))
    other = Project(side)
    other.write("b.py", "b = 1\n")
    wanted = asyncio.run(staging.draftable(side, ["b.py"]))
    done = asyncio.run(staging.commit(side, wanted, "Add b"))
    assert done.commit
    assert other.git("log", "-1", "--format=%s") == "Add b"
    assert project.git("log", "-1", "--format=%s", "main") == "start"


def test_staged_unstaged_and_conflicting_are_told_apart(project: Project) -> None:
    project.stage("both.py", "1\n")
    project.write("both.py", "2\n")
    project.stage("新.py", "x\n")
    project.write("left alone.py", "x\n")
    found = staging.changes(project.root)
    assert [change.path for change in found.staged] == ["both.py", "新.py"]
    assert [change.path for change in found.unstaged] == ["both.py", "left alone.py"]
    assert found.partly == ("both.py",)
    assert not found.conflicts


def test_a_diff_is_read_with_its_line_numbers(project: Project) -> None:
    project.stage("long.txt", "".join(f"{n}\n" for n in range(1, 31)))
    project.git("commit", "-qm", "long")
    lines = [f"{n}\n" for n in range(1, 31)]
    lines[4:6] = ["five and six\n"]
    lines[23:24] = ["25\n", "--- a/long.txt\n", "diff --git a/x b/x\n"]
    project.stage("long.txt", "".join(lines))
    project.stage("no newline", "x")
    files = {file.path: file for file in parse(asyncio.run(staging.draftable(project.root)).diff)}
    assert set(files) == {"long.txt", "no newline"}
    assert (files["long.txt"].added, files["long.txt"].removed) == (3, 2)
    added = [
        (line.new, line.text) for hunk in files["long.txt"].hunks for line in hunk.lines if line.sign == "+"
    ]
    assert added == [(5, "five and six"), (25, "--- a/long.txt"), (26, "diff --git a/x b/x")]
    assert files["no newline"].status == "added"


def test_a_submodule_and_a_link_are_files_of_the_diff(project: Project, tmp_path: object) -> None:
    inner = Project(project.root.parent / "inner")
    inner.root.mkdir()
    inner.git("init", "-q")
    inner.stage("x", "x\n")
    inner.git("commit", "-qm", "x")
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.root), "inner")
    (project.root / "link").symlink_to("shop.py")
    project.git("add", "link")
    files = {file.path: file.status for file in parse(asyncio.run(staging.draftable(project.root)).diff)}
    assert files == {".gitmodules": "added", "inner": "added", "link": "added"}
