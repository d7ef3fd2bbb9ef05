"""What real runs have left, in folders of ``data/real``: results are read from it as from a run of now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kcode.safety.process import Finished
from kcode.testrun.adapter import Suite
from kcode.testrun.adapters import adapter

DATA = Path(__file__).parent / "data" / "real"
SOURCES = {
    "tests/test_shop.py": "",
    "src/cart.js": "",
    "go.mod": "module example.com/shop\n",
    "test/cart_test.rb": "require 'minitest/autorun'\nclass CartTest < Minitest::Test\nend\n",
}
IN_PROJECT = ("maven", "gradle")  # their reports lie among the project's files


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.iterdir()))
def test_a_real_runs_results_are_read_whole(name: str, tmp_path: Path) -> None:
    root, report = tmp_path / "project", tmp_path / "report"
    report.mkdir()
    expected: dict[str, Any] = json.loads(text_of(DATA / name / "expected.json", root))
    places = [place.rpartition(":")[0] for row in expected["failing"] for place in row[5]]
    for path in [*SOURCES, *places]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(SOURCES.get(path, ""))
    for path in (one for one in (DATA / name).rglob("*") if one.is_file()):
        to = (root if name in IN_PROJECT else report) / path.relative_to(DATA / name)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text_of(path, root))
    stdout, code = text_of(DATA / name / "stdout", root), int(text_of(DATA / name / "code", root))
    reading = adapter(name).read(Finished(code, stdout, "", False, 5.0, 0, None), Suite(root, root), report)
    counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
    for case in reading.cases:
        counts[case.status] += 1
    assert counts == expected["counts"]
    assert [
        [
            *(case.id, case.status, case.message, case.expected, case.actual),
            *([f"{frame.path}:{frame.line}" for frame in case.frames], case.output),
        ]
        for case in reading.cases
        if case.failing
    ] == expected["failing"]


def text_of(path: Path, root: Path) -> str:
    return path.read_text(encoding="utf-8").replace("FOLDER", root.as_posix())
