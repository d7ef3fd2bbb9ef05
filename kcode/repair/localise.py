"""Where the defect may be: lines ranked by which tests run them and by where the failure surfaced.

The measure is Ochiai's (Abreu et al. 2007), over the line coverage of failing and passing tests, with
a bonus for the frames of the failure.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.repair.judge import TracedFailure, Verdict
from kcode.repair.source import Scope, Source
from kcode.workspace.errors import WorkspaceError

_FRAME_BONUS = 0.3  # the innermost line of the repository in an exception
_FUNCTION_BONUS = 0.1  # any other line of the function that it lies in
_IMPORT_SCORE = 0.05  # lines that ran while the module was imported, before any test
_DEFAULT_FACTOR = 0.5
_BESIDE_FACTOR = 0.5  # a function that ran at import, beside those of its class that failing tests run
_HELPER_FACTOR = 0.5  # code next to the tests is less likely to be what they test
_TEST_FOLDERS = frozenset({"test", "tests", "testing"})
_STUB = 5.0
_BUSY = re.compile(r"[-+*/%<>=!&|^]=?|\[|\(|\b(?:and|or|not|in|is|return|yield|if|while|for)\b")


@dataclass(frozen=True, slots=True)
class Suspect:
    """One physical line. ``score`` is between 0 and about 1.4, higher is more suspicious."""

    path: str
    line: int
    score: float


@dataclass(frozen=True, slots=True)
class Localisation:
    """Suspicious lines, worst first, and the parsed files they are in. ``at_import`` are the lines that ran
    before any test."""

    suspects: tuple[Suspect, ...]
    sources: Mapping[str, Source]
    at_import: frozenset[tuple[str, int]] = frozenset()

    def scope_of(self, suspect: Suspect) -> Scope:
        return self.sources[suspect.path].scope_at(suspect.line)


Reader = Callable[[Path, str], Source]


def localise(
    root: Path,
    traced: Verdict,
    failing: Sequence[str],
    tests: Iterable[str],
    *,
    read: Reader = Source.read,
) -> Localisation:
    """Rank the lines of ``root`` from a traced run. ``tests`` are ids: their files are not suspected.
    ``read`` opens a source file as :meth:`~kcode.repair.source.Source.read` does."""
    test_files = {test.partition("::")[0] for test in tests}
    coverage = _by_line(traced.lines, failing, test_files)
    sources = _sources(root, {path for path, _ in coverage}, read)
    scores: dict[tuple[str, int], float] = {}
    failed = max(1, sum(1 for test in failing if test in traced.lines))
    for (path, line), (bad, good) in coverage.items():
        if path in sources:
            scores[path, line] = _ochiai(bad, good, failed) if bad else 0.0
    _add_imported(scores, traced.lines.get("", {}), sources)
    _add_frames(scores, [traced.failures[test] for test in failing if test in traced.failures], sources)
    _add_defaults(scores, sources)
    suspects = [
        Suspect(path, line, score * _factor(path, test_files))
        for path, source in sources.items()
        for line, score in _physical(source, path, scores).items()
    ]
    suspects.sort(key=lambda one: (-round(one.score, 3), -_interest(sources[one.path], one.line), one.line))
    imported = traced.lines.get("", {})
    at_import = frozenset((path, line) for path, lines in imported.items() for line in lines)
    return Localisation(tuple(suspects), sources, at_import)


def is_test_file(path: str) -> bool:
    """Whether pytest's conventions make this a test file or a part of the tests' own set-up."""
    parts = path.split("/")
    name = parts[-1]
    return (
        name == "conftest.py"
        or name.startswith("test_")
        or name.endswith("_test.py")
        or not _TEST_FOLDERS.isdisjoint(parts[:-1])
    )


def _by_line(
    lines: Mapping[str, Mapping[str, Sequence[int]]], failing: Sequence[str], test_files: set[str]
) -> dict[tuple[str, int], tuple[int, int]]:
    """(path, line) -> (failing tests that ran it, passing tests that ran it)."""
    failed = set(failing)
    bad: dict[tuple[str, int], int] = defaultdict(int)
    good: dict[tuple[str, int], int] = defaultdict(int)
    for test, files in lines.items():
        if not test:
            continue
        count = bad if test in failed else good
        for path, numbers in files.items():
            if path in test_files or is_test_file(path):
                continue
            for number in numbers:
                count[path, number] += 1
    return {where: (bad[where], good[where]) for where in {*bad, *good}}


def _ochiai(bad: int, good: int, failed: int) -> float:
    return bad / math.sqrt(failed * (bad + good))


def _sources(root: Path, paths: set[str], read: Reader) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for path in sorted(paths):
        try:
            found[path] = read(root, path)
        except (WorkspaceError, SyntaxError, ValueError):  # of a Python that this one cannot read
            continue
    return found


def _add_imported(
    scores: dict[tuple[str, int], float], imported: Mapping[str, Sequence[int]], sources: Mapping[str, Source]
) -> None:
    """Constants and tables of the module ran before any test: they are suspected last. So is a function that
    ran then, unless failing tests run others of its class."""
    of_class: dict[tuple[str, str], float] = defaultdict(float)
    for (path, line), score in scores.items():
        owner = sources[path].scope_at(line).owner if path in sources else ""
        if owner:
            of_class[path, owner] = max(of_class[path, owner], score)
    for path, numbers in imported.items():
        source = sources.get(path)
        if source is None:
            continue
        for number in numbers:
            scope = source.scope_at(number)
            if scope.name and scope.body <= number:
                beside = _BESIDE_FACTOR * of_class.get((path, scope.owner), 0.0)
                scores.setdefault((path, number), max(_IMPORT_SCORE, beside))
                continue
            in_module = not scope.name
            text = source.lines[number - 1].lstrip() if number <= len(source.lines) else ""
            if in_module and not text.startswith(("import ", "from ", "def ", "class ", "async def ", "@")):
                scores.setdefault((path, number), _IMPORT_SCORE)


def _add_frames(
    scores: dict[tuple[str, int], float], failures: Sequence[TracedFailure], sources: Mapping[str, Source]
) -> None:
    lines: set[tuple[str, int]] = set()
    scopes: set[tuple[str, Scope]] = set()
    for failure in failures:
        inside = [(path, line) for path, line, _ in failure.frames if path in sources]
        if not inside:
            continue
        path, line = inside[-1]
        scopes.add((path, sources[path].scope_at(line)))
        if failure.type != "TookTooLong":  # a loop is left at any of its lines
            lines.add((path, line))
    for where in lines:
        scores[where] = scores.get(where, 0.0) + _FRAME_BONUS
    for path, scope in scopes:
        for number in range(scope.first, scope.last + 1):
            if scope.name and scores.get((path, number)):
                scores[path, number] += _FUNCTION_BONUS


def _add_defaults(scores: dict[tuple[str, int], float], sources: Mapping[str, Source]) -> None:
    """Default values ran when the module was imported: they are half as suspicious as their function."""
    worst: dict[tuple[str, Scope], float] = defaultdict(float)
    for (path, line), score in scores.items():
        scope = sources[path].scope_at(line)
        worst[path, scope] = max(worst[path, scope], score)
    for (path, scope), score in worst.items():
        source = sources[path]
        for line in range(scope.first, scope.body):
            if scope.name and "=" in source.lines[line - 1] and source.changeable(line):
                scores.setdefault((path, line), score * _DEFAULT_FACTOR)


def _factor(path: str, test_files: set[str]) -> float:
    folder = path.rpartition("/")[0]
    beside = folder and any(test.rpartition("/")[0] == folder for test in test_files)
    return _HELPER_FACTOR if beside else 1.0


def _physical(source: Source, path: str, scores: Mapping[tuple[str, int], float]) -> dict[int, float]:
    """Scores for every changeable line: a line inside a statement has at least the statement's."""
    of_statement: dict[int, float] = defaultdict(float)
    for (where, line), score in scores.items():
        if where == path:
            first = source.statement_of.get(line, line)
            of_statement[first] = max(of_statement[first], score)
    found: dict[int, float] = {}
    for line, first in source.statement_of.items():
        score = max(scores.get((path, line), 0.0), of_statement.get(first, 0.0))
        if score > 0 and source.changeable(line):
            found[line] = score
    return found


def _interest(source: Source, line: int) -> float:
    """Among equals, lines with more operators, calls and tests have more to be wrong; headers less.
    A ``pass`` that runs stands where something may be missing."""
    text = source.lines[line - 1].strip()
    if text == "pass":
        return _STUB
    if text.startswith(("def ", "async def ", "class ", "@", "import ", "from ")) or text in (
        "else:",
        "try:",
    ):
        return -1.0
    return float(min(4, len(_BUSY.findall(text))))
