from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kcode.repair.judge import Judge, JudgeFailed, Limits
from tests.repair.conftest import Project

pytestmark = pytest.mark.anyio

QUICK = Limits(per_test_s=1.0, wall_s=20.0)
FILES = {
    "app.py": "def double(x):\n    return x + x\n",
    "test_app.py": (
        "from app import double\n\n"
        "def test_two(): assert double(2) == 4\n"
        "def test_three(): assert double(3) == 6\n"
    ),
}
TWO, THREE = "test_app.py::test_two", "test_app.py::test_three"


@asynccontextmanager
async def judging(root: Path, *, fork: bool = True) -> AsyncIterator[Judge]:
    judge = await Judge.start(Path(sys.executable), root, root, fork=fork)
    try:
        yield judge
    finally:
        await judge.close()


@pytest.fixture(params=[True, False], ids=["fork", "no-fork"])
def fork(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_a_candidate_is_judged_and_leaves_no_trace(project: Project, fork: bool) -> None:
    root = project(FILES)
    async with judging(root, fork=fork) as judge:
        wrong = await judge.run([], QUICK, files={"app.py": b"def double(x):\n    return 2\n"})
        right = await judge.run([], QUICK)
    assert wrong.failing() == {TWO, THREE}
    assert right.passing() == {TWO, THREE}
    assert (root / "app.py").read_text() == FILES["app.py"]


async def test_candidates_of_equal_size_in_the_same_second_are_told_apart(project: Project) -> None:
    async with judging(project(FILES)) as judge:
        for _ in range(3):
            for sign, passes in ((b"+", True), (b"-", False)):
                files = {"app.py": b"def double(x):\n    return x " + sign + b" x\n"}
                verdict = await judge.run([TWO], QUICK, files=files)
                assert (verdict.passing() == {TWO}) is passes


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import os; os._exit(0)",
        "raise SystemExit(0)",
        "raise KeyboardInterrupt",
        "x = []\n    while True: x.append('x' * 10_000_000)",
        "return double(x)",
        "import os; os.kill(os.getpid(), 9)",
        'import os; os.kill(os.getppid(), 0); print(\'{"id": "test_app.py::test_two"}\'); return 0',
        "import signal; signal.setitimer(signal.ITIMER_PROF, 0)\n    while True: pass",
        "import sys\n    while True:\n        try:\n            pass\n        except BaseException: pass",
    ],
    ids="loop exit system-exit interrupt memory recursion kill noise disarm swallow".split(),  # noqa: SIM905
)
async def test_a_candidate_that_misbehaves_is_rejected_and_the_judge_lives_on(
    project: Project, body: str
) -> None:
    async with judging(project(FILES)) as judge:
        source = f"def double(x):\n    {body}\n".encode()
        limits = Limits(per_test_s=0.5, wall_s=4.0, memory_mb=256)
        verdict = await judge.run([TWO], limits, files={"app.py": source}, stop=True)
        assert TWO not in verdict.passing()
        assert (await judge.run([], QUICK)).passing() == {TWO, THREE}


async def test_the_run_stops_at_the_first_failure_that_counts(project: Project) -> None:
    async with judging(project(FILES)) as judge:
        files = {"app.py": b"def double(x):\n    return 0\n"}
        stopped = await judge.run([], QUICK, files=files, stop=True)
        tolerant = await judge.run([], QUICK, files=files, stop=True, tolerated=[TWO])
    assert stopped.failing() == {TWO}
    assert tolerant.failing() == {TWO, THREE}


async def test_a_run_that_ends_early_is_no_interruption(project: Project) -> None:
    """pytest writes an interruption's traceback down, which costs more than judging the candidate."""
    told = "def pytest_keyboard_interrupt(excinfo):\n    open('interrupted', 'w').close()\n"
    root = project({**FILES, "conftest.py": told})
    async with judging(root) as judge:
        files = {"app.py": b"def double(x):\n    return 0\n"}
        stopped = await judge.run([], QUICK, files=files, stop=True)
        decided = await judge.run([], QUICK, files=files, stop=True, first=[THREE])
    assert stopped.failing() == {TWO} and stopped.ended == "done"
    assert decided.failing() == {THREE} and not (root / "interrupted").exists()


async def test_where_a_deciding_test_does_not_end_the_others_are_not_waited_for(project: Project) -> None:
    async with judging(project(FILES)) as judge:
        files = {"app.py": b"def double(x):\n    while True: pass\n"}
        limits = Limits(per_test_s=0.3, wall_s=20.0)
        verdict = await judge.run([], limits, files=files, first=[THREE, TWO], stop=True)
        whole = await judge.run([], limits, files=files)
    assert verdict.failing() == {THREE} and verdict.hung == 1
    assert whole.failing() == {TWO, THREE} and whole.hung == 2


