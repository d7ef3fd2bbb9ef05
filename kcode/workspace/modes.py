"""Permission bits of the files a snapshot covers: git itself keeps only the executable one."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass

from kcode.config.jsontext import read_json
from kcode.workspace.snapshots import SnapshotStore


@dataclass(frozen=True, slots=True)
class Modes:
    """Permission bits by path; ``common`` are those of every other file."""

    common: int
    rest: Mapping[str, int]

    def of(self, path: str) -> int:
        return self.rest.get(path, self.common)


def note_modes(store: SnapshotStore) -> str:
    """Keep the bits of every covered file; returns the name for :func:`noted_modes`.

    Raises EnvironmentProblem, OSError.
    """
    modes: dict[str, list[str]] = {}
    for path in store.paths():
        with contextlib.suppress(OSError):
            info = os.lstat(f"{store.root}/{path}")
            if stat.S_ISREG(info.st_mode):
                modes.setdefault(f"{stat.S_IMODE(info.st_mode):o}", []).append(path)
    common = max(modes, key=lambda mode: len(modes[mode]), default="")
    rest = {mode: paths for mode, paths in modes.items() if mode != common}
    name = f"{time.time_ns():016x}"
    store.write(f"modes/{name}.json", json.dumps({"common": common, "rest": rest}).encode())
    return name


def noted_modes(store: SnapshotStore, name: str) -> Modes | None:
    """What :func:`note_modes` kept; None where nothing was."""
    try:
        kept = read_json((store.folder / "modes" / f"{name}.json").read_bytes())
        by_path = {path: int(mode, 8) for mode, paths in kept["rest"].items() for path in paths}
        return Modes(int(kept["common"] or "644", 8), by_path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
