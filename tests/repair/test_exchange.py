"""Candidates that are tried in a program which is imported already, its tests collected once."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kcode.providers.base import Completion
from kcode.repair.candidates import Candidate, changed_lines
from kcode.repair.judge import Judge, Limits, Verdict
from kcode.repair.localise import Localisation, localise
from kcode.repair.reproduce import goal_of, reproduce, trace
from kcode.repair.search import Search
from kcode.repair.swap import swap_of
from tests.repair.conftest import Project
from tests.repair.test_judge import judging

pytestmark = pytest.mark.anyio

QUICK = Limits(per_test_s=1.0, wall_s=20.0)
SHOP = """\
from functools import lru_cache, wraps

RATE = 3


def doubled(function):
    @wraps(function)
    def inner(*given):
        return 2 * function(*given)

    return inner


class Base:
    def price(self):
        return 1


class Fee(Base):
    __hidden = 5

    def price(self):
        return super().price() + self.__hidden

    class Part:
        def name(self):
            return "part"


@doubled
def twice(x):
    return x


@lru_cache(maxsize=None)
def cached(x):
    return x


def made(n):
    return [one for one in range(n)]


def table():
    return 4


TABLE = table()
"""
TESTS = """\
from shop import TABLE, Fee, cached, made, twice


def test_price(): assert Fee().price() == 7
def test_name(): assert Fee.Part().name() == "a part"
def test_twice(): assert twice(3) == 8
def test_cached(): assert cached(1) == 2
def test_made(): assert made(2) == [0, 1, 2]
def test_table(): assert TABLE == 5
"""


def candidate(found: Localisation, old: str, new: str) -> Candidate:
    source = found.sources["shop.py"]
    assert source.text.count(old) == 1
    text = source.text.replace(old, new)
    hole, lines = changed_lines(source, text)
    return Candidate("shop.py", text, hole, lines, 0, "")


async def shop(judge: Judge, root: Path) -> Localisation:
    found = await reproduce(judge, (), "", 60.0)
    return localise(root, await trace(judge, found), found.failing, found.baseline.outcomes)


async def both(
    judge: Judge, found: Localisation, test: str, old: str, new: str
) -> tuple[Verdict | None, Verdict]:
    """What the exchange says and what a new start says."""
    one = candidate(found, old, new)
    swap = swap_of(one, found)
    assert swap is not None
    first = [f"test_shop.py::{test}"]
    exchanged = await judge.exchanged(("test_shop.py",), QUICK, swap, first)
    return exchanged, await judge.run(
        ("test_shop.py",), QUICK, files={"shop.py": one.text.encode()}, first=first
    )


@pytest.mark.skipif(sys.platform == "darwin", reason="no fork there")
async def test_an_exchanged_function_is_judged_as_after_a_new_start(project: Project) -> None:
    root = project({"shop.py": SHOP, "test_shop.py": TESTS})
    async with judging(root) as judge:
        found = await shop(judge, root)
        for test, old, right, wrong in (
            ("test_price", "+ self.__hidden", "+ self.__hidden + 1", "- self.__hidden"),
            ("test_name", '"part"', '"a part"', '"parts"'),
            ("test_twice", "    return x\n\n\n@lru", "    return x + 1\n\n\n@lru", "    return 1\n\n\n@lru"),
            (
                "test_cached",
                "    return x\n\n\ndef made",
                "    return x + 1\n\n\ndef made",
                "    pass\n\n\ndef made",
            ),
            ("test_made", "range(n)]", "range(n + 1)]", "range(n)][:1]"),
            ("test_made", "[one for one in range(n)]", "list(range(n + 1))", "list(range(n - 1))"),
        ):
            for new, outcome in ((right, "passed"), (wrong, "failed")):
                quick, slow = await both(judge, found, test, old, new)
                where = f"test_shop.py::{test}"
                assert slow.outcomes[where] == outcome, (test, new)
                assert quick is not None, test
                assert dict(quick.outcomes) == {where: outcome}, (test, new, quick)
                assert quick.reached == {key: line for key, line in slow.reached.items() if key == where}


async def test_what_cannot_be_exchanged_is_started_anew(project: Project) -> None:
    root = project({"shop.py": SHOP, "test_shop.py": TESTS})
    async with judging(root) as judge:
        found = await shop(judge, root)
        for old, new in (
            ("RATE = 3", "RATE = 4"),
            ("def made(n):", "def made(n, m=1):"),
            ("    return 4", "    return 5"),
            ("@doubled\n", ""),
            ("        return 2 * function(*given)", "        return 3 * function(*given)"),
        ):
            assert swap_of(candidate(found, old, new), found) is None, new
    async with judging(root, fork=False) as judge:
        swap = swap_of(candidate(found, "range(n)]", "range(n + 1)]"), found)
        assert swap is not None
        assert await judge.exchanged(("test_shop.py",), QUICK, swap, ["test_shop.py::test_made"]) is None


async def test_an_exchanged_function_may_misbehave(project: Project) -> None:
    files = {
        "shop.py": "def down(n):\n    return n\n",
        "test_shop.py": "from shop import down\n\n\ndef test_down():\n    assert down(3) == 0\n",
    }
    root = project(files)
    first = ["test_shop.py::test_down"]
    async with judging(root) as judge:
        found = await shop(judge, root)
        for line in ("while True: pass", "raise SystemExit", "import os; os._exit(0)", "continue"):
            swap = swap_of(candidate(found, "return n", line), found)
            assert swap is not None
            verdict = await judge.exchanged(("test_shop.py",), QUICK, swap, first)
            assert verdict is None or not verdict.passing(), line
        swap = swap_of(candidate(found, "return n", "return n - 3"), found)
        assert swap is not None
        verdict = await judge.exchanged(("test_shop.py",), QUICK, swap, first)
        assert verdict is not None and verdict.passing() == set(first), "it lives on"
    assert (root / "shop.py").read_text() == files["shop.py"]


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="processes are looked up in /proc")
async def test_nothing_is_left_running(project: Project) -> None:
    """Neither after the end nor when somebody loses patience in the middle of an endless candidate."""
    files = {
        "shop.py": "def down(n):\n    return n\n",
        "test_shop.py": "from shop import down\n\n\ndef test_down():\n    assert down(3) == 0\n",
    }
    root = project(files)
    first = ["test_shop.py::test_down"]

    def running() -> list[str]:
        found = []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdigit() and (process / "cwd").readlink() == root.resolve():
                    found.append(process.name)
        return found

    async with judging(root) as judge:
        found = await shop(judge, root)
        wrong = swap_of(candidate(found, "return n", "return 1"), found)
        endless = swap_of(candidate(found, "return n", "while True: pass"), found)
        assert wrong and endless
        assert await judge.exchanged(("test_shop.py",), QUICK, wrong, first)
        assert len(running()) >= 2, "the judge, and the process with the tests"
        patient = Limits(per_test_s=60.0, wall_s=120.0)
        asked = asyncio.create_task(judge.exchanged(("test_shop.py",), patient, endless, first))
        await wait_for(lambda: len(running()) >= 3)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await wait_for(lambda: not running())


async def wait_for(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to that")


class Silent:
    """A model that has nothing to say."""

    async def infill(
        self,
        prefix: str,
        suffix: str,
        *,
        n: int = 1,
        temperature: float = 0.0,
        max_tokens: int = 64,
        stop: Sequence[str] = ("\n",),
    ) -> list[Completion]:
        return []


async def test_a_patch_that_breaks_another_test_file_does_not_end_the_search(project: Project) -> None:
    root = project(
        {
            "shop.py": "def free(total, least):\n    return total <= least\n",
            "test_shop.py": "from shop import free\n\n\ndef test_above():\n    assert free(3, 2)\n",
            "test_more.py": "from shop import free\n\n\ndef test_below():\n    assert free(1, 2)\n",
        }
    )
    async with judging(root) as judge:
        found = await reproduce(judge, (), "", 60.0)
        traced = await trace(judge, found)
        suspicious = localise(root, traced, found.failing, found.baseline.outcomes)
        search = Search(judge, Silent(), suspicious, goal_of(found, traced), lambda event: None)
        passing = {"".join(one.new).strip() for one in await search.run(60.0)}
    broken = {"".join(one.new).strip() for one in search.breaking}
    assert {"return total >= least", "return total > least"} <= broken, "they pass the test that fails"
    assert passing and not broken & passing
