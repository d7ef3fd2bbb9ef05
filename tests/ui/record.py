"""Pictures of real sittings for the README: ``python -m tests.ui.record`` writes ``docs/img/*.svg`` anew.

The binary, the terminal protocol, the tools and the tests that run are real; what the model says is a script.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.k2sim import TEST_KEY, Answer, Call, Chunking, Simulator, call, say, use
from tests.ui.picture import picture
from tests.ui.screen import Terminal
from tests.ui.sitting import KCODE, Sitting

IMAGES = Path(__file__).parents[2] / "docs" / "img"
MODEL = "kimi-k2.7-code"

STATION = '''\
"""Readings of a weather station."""


def average(readings: list[float]) -> float:
    """The mean of the readings, in degrees."""
    if not readings:
        return 0.0
    return sum(readings) / (len(readings) + 1)


def fahrenheit(celsius: float) -> float:
    """The same temperature on the other scale.

    Only for display: everything is kept in degrees Celsius.
    """
    return round(celsius * 9 / 5 + 32, 1)


def warmest(days: dict[str, float]) -> str:
    """The name of the warmest day."""
    return min(days, key=days.get)
'''
TESTS = """\
from station import average, warmest


def test_average_of_equal_readings_is_that_reading():
    assert average([20.0, 20.0]) == 20.0


def test_average_of_nothing_is_zero():
    assert average([]) == 0.0


def test_warmest_day():
    assert warmest({"Mon": 18.0, "Tue": 24.5}) == "Tue"
"""
STEPS = ("find out why", "repair station.py", "run the tests")
AVERAGE = {"old_text": "(len(readings) + 1)", "new_text": "len(readings)"}
WARMEST = {"old_text": "min(days", "new_text": "max(days"}


@dataclass(frozen=True)
class Scene:
    """``play`` is given a person at the prompt and leaves the screen as it is to be drawn."""

    name: str
    columns: int
    rows: int
    answers: tuple[Answer, ...]
    play: Callable[[Sitting], None]
    diff: str = "unified"


def _todo(done: int) -> Call:
    states = ["done" if n < done else "in_progress" if n == done else "pending" for n in range(len(STEPS))]
    return call("update_todo", items=[{"text": t, "status": s} for t, s in zip(STEPS, states, strict=True)])


def _a_turn(person: Sitting) -> None:
    person.type("two tests of the station fail, please fix them\r")
    person.see(r"Apply this\?")
    person.settle()
    person.type("y")
    person.see(r"tests? pass")
    person.see(r" in, .*out")
    person.settle(1.0)


def _hunks(person: Sitting) -> None:
    person.type("mend what is wrong in station.py\r")
    person.see(r"Apply this\?")
    person.settle()
    person.type("h")
    person.see(r"1/2")
    person.settle()
    person.type("y")
    person.see(r"2/2")
    person.settle(1.0)


SCENES = (
    Scene(
        "session",
        88,
        40,
        (
            use(
                _todo(0),
                call("read_file", path="station.py"),
                call("read_file", path="test_station.py"),
                call("run_tests"),
                reasoning="Two failures, one module. The averages come out too small, so the divisor first.",
            ),
            use(call("edit_file", path="station.py", edits=[AVERAGE, WARMEST]), _todo(1)),
            use(call("run_tests"), _todo(2)),
            use(_todo(3)),
            say(
                "Both were in `station.py`, and all tests pass:\n\n"
                "- `average` divided by **one too many**: `len(readings) + 1`\n"
                "- `warmest` took the smallest, not the largest\n"
            ),
        ),
        _a_turn,
    ),
    Scene(
        "hunks",
        112,
        30,
        (
            use(call("edit_file", path="station.py", edits=[AVERAGE, WARMEST])),
            say("Done."),
        ),
        _hunks,
        diff="split",
    ),
)


def main(names: list[str]) -> None:
    for scene in SCENES:
        if not names or scene.name in names:
            terminal = record(scene)
            target = IMAGES / f"{scene.name}.svg"
            target.write_text(picture(terminal), encoding="utf-8")
            print(f"{target.name}: {len(terminal.lines())} lines, {target.stat().st_size} bytes")


def record(scene: Scene) -> Terminal:
    """Play the scene with the real program in a repository of its own; the terminal as it was left."""
    with tempfile.TemporaryDirectory() as folder:
        home, repo = Path(folder, "home"), Path(folder, "weather")
        home.mkdir()
        _make_repository(repo)
        with Simulator([replace(answer, chunking=Chunking(delay_ms=10)) for answer in scene.answers]) as sim:
            env = {**_environment(home, sim), "KCODE_UI__DIFF": scene.diff}
            with Sitting([KCODE], cwd=repo, env=env, columns=scene.columns, rows=scene.rows) as person:
                person.see("ask mode · kimi")
                scene.play(person)
                return person.terminal


def _make_repository(repo: Path) -> None:
    repo.mkdir()
    (repo / "station.py").write_text(STATION)
    (repo / "test_station.py").write_text(TESTS)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.invalid"]
    for command in (["init", "-qb", "main"], ["add", "."], [*identity, "commit", "-qm", "Station"]):
        subprocess.run(["git", *command], cwd=repo, check=True)


def _environment(home: Path, sim: Simulator) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLORTERM": "truecolor",
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": MODEL,
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        "KCODE_TESTS__PYTHON": sys.executable,
        "KCODE_UI__THEME": "dark",
    }


if __name__ == "__main__":
    main(sys.argv[1:])