async def test_a_traced_run_tells_lines_and_what_was_expected(project: Project, fork: bool) -> None:
    files = {
        "app.py": "def pick(xs, n):\n    if n < 0:\n        return None\n    return xs[n]\n",
        "test_app.py": (
            "import pytest\nfrom app import pick\n\n"
            "@pytest.mark.parametrize('args,expected', [(([7, 8], 1), 8), (([7], 1), None)])\n"
            "def test_pick(args, expected):\n    assert pick(*args) == expected\n\n"
            "def test_negative():\n    found = pick([1], -1)\n    assert not found\n"
        ),
    }
    async with judging(project(files), fork=fork) as judge:
        verdict = await judge.run([], QUICK, trace=True)
    negative = "test_app.py::test_negative"
    assert verdict.lines[negative]["app.py"] == [2, 3]
    (failure,) = verdict.failures.values()
    assert failure.type == "IndexError"
    assert failure.frames[-1] == ("app.py", 4, "pick")
    assert (failure.call, failure.expected) == ("pick([7], 1)", "None")


async def test_an_endless_test_is_left_at_a_line_of_its_loop(project: Project) -> None:
    files = {
        "app.py": "def down(n):\n    while n:\n        n = n\n    return n\n",
        "test_app.py": "from app import down\n\ndef test_down(): assert down(3) == 0\n",
    }
    async with judging(project(files)) as judge:
        verdict = await judge.run([], QUICK, trace=True)
    assert verdict.hung == 1
    failure = verdict.failures["test_app.py::test_down"]
    assert failure.type == "TookTooLong"
    assert failure.frames[-1][1] in (2, 3)
    assert (failure.call, failure.expected) == ("down(3)", "0")


async def test_imports_of_an_editable_installation_lead_to_the_copy(project: Project, tmp_path: Path) -> None:
    import shutil

    root = project({"src/app.py": FILES["app.py"], "test_app.py": FILES["test_app.py"]})
    scratch = tmp_path / "scratch"
    shutil.copytree(root, scratch)
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH="{root}/src" exec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    judge = await Judge.start(wrapper, root, scratch)
    try:
        files = {"src/app.py": b"def double(x):\n    return 0\n"}
        assert (await judge.run([], QUICK, files=files)).failing() == {TWO, THREE}
        assert (await judge.run([], QUICK)).passing() == {TWO, THREE}
    finally:
        await judge.close()


async def test_collecting_lists_the_tests_without_running_them(project: Project) -> None:
    async with judging(project(FILES)) as judge:
        verdict = await judge.run([], QUICK, collect=True)
    assert set(verdict.outcomes) == {TWO, THREE}
    assert not verdict.passing()


async def test_an_interpreter_without_pytest_is_said_to_fail(project: Project, tmp_path: Path) -> None:
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    wrapper.chmod(0o755)
    with pytest.raises(JudgeFailed, match="pytest"):
        await Judge.start(wrapper, project(FILES), project(FILES))


async def test_a_candidate_that_does_not_end_while_imported_is_rejected(project: Project) -> None:
    async with judging(project(FILES)) as judge:
        limits = Limits(per_test_s=0.5, wall_s=3.0)
        verdict = await judge.run([TWO], limits, files={"app.py": b"while True: pass\n"}, stop=True)
        assert TWO not in verdict.passing()
        assert (await judge.run([], QUICK)).passing() == {TWO, THREE}


async def test_a_project_that_makes_warnings_errors_is_judged_like_any_other(project: Project) -> None:
    files = {**FILES, "pyproject.toml": '[tool.pytest.ini_options]\nfilterwarnings = ["error"]\n'}
    async with judging(project(files)) as judge:
        verdict = await judge.run([], QUICK)
    assert verdict.passing() == {TWO, THREE}, verdict


async def test_the_tests_that_decide_run_first_and_alone_while_they_fail(project: Project) -> None:
    async with judging(project(FILES)) as judge:
        wrong = {"app.py": b"def double(x):\n    return 4\n"}
        verdict = await judge.run([], QUICK, files=wrong, first=[THREE], stop=True)
        assert dict(verdict.outcomes) == {THREE: "failed"}
        assert verdict.reached == {THREE: 4}
        right = await judge.run([], QUICK, first=[THREE], stop=True)
    assert list(right.outcomes) == [THREE, TWO]
    assert right.passing() == {TWO, THREE}


async def test_what_a_function_is_called_with_is_asked_of_candidates_too(project: Project) -> None:
    async with judging(project(FILES)) as judge:
        observed = await judge.observe([], QUICK, "app.py", 1)
        assert observed.module == "app"
        assert len(observed.inputs) == 2
        own = await judge.probe(observed, "double", QUICK, {})
        assert own[0] == "(4, [2])"
        assert len(own) == 8, "each input and three variations of it"
        same = {"app.py": b"def double(x):\n    return 2 * x\n"}
        assert await judge.probe(observed, "double", QUICK, same) == own
        other = {"app.py": b"def double(x):\n    return 4 if x == 2 else 6\n"}
        assert await judge.probe(observed, "double", QUICK, other) != own
        endless = {"app.py": b"def double(x):\n    while x != 2: pass\n    return 4\n"}
        assert "took too long" in await judge.probe(observed, "double", QUICK, endless)
