"""Results read from what a runner prints for people, where it writes nothing for machines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kcode.safety.process import Finished
from kcode.safety.sanitize import clean
from kcode.testrun.adapter import Reading
from kcode.testrun.failure import frames_of, outcome_of
from kcode.testrun.frames import stack_of
from kcode.testrun.report import Frame, Status, TestCase, bounded

_COUNT = re.compile(
    r"(?P<n>\d{1,9}) (?:tests? |examples?,? |specs? )?"
    r"(?P<word>passed|passing|failed|failing|failures?|errors?|skipped|pending)\b"
)
_KINDS: dict[str, str] = {
    "passed": "passed",
    "passing": "passed",
    "failed": "failed",
    "failing": "failed",
    "failure": "failed",
    "failures": "failed",
    "error": "errors",
    "errors": "errors",
    "skipped": "skipped",
    "pending": "skipped",
}
_UNITTEST_RAN = re.compile(r"^Ran (\d{1,9}) tests? in", re.M)
_UNITTEST_SKIPPED = re.compile(r"^(?:OK|FAILED) \(.*?skipped=(\d{1,9})", re.M)
_UNITTEST_FAIL = re.compile(r"^(FAIL|ERROR): (\S+)(?: \(([^)]+)\))?([^\n]*)$", re.M)
_UNITTEST_PASS = re.compile(
    r"^(?P<name>test\S*) \((?P<where>[^)]+)\)(?:\n[^\n]*)?? \.\.\. "
    r"(?:(?:(?!^\S+ \([\w.]+\))[^\n]*\n)*?)"  # what the test or its logging wrote between
    r"(?P<word>ok|skipped\b.*|expected failure|unexpected success)$",
    re.M,
)
_WORDS: dict[str, Status] = {"ok": "passed", "unexpected success": "failed"}
_BUFFERED = re.compile(r"^(?:Stdout|Stderr):\n", re.M)
_UNITTEST_RULE = re.compile(r"^={70}$", re.M)
_PYTEST_LINE = re.compile(r"^(FAILED|ERROR) ([^\s(]\S*?)(?: - (.*))?$", re.M)
_NOT_EQUAL = re.compile(r"^AssertionError: (.{1,500}?) != (.{1,500}?)(?: : .*)?$", re.M)
_NOT_STARTED = (126, 127)  # the shell's "not executable" and "not found"


def read_text(done: Finished, folder: Path, named: str = "", mend: str = "") -> Reading:
    """The results in ``done``'s output; ``named`` is what was run ("all tests" where empty), ``mend`` what to
    check where the command does not start."""
    named = named or "all tests"
    output = clean(done.stdout)
    if done.code in _NOT_STARTED and not done.timed_out:
        said = output.strip().splitlines()[-1:] or [f"exit code {done.code}"]
        return Reading(cannot_run=f"the test command does not start: {said[0]}{mend and f'; {mend}'}")
    counts = _counts(output)
    passing = _passing(output)
    if done.code == 0 and not done.timed_out:
        if not counts.get("passed") and not passing:
            passing = [TestCase(named, "passed")]
        return Reading(
            passing, counts={"passed": counts.get("passed", 0), "skipped": counts.get("skipped", 0)}
        )
    failing = _failing(output, folder) or [_whole_run(done, output, folder, named)]
    note = "read from the command's text output"
    return Reading([*failing, *passing], counts=counts, note=note)


def read_unittest(text: str, folder: Path) -> list[TestCase]:
    """The cases of a verbose unittest or Django run."""
    return [*_unittest_failures(text, folder), *_passing(text)]


def _counts(text: str) -> dict[str, int]:
    """The totals of the last summary line that has any."""
    for line in reversed(text.splitlines()):
        found = {_KINDS[match["word"]]: int(match["n"]) for match in _COUNT.finditer(line)}
        if found:
            return found
    ran = _UNITTEST_RAN.search(text)
    if ran:
        skipped = _UNITTEST_SKIPPED.search(text)
        left_out = int(skipped[1]) if skipped else 0
        failing = len(_UNITTEST_FAIL.findall(text))
        return {"passed": max(0, int(ran.group(1)) - failing - left_out), "skipped": left_out}
    return {}


def _passing(text: str) -> list[TestCase]:
    return [
        TestCase(
            _dotted(match["name"], match["where"]),
            _WORDS.get(match["word"], "skipped"),
            message=match["word"] if match["word"] == "unexpected success" else "",
        )
        for match in _UNITTEST_PASS.finditer(text)
    ]


def _failing(text: str, folder: Path) -> list[TestCase]:
    found: dict[str, TestCase] = {}
    for match in _PYTEST_LINE.finditer(text):
        status: Status = "failed" if match.group(1) == "FAILED" else "error"
        found[match.group(2)] = TestCase(match.group(2), status, message=match.group(3) or "")
    for case in _unittest_failures(text, folder):
        found.setdefault(case.id, case)
    return list(found.values())


def _unittest_failures(text: str, folder: Path) -> Iterator[TestCase]:
    for section in _UNITTEST_RULE.split(text)[1:]:
        match = _UNITTEST_FAIL.match(section.lstrip("\n"))
        if match is None:
            continue
        body = re.split(r"^-{70}\n(?=Ran \d)", section, flags=re.M)[0]
        _, _, trace = body.partition("-" * 70)
        trace, *printed = _BUFFERED.split(trace)
        lines = [line for line in trace.splitlines() if line.strip()]
        said = next((n for n, line in enumerate(lines) if n and _ends_trace(line, lines[n - 1])), None)
        explained = "\n".join(lines[said:] if said is not None else lines[-1:])
        values = _NOT_EQUAL.search(explained)
        yield TestCase(
            _dotted(match[2], match[3] or "") + match[4].strip(),
            "failed" if match[1] == "FAIL" else "error",
            message=bounded(explained.partition("\n")[0], 300),
            assertion=bounded(explained, 2_000),
            actual=values[1] if values else "",
            expected=values[2] if values else "",
            frames=frames_of(trace, folder),
            output=bounded("\n".join(part.strip("\n") for part in printed)),
        )


def _ends_trace(line: str, before: str) -> bool:
    """Whether ``line`` is the exception that a traceback ends with."""
    return before.startswith("    ") and not line.startswith((" ", "Traceback", "During", "The above"))


def _dotted(name: str, where: str) -> str:
    """unittest's dotted id: Python 3.11 writes it whole, older ones write the class alone."""
    if not where or where.startswith("unittest.loader."):  # a module that cannot be imported
        return name
    if name in ("setUpClass", "tearDownClass", "setUpModule", "tearDownModule"):
        return where
    return where if where.rpartition(".")[2] == name else f"{where}.{name}"


