"""A real language server, as a process: what it finds new is told, what it renames is an edit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kcode.agent.problems import servers_of
from kcode.config.settings import Settings
from kcode.diagnostics.lsp.known import configured
from kcode.diagnostics.watch import Diagnostics
from kcode.errors import UsageError
from kcode.safety.trust import trust
from kcode.tools.base import ToolContext, ToolRefused
from kcode.tools.rename import RenameSymbol, RenameSymbolArguments
from kcode.workspace.change import FileEdit
from kcode.workspace.workspace import Workspace

TOY = Path(__file__).with_name("toy_server.py")


class Project:
    """A project whose ``.toy`` files have a language server that behaves in these ways."""

    def __init__(self, root: Path, *ways: str, timeout_s: float = 20.0) -> None:
        self.root = root
        self.log = root.parent / "log"
        self.log.touch()
        trust(root)
        self.program = root.parent / "toy"
        self.program.write_text(f"#!/bin/sh\nexec {sys.executable} {TOY} {self.log} {' '.join(ways)}\n")
        self.program.chmod(0o755)
        self.settings = Settings.model_validate(
            {
                "diagnostics": {"servers": f".toy={self.program}", "timeout_s": timeout_s},
                "safety": {"sandbox": "off"},  # its log is beside the project
            }
        )
        self.workspace = Workspace.open(root)
        self.servers = servers_of(self.workspace, self.settings)
        self.diagnostics = Diagnostics(self.workspace, self.settings, self.servers)
        self.context = ToolContext(self.workspace, self.settings, servers=self.servers)

    def write(self, path: str, text: str, encoding: str = "utf-8") -> None:
        (self.root / path).write_bytes(text.encode(encoding))

    def text(self, path: str) -> str:
        return (self.root / path).read_bytes().decode()

    async def edit(self, **texts: str | None) -> list[str]:
        """``a="…"`` is the file ``a.toy``; None: deleted."""
        edits = []
        for name, text in texts.items():
            path = f"{name}.toy"
            before = self.text(path) if (self.root / path).exists() else None
            edits.append(FileEdit(path, before, text))
            if text is None:
                (self.root / path).unlink()
            else:
                self.write(path, text)
        report = await self.diagnostics.after(edits, 60)
        assert report is not None
        return [problem.told() for problem in report.problems] + list(report.notes)

    async def rename(self, path: str, line: int, name: str, new: str, occurrence: int | None = None) -> str:
        tool = RenameSymbol()
        args = RenameSymbolArguments(path=path, line=line, name=name, new_name=new, occurrence=occurrence)
        await tool.plan(args, self.context)
        return (await tool.run(args, self.context)).text

    def said(self, kind: str) -> list[str]:
        lines = self.log.read_text("utf-8").splitlines()
        return [line.removeprefix(f"{kind}: ") for line in lines if line.startswith(f"{kind}: ")]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    (tmp_path / "project").mkdir()


@contextlib.asynccontextmanager
async def closing(project: Project) -> AsyncIterator[Project]:
    try:
        yield project
    finally:
        await project.diagnostics.close()
        assert project.servers is not None
        await project.servers.close()
        assert project.said("BROKEN") == []


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.parametrize("ways", [(), ("pull",), ("utf-8",), ("utf-16",), ("utf-32", "pull")])
def test_what_an_edit_brought_is_told_and_nothing_that_was_there(
    tmp_path: Path, ways: tuple[str, ...]
) -> None:
    project = Project(tmp_path / "project", *ways)

    async def go() -> None:
        async with closing(project):
            project.write("lib.toy", "def size\n")
            project.write("a.toy", "use size\nuse was_wrong\n")
            assert await project.edit(a="use size\n\nuse was_wrong\n😀 é use wrong\n") == [
                "a.toy:4:9: T1 wrong is not defined [toy]"
            ]
            assert await project.edit(a="use size\nuse was_wrong\nuse wrong\n") == []
            told = await project.edit(lib="def length\n", new="use size\n")
            assert told == [
                "a.toy:1:5: T1 size is not defined [toy]",
                "new.toy:1:5: T1 size is not defined [toy]",
            ]
            assert await project.edit(new=None) == []

    asyncio.run(go())
    assert project.said("end") == ["exit"]
    assert "new.toy 1" in project.said("watched")
    assert "new.toy 3" in project.said("watched")


def test_nothing_is_started_for_other_files_nor_before_an_edit(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")

    async def go() -> None:
        async with closing(project):
            (project.root / "a.txt").write_text("b\n")
            report = await project.diagnostics.after([FileEdit("a.txt", "a\n", "b\n")], 60)
            assert report is not None
            assert report.tools == ()

    asyncio.run(go())
    assert project.said("start") == []


def test_a_file_that_others_changed_is_told_to_the_server(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")

    async def go() -> None:
        async with closing(project):
            project.write("lib.toy", "def one\n")
            project.write("a.toy", "use one\n")
            assert await project.edit(lib="def one\ndef two\n", a="use two\n") == []
            project.write("lib.toy", "def three\n")  # by an editor beside us
            assert await project.edit(a="use two\nuse three\n") == []  # two was lost before this edit

    asyncio.run(go())
    assert "lib.toy 'def three\\n'" in project.said("change")


def test_edits_that_come_while_it_starts_are_checked_together(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")

    async def go() -> None:
        async with closing(project):
            for name in ("a", "b"):
                project.write(f"{name}.toy", "use wrong_before\n")
                before = project.text(f"{name}.toy")
                project.write(f"{name}.toy", f"use {name}\n")
                edit = FileEdit(f"{name}.toy", before, f"use {name}\n")
                assert await project.diagnostics.after([edit], 0) is None
                await asyncio.sleep(0)
            await project.diagnostics.wait()
            report = project.diagnostics.take()
            assert report is not None
            assert [problem.message for problem in report.problems] == [
                "a is not defined",
                "b is not defined",
            ]

    asyncio.run(go())
    assert len(project.said("start")) == 1


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("garbage", "toy is not asked any more: it sent a header that does not end"),
        ("crash-at-once", "toy is not asked any more: it ended: toy: no licence"),
        ("crash", "toy is not asked any more: it ended: toy: out of order"),
        ("hang", "toy is not asked any more: took longer than 2 s"),
    ],
)
def test_a_server_that_misbehaves_is_given_up_and_told_once(tmp_path: Path, way: str, told: str) -> None:
    project = Project(tmp_path / "project", way, timeout_s=2.0 if way == "hang" else 20.0)

    async def go() -> list[str]:
        notes = []
        async with closing(project):
            project.write("a.toy", "def a\n")
            for number in range(4):
                notes += await project.edit(a=f"def a\ndef b{number}\n")
        return notes

    assert asyncio.run(go()) == [told]
    assert not any(alive(int(pid)) for pid in project.said("start"))


def test_a_server_that_crashed_once_is_started_again(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", "crash-once")

    async def go() -> None:
        async with closing(project):
            project.write("a.toy", "def a\n")
            assert await project.edit(a="use b\n") == []
            assert await project.edit(a="use b\nuse c\n") == ["a.toy:2:5: T1 c is not defined [toy]"]

    asyncio.run(go())
    assert len(project.said("start")) == 2


def test_a_server_that_says_nothing_holds_nothing_up(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", "silent", timeout_s=1.0)

    async def go() -> None:
        async with closing(project):
            project.write("a.toy", "def a\n")
            assert await project.edit(a="use b\n") == []

    asyncio.run(go())


def test_it_does_not_get_the_keys_of_providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOONSHOT_API_KEY", "sk-test-not-a-real-key")
    project = Project(tmp_path / "project")

    async def go() -> None:
        async with closing(project):
            await project.edit(a="use b\n")

    asyncio.run(go())
    assert project.said("key") == ["none"]


def test_it_ends_with_kcode_even_where_that_is_killed(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", "hang")
    code = f"""
