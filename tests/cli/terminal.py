"""kcode on a pseudo-terminal, with a person who answers questions."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.cli.conftest import KCODE


def converse(
    arguments: list[str], answers: Mapping[str, str], cwd: Path, env: Mapping[str, str], limit_s: float = 120
) -> tuple[int, str]:
    """Run to the end; each key of ``answers`` that appears is answered once. The code and all output."""
    person, terminal = pty.openpty()
    running = subprocess.Popen(
        [str(KCODE), *arguments],
        cwd=cwd,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", **env},
        start_new_session=True,
    )
    os.close(terminal)
    seen, left, until = "", dict(answers), time.monotonic() + limit_s
    try:
        while time.monotonic() < until:
            ready, _, _ = select.select([person], [], [], 0.5)
            if ready:
                try:
                    seen += os.read(person, 65536).decode(errors="replace")
                except OSError:  # the other end is closed: kcode has ended
                    break
            for question in [q for q in left if q in seen]:
                os.write(person, left.pop(question).encode())
        return running.wait(timeout=30), seen
    finally:
        running.kill()
        os.close(person)
