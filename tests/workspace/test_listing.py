from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcode.codemap.files import listing
from kcode.tools.grep_engines import ripgrep
from kcode.ui.completing.fileindex import FileIndex
from kcode.workspace.census import changed_among
from kcode.workspace.errors import KeptOut
from kcode.workspace.listing import list_files, tracked_though_ignored
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


@pytest.mark.parametrize("rule", ["!*/", "!**/", "!own"])
def test_a_rule_may_bring_back_any_folder(tmp_path: Path, rule: str) -> None:
    write(tmp_path, {"own/a.py": "x", ".gitignore": "*\n", ".ignore": f"own\n{rule}\n"})
    assert list_files(tmp_path) == []
    git(tmp_path, "init", "-q")
    git(tmp_path / "own", "init", "-q")
    assert list_files(tmp_path) == ["own/a.py"]


def test_a_rule_that_is_no_pattern_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x", "b.py": "x", ".ignore": "!\n/\n[\nb.py\n"})
    assert list_files(tmp_path) == [".ignore", "a.py"]


def test_a_rule_that_brings_back_costs_a_look_only_where_git_hides_and_it_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        tmp_path,
        {
            ".gitignore": "out/\ncache/\n*.log\n",
            "here/.ignore": "!/out/\n",
            **{f"{top}/out/deep/x.py": "x" for top in ("here", "there")},
            **{f"here/src/{name}.py": "x" for name in "abc"},
            "here/out/no.log": "x",
            "here/cache/y.py": "x",
            "here/no.log": "x",
        },
    )
    git(tmp_path, "init", "-q")
    looked: list[str] = []
    real = os.scandir

    def scan(folder: Any) -> Any:
        looked.append(Path(folder).relative_to(tmp_path).as_posix())
        return real(folder)

    monkeypatch.setattr(os, "scandir", scan)
    found = list_files(tmp_path)
    assert [path for path in found if "/out/" in path or path.endswith(".log")] == ["here/out/deep/x.py"]
    assert "here/src/a.py" in found
    assert not any("cache" in path or "there/" in path for path in found)
    assert looked == ["here/out", "here/out/deep"]


def test_a_rule_in_a_folder_that_git_ignores_brings_back_too(tmp_path: Path) -> None:
    files = dict.fromkeys(("out/a.py", "out/in/b.py", "out/in/keep.log"), "x")
    write(tmp_path, {".gitignore": "in/\n", "out/in/.ignore": "!*.log\n", **files})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-f", "out/in/.ignore")
    assert list_files(tmp_path) == [".gitignore", "out/a.py", "out/in/.ignore"]  # the folder stays hidden
    write(tmp_path, {"out/.ignore": "!in/\n"})
    assert {*files} < {*list_files(tmp_path)}


def test_what_a_repository_within_excludes_by_itself_no_other_rule_brings_back(tmp_path: Path) -> None:
    write(tmp_path, {".ignore": "!*.log\n", "nested/a.log": "x", "nested/own.tmp": "x", "nested/b.py": "x"})
    git(tmp_path, "init", "-q")
    git(tmp_path / "nested", "init", "-q")
    write(tmp_path, {"nested/.git/info/exclude": "*.tmp\n*.log\n"})
    assert list_files(tmp_path) == [".ignore", "nested/a.log", "nested/b.py"]


NAMES = st.sampled_from(["a.py", "b.txt", "x.log", "keep.log", ".dot"])
FOLDERS = st.sampled_from(["", "src/", "src/deep/", "build/", "build/in/", "nested/", "nested/build/"])
LINES = [
    "*.log",
    "!keep.log",
    "build",
    "build/",
    "!build/",
    "/src/*",
    "!deep/",
    "*",
    "!*/",
    "!nested",
    "!/in/",
]
RULES = st.lists(st.sampled_from(LINES), max_size=3).map("\n".join)
RULE_FILES = st.dictionaries(
    st.tuples(
        st.sampled_from(["", "src/", "build/", "nested/"]),
        st.sampled_from([".gitignore", ".ignore", ".rgignore"]),
    ),
    RULES,
    max_size=4,
)


