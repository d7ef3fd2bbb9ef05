from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kcode.config.settings import RunnerSettings, Settings

Project = Callable[[dict[str, str]], Path]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes files into a new folder and returns it."""

    def write(files: dict[str, str]) -> Path:
        root = tmp_path / "project"
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return write


@pytest.fixture
def settings() -> Settings:
    return Settings(tests=RunnerSettings(python=sys.executable, timeout_s=240))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
