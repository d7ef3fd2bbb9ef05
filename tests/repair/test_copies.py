from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from kcode.config.settings import RunnerSettings, Settings
from kcode.repair import scratch
from kcode.repair.project_copy import Lab
from kcode.repair.scratch import copy_project, scratch_copy, scratch_folder
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
    for name, owner in (("left", gone.pid), ("mine", os.getpid())):
        (temp / f"{scratch.PREFIX}{name}" / "sub").mkdir(parents=True)
        (temp / f"{scratch.PREFIX}{name}" / "owner").write_text(str(owner))
    (temp / f"{scratch.PREFIX}left" / "sub").chmod(0o500)
    fresh = temp / f"{scratch.PREFIX}fresh"
    fresh.mkdir()  # somebody else's, who has not written a name into it yet
    async with scratch_folder():
        pass
    assert _names(temp) == {f"{scratch.PREFIX}mine", fresh.name}


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
