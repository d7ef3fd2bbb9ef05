from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import KCODE, Run
from tests.k2sim import TEST_KEY, Simulator, say


def account(sim: Simulator) -> dict[str, str]:
    return {"KCODE_PROVIDER": "moonshot", "KCODE_BASE_URL": sim.base_url, "KCODE_API_KEY": TEST_KEY}


def test_files_are_sent_along_with_the_prompt(kcode: Run, k2sim: Any, tmp_path: Path) -> None:
    sim = k2sim([say("Both read.")])
    sim.platform.texts["report.pdf"] = "Revenue: 4 million."
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7\n\0\1\2")
    (tmp_path / "notes.md").write_text("a stapler")
    done = kcode("--attach", "report.pdf", "--attach", "notes.md", "-p", "compare", env=account(sim))
    assert (done.returncode, done.stdout) == (0, "Both read.\n"), done.stderr
    sent = sim.chats[0].json["messages"][-1]["content"]
    assert sent.startswith("compare\n")
    assert sent.index("Revenue: 4 million.") < sent.index("a stapler")
    assert "[info] report.pdf is sent to Moonshot to be read, and deleted there afterwards" in done.stderr
    assert sim.platform.files == {}


def test_a_file_that_cannot_be_attached_ends_it_before_the_model_is_asked(
    kcode: Run, k2sim: Any, tmp_path: Path
) -> None:
    sim = k2sim([say("never")])
    (tmp_path / ".env").write_text("A=1\n")
    assert kcode("--attach", "missing.pdf", "-p", "x", env=account(sim)).returncode == 2
    refused = kcode("--attach", ".env", "-p", "x", env=account(sim))
    assert refused.returncode == 2
    assert "without a person to ask" in " ".join(refused.stderr.split())
    assert sim.chats == []


def test_what_does_not_fit_the_window_exits_as_a_limit(kcode: Run, k2sim: Any, tmp_path: Path) -> None:
    sim = k2sim([say("never")])
    (tmp_path / "long.txt").write_text("some words of text\n" * 8_000)
    env = {**account(sim), "KCODE_PROVIDER__CONTEXT": "20000"}
    refused = kcode("--attach", "long.txt", "-p", "x", env=env)
    assert refused.returncode == 5
    assert sim.chats == []


def test_attach_does_not_go_with_a_command(kcode: Run) -> None:
    refused = kcode("--attach", "a.md", "models")
    assert refused.returncode == 2
    assert "--attach" in refused.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_reading_leaves_no_file_at_the_provider(
    k2sim: Any, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    sim = k2sim([say("never")])
    sim.platform.content_delay_s = 60.0
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7\n\0\1\2")
    command = [str(KCODE), "--attach", "report.pdf", "-p", "x"]
    with subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, **account(sim)}, stdin=subprocess.DEVNULL
    ) as running:
        for _ in range(3000):
            if any(record.path.endswith("/content") for record in sim.requests):
                break
            time.sleep(0.02)
        running.send_signal(number)
        assert running.wait(60) == code
    assert sim.platform.files == {}
    assert sim.chats == []