def _whole_run(done: Finished, output: str, folder: Path, named: str) -> TestCase:
    """A runner whose failures cannot be read apart: the run as a whole is the one failing case."""
    reason = f"exit code {done.code}"
    if done.timed_out:
        reason = f"time limit of {done.seconds:.0f} s"
    elif done.signal:
        reason = f"the run was killed by signal {done.signal}"
    outcome = outcome_of(output)
    return TestCase(
        id=named,
        status="failed",
        seconds=done.seconds,
        message=outcome.message or reason,
        assertion=outcome.assertion or bounded(output[-2_000:]),
        frames=all_frames(output, folder),
    )


def all_frames(text: str, folder: Path) -> tuple[Frame, ...]:
    """Python's traceback where there is one, else the places that any other runner names."""
    return frames_of(text, folder) or stack_of(text, folder)


def totals(cases: Sequence[TestCase], counts: dict[str, int]) -> dict[str, int]:
    """Counts by status: what the cases show, or what the runner says where that is more."""
    shown = {"passed": 0, "failed": 0, "error": 0, "skipped": 0}
    for case in cases:
        shown[case.status] += 1
    said = {"passed": "passed", "failed": "failed", "error": "errors", "skipped": "skipped"}
    return {status: max(number, counts.get(said[status], 0)) for status, number in shown.items()}
