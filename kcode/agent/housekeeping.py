"""Old sessions and snapshots are thrown away: at most once a day by itself, or when asked for."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from kcode.config.paths import state_dir
from kcode.config.settings import SessionSettings
from kcode.conversation.sessions import Pruned, every_journal, prune
from kcode.workspace.snapshots import SnapshotStore, size_of

_DAY_S = 86_400


def tidy_daily(settings: SessionSettings) -> None:
    """Begin tidying in the background, where that was last done more than a day ago."""
    mark = state_dir() / "tidied"
    with contextlib.suppress(OSError):
        if not mark.exists():  # the first session of all: there is nothing old yet
            mark.touch(mode=0o600)
        elif time.time() - mark.stat().st_mtime > _DAY_S:
            os.utime(mark)
            limits = (settings.keep_days, settings.max_mb * 1_000_000)
            threading.Thread(target=tidy, args=limits, name="tidy", daemon=True).start()


def tidy(keep_days: float, max_bytes: int) -> Pruned:
    """Remove what was not used for ``keep_days`` (0: whatever its age), then the oldest until sessions and
    snapshots are each within half of ``max_bytes`` (0: any size)."""
    older_than = time.time() - keep_days * _DAY_S if keep_days else 0.0
    sessions = prune(list(every_journal()), older_than=older_than, max_bytes=max_bytes // 2)
    return Pruned(sessions.sessions, sessions.size + _tidy_snapshots(older_than, max_bytes // 2))


def _tidy_snapshots(older_than: float, max_bytes: int) -> int:
    """Those of the workspaces that were left longest go first."""
    folders = _snapshot_folders()
    sizes = {folder: size_of(folder) for folder in folders}
    freed = 0
    for folder in folders:
        excess = max(0, sum(sizes.values()) - freed - max_bytes) if max_bytes else 0
        freed += _tidy_store(folder, older_than, max(0, sizes[folder] - excess))
    return freed


def _tidy_store(folder: Path, older_than: float, max_bytes: int) -> int:
    store = SnapshotStore(Path(), False)
    store.folder = folder
    with contextlib.suppress(Exception):  # outer door: tidying is never the user's trouble
        if older_than and _last_used(folder) < older_than:
            return store.remove()
        return store.prune(older_than, max_bytes)
    return 0


def _snapshot_folders() -> list[Path]:
    with contextlib.suppress(OSError):
        folders = [entry for entry in (state_dir() / "snapshots").iterdir() if entry.is_dir()]
        return sorted(folders, key=_last_used)
    return []


def _last_used(folder: Path) -> float:
    times = [0.0]
    for name in ("HEAD", "index"):
        with contextlib.suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    return max(times)
