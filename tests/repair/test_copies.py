from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kcode.config.settings import RunnerSettings, Settings
from kcode.providers.process_id import this_process
from kcode.repair import scratch
from kcode.repair.present import patch_of
from kcode.repair.project_copy import Lab, ProjectCopy
from kcode.repair.scratch import copy_project, scratch_copy, scratch_folder
from kcode.workspace.workspace import Workspace
from tests.repair.conftest import Project

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _begun(temp: Path) -> bool:
    return any(temp.glob("*/project/d*"))


def _names(temp: Path) -> set[str]:
    return {path.name for path in temp.iterdir()}


async def test_a_copy_that_is_interrupted_half_way_leaves_nothing(project: Project, temp: Path) -> None:
    root = project({f"d{number}/f{each}.txt": "x" for number in range(200) for each in range(5)})

    async def work() -> None:
        async with scratch_copy(root):
            raise AssertionError("the copy was not interrupted")

    task = asyncio.create_task(work())
    while not _begun(temp) and not task.done():  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises((asyncio.CancelledError, AssertionError)):
        await task
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not _names(temp)


async def test_folders_of_repairs_that_were_killed_are_removed(temp: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])  # noqa: ASYNC220
    gone.wait()
    named = this_process()
    for name, owner in (("left", gone.pid), ("mine", os.getpid()), ("named", named)):
        (temp / f"{scratch.PREFIX}{name}" / "sub").mkdir(parents=True)
        (temp / f"{scratch.PREFIX}{name}" / "owner").write_text(str(owner))
    (temp / f"{scratch.PREFIX}left" / "sub").chmod(0o500)
    fresh = temp / f"{scratch.PREFIX}fresh"
    fresh.mkdir()  # somebody else's, who has not written a name into it yet
    async with scratch_folder():
        pass
    assert _names(temp) == {f"{scratch.PREFIX}mine", f"{scratch.PREFIX}named", fresh.name}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
async def test_the_folder_of_a_killed_repair_goes_although_its_process_id_was_given_again(temp: Path) -> None:
    left = temp / f"{scratch.PREFIX}left"
    left.mkdir()
    pid, _, start = this_process().partition(":")
    (left / "owner").write_text(f"{pid}:{int(start) - 100}")  # this id, and a process that began before
    async with scratch_folder():
        pass
    assert not left.exists()


def started(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
async def test_the_folder_of_a_repair_that_was_stopped_stays(temp: Path) -> None:
    sleeping = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])  # noqa: ASYNC220
    try:
        start = started(sleeping.pid)
        sleeping.send_signal(signal.SIGSTOP)
        left = temp / f"{scratch.PREFIX}left"
        left.mkdir()
        (left / "owner").write_text(f"{sleeping.pid}:{start}")
        async with scratch_folder():
            pass
        assert left.exists()
    finally:
        sleeping.kill()
        sleeping.wait()


def test_a_folder_is_built_by_what_lies_beside_it_not_by_its_name(project: Project, tmp_path: Path) -> None:
    root = project(
        {
            "src/target/goal.py": "x = 1\n",
            "rust/Cargo.toml": "",
            "rust/target/debug/deps/a.rlib": "",
            "java/pom.xml": "",
            "java/target/classes/A.class": "",
            "build/CMakeCache.txt": "",
            "sub/.git": "gitdir: ../.git/modules/sub\n",
            "sub/a.c": "",
        }
    )
    copy_project(root, tmp_path / "copy")
    found = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.*")}
    assert found == {"src/target/goal.py", "rust/Cargo.toml", "java/pom.xml", "sub/a.c"}


@pytest.mark.skipif(
    not shutil.which("cmake") or not shutil.which("cc"), reason="cmake or a compiler is missing"
)
async def test_a_cmake_build_of_the_copy_compiles_the_copy(project: Project) -> None:
    root = project(
        {
            "CMakeLists.txt": (
                "cmake_minimum_required(VERSION 3.13)\nproject(calc C)\nenable_testing()\n"
                "add_executable(t t.c)\nadd_test(NAME t COMMAND t)\n"
            ),
            "t.c": "int main(void) { return 1; }\n",
        }
    )
    for argv in (["cmake", "-B", "build"], ["cmake", "--build", "build"]):
        subprocess.run(argv, cwd=root, check=True, capture_output=True)  # noqa: ASYNC221
    built = (root / "build" / "t").read_bytes()
    async with Lab.open(root, Settings(tests=RunnerSettings(timeout_s=250))) as lab:
        copy = await lab.another()
        (copy.scratch / "t.c").write_text("int main(void) { return 0; }\n")
        assert (await copy.run_tests(rerun=False)).ok
        assert (await lab.original.run_tests(rerun=False)).failed == 1
    assert (root / "build" / "t").read_bytes() == built


async def test_imports_of_an_editable_installation_lead_to_the_copy(project: Project, tmp_path: Path) -> None:
    root = project(
        {
            "src/shop.py": "PRICE = 1\n",
            "pytest.ini": "[pytest]\n",
            "test_shop.py": "from shop import PRICE\n\n\ndef test_price():\n    assert PRICE == 2\n",
        }
    )
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)  # noqa: ASYNC221
    packages = next((environment / "lib").glob("python*")) / "site-packages"
    ours = subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-c", "import pytest, os; print(os.path.dirname(os.path.dirname(pytest.__file__)))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (packages / "editable.pth").write_text(f"{root / 'src'}\n{ours}\n")
    settings = Settings(tests=RunnerSettings(python=str(environment / "bin" / "python"), timeout_s=250))
    async with Lab.open(root, settings) as lab:
        copy = await lab.another()
        (copy.scratch / "src" / "shop.py").write_text("PRICE = 2\n")
        assert (await copy.run_tests(rerun=False)).ok


def test_a_file_that_became_executable_is_a_change_that_git_can_apply(
    project: Project, tmp_path: Path
) -> None:
    root = project({"run.sh": "echo a\n", "old.sh": "echo b\n", "keep.txt": "x\n"})
    (root / "old.sh").chmod(0o755)
    scratch_root = tmp_path / "scratch"
    shutil.copytree(root, scratch_root)
    copy = ProjectCopy(root, scratch_root, Settings())
    copy.remember()
    (scratch_root / "run.sh").chmod(0o755)
    (scratch_root / "old.sh").rename(scratch_root / "moved.sh")
    edits = asyncio.run(copy.changes()).edits
    assert {(edit.path, edit.mode is not None) for edit in edits} == {
        ("run.sh", True),
        ("old.sh", False),
        ("moved.sh", True),
    }
    applied = tmp_path / "applied"
    shutil.copytree(root, applied)
    subprocess.run(["git", "init", "-q"], cwd=applied, check=True)
    subprocess.run(["git", "apply"], cwd=applied, input=patch_of(edits), text=True, check=True)
    Workspace.open(root).apply(edits, label="kcode fix")
    for folder in (root, applied):
        assert os.access(folder / "run.sh", os.X_OK)
        assert os.access(folder / "moved.sh", os.X_OK)
        assert not (folder / "old.sh").exists()
        assert not os.access(folder / "keep.txt", os.X_OK)
