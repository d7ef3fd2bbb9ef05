from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
Install = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def index_answers(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether the package index that pip is set up with gives out one small locked package."""
    folder = tmp_path_factory.mktemp("probe")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--retries",
            "0",
            "-d",
            str(folder),
            "iniconfig",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return done.returncode == 0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home with spaces"
    folder.mkdir()
    return folder


@pytest.fixture
def install(home: Path) -> Install:
    """``install.sh`` under dash where there is one, in a home of its own, with nobody at the terminal."""
    shell = shutil.which("dash") or "/bin/sh"

    def run(
        *arguments: str, env: Mapping[str, str] | None = None, script: Path = CHECKOUT / "install.sh"
    ) -> subprocess.CompletedProcess[str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("XDG_", "KCODE_", "VIRTUAL_ENV", "PYTEST_"))
        }
        return subprocess.run(
            [shell, str(script), *arguments],
            cwd=home,
            env={**kept, "HOME": str(home), "SHELL": "/bin/bash", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run
