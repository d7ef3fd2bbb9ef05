"""ripgrep, git grep and Python search the same files and find the same lines, whatever the tree is like."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kcode.tools import grep_engines
from kcode.tools.grep_engines import Query
from kcode.workspace.workspace import Workspace

NAMES = st.sampled_from(["a.py", "b.py", "c.txt", ".hidden", "d e.log", "中.py", "keep.log"])
FOLDERS = st.sampled_from(["", "src/", "src/deep/", ".dot/", "build/", "nested/", "nested/in/", "secret/"])
CONTENTS = st.sampled_from(
    [
        b"needle\n",
        b"no\r\nneedle here\r\n",
        b"x needle y",
        b"",
        b"NEEDLE\nneedles\n",
        "中文 needle\n".encode(),
        "中文文件写在这里 needle\n".encode("gb18030"),
        "needle 中文\n".encode("utf-16"),
        b"needle\0binary\n",
        b"x" * 9000 + b"\nneedle\n\0",
        b"needle\n" + b"x\n" * 35_000 + b"\0",  # beyond what an engine reads at first
    ]
)
RULES = st.lists(
    st.sampled_from(
        ["*.log", "!keep.log", "build/", "/src/a.py", "deep", "!deep", "b.py", "**/c.txt", "src/*", "secret"]
    ),
    max_size=3,
).map(lambda lines: "".join(f"{line}\n" for line in lines).encode())
RULE_FILES = st.dictionaries(
    st.tuples(
        st.sampled_from(["", "src/", "nested/"]), st.sampled_from([".gitignore", ".ignore", ".kcodeignore"])
    ),
    RULES,
    max_size=3,
)
TREES = st.dictionaries(st.tuples(FOLDERS, NAMES), CONTENTS, min_size=1, max_size=8)
QUERIES = st.builds(
    Query,
    st.sampled_from(["needle", "^needle", "needle$", "中文", r"\bneedle\b", "[Nn]eedle"]),
    st.sampled_from([".", "src"]),
    st.sampled_from(["", "*.py", "!*.py", "*.py,*.txt", "*.{py,txt},!b.py", "deep/*.py"]),
    st.booleans(),
    st.just(False),
    st.just(100),
    st.sampled_from(["", "", "py"]),
    st.booleans(),
)


def build(root: Path, files: dict[tuple[str, str], bytes], rules: dict[tuple[str, str], bytes]) -> None:
    (root / "src").mkdir()
    for (folder, name), content in [*files.items(), *rules.items()]:
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_bytes(content)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def found(workspace: Workspace, query: Query) -> dict[str, list[tuple[str, int, str]] | None]:
    out = {}
    engines = {"git grep": grep_engines.with_git, "python": grep_engines.with_python}
    if grep_engines.ripgrep():
        engines["ripgrep"] = grep_engines.with_ripgrep
    for name, engine in engines.items():
        result = asyncio.run(engine(workspace, query))  # type: ignore[operator]
        out[name] = None if result is None else [(m.path, m.line, m.text) for m in result.matches]
    return out


def committed(root: Path) -> None:
    git(root, "init", "-q")
    git(root, "add", "-f", ".")
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    git(root, *author, "commit", "-q", "--allow-empty", "-m", "all")


def as_submodule(root: Path, folder: str) -> None:
    """``folder`` as a submodule, its repository absorbed: its ``.git`` is a file."""
    committed(root / folder)
    (root / ".gitmodules").write_text(f'[submodule "{folder}"]\n\tpath = {folder}\n\turl = ./{folder}\n')
    git(root, "init", "-q")
    git(root, "add", "-f", ".gitmodules", folder)
    git(root, "submodule", "absorbgitdirs")
    assert (root / folder / ".git").is_file()


def arranged(root: Path, kind: str, tracked: bool) -> Path:
    """The root of the tree as a plain folder, a repository, one with others inside, or a working tree."""
    nested = (root / "nested").is_dir()
    if kind == "plain":
        return root
    if kind == "submodule" and nested:
        as_submodule(root, "nested")
        return root
    if kind == "worktree below":
        committed(root)
        git(root, "worktree", "add", "-q", "--detach", "nested/other")
        (root / "nested" / "other" / "mine.py").write_text("needle\n")
        return root
    if kind == "worktree":
        committed(root)
        git(root, "worktree", "add", "-q", "--detach", str(root.parent / "linked"))
        (root.parent / "linked" / "mine.py").write_text("needle\n")
        return root.parent / "linked"
    git(root, "init", "-q")
    if kind == "nested" and nested:
        git(root / "nested", "init", "-q")
    elif tracked:  # what rules hide is tracked too
        git(root, "add", "-f", ".")
    return root


KINDS = st.sampled_from(["git", "nested", "plain", "submodule", "worktree below", "worktree"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES, RULE_FILES, QUERIES, KINDS, st.booleans())
def test_the_three_engines_agree_on_any_tree(
    files: dict[tuple[str, str], bytes],
    rules: dict[tuple[str, str], bytes],
    query: Query,
    kind: str,
    tracked: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "project"
        root.mkdir()
        build(root, files, rules)
        (root / "link.py").symlink_to("src")
        (root / "other.py").symlink_to("a.py")
        root = arranged(root, kind, tracked)
        (root / "src").mkdir(exist_ok=True)
        answers = found(Workspace.open(root), query)
        expected = answers["python"]
        assert expected is not None
        for engine, answer in answers.items():
            assert answer is None or answer == expected, engine


def test_git_grep_is_used_where_only_git_decides(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("needle\n")
    git(tmp_path, "init", "-q")
    query = Query("needle", ".", "", False, False, 10)
    assert asyncio.run(grep_engines.with_git(Workspace.open(tmp_path), query)) is not None
    (tmp_path / ".ignore").write_text("b\n")
    assert asyncio.run(grep_engines.with_git(Workspace.open(tmp_path), query)) is None


@pytest.mark.parametrize("engine", ["ripgrep", "python"])
@pytest.mark.parametrize("show", ["files", "counts"])
def test_counts_and_files_agree_too(tmp_path: Path, engine: str, show: str) -> None:
    for name, text in {"a.py": "needle\nneedle\n", "b.py": "x\n", "c/d.py": "needle"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    query = Query("needle", ".", "", False, False, 10, show=show)  # type: ignore[arg-type]
    search = grep_engines.with_ripgrep if engine == "ripgrep" else grep_engines.with_python
    if engine == "ripgrep" and not grep_engines.ripgrep():
        pytest.skip("no ripgrep here")
    result = asyncio.run(search(Workspace.open(tmp_path), query))
    assert result is not None
    assert result.counts == {"a.py": 2 if show == "counts" else 1, "c/d.py": 1}


@pytest.mark.parametrize("engine", ["ripgrep", "python"])
def test_a_match_over_several_lines_names_all_of_them(tmp_path: Path, engine: str) -> None:
    (tmp_path / "a.py").write_bytes(b"one\r\ndef f(\r\n    x,\r\n):\r\n    pass\r\n")
    query = Query(r"def f\([^)]*\)", ".", "", False, False, 10, multiline=True)
    search = grep_engines.with_ripgrep if engine == "ripgrep" else grep_engines.with_python
    if engine == "ripgrep" and not grep_engines.ripgrep():
        pytest.skip("no ripgrep here")
    result = asyncio.run(search(Workspace.open(tmp_path), query))
    assert result is not None
    assert [(m.line, m.text) for m in result.matches] == [(2, "def f("), (3, "    x,"), (4, "):")]


def test_a_repository_within_is_seen_where_only_its_folders_have_files() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        build(root, {("nested/in/", "a.py"): b"needle\n"}, {})
        arranged(root, "nested", tracked=False)
        answers = found(Workspace.open(root), Query("needle", ".", "", False, False, 100))
        assert answers["python"] == [("nested/in/a.py", 1, "needle")]
        assert {engine: answer for engine, answer in answers.items() if answer != answers["python"]} in (
            {},
            {"git grep": None},
        )
