"""A person at a terminal: the real ``kcode`` on a pty, its screen kept by pyte."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.ui.screen import Terminal

KCODE = str(Path(sys.executable).parent / "kcode")
PATIENCE_S = 60.0  # how long something may take before the test gives up; never how fast it has to be


class Sitting:
    """Runs ``argv`` on a pty until closed. ``see`` waits for the screen, ``type`` presses keys."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        columns: int = 80,
        rows: int = 24,
        stdout_to: int | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.terminal = Terminal(columns, rows, answer=lambda text: self.type(text))
        self.process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**env, "TERM": env.get("TERM", "xterm-256color")},
            stdin=slave,
            stdout=slave if stdout_to is None else stdout_to,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._ended = False

    def __enter__(self) -> Sitting:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the terminal, as when its window is closed or the connection is lost."""
        self._ended = True
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def see(self, pattern: str, *, gone: bool = False) -> str:
        """Wait until the text of scrollback and screen matches ``pattern``; the text."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            text = self.terminal.text()
            if (re.search(pattern, text) is None) is gone:
                return text
            if self._ended or time.monotonic() > deadline:
                raise AssertionError(f"{pattern!r} {'is still' if gone else 'is not'} on the screen:\n{text}")
            self._read(0.2)

    def settle(self, seconds: float = 0.5) -> str:
        """Read until nothing has come for ``seconds``; the text."""
        while self._read(seconds):
            pass
        return self.terminal.text()

    def end(self) -> int:
        """Wait for the process to leave by itself; its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"still running:\n{self.terminal.text()}")
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.returncode

    def settings(self) -> list[object]:
        """The terminal's settings now, as ``termios.tcgetattr`` gives them."""
        return list(termios.tcgetattr(self._master))

    def resize(self, columns: int, rows: int) -> None:
        self.terminal.screen.resize(rows, columns)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self, wait_s: float) -> bool:
        if self._ended or not select.select([self._master], [], [], wait_s)[0]:
            return False
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # Linux reports the closed other side as EIO
            data = b""
        if not data:
            self._ended = True
            return False
        self.terminal.write(self._decoder.decode(data))
        return True
