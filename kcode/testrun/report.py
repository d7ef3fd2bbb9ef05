"""What a test run produced, as data. Every runner adapter ends in a :class:`TestReport`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

Status = Literal["passed", "failed", "error", "skipped"]

OUTPUT_LIMIT = 4_000  # characters of captured output and of failure text kept per test


@dataclass(frozen=True, slots=True)
class TestProgress:
    """How far a run is: what was printed last, and the tests that have ended; ``total`` is 0 where it is not
    known (yet). Skipped tests count in ``total`` alone."""

    __test__: ClassVar[bool] = False

    text: str = ""
    passed: int = 0
    failed: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Frame:
    """A line of a traceback that lies inside the repository. ``path`` is relative, with slashes."""

    path: str
    line: int
    function: str = ""


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test. ``id`` can be given back to the runner as a target; frames go from outer to inner."""

    __test__: ClassVar[bool] = False  # pytest must not collect it where a test imports it

    id: str
    status: Status
    seconds: float = 0.0
    message: str = ""  # one line: the exception's type and text
    assertion: str = ""  # the runner's explanation of what did not hold
    expected: str = ""
    actual: str = ""
    frames: tuple[Frame, ...] = ()
    output: str = ""  # captured stdout and stderr, bounded

    @property
    def failing(self) -> bool:
        return self.status in ("failed", "error")


@dataclass(frozen=True, slots=True)
class TestReport:
    """A whole run. ``cannot_run`` is a reason with its remedy where there are no results; else empty.

    ``cases`` may hold fewer entries than the counts say where only totals were visible (text output of
    an unknown runner). ``note`` tells what a reader should know: a borrowed interpreter, a time limit.
    """

    __test__: ClassVar[bool] = False

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    cases: tuple[TestCase, ...] = ()
    command: str = ""
    seconds: float = 0.0
    cannot_run: str = ""
    raw_tail: str = ""
    note: str = ""
    timed_out: bool = False
    flaky: tuple[TestCase, ...] = ()
    runner: str = ""
    environment: str = ""

    @property
    def ok(self) -> bool:
        """Everything that ran passed, and something ran."""
        return not (self.cannot_run or self.failed or self.errors or self.timed_out) and (
            self.passed > 0 or bool(self.flaky)
        )

    @property
    def failing(self) -> tuple[TestCase, ...]:
        return tuple(case for case in self.cases if case.failing)


def report_of(cases: list[TestCase], **more: object) -> TestReport:
    """A report whose counts are those of ``cases``."""
    count = {status: sum(1 for case in cases if case.status == status) for status in _STATUSES}
    cases = _lightened(cases)
    return TestReport(
        passed=count["passed"],
        failed=count["failed"],
        errors=count["error"],
        skipped=count["skipped"],
        cases=tuple(cases),
        **more,  # type: ignore[arg-type]
    )


_IN_FULL = 200  # failing tests whose texts are kept in full


def _lightened(cases: list[TestCase]) -> list[TestCase]:
    """Thousands of failures do not each keep what they printed."""
    kept, seen = [], 0
    for case in cases:
        seen += case.failing
        if seen > _IN_FULL and case.failing:
            case = replace(case, output="", assertion=bounded(case.assertion, 300), frames=case.frames[-1:])
        kept.append(case)
    return kept


_STATUSES: tuple[Status, ...] = ("passed", "failed", "error", "skipped")


def seconds_in(value: object) -> float:
    """A duration as a report has it, in seconds; 0.0 for what is none."""
    try:
        found = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return found if 0.0 <= found < math.inf else 0.0


def bounded(text: str, limit: int = OUTPUT_LIMIT) -> str:
    """Head and tail of ``text``, saying how much was left out between them."""
    text = text.strip("\n")
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters left out ...]\n{text[-half:]}"
