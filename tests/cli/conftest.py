from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

KCODE = Path(sys.executable).parent / "kcode"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def kcode(tmp_path: Path) -> Run:
    """The installed program in an empty folder, with nobody at the terminal."""

    def run(
        *arguments: str, cwd: Path = tmp_path, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(KCODE), *arguments],
            cwd=cwd,
            input=stdin,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
