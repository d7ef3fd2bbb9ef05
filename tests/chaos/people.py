"""Who sits in front of kcode: a person on a terminal, or a script. Both tell how a turn ended."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import termios
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.machine import Machine
from tests.chaos.plan import Turn
from tests.ui.sitting import KCODE, Sitting

PATIENCE_S = 150.0
_READY = r"(ask|auto|edits) mode · kimi"
_OVER = r"(?m)^(?:[\d.,]+[kM]? in\b.* · )?(?:\d+\.\ds|\d+s|\d+m \d+s|\d+m\d+s)$"
_MODES_AT_REST = {"25": "h", "7": "h", "1": "l", "2004": "l", "1004": "l", "2026": "l"}
_NEVER_LEFT = ("1000", "1002", "1003", "1006", "1047", "1049", "47", "2031")


@dataclass(frozen=True)
class Ending:
    """How a turn ended for who asked. ``shown`` is all that was said; ``code`` is the exit code of a script's
    run, None on a terminal; ``peak`` is the memory of kcode so far, in bytes; ``over`` is False where it
    never ended."""

    over: bool
    shown: str
    code: int | None
    peak: int


class Person:
    """A sitting at a terminal."""

    kind = "terminal"

    def __init__(self, machine: Machine, env: Mapping[str, str], *flags: str) -> None:
        self._machine = machine
        self._sitting = Sitting([KCODE, *flags], cwd=machine.project, env=env, columns=120, rows=40)
        machine.pid = self._sitting.process.pid
        self._sitting.see(_READY)

    def turn(self, turn: Turn) -> Ending:
        sitting = self._sitting
        sitting.type(f"{turn.text}\r")
        try:
            shown = _until(sitting, rf"❯ {re.escape(turn.text)}", _OVER)
        except AssertionError as problem:
            return Ending(False, str(problem), sitting.process.poll(), _peak(sitting.process.pid))
        return Ending(True, shown, None, _peak(sitting.process.pid))

    def leave(self) -> tuple[int, list[str]]:
        """``/exit``; the exit code, and what of the terminal is not as it was."""
        sitting = self._sitting
        with sitting:
            sitting.type("/exit\r")
            try:
                code = sitting.end()
            except AssertionError as problem:
                return -1, [f"/exit does not leave: {problem}"]
            wrong = stray_modes("".join(sitting.terminal.raw))
            if sitting.settings() != _fresh():
                wrong.append("the terminal's settings are not as they were")
        return code, wrong


class Script:
    """One run after the other, each continuing the session."""

    kind = "script"

    def __init__(self, machine: Machine, env: Mapping[str, str], *flags: str) -> None:
        self._machine, self._env, self._flags = machine, env, flags
        self._begun = False

    def turn(self, turn: Turn) -> Ending:
        return self.run(turn.text)

    def run(self, text: str) -> Ending:
        argv = [KCODE, *self._flags, *(["-c"] if self._machine.journals else []), "-p", text]
        process = subprocess.Popen(
            argv,
            cwd=self._machine.project,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._machine.pid = process.pid
        said: list[bytes] = []
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: said.append(process.stdout.read()), daemon=True)  # type: ignore[union-attr]
        reader.start()
        deadline = time.monotonic() + PATIENCE_S
        peak = 0
        while process.poll() is None and time.monotonic() < deadline:
            peak = max(peak, _peak(process.pid))
            time.sleep(0.05)
        over = process.poll() is not None
        if not over:
            process.kill()
            process.wait()
        reader.join(PATIENCE_S)
        shown = b"".join(said).decode(errors="replace")
        process.stdout.close()
        return Ending(over, shown, process.returncode, peak)

    def leave(self) -> tuple[int, list[str]]:
        return 0, []


def stray_modes(raw: str) -> list[str]:
    """What the bytes that went to a terminal have left switched on, in words."""
    last: dict[str, str] = {}
    for numbers, what in re.findall(r"\x1b\[\?([\d;]+)([hl])", raw):
        last.update(dict.fromkeys(numbers.split(";"), what))
    wrong = [f"mode ?{n} is left at {last[n]}" for n, w in _MODES_AT_REST.items() if last.get(n, w) != w]
    wrong += [f"mode ?{n} is left on" for n in _NEVER_LEFT if last.get(n) == "h"]
    if raw.rfind("\x1b[>1u") > max(raw.rfind("\x1b[<u"), raw.rfind("\x1b[<1u")):
        wrong.append("the keyboard's protocol is left on")
    return wrong


def _until(sitting: Sitting, begun: str, over: str) -> str:
    """Read until ``over`` stands behind the last ``begun``; the text between."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        text = sitting.terminal.text()
        starts = [found.end() for found in re.finditer(begun, text)]
        if starts and re.search(over, text[starts[-1] :]):
            text = sitting.settle(0.2)  # not in the middle of a frame
            start = [found.end() for found in re.finditer(begun, text)][-1]
            if found := re.search(over, text[start:]):
                return text[start : start + found.end()]
        if sitting.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the turn does not end:\n{text[-4_000:]}")
        sitting.settle(0.05)


def _fresh() -> list[object]:
    master, slave = pty.openpty()
    try:
        return list(termios.tcgetattr(slave))
    finally:
        os.close(master)
        os.close(slave)


def _peak(pid: int) -> int:
    try:
        for row in Path(f"/proc/{pid}/status").read_text().splitlines():
            if row.startswith("VmHWM:"):
                return int(row.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return 0