import asyncio
from pathlib import Path
from kcode.config.settings import Settings
from kcode.diagnostics.lsp.pool import Servers
from kcode.workspace.workspace import Workspace
settings = Settings.model_validate({project.settings.model_dump(mode="json")!r})
servers = Servers(Workspace.open(Path({str(project.root)!r})), settings)
asyncio.run(servers.check({{"a.toy": "def a"}}))
"""
    project.write("a.toy", "def b\n")
    child = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 50
    while not project.said("start") and time.monotonic() < until:
        time.sleep(0.05)
    (pid,) = map(int, project.said("start"))
    assert alive(pid)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive(pid)


def test_what_is_no_server_is_refused_with_the_reason() -> None:
    for setting in ("no-such-language-server", "klingon=klingond", "python="):
        with pytest.raises(UsageError) as problem:
            configured(setting)
        assert "python=pylsp" in problem.value.remedy
    (python, toy) = configured("pylsp; .toy,.tay=toy --stdio --log 'a b'")
    assert (python.words, python.suffixes) == (("pylsp",), (".py", ".pyi"))
    assert (toy.words, toy.suffixes) == (("toy", "--stdio", "--log", "a b"), (".toy", ".tay"))
    assert configured("python=pyright-langserver")[0].words == ("pyright-langserver", "--stdio")


# --- renaming ---


@pytest.mark.parametrize("ways", [(), ("changes",), ("utf-8",), ("utf-16",), ("utf-32", "pull")])
def test_a_name_is_renamed_in_all_files_and_nothing_else_of_them_changes(
    tmp_path: Path, ways: tuple[str, ...]
) -> None:
    project = Project(tmp_path / "project", *ways)

    async def go() -> str:
        async with closing(project):
            project.write("a.toy", "😀 use size\r\nsize use sizes\r\n😀😀 use size")
            project.write("lib.toy", "\ufeffdef size\n# size\n")
            return await project.rename("lib.toy", 1, "size", "größe")

    told = asyncio.run(go())
    assert project.text("a.toy") == "😀 use größe\r\nsize use sizes\r\n😀😀 use größe"
    assert project.text("lib.toy") == "\ufeffdef größe\n# size\n"
    assert told.startswith(
        "Renamed size to größe in 2 files:\na.toy, now at lines 1, 3\nlib.toy, now at line 1"
    )


def test_renaming_is_one_step_that_undo_takes_back(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    made: list[str] = []
    project.workspace.on_checkpoint = lambda identity, paths: made.append(identity)

    async def go() -> None:
        async with closing(project):
            project.write("a.toy", "use size\n")
            project.write("lib.toy", "def size\n")
            await project.rename("a.toy", 1, "size", "length")

    asyncio.run(go())
    (identity,) = made
    assert project.workspace.undo(identity) == ["a.toy", "lib.toy"]
    assert project.text("a.toy") == "use size\n"


def test_files_in_other_encodings_are_renamed_in_too(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")

    async def go() -> None:
        async with closing(project):
            project.write("a.toy", "变量的大小在这里使用 use size\n注释说明文字\n", "gb18030")
            project.write("lib.toy", "def size\n")
            await project.rename("lib.toy", 1, "size", "length")

    asyncio.run(go())
    wanted = "变量的大小在这里使用 use length\n注释说明文字\n".encode("gb18030")
    assert (project.root / "a.toy").read_bytes() == wanted


@pytest.mark.parametrize(
    ("ways", "args", "why"),
    [
        (("outside",), ("lib.toy", 1, "size", "length"), "not in the workspace"),
        (("overlap",), ("lib.toy", 1, "size", "length"), "changes of lib.toy that cannot be made"),
        (("no-rename",), ("lib.toy", 1, "size", "length"), "toy does not rename"),
        (("hang",), ("lib.toy", 1, "size", "length"), "took longer than 2 s"),
        (("crash-at-once",), ("lib.toy", 1, "size", "length"), "no licence"),
        ((), ("lib.toy", 1, "size", "a b"), "toy refuses: 'a b' is no name"),
        ((), ("lib.toy", 2, "size", "length"), "it is in line 1"),
        ((), ("lib.toy", 9, "size", "length"), "lib.toy has 4 lines"),
        ((), ("lib.toy", 1, "width", "length"), "nor has any other line"),
        ((), ("lib.toy", 1, "size", "size"), "the new name is the old one"),
        ((), ("lib.toy", 3, "both", "length"), "say which by occurrence"),
        ((), ("lib.toy", 2, "comment", "length"), "finds nothing to rename"),
        ((), ("lib.toy", 1, "size", "length", 2), "has 'size' 1 times"),
        ((), ("a.txt", 1, "size", "length"), "no language server is configured for files like a.txt"),
        ((), ("none.toy", 1, "size", "length"), "none.toy does not exist"),
    ],
)
def test_what_cannot_be_renamed_is_refused_with_the_reason_and_nothing_changes(
    tmp_path: Path, ways: tuple[str, ...], args: tuple[str, int, str, str], why: str
) -> None:
    project = Project(tmp_path / "project", *ways, timeout_s=2.0 if "hang" in ways else 20.0)
    text = "def size\ncomment\nboth def both\n"

    async def go() -> None:
        async with closing(project):
            project.write("lib.toy", text)
            project.write("a.txt", "size\n")
            await project.rename(*args)

    with pytest.raises(ToolRefused, match=why):
        asyncio.run(go())
    assert project.text("lib.toy") == text


def test_a_file_that_changed_after_the_approval_is_not_overwritten(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")

    async def go() -> None:
        async with closing(project):
            project.write("lib.toy", "def size\n")
            project.write("a.toy", "use size\n")
            tool, args = (
                RenameSymbol(),
                RenameSymbolArguments(path="a.toy", line=1, name="size", new_name="n"),
            )
            intent = await tool.plan(args, project.context)
            assert [edit.path for edit in intent.edits] == ["a.toy", "lib.toy"]
            assert intent.kind == "edit"
            assert not intent.partly
            project.write("lib.toy", "def size\ndef more\n")
            await tool.run(args, project.context)

    with pytest.raises(ToolRefused, match=r"lib\.toy changed on disk"):
        asyncio.run(go())
    assert project.text("a.toy") == "use size\n"
    assert project.text("lib.toy") == "def size\ndef more\n"
