from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from kcode.agent.housekeeping import tidy
from kcode.config.paths import state_dir
from kcode.conversation.journal import Journal, session_files
from kcode.conversation.ledger import User
from kcode.workspace.snapshots import SnapshotStore, size_of

DAY_S = 86_400


def snapshots_of(root: Path, days_ago: float) -> SnapshotStore:
    root.mkdir(exist_ok=True)
    (root / "noise").write_bytes(os.urandom(300_000))
    store = SnapshotStore(root, False)
    store.take()
    at = time.time() - days_ago * DAY_S
    for path in [store.folder / "HEAD", store.folder / "index", *(store.folder / "refs/kcode").iterdir()]:
        os.utime(path, (at, at))
    return store


def test_snapshots_and_sessions_go_by_age(tmp_path: Path) -> None:
    old, new = snapshots_of(tmp_path / "old", 40), snapshots_of(tmp_path / "new", 1)
    for name, days in (("old", 40), ("new", 1)):
        journal = Journal.create(tmp_path / name)
        journal.append(User(name, name))
        journal.close()
        at = time.time() - days * DAY_S
        os.utime(journal.path, (at, at))
    done = tidy(30, 0)
    assert done.sessions == 1
    assert done.size > 300_000
    assert not old.folder.exists()
    assert new.folder.exists()
    assert session_files(tmp_path / "old") == []
    assert len(session_files(tmp_path / "new")) == 1


def test_snapshots_of_workspaces_left_longest_go_first_by_size(tmp_path: Path) -> None:
    stores = [snapshots_of(tmp_path / f"w{days}", days) for days in (9, 5, 1)]
    kept = sum(size_of(store.folder) for store in stores)
    tidy(0, 2 * (kept - 100_000))
    sizes = [size_of(store.folder) for store in stores]
    assert sizes[0] < 100_000
    assert min(sizes[1:]) > 300_000


@pytest.mark.parametrize("broken", ["HEAD", "refs/kcode"])
def test_a_damaged_store_does_not_stop_the_tidying(tmp_path: Path, broken: str) -> None:
    store = snapshots_of(tmp_path / "one", 3)
    target = store.folder / broken
    if target.is_dir():
        for ref in target.iterdir():
            ref.write_text("not a commit\n")
    else:
        target.write_text("nonsense")
    tidy(1, 1)
    assert (state_dir() / "snapshots").is_dir()
