"""The laws of the prefix and of nothing lost, seen from outside: the program, its requests, its files."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import KCODE, Run
from tests.k2sim import TEST_KEY, Answer, ChatRequest, Simulator, call, extends, say, use

LINES = 40


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "notes.txt").write_text("".join(f"line {n}\n" for n in range(LINES)))
    for argv in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        subprocess.run(["git", *argv], cwd=root, check=True)
    return root


def environment(sim: Simulator, **more: str) -> dict[str, str]:
    return {
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": "kimi-k2-0905-preview",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        **more,
    }


def head(raw: bytes) -> bytes:
    """Everything before the user's message."""
    return raw[: raw.index(b'{"role":"user"')]


def test_two_processes_with_other_seeds_locales_and_clocks_send_the_same_head(
    k2sim: Any, kcode: Run, project: Path
) -> None:
    sim = k2sim(lambda request: say("hi"))
    worlds: list[Mapping[str, str]] = [
        {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"},
        {"PYTHONHASHSEED": "4242", "LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8", "TZ": "Asia/Shanghai"},
    ]
    for world in worlds:
        done = kcode("-p", "hello", cwd=project, env=environment(sim, **world))
        assert done.returncode == 0, done.stderr
    first, second = (head(record.raw) for record in sim.chats)
    assert first == second
    assert b'"role":"system"' in first


def test_twenty_reads_and_two_resumes_extend_the_prefix_every_time(
    k2sim: Any, kcode: Run, project: Path
) -> None:
    def answer(request: ChatRequest) -> Answer:
        reads = sum(message["role"] == "tool" for message in request.body["messages"])
        wanted = 20 * sum("read" in m["content"] for m in request.body["messages"] if m["role"] == "user")
        if reads < wanted:
            return use(call("read_file", path="notes.txt", start_line=reads % LINES + 1, line_count=1))
        return say(f"{reads} reads")

    sim = k2sim(answer)
    for arguments in (["-p", "read it"], ["-c", "-p", "read more"], ["-c", "-p", "thanks"]):
        done = kcode(*arguments, cwd=project, env=environment(sim))
        assert done.returncode == 0, done.stderr
    assert len(sim.answered) == 43
    assert all(step.extends for step in sim.prefix_report())
    for before, after in zip(sim.answered, sim.answered[1:], strict=False):
        assert after.cached_tokens == before.prompt_tokens // 256 * 256


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_a_random_moment_the_session_resumes_with_what_happened(
    k2sim: Any, kcode: Run, project: Path, seed: int
) -> None:
    def answer(request: ChatRequest) -> Answer:
        made = sum(message["role"] == "tool" for message in request.body["messages"])
        if request.last_user.startswith("what"):
            return say("some files")
        return use(call("write_file", path=f"made/{made}.txt", content=f"{made}\n"))

    sim = k2sim(answer)
    process = subprocess.Popen(
        [str(KCODE), "--mode", "edits", "-p", "make files"],
        cwd=project,
        env={**os.environ, **environment(sim)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not sim.answered and process.poll() is None:
        time.sleep(0.01)
    time.sleep(random.Random(seed).uniform(0, 0.3))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    last = sim.answered[-1].raw
    done = kcode("-c", "-p", "what is there?", cwd=project, env=environment(sim))
    assert done.returncode == 0, done.stderr
    resumed = sim.answered[-1]
    assert extends(last, resumed.raw)
    results = [m["content"] for m in resumed.json["messages"] if m["role"] == "tool"]
    acknowledged = [text for text in results if not text.startswith("[interrupted")]
    files = {path.name: path.read_text() for path in (project / "made").glob("*.txt")}
    for number, _ in enumerate(acknowledged):
        assert files[f"{number}.txt"] == f"{number}\n"
    assert len(files) <= len(acknowledged) + 1  # the one whose result the kill forestalled
