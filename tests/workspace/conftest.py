from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kcode.workspace.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return root


@pytest.fixture
def plain(folder: Path) -> Workspace:
    return Workspace.open(folder)


@pytest.fixture
def repository(folder: Path) -> Workspace:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return Workspace.open(folder)