@pytest.mark.skipif(not ripgrep(), reason="ripgrep is not installed")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.tuples(FOLDERS, NAMES), min_size=1), RULE_FILES, st.booleans())
def test_the_files_are_those_that_ripgrep_lists(
    files: set[tuple[str, str]], rules: dict[tuple[str, str], str], nested: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        write(root, {"".join(where): "x" for where in files})
        write(root, {"".join(where): text for where, text in rules.items()})
        git(root, "init", "-q")
        if nested and (root / "nested").is_dir():
            git(root / "nested", "init", "-q")
        command = [str(ripgrep()), "--files", "--hidden", "--glob=!.git", "--no-messages"]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        assert list_files(root) == sorted(done.stdout.splitlines())


def test_of_named_files_those_are_told_that_git_has_as_changed_staged_or_new(tmp_path: Path) -> None:
    names = ("same.py", "changed.py", "staged.py", "s p/:x*.py", "crlf.py", "gone.py")
    write(tmp_path, dict.fromkeys(names, "1\n"))
    git(tmp_path, "init", "-q")
    write(tmp_path, {".gitignore": "*.log\n"})
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all")
    (tmp_path / "crlf.py").write_bytes(b"1\r\n")  # as core.autocrlf checks it out
    (tmp_path / "gone.py").unlink()
    changed = ("changed.py", "staged.py", "s p/:x*.py", "new.py", "beside.py", "added.py", "ignored.log")
    write(tmp_path, dict.fromkeys(changed, "22"))
    git(tmp_path, "add", "staged.py", "added.py")
    told = {"changed.py", "staged.py", "s p/:x*.py", "new.py", "added.py"}
    asked = {*names, *told, "none.py", "ignored.log", "a\nb.py"}
    assert changed_among(tmp_path, asked) == told
    many = asked | {f"{number}.py" for number in range(600)}
    assert changed_among(tmp_path, many) == told - {"new.py", "added.py"}
    assert changed_among(tmp_path, set()) == set()


def test_files_of_a_repository_within_are_not_taken_for_new_ones(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "1", "within/b.py": "1"})
    git(tmp_path / "within", "init", "-q")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.py")
    assert changed_among(tmp_path, {"a.py", "within/b.py"}) == set()  # without a commit nothing has changed
    git(tmp_path, "commit", "-qm", "all")
    write(tmp_path, {"a.py": "2"})
    assert changed_among(tmp_path, {"a.py", "within/b.py"}) == {"a.py"}


def test_what_git_tracks_although_its_rules_hide_it_is_told_anew_where_index_or_rules_change(
    tmp_path: Path,
) -> None:
    write(tmp_path, {"a.log": "1", "sub/b.log": "1", "sub/c.py": "1", ".gitignore": "*.log\n"})
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-f", "a.log", "sub/c.py")
    assert tracked_though_ignored(tmp_path) == ["a.log"]
    assert tracked_though_ignored(tmp_path, "sub") == []
    git(tmp_path, "add", "-f", "sub/b.log")
    assert tracked_though_ignored(tmp_path) == ["a.log", "sub/b.log"]
    write(tmp_path, {"sub/.gitignore": "*.py\n"})
    assert tracked_though_ignored(tmp_path) == ["a.log", "sub/b.log", "sub/c.py"]
    assert tracked_though_ignored(tmp_path, "sub") == ["sub/b.log", "sub/c.py"]
    write(tmp_path, {"sub/.gitignore": "!*.log\n"})
    assert tracked_though_ignored(tmp_path) == ["a.log"]
    (tmp_path / ".gitignore").unlink()
    assert tracked_though_ignored(tmp_path) == []
    mine = tmp_path / ".git" / "info" / "exclude"
    mine.write_text("c.py\n")
    assert tracked_though_ignored(tmp_path, excluding=[mine]) == ["sub/c.py"]
    mine.write_text("a.log\n")
    assert tracked_though_ignored(tmp_path, excluding=[mine]) == ["a.log"]


@pytest.mark.skipif(not ripgrep(), reason="ripgrep is not installed")
def test_rule_files_that_git_itself_ignores_bring_back_too(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x", "x/y.gen": "x", "x/.ignore": "!y.gen\n", "x/in/z.gen": "x"})
    write(tmp_path, {"x/in/deep/.rgignore": "!z.gen\n", "x/in/deep/z.gen": "x", "out/.ignore": "!b.gen\n"})
    write(tmp_path, {"out/b.gen": "x", "sub/.gitignore": ".rgignore\n", "sub/more/c.gen": "x"})
    write(tmp_path, {"sub/more/.rgignore": "!*.gen\n", ".gitignore": ".ignore\n.rgignore\n*.gen\nout/\n"})
    git(tmp_path, "init", "-q")
    command = [str(ripgrep()), "--files", "--hidden", "--glob=!.git"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert list_files(tmp_path) == sorted(done.stdout.splitlines())
    assert {"x/y.gen", "x/in/deep/z.gen", "sub/more/c.gen"} < set(list_files(tmp_path))
    assert "out/b.gen" not in list_files(tmp_path)
