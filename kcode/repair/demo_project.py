"""The demo: a small project with a real bug and a failing pytest, written anew for each run.

Nothing about the repair is stored here: the embedded model has to find it like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.safety.process import run_sync

_FILES = {
    "parking/__init__.py": '"""A small car park."""\n',
    "parking/intervals.py": '''\
"""Closed times of the car park: intervals of minutes since midnight."""


def overlaps(first, second):
    """Whether two intervals share at least one minute; the end does not belong to them."""
    return first[0] < second[1] and second[0] < first[1]


def merge(intervals):
    """Join intervals [start, end] that overlap or touch; the result is sorted.

    >>> merge([[60, 120], [90, 180], [300, 360]])
    [[60, 180], [300, 360]]
    """
    merged = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = end
        else:
            merged.append([start, end])
    return merged


def total_minutes(intervals):
    """How many different minutes the intervals cover together."""
    return sum(end - start for start, end in merge(intervals))
''',
    "tests/test_intervals.py": """\
from parking.intervals import merge, overlaps, total_minutes


def test_intervals_that_share_a_minute_overlap():
    assert overlaps([60, 120], [90, 180])
    assert not overlaps([60, 120], [120, 180])


def test_separate_intervals_stay_apart():
    assert merge([[300, 360], [60, 120]]) == [[60, 120], [300, 360]]


def test_overlapping_intervals_are_joined():
    assert merge([[60, 120], [90, 180], [300, 360]]) == [[60, 180], [300, 360]]


def test_touching_intervals_are_joined():
    assert merge([[60, 120], [120, 180]]) == [[60, 180]]


def test_an_interval_inside_another_disappears():
    assert merge([[60, 300], [120, 180]]) == [[60, 300]]


def test_minutes_are_counted_once():
    assert total_minutes([[0, 60], [30, 90]]) == 90


def test_nothing_closed():
    assert merge([]) == []
""",
    "conftest.py": "",
    "README.md": "# parking\n\nMade by `kcode demo`: one test fails, `kcode fix` looks for the repair.\n",
    ".gitignore": "__pycache__/\n.pytest_cache/\n",
}
FAILING_TEST = "tests/test_intervals.py::test_an_interval_inside_another_disappears"


@dataclass(frozen=True, slots=True)
class DemoProject:
    """``is_git`` is False where git is not installed: kcode works without, and the demo too."""

    root: Path
    failing_test: str
    is_git: bool


def create(path: Path) -> DemoProject:
    """Write the project into ``path`` (made if needed, must be empty) and commit it.

    Raises :class:`EnvironmentProblem` where the folder cannot be written or is not empty.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise EnvironmentProblem(f"{path} is not empty", "name another folder for the demo")
        for name, text in _FILES.items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise EnvironmentProblem(f"the demo project cannot be written to {path}: {error}") from error
    return DemoProject(path, FAILING_TEST, _commit(path))


def _commit(path: Path) -> bool:
    """A commit under a name of its own: the machine may have no git identity yet."""
    identity = ["-c", "user.name=kcode demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false"]
    commands = (
        ["git", "init", "-q"],
        ["git", "add", "-A"],
        ["git", *identity, "commit", "-q", "--no-verify", "-m", "A car park with a bug"],
    )
    try:
        return all(run_sync(command, cwd=path, timeout_s=30).code == 0 for command in commands)
    except EnvironmentProblem:
        return False
