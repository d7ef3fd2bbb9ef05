"""Sequences that a terminal obeys or does not show, in what a model and a repository say, on the ways out."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.conftest import kcode as kcode
from tests.k2sim import Simulator, call, say, use
from tests.ui.conftest import environment
from tests.ui.conftest import repo as repo

Sim = Callable[..., Simulator]
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u2066\u200b\ufeff\x08\r"
HIDDEN = set("\x1b\x07\x9b\u202e\u2066\u200b\ufeff\x08\r")


def bare(text: str) -> bool:
    return not HIDDEN & set(text) and all(c in "\n\t" or unicodedata.category(c) != "Cc" for c in text)


@pytest.mark.parametrize("output", ["text", "json", "stream-json"])
def test_what_a_script_gets_cannot_move_a_cursor(k2sim: Sim, kcode: Run, repo: Path, output: str) -> None:
    (repo / "evil.txt").write_text(f"a {EVIL}\n")
    steps = use(
        call("read_file", path="evil.txt"),
        call("run_command", command="cat evil.txt"),
        call("grep", pattern="evil"),
        call("read_file", path=f"no{EVIL}.txt"),
        call(f"tool{EVIL}"),
        text=f"so {EVIL} then",
    )
    env = environment(k2sim([steps, say(f"done {EVIL} here")]))
    done = kcode("-p", f"look {EVIL[:8]}", "--mode", "auto", "--output", output, cwd=repo, env=env)
    assert "here" in done.stdout
    assert bare(done.stderr)
    assert bare(done.stdout)
    if output == "json":
        assert EVIL in json.loads(done.stdout)["answer"]
    shown = kcode("session", "show", "--no-pager", cwd=repo, env=env)
    listed = kcode("session", "list", cwd=repo, env=env)
    assert bare(shown.stdout + shown.stderr)
    assert bare(listed.stdout + listed.stderr)
