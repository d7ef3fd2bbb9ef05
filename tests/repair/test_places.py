"""Python projects that do not lie at the repository's root, and Python's other runners."""

from __future__ import annotations

import textwrap
import venv
from pathlib import Path

import pytest

from kcode.config.settings import Settings
from kcode.repair.pipeline import repair
from kcode.repair.places import of_repository
from kcode.repair.result import RepairResult
from kcode.tools.base import FileEdit
from kcode.workspace.diff import unified
from tests.repair.conftest import Project
from tests.repair.given import GivenLines

pytestmark = pytest.mark.anyio

SHOP = """\
def total(prices):
    result = 0
    for price in prices:
        result -= price
    return result
"""
PYTEST = "from shop import total\n\n\ndef test_adds():\n    assert total([3, 4]) == 7\n"
UNITTEST = textwrap.dedent(
    """\
    import unittest

    from shop import total


    class Totals(unittest.TestCase):
        def test_adds(self):
            self.assertEqual(total([3, 4]), 7)

        def test_nothing_is_free(self):
            self.assertEqual(total([]), 0)
    """
)
ANSWERS = {"    for price in prices:\n": ["        result += price"]}


async def fix(root: Path, settings: Settings, target: str = "") -> RepairResult:
    return await repair(root, target, GivenLines(dict(ANSWERS)), settings, budget_s=90)  # type: ignore[arg-type]


MONOREPO = {
    "README.md": "two packages\n",
    "packages/shop/pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\n",
    "packages/shop/shop.py": SHOP,
    "packages/shop/test_shop.py": PYTEST,
    "packages/web/pyproject.toml": "[tool.pytest.ini_options]\n",
    "packages/web/test_web.py": "def test_web():\n    pass\n",
}


@pytest.mark.parametrize(
    "target", ["", "packages/shop", "packages/shop/test_shop.py::test_adds", "the adds test"]
)
async def test_a_package_of_a_monorepo_is_repaired(project: Project, settings: Settings, target: str) -> None:
    root = project(MONOREPO)
    result = await fix(root, settings, target)
    assert result.status == "fixed", result
    assert result.targets == ("packages/shop/test_shop.py::test_adds",)
    assert [edit.path for edit in result.edits] == ["packages/shop/shop.py"]
    assert "+++ b/packages/shop/shop.py" in result.diff
    assert "packages/shop/test_shop.py::test_adds" in result.message
    assert "packages/shop/shop.py:4" in result.explanation


def test_names_of_a_folder_become_those_of_the_repository() -> None:
    edit = FileEdit("a.py", "x\n", "y\n")
    result = RepairResult(
        "fixed",
        "A patch passes test_a.py::test_x.",
        targets=("test_a.py::test_x",),
        edits=(edit,),
        diff=unified("x\n", "y\n", "a.py"),
        explanation="In a.py:1 `x` becomes `y`, not in data.py.",
    )
    moved = of_repository(result, "sub")
    assert moved.message == "A patch passes sub/test_a.py::test_x."
    assert moved.explanation == "In sub/a.py:1 `x` becomes `y`, not in data.py."
    assert moved.diff.startswith("--- a/sub/a.py\n+++ b/sub/a.py\n")
    assert moved.edits[0].path == "sub/a.py"


async def test_unittest_without_pytest_is_repaired_and_proved_by_unittest(project: Project) -> None:
    root = project({"shop.py": SHOP, "tests/__init__.py": "", "tests/test_shop.py": UNITTEST})
    venv.create(root / ".venv", with_pip=False)
    result = await fix(root, Settings())
    assert result.status == "fixed", result
    assert result.runner.startswith("unittest")
    assert [edit.path for edit in result.edits] == ["shop.py"]
    assert any("3 times in a row" in line for line in result.proof)
    assert (result.failing_before, result.passing_before) == (1, 1)
    assert (result.failing_after, result.passing_after) == (0, 2)
