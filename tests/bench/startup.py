"""How soon kcode is there, against a bare Python in the same rounds: ``python -m tests.bench.startup``.

Reports medians in milliseconds and the ratio to ``python -c pass``: ``--version``, ``--help``, the first
character of the prompt on a pty, and the first model request of ``kcode -p`` (as the server sees it arrive).
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.k2sim import TEST_KEY, Simulator, say

KCODE = str(Path(sys.executable).parent / "kcode")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, Simulator(lambda request: say("hi")) as sim:
        env = _environment(Path(folder), sim)
        repo = Path(folder, "repo")
        subprocess.run(["git", "init", "-q", str(repo)], check=True)
        measures: dict[str, Callable[[], float]] = {
            "python -c pass": lambda: _whole([sys.executable, "-c", "pass"], repo, env),
            "kcode --version": lambda: _whole([KCODE, "--version"], repo, env),
            "kcode --help": lambda: _whole([KCODE, "--help"], repo, env),
            "prompt painted": lambda: _prompt(repo, env),
            "first request of -p": lambda: _first_request(repo, env, sim),
        }
        seconds: dict[str, list[float]] = {name: [] for name in measures}
        for _ in range(rounds + 1):
            for name, measure in measures.items():
                seconds[name].append(measure())
    bare = statistics.median(seconds["python -c pass"][1:])
    for name, taken in seconds.items():
        kept = taken[1:]  # the first round warms the disk
        middle = statistics.median(kept)
        times = f"{middle * 1000:7.0f} ms  min {min(kept) * 1000:6.0f}"
        print(f"{name:22} {times}  {middle / bare:6.1f}x bare Python")
    return 0


def _environment(folder: Path, sim: Simulator) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": "kimi-k2-0905-preview",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
    }


def _whole(argv: list[str], cwd: Path, env: Mapping[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(argv, cwd=cwd, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _prompt(cwd: Path, env: Mapping[str, str]) -> float:
    """Until the prompt's sign is on the terminal: from then on typing is accepted."""
    master, slave = pty.openpty()
    started = time.perf_counter()
    process = subprocess.Popen(
        [KCODE], cwd=cwd, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    seen = b""
    while "❯".encode() not in seen:
        ready, _, _ = select.select([master], [], [], 30)
        if not ready:
            raise RuntimeError(f"no prompt: {seen!r}")
        seen += os.read(master, 4096)
    taken = time.perf_counter() - started
    process.kill()
    process.wait()
    os.close(master)
    return taken


def _first_request(cwd: Path, env: Mapping[str, str], sim: Simulator) -> float:
    count = len(sim.chats)
    started = time.time()
    subprocess.run(
        [KCODE, "-p", "hello"],
        cwd=cwd,
        env=env,
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return sim.chats[count].time - started


if __name__ == "__main__":
    sys.exit(main())
