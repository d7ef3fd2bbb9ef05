"""Screens kept as text beside the tests; ``RENEW_SNAPSHOTS=1`` writes them anew."""

from __future__ import annotations

import os
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.ui.screen import Terminal

FOLDER = Path(__file__).parent / "snapshots"


def check(name: str, terminal: Terminal) -> None:
    """Compare what a person sees, scrollback and screen, with ``snapshots/<name>.txt``."""
    path = FOLDER / f"{name}.txt"
    edge = "─" * terminal.screen.columns
    shown = "\n".join([edge, *terminal.lines(), edge, ""])
    if os.environ.get("RENEW_SNAPSHOTS"):
        path.write_text(shown, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    if kept != shown:
        lines = unified_diff(kept.splitlines(), shown.splitlines(), "kept", "seen now", lineterm="", n=100)
        pytest.fail("\n".join([f"the screen is not that of {path.name}:", *lines]), pytrace=False)
