from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.k2sim import TEST_KEY, Simulator
from tests.ui.sitting import KCODE, Sitting

NOTHING: Mapping[str, str] = {}
HOOK = "#!/bin/sh\n"


def environment(sim: Simulator, more: Mapping[str, str] = NOTHING) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORFGBG", "COLUMNS", "LINES")}
    own = {
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": "kimi-k2-0905-preview",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "GIT_EDITOR": "false",
    }
    return {**kept, **own, **more}


class Project:
    """A git repository with one commit, and kcode in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run(
            ["git", *argv], cwd=self.root, capture_output=True, text=True, check=False, timeout=60
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def stage(self, name: str, text: str | bytes) -> None:
        self.write(name, text)
        self.git("add", "--", name)

    def hook(self, name: str, body: str) -> None:
        path = self.root / ".git" / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(HOOK + body)
        path.chmod(0o755)

    def state(self) -> tuple[str, str]:
        """HEAD and the index."""
        return self.git("rev-parse", "--verify", "-q", "HEAD", check=False), self.git("write-tree")

    def message(self, rev: str = "HEAD") -> str:
        return self.git("log", "-1", "--format=%B", rev)

    def kcode(
        self, sim: Simulator, *arguments: str, env: Mapping[str, str] = NOTHING
    ) -> subprocess.CompletedProcess[str]:
        """One run without a terminal."""
        return subprocess.run(
            [KCODE, *arguments],
            cwd=self.root,
            env=environment(sim, env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=240,  # of a machine that many share
            check=False,
        )


@pytest.fixture
def empty(tmp_path: Path) -> Project:
    root = tmp_path / "shop"
    root.mkdir()
    project = Project(root)
    project.git("init", "-q")
    return project


@pytest.fixture
def project(empty: Project) -> Project:
    empty.stage("shop.py", "def total(prices):\n    return sum(prices)\n")
    empty.git("commit", "-qm", "start")
    return empty


@pytest.fixture
def sit(project: Project) -> Iterator[Callable[..., Sitting]]:
    """``sit(sim, *arguments)``: a person in front of ``kcode`` in the repository."""
    with ExitStack() as running:

        def start(
            sim: Simulator, *arguments: str, env: Mapping[str, str] = NOTHING, **options: Any
        ) -> Sitting:
            return running.enter_context(
                Sitting([KCODE, *arguments], cwd=project.root, env=environment(sim, env), **options)
            )

        yield start
