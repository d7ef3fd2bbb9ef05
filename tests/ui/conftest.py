from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.k2sim import TEST_KEY, Simulator
from tests.ui.sitting import KCODE, Sitting

NOTHING: dict[str, str] = {}
MODEL = "kimi-k2-0905-preview"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "shop.py").write_text("def total(prices):\n    return sum(prices) - 1\n")
    (root / "test_shop.py").write_text(
        "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
    )
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def environment(sim: Simulator) -> dict[str, str]:
    own = {
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": MODEL,
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLORFGBG", "COLUMNS", "LINES")}
    return {**kept, **own}


@pytest.fixture
def sit(repo: Path) -> Iterator[Callable[..., Sitting]]:
    """``sit(sim, *arguments)``: a person in front of ``kcode`` (or of ``argv``) in the repository."""
    with ExitStack() as running:

        def start(
            sim: Simulator, *arguments: str, env: dict[str, str] | None = None, **options: Any
        ) -> Sitting:
            settings = {**environment(sim), **(env or {})}
            argv = options.pop("argv", [KCODE, *arguments])
            return running.enter_context(Sitting(argv, cwd=repo, env=settings, **options))

        yield start


@pytest.fixture
def kcode(repo: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """``kcode(sim, "-p", "…")``: one run without a terminal."""

    def run(
        sim: Simulator, *arguments: str, env: dict[str, str] = NOTHING, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [KCODE, *arguments],
            cwd=repo,
            env={**environment(sim), **env},
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )

    return run
