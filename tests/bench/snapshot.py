"""What a snapshot of the workspace costs: ``python -m tests.bench.snapshot --files 50000``.

Medians in milliseconds of the first snapshot, of one where nothing changed, of one after three files changed,
of noting permission bits, and of a rewind over a hundred files; beside them what ``git status`` takes in the
same tree.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kcode.workspace.modes import note_modes
from kcode.workspace.restore import restore
from kcode.workspace.snapshots import size_of
from kcode.workspace.workspace import Workspace


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = str(Path(folder, "state"))
        root = Path(folder, "repo")
        _make(root, options.files)
        work = Workspace.open(root)
        _show("git status", [_timed(lambda: _git(root, "status", "--porcelain")) for _ in range(3)])
        _show("first snapshot", [_timed(work.snapshots.take)])
        _show("nothing changed", [_timed(work.snapshots.take) for _ in range(options.rounds)])
        _show("3 files changed", [_changed(work, number) for number in range(options.rounds)])
        fresh = [_timed(Workspace.open(root).snapshots.take) for _ in range(options.rounds)]
        _show("in a new process, unchanged", fresh)
        _show("permission bits", [_timed(lambda: note_modes(work.snapshots)) for _ in range(3)])
        _show("rewind over 100 files", [_rewound(work) for _ in range(3)])
        print(f"{'disk, outside the repository':28}{size_of(work.snapshots.folder) / 1e6:9.1f} MB")
    return 0


def _make(root: Path, files: int) -> None:
    for number in range(files):
        path = root / f"d{number // 1000}" / f"e{number // 50 % 20}" / f"f{number % 50}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {number}\n" * 40)
    _git(root, "init", "-q")
    _git(root, "add", "-A")
    _git(root, "-c", "user.name=bench", "-c", "user.email=bench@example.invalid", "commit", "-qm", "all")


def _changed(work: Workspace, number: int) -> float:
    (work.root / "d0" / "e1" / "f2.py").write_text(f"changed {number}\n")
    (work.root / f"new{number}.txt").write_text("new\n")
    (work.root / "d0" / "e2" / f"f{number}.py").unlink(missing_ok=True)
    return _timed(work.snapshots.take)


def _rewound(work: Workspace) -> float:
    before = work.snapshots.take().commit
    for number in range(100):
        (work.root / "d1" / f"e{number % 20}" / f"f{number % 50}.py").write_text("rewound\n")

    def whole() -> None:
        now = work.snapshots.take().commit
        restore(work, work.snapshots.between(before, now), {})

    return _timed(whole)


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _show(name: str, seconds: list[float]) -> None:
    middle, least = statistics.median(seconds) * 1000, min(seconds) * 1000
    print(f"{name:28}{middle:9.0f} ms   min {least:7.0f}", flush=True)


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
