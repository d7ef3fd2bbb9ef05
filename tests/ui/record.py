"""Record a session against the simulator as a picture: ``python -m tests.ui.record docs/img/session.svg``.

The binary, the terminal protocol, the tools and the tests that run are real; what the model says is a script.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.k2sim import TEST_KEY, Chunking, Simulator, call, say, use
from tests.ui.screen import Terminal
from tests.ui.sitting import KCODE, Sitting

COLUMNS, ROWS = 84, 40
MUTED = "38;5;245"  # pyte keeps no faint attribute: it is drawn in grey
MODULE = '''\
"""Readings of a weather station."""


def average(readings: list[float]) -> float:
    """The mean of the readings, in degrees."""
    if not readings:
        return 0.0
    return sum(readings) / (len(readings) + 1)
'''
TEST = """\
from station import average


def test_average_of_equal_readings_is_that_reading():
    assert average([20.0, 20.0]) == 20.0


def test_average_of_nothing_is_zero():
    assert average([]) == 0.0
"""
FIX = {"old_text": "(len(readings) + 1)", "new_text": "len(readings)"}
SCRIPT = [
    use(
        call("read_file", path="station.py"),
        call("read_file", path="test_station.py"),
        reasoning="First the test that fails and the function it calls.",
    ),
    use(call("run_tests")),
    use(call("edit_file", path="station.py", edits=[FIX]), text="The sum is divided by **one too many**."),
    use(call("run_tests")),
    say(
        "`average` divided by `len(readings) + 1`, so two readings of 20° gave 13.3°.\n\n"
        "- **Cause**: an off-by-one in the divisor of `station.py`\n"
        "- **Repair**: divide by `len(readings)`; the empty list is caught above\n"
        "- **Proof**: both tests pass\n"
    ),
]


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, repo = Path(folder, "home"), Path(folder, "weather")
        home.mkdir()
        _make_repository(repo)
        with Simulator([replace(answer, chunking=Chunking(delay_ms=10)) for answer in SCRIPT]) as sim:
            terminal = _play(sim, home, repo)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(picture(terminal), encoding="utf-8")
    print(f"{target}: {len(terminal.lines())} lines")


def _make_repository(repo: Path) -> None:
    repo.mkdir()
    (repo / "station.py").write_text(MODULE)
    (repo / "test_station.py").write_text(TEST)
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.invalid"]
    for command in (["init", "-qb", "main"], ["add", "."], [*identity, "commit", "-qm", "Station"]):
        subprocess.run(["git", *command], cwd=repo, check=True)


def _play(sim: Simulator, home: Path, repo: Path) -> Terminal:
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "COLORTERM": "truecolor",
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": "kimi-k2-0905-preview",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        "KCODE_TESTS__PYTHON": sys.executable,
    }
    with Sitting([KCODE], cwd=repo, env=env, columns=COLUMNS, rows=ROWS) as person:
        write = person.terminal.write
        person.terminal.write = lambda text: write(_visible_faint(text))  # type: ignore[method-assign]
        person.see("ask mode · kimi")
        person.type("a test of the station fails, please fix it\r")
        for question in (r"Run the tests\?|Apply this\?",) * 3:
            if not _answered(person, question):
                break
        person.see(r" in, .*out")
        person.see(r"❯ *\n")
        person.settle(1.0)
    return person.terminal


def _answered(person: Sitting, question: str) -> bool:
    """Say yes to the next question; False where the answer came without one."""
    text = person.see(f"{question}|both tests pass")
    if not re.search(question, text):
        return False
    person.settle(0.6)
    person.type("y")
    person.see(question, gone=True)
    return True


def _visible_faint(text: str) -> str:
    return re.sub(r"(?<=\x1b\[)(0;)?2(?=[;m])", rf"\g<1>{MUTED}", text)


def picture(terminal: Terminal) -> str:
    """The scrollback and the screen as SVG."""
    screen = terminal.screen
    rows = [*screen.history.top, *(screen.buffer[n] for n in range(screen.lines))]
    texts = [_styled(row, screen.columns) for row in rows]
    while texts and not texts[-1].plain.strip():
        texts.pop()
    console = Console(file=io.StringIO(), record=True, width=screen.columns, force_terminal=True)
    for text in texts:
        console.print(text, no_wrap=True, overflow="ignore", crop=False)
    drawn = console.export_svg(title="kcode", theme=MONOKAI)
    # The template names web fonts; the picture has to be whole without asking anybody.
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


def _styled(row: dict[int, pyte.screens.Char], columns: int) -> Text:
    text = Text()
    for column in range(columns):
        cell = row[column]
        if cell.data:  # the second half of a wide character is empty
            text.append(cell.data, _style(cell))
    return text


def _style(cell: pyte.screens.Char) -> Style:
    return Style(
        color=_colour(cell.fg),
        bgcolor=_colour(cell.bg),
        bold=cell.bold,
        italic=cell.italics,
        underline=cell.underscore,
        reverse=cell.reverse,
    )


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return re.sub(r"^bright", "bright_", name).replace("brown", "yellow")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
