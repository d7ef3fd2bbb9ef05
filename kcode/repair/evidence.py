"""Where the defect may be, for a model that reads: suspicious lines, and what touched them last."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from kcode.errors import EnvironmentProblem
from kcode.repair.failing import Failing
from kcode.repair.judge import Judge, JudgeFailed, Limits
from kcode.repair.localise import localise
from kcode.repair.project_copy import Lab, git
from kcode.repair.testfiles import is_test_part
from kcode.testrun.adapter import text_of
from kcode.testrun.pytest_runner import PytestRunner

_TRACE_S = 25.0  # of the clock, for the traced run
_TEST_S = 3.0  # CPU time of one traced test
_MOST_FAILING, _MOST_LINES, _MOST_REGIONS = 12, 8, 5
_BLAME_S = 10.0
_AROUND = 2  # lines blamed before and after a suspicious one
_HEADER = re.compile(r"^(?P<rev>\^?[0-9a-f]{8,40}) \d+ (?P<line>\d{1,9})")
_UNCOMMITTED = "0" * 40


@dataclass(frozen=True, slots=True)
class Place:
    """``score`` is Ochiai's measure, or 0.0 for a line that only a stack trace names."""

    path: str
    line: int
    text: str
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Touched:
    """A commit that last changed suspicious lines; ``revision`` is empty for changes not committed yet."""

    revision: str
    when: str  # the author's date, 2026-11-23
    subject: str
    where: str  # shop.py:10-14


@dataclass(frozen=True, slots=True)
class Evidence:
    places: tuple[Place, ...] = ()
    commits: tuple[Touched, ...] = ()

    def text(self) -> str:
        """For the model; empty where nothing is known."""
        parts: list[str] = []
        if self.places:
            measured = any(place.score for place in self.places)
            head = "Suspicious lines" + (
                ", by which failing and passing tests run them (Ochiai):" if measured else " (stack trace):"
            )
            lines = [
                f"  {place.path}:{place.line}"
                + (f" {place.score:.2f}" if place.score else "")
                + f"  {place.text.strip()[:120]}"
                for place in self.places
            ]
            parts.append("\n".join([head, *lines]))
        if self.commits:
            lines = [
                f"  {one.where}: " + (f"{one.revision} {one.when} {one.subject}" if one.revision else _OWN)
                for one in self.commits
            ]
            parts.append("\n".join(["What changed them last:", *lines]))
        return "\n\n".join(parts)

    def __str__(self) -> str:
        if not self.places:
            return "no suspicious line outside the tests"
        first = self.places[0]
        lines = "1 suspicious line" if len(self.places) == 1 else f"{len(self.places)} suspicious lines"
        return f"{lines}, first {first.path}:{first.line}"


_OWN = "changed since the last commit, by the user"


async def gather(lab: Lab, found: Failing) -> Evidence:
    """Never fails: where a measure cannot be taken, the next one has to do."""
    places = await _measured(lab, found) or _framed(lab, found)
    try:
        commits = await _touched(lab, places)
    except EnvironmentProblem:
        commits = ()
    return Evidence(places, commits)


async def _measured(lab: Lab, found: Failing) -> tuple[Place, ...]:
    """Ochiai over the coverage of pytest's tests; nothing where another runner runs them."""
    runner = lab.chosen.runner
    if not isinstance(runner, PytestRunner) or lab.settings.tests.command:
        return ()
    place = f"{lab.chosen.suite.place}/" if lab.chosen.suite.place else ""
    folder = lab.original.scratch / lab.chosen.suite.place
    failing = [case.id.removeprefix(place) for case in found.cases if "::" in case.id][:_MOST_FAILING]
    if not failing:
        return ()
    files = list(dict.fromkeys(test.partition("::")[0] for test in failing))
    traced = None
    with suppress(JudgeFailed, TimeoutError, EnvironmentProblem):
        async with asyncio.timeout(_TRACE_S * 1.5):
            judge = await Judge.start(runner.interpreter.python, lab.root / lab.chosen.suite.place, folder)
            try:
                traced = await judge.run(files, Limits(_TEST_S, _TRACE_S), trace=True)
            finally:
                await judge.close()
    if traced is None or not traced.lines:
        return ()
    ranked = localise(folder, traced, [t for t in failing if t in traced.failing()], traced.outcomes)
    return tuple(
        Place(f"{place}{one.path}", one.line, _line(ranked.sources[one.path].lines, one.line), one.score)
        for one in ranked.suspects[:_MOST_LINES]
    )


def _framed(lab: Lab, found: Failing) -> tuple[Place, ...]:
    """The innermost lines of stack traces that are no test's."""
    places: dict[tuple[str, int], Place] = {}
    for case in found.cases:
        inner = [frame for frame in reversed(case.frames) if not is_test_part(frame.path)]
        for frame in inner[:2]:
            text = text_of(lab.original.scratch / frame.path).splitlines()
            places.setdefault(
                (frame.path, frame.line), Place(frame.path, frame.line, _line(text, frame.line))
            )
    return tuple(places.values())[:_MOST_LINES]


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


async def _touched(lab: Lab, places: Sequence[Place]) -> tuple[Touched, ...]:
    """The commits behind the most suspicious regions, each once per region."""
    regions: list[tuple[str, int, int]] = []
    for place in places:
        near = any(path == place.path and first <= place.line <= last for path, first, last in regions)
        if not near:
            regions.append((place.path, max(1, place.line - _AROUND), place.line + _AROUND))
    found: dict[tuple[str, str], Touched] = {}
    for path, first, last in regions[:_MOST_REGIONS]:
        length = len(text_of(lab.original.scratch / path).splitlines())
        span = f"{first},{min(last, max(length, first))}"
        done = await git(
            lab.original.scratch, "blame", "--porcelain", "-L", span, "--", path, timeout_s=_BLAME_S
        )
        if done.code == 0:
            for one in _blamed(done.stdout, path):
                found.setdefault((one.revision, one.where), one)
    return tuple(found.values())[: 2 * _MOST_REGIONS]


def _blamed(text: str, path: str) -> list[Touched]:
    """The commits of ``git blame --porcelain``, each with the lines it has in this region."""
    lines: dict[str, list[int]] = {}
    facts: dict[str, dict[str, str]] = {}
    revision = ""
    for line in text.splitlines():
        if match := _HEADER.match(line):
            revision = match["rev"].lstrip("^")
            lines.setdefault(revision, []).append(int(match["line"]))
        elif revision and not line.startswith("\t"):
            key, _, value = line.partition(" ")
            facts.setdefault(revision, {}).setdefault(key, value)
    return [
        Touched(
            "" if one == _UNCOMMITTED else one[:10],
            _day(facts.get(one, {}).get("author-time", "")),
            facts.get(one, {}).get("summary", "")[:100],
            f"{path}:{min(its)}" + (f"-{max(its)}" if len(its) > 1 else ""),
        )
        for one, its in lines.items()
    ]


def _day(seconds: str) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(seconds), UTC).date().isoformat() if seconds.isdigit() else ""
