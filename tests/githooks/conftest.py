from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

KCODE = Path(sys.executable).parent / "kcode"


class Repository:
    """A git repository; kcode is called as a user calls it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=self.root,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def git(self, *argv: str, env: Mapping[str, str] | None = None) -> str:
        done = self.run("git", *argv, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def kcode(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(KCODE), *argv)

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def stage(self, name: str, text: str | bytes) -> None:
        self.write(name, text)
        self.git("add", "--", name)

    def commit(self, *more: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return self.run("git", "commit", "-q", "-m", "x", *more, env=env)

    def count(self) -> int:
        done = self.run("git", "rev-list", "--count", "HEAD")
        return int(done.stdout) if done.returncode == 0 else 0


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    root = tmp_path / "a repository's"
    root.mkdir()
    made = Repository(root)
    made.git("init", "-q")
    return made


@pytest.fixture
def hooked(repo: Repository) -> Repository:
    assert repo.kcode("hook", "install", "pre-commit").returncode == 0
    return repo
