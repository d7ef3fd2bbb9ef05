from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from kcode.errors import EnvironmentProblem
from kcode.safety.process import child_environment, run, run_sync, spawn


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def nap() -> str:
    """A command that sleeps, unlike every other one: its process is found even where a namespace gives it
    another id."""
    return f"sleep 300.{uuid4().int % 10**12:012}"


def asleep(command: str) -> bool:
    """Whether a :func:`nap` is still taken."""
    wanted = "\0".join(command.split()).encode() + b"\0"
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if place.read_bytes() == wanted:
                return True
    return False


def wait_gone(pid: int) -> bool:
    for _ in range(200):
        if not alive(pid):
            return True
        time.sleep(0.02)
    return False


def open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def pids(path: Path) -> list[int]:
    return [int(word) for word in path.read_text().split()]


def test_output_and_exit_code_come_back(tmp_path: Path) -> None:
    done = run_sync(["sh", "-c", "echo out; echo err >&2; exit 7"], cwd=tmp_path, timeout_s=20)
    assert (done.code, done.stdout, done.stderr, done.timed_out) == (7, "out\n", "err\n", False)


def test_input_reaches_the_child_and_without_it_stdin_is_empty(tmp_path: Path) -> None:
    assert run_sync(["cat"], cwd=tmp_path, timeout_s=20, input=b"hello").stdout == "hello"
    assert run_sync(["cat"], cwd=tmp_path, timeout_s=20).stdout == ""


def test_a_child_that_does_not_read_its_input_is_no_error(tmp_path: Path) -> None:
    assert run_sync(["true"], cwd=tmp_path, timeout_s=20, input=b"x" * 5_000_000).code == 0


def test_the_whole_group_dies_at_the_time_limit(tmp_path: Path) -> None:
    script = "sleep 300 & echo $! > pids; trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >> pids; sleep 300'"
    done = run_sync(["sh", "-c", script], cwd=tmp_path, timeout_s=1)
    assert done.timed_out
    assert done.signal == signal.SIGKILL
    assert all(wait_gone(pid) for pid in pids(tmp_path / "pids"))


async def _cancelled(folder: Path) -> None:
    task = asyncio.create_task(
        run(["sh", "-c", "sleep 300 & echo $! $$ > pids; wait"], cwd=folder, timeout_s=60)
    )
    while not (folder / "pids").exists() or not (folder / "pids").read_text().strip():  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.02)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


def test_cancelling_ends_the_group_before_the_task_is_done(tmp_path: Path) -> None:
    asyncio.run(_cancelled(tmp_path))
    assert not any(alive(pid) for pid in pids(tmp_path / "pids"))


def test_a_background_child_neither_hangs_the_run_nor_outlives_it(tmp_path: Path) -> None:
    done = run_sync(["sh", "-c", "sleep 300 & echo $! > pids; echo done"], cwd=tmp_path, timeout_s=60)
    assert (done.code, done.stdout, done.timed_out) == (0, "done\n", False)
    assert all(wait_gone(pid) for pid in pids(tmp_path / "pids"))


def test_a_daemon_that_holds_the_pipes_does_not_hang_the_run(tmp_path: Path) -> None:
    daemon = "import os,time; os.setsid(); open('pids','w').write(str(os.getpid())); time.sleep(300)"
    script = f'{sys.executable} -c "{daemon}" & while [ ! -s pids ]; do sleep 0.05; done; echo done'
    done = run_sync(["sh", "-c", script], cwd=tmp_path, timeout_s=60)
    os.kill(pids(tmp_path / "pids")[0], signal.SIGKILL)
    assert (done.code, done.stdout, done.timed_out) == (0, "done\n", False)


def test_a_flood_is_kept_by_head_and_tail_only(tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    script = "echo first; head -c 1000000000 /dev/zero; echo; echo last"
    done = run_sync(["sh", "-c", script], cwd=tmp_path, timeout_s=120, max_output=10_000)
    assert done.code == 0
    assert done.stdout.startswith("first\n")
    assert done.stdout.endswith("last\n")
    assert len(done.stdout) < 11_000
    assert done.cut_bytes > 999_000_000
    assert f"{done.cut_bytes:,} bytes left out" in done.stdout
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB


def test_output_is_passed_on_while_the_child_runs(tmp_path: Path) -> None:
    async def go() -> list[bytes]:
        seen: list[bytes] = []
        script = "echo one; while [ ! -e go ]; do sleep 0.02; done; echo two"

        def heard(chunk: bytes) -> None:
            seen.append(chunk)
            (tmp_path / "go").touch()

        await run(["sh", "-c", script], cwd=tmp_path, timeout_s=60, on_output=heard)
        return seen

    assert b"".join(asyncio.run(go())) == b"one\ntwo\n"


def test_enough_ends_an_endless_child(tmp_path: Path) -> None:
    done = asyncio.run(run(["yes"], cwd=tmp_path, timeout_s=60, enough=lambda chunk: True))
    assert not done.timed_out
    assert done.stdout.startswith("y\ny\n")


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="no-such-program was not found"):
        run_sync(["no-such-program"], cwd=tmp_path, timeout_s=5)


def test_a_missing_folder_is_not_blamed_on_the_program(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"the folder .* is not there"):
        run_sync(["true"], cwd=tmp_path / "gone", timeout_s=5)


def test_children_do_not_see_the_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "MOONSHOT_API_KEY",
        "KIMI_API_KEY",
        "ARK_API_KEY",
        "KCODE_API_KEY",
        "KCODE_PROVIDER__API_KEY",
    ):
        monkeypatch.setenv(name, "sk-test-not-a-real-key")
    assert "not-a-real" not in run_sync(["env"], cwd=tmp_path, timeout_s=20).stdout
    assert "KIMI_API_KEY" in child_environment(keep_keys=True)


def test_a_spawned_child_and_its_children_end_with_the_group(tmp_path: Path) -> None:
    child = spawn(["sh", "-c", "sleep 300 & echo $! $$ > pids; echo ready; wait"], cwd=tmp_path)
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == b"ready\n"
    child.kill_group()
    assert all(wait_gone(pid) for pid in pids(tmp_path / "pids"))


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    run_sync(["true"], cwd=tmp_path, timeout_s=20)
    before = open_files()
    for _ in range(20):
        run_sync(["echo", "x"], cwd=tmp_path, timeout_s=20, input=b"y")
    assert not before or open_files() <= before + 3  # a feeder may be closing
