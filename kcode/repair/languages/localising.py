"""Where the defect may be, in any language: by what tests run where that can be measured, else by the stack
traces, else by the functions that the failing test names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.repair.judge import TracedFailure, Verdict
from kcode.repair.languages.go_lines import go_lines, of_repository
from kcode.repair.languages.grammar import tongue_of
from kcode.repair.languages.judge import SuiteJudge, environment
from kcode.repair.languages.script_lines import SCRIPT_RUNNERS, script_lines
from kcode.repair.languages.tree import Notes, TreeSource
from kcode.repair.localise import Localisation, localise
from kcode.repair.source import Source
from kcode.repair.testfiles import is_test_part
from kcode.testrun.adapter import Suite
from kcode.testrun.report import TestCase
from kcode.testrun.suite_runner import SuiteRunner
from kcode.workspace.errors import WorkspaceError
from kcode.workspace.workspace import Workspace

Lines = Mapping[str, Mapping[str, Sequence[int]]]
_FAILING, _PASSING = 6, 40  # tests whose lines are looked at
_FILES = 600  # source files that are searched for a function's name
_AROUND = 25  # lines of the test above the failing one that may name functions
_WORD = re.compile(r"[A-Za-z_$][\w$]{2,}")


def readable(path: str) -> bool:
    """Whether the search can change a file of this name."""
    return path.endswith(".py") or tongue_of(path) is not None


def read(root: Path, path: str, notes: Notes) -> Source:
    """Raises WorkspaceError, or SyntaxError and ValueError where it cannot be looked into."""
    if path.endswith(".py"):
        return Source.read(root, path)
    source = TreeSource.load(root, path, notes)
    if source is None:
        raise ValueError(f"{path} is in no language that kcode can change by search")
    return source


async def where(
    judge: SuiteJudge,
    cases: Sequence[TestCase],
    failures: Sequence[TracedFailure],
    passing: Sequence[str],
    notes: Notes,
) -> Localisation:
    """The suspicious lines, worst first; empty where nothing of the project can be named."""
    root = judge.copy.scratch
    failing = [case.id for case in cases]
    lines = await _measured(judge, failing[:_FAILING], passing[:_PASSING])
    if not any(lines.get(test) for test in failing):
        lines = _framed(root, cases, notes) or _named(root, cases, notes)
    kept = {
        test: {path: its for path, its in files.items() if not is_test_part(path) and readable(path)}
        for test, files in lines.items()
    }
    outer = {test: _trimmed(one) for test, one in zip(failing, failures, strict=True)}
    traced = Verdict(
        outcomes=dict.fromkeys(failing, "failed"), seconds={}, ended="done", lines=kept, failures=outer
    )
    return localise(root, traced, failing, kept, read=lambda root, path: read(root, path, notes))


def _trimmed(failure: TracedFailure) -> TracedFailure:
    """Without the frames of the tests: the innermost one of the code tested is what counts."""
    frames = tuple(frame for frame in failure.frames if not is_test_part(frame[0]))
    return TracedFailure(failure.type, failure.message, frames)


async def _measured(judge: SuiteJudge, failing: Sequence[str], passing: Sequence[str]) -> Lines:
    runner, suite = judge.chosen.runner, judge.chosen.suite
    if not isinstance(runner, SuiteRunner):
        return {}
    folder = judge.copy.scratch / suite.place
    its = [_within(test, suite) for test in (*failing, *passing)]
    found: Lines = {}
    with suppress(EnvironmentProblem, OSError):
        if runner.adapter.name == "go":
            found = await go_lines(folder, runner.tools.program, its)
        elif runner.adapter.name in SCRIPT_RUNNERS:
            files = list(dict.fromkeys(test.partition("::")[0] for test in its if "::" in test))
            here = Suite(folder, judge.copy.scratch)
            more = {**judge.copy.env, "NODE_OPTIONS": environment()["NODE_OPTIONS"]}
            found = await script_lines(runner.adapter.name, here, runner.tools, files, its, more)
    return of_repository(found, suite.place)


def _within(test: str, suite: Suite) -> str:
    return test.removeprefix(f"{suite.place}/") if suite.place else test


def _framed(root: Path, cases: Sequence[TestCase], notes: Notes) -> Lines:
    """The functions on the stack, as if the failing tests had run all of their lines."""
    found: dict[str, dict[str, list[int]]] = {}
    for case in cases[:_FAILING]:
        for frame in case.frames:
            if not is_test_part(frame.path) and readable(frame.path):
                _add_function(found.setdefault(case.id, {}), root, frame.path, frame.line, notes)
    return found


def _add_function(found: dict[str, list[int]], root: Path, path: str, line: int, notes: Notes) -> None:
    with suppress(WorkspaceError, SyntaxError, ValueError):
        source = read(root, path, notes)
        scope = source.scope_at(line)
        if scope.name:
            found.setdefault(path, []).extend(range(scope.first, scope.last + 1))
        else:
            found.setdefault(path, []).append(line)


def _named(root: Path, cases: Sequence[TestCase], notes: Notes) -> Lines:
    """The functions whose names stand in the failing test, wherever in the project they are."""
    words: dict[str, set[str]] = {case.id: _words_of(root, case) for case in cases[:_FAILING]}
    wanted = set().union(*words.values()) if words else set()
    found: dict[str, dict[str, list[int]]] = {}
    looked = 0
    for path in Workspace.open(root).list_files():
        if is_test_part(path) or not readable(path) or looked >= _FILES or not wanted:
            continue
        looked += 1
        with suppress(WorkspaceError, SyntaxError, ValueError):
            source = read(root, path, notes)
            for scope in source.scopes:
                name = scope.name.rpartition(".")[2]
                for test, its in words.items():
                    if name and name in its:
                        lines = found.setdefault(test, {}).setdefault(path, [])
                        lines.extend(range(scope.first, scope.last + 1))
    return found


def _words_of(root: Path, case: TestCase) -> set[str]:
    """The words of the test around the place where it failed, and of its name."""
    words = set(_WORD.findall(case.id.partition("::")[2]))
    for frame in case.frames:
        if is_test_part(frame.path):
            with suppress(OSError):
                text = (root / frame.path).read_text(encoding="utf-8", errors="replace").splitlines()
                near = text[max(0, frame.line - _AROUND) : frame.line + 2]
                words |= set(_WORD.findall("\n".join(near)))
    return words
