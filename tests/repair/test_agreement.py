from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kcode.repair.agreement import compared_on_inputs
from kcode.repair.candidates import Candidate, changed_lines
from kcode.repair.judge import Judge
from kcode.repair.localise import Localisation, Suspect
from kcode.repair.rank import best_first
from kcode.repair.source import Source
from tests.repair.conftest import Project

pytestmark = pytest.mark.anyio

FILES = {
    "app.py": "class Fee:\n    def of(self, hours, rate=3):\n        return hours\n",
    "test_app.py": (
        "from app import Fee\n\n\ndef test_fee():\n    assert Fee().of(1) == 3\n    assert Fee().of(2) == 6\n"
    ),
}
LINES = (
    "return hours * rate",
    "return {1: 3, 2: 6}[hours]",
    "return rate * hours",
    "return hours + 2 * hours",
)


def candidates(root: Path) -> tuple[Localisation, list[Candidate]]:
    source = Source.read(root, "app.py")
    made = []
    for line in LINES:
        text = source.replaced(3, 3, [f"        {line}"])
        hole, new = changed_lines(source, text)
        made.append(Candidate("app.py", text, hole, new, 0, ""))
    return Localisation((Suspect("app.py", 3, 1.0),), {"app.py": source}), made


async def test_patches_that_agree_beyond_the_tests_come_before_one_that_stands_alone(
    project: Project,
) -> None:
    root = project(FILES)
    found, passing = candidates(root)
    judge = await Judge.start(Path(sys.executable), root, root)
    try:
        compared = await compared_on_inputs(judge, found, ["test_app.py"], passing)
    finally:
        await judge.close()
    product, table, reversed_product, threefold = compared
    assert product.agreeing == reversed_product.agreeing > table.agreeing > 0
    assert product.behaviour == reversed_product.behaviour != table.behaviour
    assert threefold.agreeing <= product.agreeing
    best = best_first(compared, {"app.py": FILES["app.py"]}, [])
    assert best[0] is product
    assert best[-1] is table


async def test_without_inputs_nothing_is_said_of_a_patch(project: Project) -> None:
    root = project({**FILES, "test_app.py": "def test_nothing():\n    pass\n"})
    found, passing = candidates(root)
    judge = await Judge.start(Path(sys.executable), root, root)
    try:
        assert await compared_on_inputs(judge, found, ["test_app.py"], passing) == passing
    finally:
        await judge.close()
