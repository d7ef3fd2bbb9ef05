from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from kcode.safety import temporary
from kcode.safety.process import run_sync


@pytest.fixture
def above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left(above: Path, owner: int, days: float) -> Path:
    folder = above / f"kcode-run-{owner}-abc"
    (folder / "tmp").mkdir(parents=True)
    then = time.time() - days * 86_400
    os.utime(folder, (then, then))
    return folder


def gone() -> int:
    """The process id of one that has ended."""
    return int(run_sync(["sh", "-c", "echo $$"], cwd=Path.cwd(), timeout_s=20).stdout)


def test_what_a_killed_kcode_left_is_removed_and_what_a_living_one_has_is_not(above: Path) -> None:
    dead, fresh = left(above, gone(), 2), left(above, gone() + 1_000_000_000, 0.1)
    living = left(above, os.getppid(), 2)
    other = above / "kcode-run-notes"
    other.mkdir()
    mine = temporary.made()
    assert not dead.exists()
    assert all(folder.is_dir() for folder in (fresh, living, other, mine))


def test_a_folder_is_removed_with_what_was_made_unwritable_in_it(above: Path) -> None:
    folder = temporary.made()
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/file").write_text("x")
    (folder / "a/b").chmod(0o500)
    (folder / "link").symlink_to(above)
    temporary.remove(folder)
    assert not folder.exists()
    assert above.is_dir()
