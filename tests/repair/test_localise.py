from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kcode.repair.fim import Hole, claims_of, header, prompt
from kcode.repair.judge import Judge, TracedFailure
from kcode.repair.localise import Localisation, is_test_file, localise
from kcode.repair.reproduce import reproduce, trace
from kcode.repair.source import Source
from tests.repair.conftest import Project

pytestmark = pytest.mark.anyio


async def located(root: Path) -> Localisation:
    judge = await Judge.start(Path(sys.executable), root, root)
    try:
        found = await reproduce(judge, [], "", 60)
        traced = await trace(judge, found)
    finally:
        await judge.close()
    return localise(root, traced, found.failing, found.baseline.outcomes)


async def test_the_line_that_only_failing_tests_run_comes_first(project: Project) -> None:
    root = project(
        {
            "app.py": (
                "def fee(hours, member):\n"
                "    if hours <= 0:\n"
                "        return 0\n"
                "    fee = hours * 3\n"
                "    if member:\n"
                "        fee = fee - 10\n"
                "    return fee\n"
            ),
            "test_app.py": (
                "from app import fee\n\n"
                "def test_none(): assert fee(0, False) == 0\n"
                "def test_hours(): assert fee(2, False) == 6\n"
                "def test_member(): assert fee(2, True) == 3\n"
            ),
        }
    )
    found = await located(root)
    first = found.suspects[0]
    assert (first.path, first.line) == ("app.py", 6)
    assert 3 not in {one.line for one in found.suspects}, "a line that no failing test runs"


async def test_the_line_that_raised_is_more_suspicious_than_its_neighbours(project: Project) -> None:
    root = project(
        {
            "app.py": "def last(xs):\n    n = len(xs)\n    found = xs[n]\n    return found\n",
            "test_app.py": "from app import last\n\ndef test_last(): assert last([1]) == 1\n",
        }
    )
    assert (await located(root)).suspects[0].line == 3


async def test_endless_loops_and_recursions_are_located_too(project: Project) -> None:
    root = project(
        {
            "loop.py": "def down(n):\n    all = 0\n    while n > 0:\n        all += n\n    return all\n",
            "rec.py": "def fact(n):\n    if n < 0:\n        return 1\n    return n * fact(n)\n",
            "test_both.py": (
                "from loop import down\nfrom rec import fact\n\n"
                "def test_down(): assert down(3) == 6\n"
                "def test_fact(): assert fact(3) == 6\n"
            ),
        }
    )
    found = await located(root)
    lines = {(one.path, one.line) for one in found.suspects}
    assert {("loop.py", 3), ("loop.py", 4), ("rec.py", 4)} <= lines


async def test_constants_of_a_module_are_suspected_last(project: Project) -> None:
    root = project(
        {
            "app.py": "import os\n\nRATE = 3\n\n\ndef fee(hours):\n    return hours * RATE\n",
            "test_app.py": "from app import fee\n\ndef test_fee(): assert fee(2) == 8\n",
        }
    )
    found = await located(root)
    assert [one.line for one in found.suspects] == [7, 3]


async def test_lines_of_one_statement_are_suspected_together(project: Project) -> None:
    root = project(
        {
            "app.py": 'def text(n):\n    """What n is."""\n    # a comment\n    return join(\n'
            '        "a",\n        n,\n    )\n\n\ndef join(a, b):\n    return a + str(b)\n',
            "test_app.py": "from app import text\n\ndef test_text(): assert text(1) == 'b1'\n",
        }
    )
    lines = {one.line for one in (await located(root)).suspects}
    assert {4, 5, 6, 11} <= lines
    assert not lines & {2, 3, 7}


def test_test_files_are_known_by_pytests_conventions() -> None:
    for path in ("tests/helpers.py", "conftest.py", "a/test_x.py", "a/x_test.py"):
        assert is_test_file(path)
    for path in ("app/testing_tools.py", "app/contest.py", "app/latest.py"):
        assert not is_test_file(path)


def failure(call: str, expected: str) -> TracedFailure:
    return TracedFailure("AssertionError", "assert", (), call, expected)


def test_the_shortest_claim_becomes_a_comment() -> None:
    claims = [
        failure("f(1)", "2"),
        failure("f(" + "1" * 300 + ")", "2"),
        failure("", ""),
        failure("f(12)", "3"),
    ]
    assert claims_of(claims) == ("# test: f(1) == 2",)


def test_the_prompt_hides_the_line_and_shows_what_the_function_needs(project: Project) -> None:
    root = project(
        {
            "app.py": (
                '"""Prices of the shop, in cents."""\n'
                "import os\nimport math\n\nRATE = 3\nOTHER = 4\n\n\n"
                "class Cart:\n"
                "    def total(self, hours):\n"
                "        full = math.ceil(hours)\n"
                "        return full * RATE\n"
            )
        }
    )
    source = Source.read(root, "app.py")
    scope = source.scope_at(11)
    assert scope.name == "Cart.total"
    above = header(source, scope, ["# test: Cart().total(2) == 6"])
    before, after = prompt(source, scope, Hole(11, 11), above)
    assert before == (
        'import math\nRATE = 3\n"""\nPrices of the shop, in cents.\n"""\n'
        "# test: Cart().total(2) == 6\nclass Cart:\n    def total(self, hours):\n"
    )
    assert after == "\n        return full * RATE\n"


def test_lines_are_counted_as_python_counts_them(project: Project) -> None:
    root = project({"app.py": ""})
    (root / "app.py").write_bytes(b"a = 1\r\nb = '\x0c'\r\nc = 3")
    source = Source.read(root, "app.py")
    assert source.lines == ["a = 1", "b = '\x0c'", "c = 3"]
    assert source.replaced(2, 2, ["b = 2"]) == "a = 1\r\nb = 2\r\nc = 3"
    assert source.replaced(4, 3, ["d = 4"]) == "a = 1\r\nb = '\x0c'\r\nc = 3\r\nd = 4\r\n"


def test_a_statement_over_several_lines_is_hidden_as_a_whole(project: Project) -> None:
    text = "def f(a):\n  if (a and\n     f):\n    return max(\n      a,\n      2,\n    )\n"
    source = Source.read(project({"app.py": text}), "app.py")
    assert source.long_statement(5) == (4, 7)
    assert source.long_statement(2) is None, "a header without its block is no statement"


async def test_a_default_value_is_suspected_after_the_lines_that_ran(project: Project) -> None:
    root = project(
        {
            "app.py": "def fee(hours, rate=3):\n    total = hours * rate\n    return total\n",
            "test_app.py": "from app import fee\n\ndef test_fee(): assert fee(2) == 8\n",
        }
    )
    found = await located(root)
    assert [one.line for one in found.suspects] == [2, 3, 1]


async def test_a_function_that_ran_at_import_is_suspected_beside_those_of_its_class(project: Project) -> None:
    root = project(
        {
            "app.py": (
                "class Bit:\n"
                "    def __init__(self, at):\n"
                "        self.at = at + 1\n"
                "    def of(self, number):\n"
                "        return number >> self.at & 1\n\n"
                "LOW = Bit(0)\n"
            ),
            "test_app.py": "from app import LOW\n\ndef test_low(): assert LOW.of(1) == 1\n",
        }
    )
    found = await located(root)
    lines = [one.line for one in found.suspects]
    assert lines.index(5) < lines.index(3) < lines.index(7)
    assert ("app.py", 3) in found.at_import
    assert ("app.py", 5) not in found.at_import
