"""A session's map: what changes on disk is known at the next question, however it came about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.codemap import asking, notices, service
from kcode.codemap.notices import Notices
from kcode.codemap.service import CodeMap
from kcode.codemap.watch import Watch
from tests.codemap.conftest import git, write

Step = Callable[[Path], object]


def edit(root: Path) -> None:
    write(root, {"a.py": "def edited(): pass\n"})


def ignore(root: Path) -> None:
    write(root, {".gitignore": "sub/\n", "sub/n.py": "def n(): pass\n"})


def stage(root: Path) -> None:
    write(root, {"a.py": "def st(): pass\n"})
    git(root, "add", "-A")


def a_folder_instead(root: Path) -> None:
    (root / "a.py").unlink()
    write(root, {"a.py/b.py": "def b(): pass\n"})


def a_link_instead(root: Path) -> None:
    (root / "a.py").unlink()
    (root / "a.py").symlink_to("sub/b.py")


STEPS: list[tuple[str, Step, set[str]]] = [
    ("edited", edit, {"edited", "two"}),
    ("untracked", lambda root: write(root, {"new.py": "def new(): pass\n"}), {"one", "two", "new"}),
    ("in a new folder", lambda root: write(root, {"x/y/z.py": "def deep(): pass\n"}), {"one", "two", "deep"}),
    ("in an empty folder", lambda root: write(root, {"empty/e.py": "def e(): pass\n"}), {"one", "two", "e"}),
    ("deleted", lambda root: (root / "a.py").unlink(), {"two"}),
    ("renamed", lambda root: (root / "a.py").rename(root / "sub/c.py"), {"one", "two"}),
    ("ignored now", ignore, {"one", "two"}),
    ("ignored", lambda root: write(root, {"skipped.py": "def skipped(): pass\n"}), {"one", "two"}),
    ("staged", stage, {"st", "two"}),
    ("taken back", lambda root: git(root, "checkout", "-q", "HEAD~1"), {"one"}),
    ("a folder instead", a_folder_instead, {"two", "b"}),
    ("a link instead", a_link_instead, {"two"}),
]


@pytest.fixture
def project(repo: Path) -> Path:
    write(repo, {"a.py": "def one(): pass\n", ".gitignore": "skipped.py\n"})
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "first")
    write(repo, {"sub/b.py": "def two(): pass\n"})
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "second")
    (repo / "empty").mkdir()
    return repo


def known(code: CodeMap) -> set[str]:
    with code.reading() as index:
        assert index is not None
        names = ("one", "two", "edited", "new", "deep", "e", "n", "skipped", "st", "b")
        return {
            name
            for name in names
            for place in asking.find_symbol(index, name)
            if place.definition.name == name
        }


@pytest.mark.parametrize("told", [False, True], ids=["looked at", "told by the system"])
@pytest.mark.parametrize(("step", "expected"), [each[1:] for each in STEPS], ids=[each[0] for each in STEPS])
def test_what_happened_is_known_at_the_next_question(
    project: Path, step: Step, expected: set[str], told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FRESH_S", 0.0)

    async def session() -> None:
        code = CodeMap(project)
        assert await code.refresh(60)
        assert known(code) == {"one", "two"}
        if told:  # the first look is one at everything, the system tells of what comes after it
            assert await code.refresh(60)
        step(project)
        assert await code.refresh(60)
        assert known(code) == expected
        write(project, {"later.py": "def new(): pass\n"})  # the look goes on from there
        assert await code.refresh(60)
        assert known(code) == expected | {"new"}
        await code.close()

    asyncio.run(session())


@pytest.mark.parametrize("where", ["inner", "nested"])
def test_what_happens_in_a_repository_within_is_known_too(
    project: Path, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FRESH_S", 0.0)
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    write(other, {"a.py": "def e(): pass\n", ".gitignore": "skipped.py\n"})
    git(other, "add", "-A")
    git(other, "commit", "-q", "-m", "x")
    if where == "inner":
        git(project, "submodule", "add", "-q", str(other), "inner")
    else:
        git(project, "clone", "-q", str(other), "nested")

    async def session() -> None:
        code = CodeMap(project)
        assert await code.refresh(60)
        assert known(code) == {"one", "two", "e"}
        with monkeypatch.context() as here:
            here.setattr(service, "run", None)  # whoever begins a full update from here on fails
            write(
                project, {f"{where}/a.py": "def edited(): pass\n", f"{where}/skipped.py": "def n(): pass\n"}
            )
            write(project, {f"{where}/deep/new.py": "def new(): pass\n"})
            assert await code.refresh(60)
        assert known(code) == {"one", "two", "edited", "new"}
        git(project, "clone", "-q", str(other), "later")
        assert await code.refresh(60)
        assert known(code) == {"one", "two", "edited", "new", "e"}
        await code.close()

    asyncio.run(session())


def test_what_ripgreps_rules_bring_back_is_known_when_it_changes(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FRESH_S", 0.0)
    write(project, {".ignore": "!skipped.py\n", "skipped.py": "def skipped(): pass\n"})

    async def session() -> None:
        code = CodeMap(project)
        assert await code.refresh(60)
        assert known(code) == {"one", "two", "skipped"}
        write(project, {"skipped.py": "def new(): pass\n"})
        assert await code.refresh(60)
        assert known(code) == {"one", "two", "new"}
        await code.close()

    asyncio.run(session())


@pytest.mark.parametrize("where", ["", "inner/"], ids=["here", "in a repository within"])
def test_what_happens_to_files_that_are_brought_back_is_known_without_a_full_update(
    project: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FRESH_S", 0.0)
    if where:
        (project / "inner").mkdir()
        git(project / "inner", "init", "-q")
        write(project, {"inner/.gitignore": "out/\nskipped.py\n"})
    write(project, {".gitignore": "skipped.py\nout/\n", ".ignore": "!out/\n!one.log\n"})
    write(project, {f"{where}out/e.py": "def e(): pass\n", f"{where}skipped.py": "def skipped(): pass\n"})

    async def session() -> None:
        code = CodeMap(project)

        async def told() -> set[str]:
            assert await code.refresh(60)
            return known(code)

        assert await told() == {"one", "two", "e"}
        with monkeypatch.context() as here:
            here.setattr(service, "run", None)  # whoever begins a full update from here on fails
            write(project, {f"{where}out/e.py": "def edited(): pass\n"})
            assert await told() == {"one", "two", "edited"}
            write(
                project, {f"{where}out/new.py": "def new(): pass\n", f"{where}later/a.py": "def n(): pass\n"}
            )
            assert await told() == {"one", "two", "edited", "new", "n"}
            write(
                project,
                {f"{where}out/a/b/deep.py": "def deep(): pass\n", f"{where}out/skipped.py": "x = 1\n"},
            )
            assert await told() == {"one", "two", "edited", "new", "n", "deep"}
            write(project, {f"{where}out/a/b/deep.py": "def st(): pass\n"})
            assert await told() == {"one", "two", "edited", "new", "n", "st"}
            (project / where / "out/a/b/deep.py").unlink()
            (project / where / "out/new.py").unlink()
            assert await told() == {"one", "two", "edited", "n"}
        write(project, {".ignore": ""})
        assert await told() == {"one", "two", "n"}
        await code.close()

    asyncio.run(session())


def test_many_new_files_are_no_reason_to_look_at_everything(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FRESH_S", 0.0)
    write(project, {f"many/m{number}.py": f"m{number} = 1\n" for number in range(100)})

    async def session() -> None:
        code = CodeMap(project)
        assert await code.refresh(60)
        monkeypatch.setattr(service, "run", None)  # whoever begins a full update from here on fails
        for text in ("edited", "st"):
            write(project, {"many/m7.py": f"def {text}(): pass\n"})
            assert await code.refresh(60)
            assert known(code) == {"one", "two", text}
        await code.close()

    asyncio.run(session())


def test_a_few_changes_need_no_full_update(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "FRESH_S", 0.0)

    async def session() -> None:
        code = CodeMap(project)
        assert await code.refresh(60)
        monkeypatch.setattr(service, "run", None)  # whoever begins a full update from here on fails
        write(project, {"a.py": "def edited(): pass\n", "new.py": "def new(): pass\n"})
        assert await code.refresh(60)
        assert known(code) == {"edited", "two", "new"}
        await code.close()

    asyncio.run(session())


def telling(root: Path) -> None:
    try:
        Notices(root)
    except OSError as problem:
        pytest.skip(f"the system does not tell of changes here: {problem}")


def test_where_the_system_tells_of_changes_not_every_file_is_looked_at(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    telling(project)
    monkeypatch.setattr(service, "FRESH_S", 0.0)

    async def session() -> None:
        code = CodeMap(project)
        assert await code.refresh(60)
        assert await code.refresh(60)
        monkeypatch.setattr(service, "run", None)  # whoever begins a full update from here on fails
        monkeypatch.setattr(Watch, "_seen_all", None)  # so does whoever looks at everything
        write(project, {"a.py": "def edited(): pass\n", "new.py": "def new(): pass\n"})
        write(project, {"skipped.py": "def skipped(): pass\n"})
        assert await code.refresh(60)
        assert known(code) == {"edited", "two", "new"}
        (project / "new.py").unlink()
        write(project, {"a.py": "def st(): pass\n"})
        assert await code.refresh(60)
        assert known(code) == {"st", "two"}
        git(project, "cat-file", "-p", "HEAD")
        write(project, {"a.py": "def one(): pass\n"})  # as git has it
        assert await code.refresh(60)
        assert known(code) == {"one", "two"}
        await code.close()

    asyncio.run(session())


def test_folders_that_are_moved_or_made_anew_are_told_of_under_their_names(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FRESH_S", 0.0)

    async def session() -> None:
        code = CodeMap(project)
        for _ in range(2):
            assert await code.refresh(60)
        (project / "sub").rename(project / "moved")
        for _ in range(2):
            assert await code.refresh(60)
        assert known(code) == {"one", "two"}
        write(project, {"moved/b.py": "def edited(): pass\n"})
        write(project, {"sub/b.py": "def new(): pass\n"})
        for _ in range(2):
            assert await code.refresh(60)
        assert known(code) == {"one", "edited", "new"}
        write(project, {"sub/b.py": "def e(): pass\n", "moved/b.py": "def n(): pass\n"})
        assert await code.refresh(60)
        assert known(code) == {"one", "e", "n"}
        await code.close()

    asyncio.run(session())


def test_where_the_system_does_not_tell_everything_is_looked_at(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FRESH_S", 0.0)
    monkeypatch.setattr(notices, "MOST", 1)  # folders

    async def session() -> None:
        code = CodeMap(project)
        for _ in range(2):
            assert await code.refresh(60)
        monkeypatch.setattr(service, "run", None)  # whoever begins a full update from here on fails
        write(project, {"a.py": "def edited(): pass\n", "new.py": "def new(): pass\n"})
        assert await code.refresh(60)
        assert known(code) == {"edited", "two", "new"}
        await code.close()

    asyncio.run(session())


def test_a_small_project_is_not_indexed_before_it_is_asked_about(project: Path) -> None:
    async def session() -> None:
        code = CodeMap(project)
        code.start(fewest=15)
        assert code._updating is not None
        await code._updating
        with code.reading() as index:
            assert index is None
        assert await code.refresh(60)
        assert known(code) == {"one", "two"}

    asyncio.run(session())
