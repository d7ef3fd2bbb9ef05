from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from kcode.safety.limits import Limits
from kcode.safety.longrun import LongRun
from kcode.safety.process import Finished, child_environment, run_sync
from kcode.safety.sandbox import Confinement

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


@pytest.fixture(params=["free", "confined"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def limited(folder: Path, kind: str, script: str, limits: Limits) -> Finished:
    return run_sync(
        ["bash", "-c", script, "sh", sys.executable],
        cwd=folder,
        timeout_s=60,
        merge_stderr=True,
        confine=Confinement((folder,), free=kind == "free", limits=limits),
    )


def test_a_command_that_eats_memory_is_ended_and_that_is_said(tmp_path: Path, kind: str) -> None:
    eater = "$1 -c 'import time; kept = bytearray(b\"x\" * 400_000_000); time.sleep(60)'"
    done = limited(tmp_path, kind, eater, Limits(memory=200_000_000))
    assert done.signal
    assert "used more than 200 MB of memory" in done.stdout
    assert not done.timed_out


def test_memory_counts_for_all_that_a_command_started(tmp_path: Path, kind: str) -> None:
    one = "$1 -c 'import time; kept = bytearray(b\"x\" * 90_000_000); time.sleep(60)'"
    done = limited(tmp_path, kind, f"{one} & {one} & {one} & wait", Limits(memory=200_000_000))
    assert "used more than 200 MB of memory" in done.stdout


def test_a_fork_bomb_is_ended(tmp_path: Path, kind: str) -> None:
    # One that has an end by itself, for a day on which nothing ends it: at most 128 processes.
    bomb = "trap '' TERM; bomb() { [ $1 -gt 6 ] && exec sleep 50; "
    bomb += "bomb $(($1 + 1)) & bomb $(($1 + 1)) & wait; }; bomb 1"
    done = limited(tmp_path, kind, bomb, Limits(processes=40))
    assert "started more than 40 processes" in done.stdout


def test_a_flood_of_output_is_ended_and_its_ends_are_kept(tmp_path: Path, kind: str) -> None:
    done = limited(tmp_path, kind, "echo first; exec yes", Limits(output=20_000_000))
    assert done.stdout.startswith("first\n")
    assert "printed more than 20 MB" in done.stdout
    assert len(done.stdout) < 1_000_000


def test_a_file_does_not_grow_without_end(tmp_path: Path, kind: str) -> None:
    script = "sleep 0.3; head -c 3000000 /dev/zero > large"
    limited(tmp_path, kind, script, Limits(file=1_000_000))
    assert (tmp_path / "large").stat().st_size <= 1_000_000


def test_an_ordinary_command_is_left_alone(tmp_path: Path, kind: str) -> None:
    done = limited(tmp_path, kind, "for i in 1 2 3; do sleep 0.1 & done; wait; echo fine", Limits())
    assert (done.stdout, done.code, done.notes) == ("fine\n", 0, ())


def test_a_background_command_has_the_same_limits(tmp_path: Path) -> None:
    eater = "kept = bytearray(b'x' * 400_000_000); import time; time.sleep(60)"
    run = LongRun(
        [sys.executable, "-c", eater],
        cwd=tmp_path,
        env=child_environment(),
        log=tmp_path / "log",
        confine=Confinement((tmp_path,), limits=Limits(memory=200_000_000)),
    )
    ended = threading.Event()
    run.when_ended(ended.set)
    assert ended.wait(50)
    assert "used more than 200 MB" in run.news()[0]
