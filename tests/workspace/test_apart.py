"""Grammars parse in a process apart: one that faults takes that process, and the session goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kcode.codemap import asking
from kcode.workspace import apart
from kcode.workspace.change import FileEdit
from kcode.workspace.syntax import newly_broken

FAULT = "import os, signal\n\ndef language():\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
HANG = "def language():\n    while True:\n        pass\n"
RUST = FileEdit("a.rs", "fn a() {}\n", "fn a() {\n")


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[apart._Asked]:
    fresh = apart._Asked()
    monkeypatch.setattr(apart, "_ASKED", fresh)
    yield fresh
    if fresh._child is not None:
        fresh._child.kill_group(0.0)


def test_broken_syntax_is_told_by_the_process_apart() -> None:
    assert "near line 1" in newly_broken(RUST)
    assert newly_broken(FileEdit("a.rs", "fn a() {}\n", "fn b() {}\n")) == ""
    assert newly_broken(FileEdit("a.rs", "fn a() {\n", "fn b() {\n")) == "", "it was broken before"


def test_python_is_judged_without_a_process(asked: apart._Asked) -> None:
    assert newly_broken(FileEdit("a.py", "a = 1\n", "a = 2\n")) == ""
    assert "no longer parses as Python" in newly_broken(FileEdit("a.py", "a = 1\n", "a = (\n"))
    assert asked._child is None


@pytest.mark.parametrize("fault", [FAULT, HANG], ids=["faults", "hangs"])
def test_a_grammar_that_fails_costs_its_own_answer_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    (tmp_path / "tree_sitter_kotlin.py").write_text(fault)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if fault == HANG:
        monkeypatch.setattr(apart, "ANSWER_S", 1.0)
    assert newly_broken(FileEdit("a.kt", "class A\n", "class {\n")) == ""
    with pytest.raises(apart.NoAnswerError):
        asking.outline_apart("a.kt", b"class A\n")
    monkeypatch.setattr(apart, "ANSWER_S", 20.0)
    assert "near line 1" in newly_broken(RUST)


def test_a_process_that_has_ended_is_started_again(asked: apart._Asked) -> None:
    assert "near line 1" in newly_broken(RUST)
    first = asked._child
    assert first is not None
    first.process.kill()
    first.process.wait()
    assert "near line 1" in newly_broken(RUST)
    assert asked._child is not first


def test_outlines_are_the_same_as_in_the_same_process() -> None:
    source = b"class A:\n    def m(self): return 1\n\n\ndef f(a,\n      b): pass\n"
    assert asking.outline_apart("a.py", source) == asking.outline_of("a.py", source)
    assert asking.outline_apart("a.txt", source) is None
    assert asking.outline_apart("empty.py", b"") == ()
