from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kcode.codemap.files import listing
from kcode.ui.completing.fileindex import FileIndex
from kcode.workspace.census import changed_among
from kcode.workspace.errors import KeptOut
from kcode.workspace.listing import list_files
from kcode.workspace.workspace import Workspace


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


TREE = {
    "a.py": "x",
    "b.log": "x",
    "build/out.py": "x",
    "build/keep.txt": "x",
    "private/key.py": "x",
    "sub/private/other.py": "x",
    "sub/drop.py": "x",
    "sub/deep/c.py": "x",
    ".gitignore": "*.log\nbuild/\n",
    ".ignore": "drop.py\n!build/\n",
    ".kcodeignore": "/private/\n",
    "sub/.kcodeignore": "deep\n",
}


@pytest.mark.parametrize("kind", ["git", "plain"])
def test_ignore_and_kcodeignore_count_beside_gitignore(tmp_path: Path, kind: str) -> None:
    write(tmp_path, TREE)
    if kind == "git":
        git(tmp_path, "init", "-q")
        git(tmp_path, "add", "-f", "private/key.py", "sub/drop.py", "b.log")
    found = list_files(tmp_path)
    assert [name for name in found if not Path(name).name.startswith(".")] == [
        "a.py",
        *(["b.log"] if kind == "git" else []),  # tracked: what git ignores is not asked then
        "build/keep.txt",
        "build/out.py",
        "sub/private/other.py",
    ]


def test_kcodeignore_holds_for_the_map_completion_and_reading(repository: Workspace) -> None:
    root = repository.root
    write(root, TREE)
    git(root, "add", ".")
    assert "private/key.py" not in listing(root)[0]
    assert "a.py" in listing(root)[0]
    index = FileIndex(root)
    index._read()
    haystack = index.current()
    assert haystack is not None
    assert haystack.search("a.py", 10)
    assert not any("key.py" in found.path for found in haystack.search("key.py", 10))
    with pytest.raises(KeptOut, match=r"kept out by \.kcodeignore:1"):
        repository.read("private/key.py")
    (root / "door").symlink_to("private/key.py")
    with pytest.raises(KeptOut):
        repository.read("door")
    assert repository.read("sub/drop.py").text == "x"  # only not searched


def test_submodules_and_nested_repositories_are_part_of_it_other_working_trees_are_not(
    repository: Workspace, tmp_path: Path
) -> None:
    root = repository.root
    other = tmp_path / "other"
    write(other, {"lib.py": "x", "lib.log": "x", ".gitignore": "*.log\n"})
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        git(other, *command)
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "vendor/sub")
    subprocess.run(["cp", "-r", str(other), str(root / "nested")], check=True)
    write(root, {"a.py": "x", ".gitignore": "*.py\n", "nested/own.py": "x"})
    git(root, "add", "-f", "a.py")
    git(root, "commit", "-q", "-m", "all")
    git(root, "worktree", "add", "-q", "trees/second")
    found = list_files(root)
    assert "vendor/sub/lib.py" in found  # the parent's rules end at another repository
    assert "nested/own.py" in found
    assert "nested/lib.py" in found
    assert not any(name.endswith(".log") for name in found)
    assert not any(name.startswith("trees/") for name in found)
    assert "a.py" in list_files(root / "trees/second")


def test_a_rule_that_is_no_pattern_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x", "b.py": "x", ".ignore": "!\n/\n[\nb.py\n"})
    assert list_files(tmp_path) == [".ignore", "a.py"]


def test_of_named_files_those_are_told_that_git_has_as_changed_staged_or_new(tmp_path: Path) -> None:
    names = ("same.py", "changed.py", "staged.py", "s p/:x*.py")
    write(tmp_path, dict.fromkeys(names, "1"))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all")
    write(tmp_path, dict.fromkeys(("changed.py", "staged.py", "s p/:x*.py", "new.py", "beside.py"), "22"))
    git(tmp_path, "add", "staged.py")
    asked = {*names, "new.py", "none.py"}
    assert changed_among(tmp_path, asked) == {"changed.py", "staged.py", "s p/:x*.py", "new.py"}
    many = asked | {f"{number}.py" for number in range(600)}
    assert changed_among(tmp_path, many) == {"changed.py", "staged.py", "s p/:x*.py"}
    assert changed_among(tmp_path, set()) == set()
