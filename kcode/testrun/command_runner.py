"""A configured test command: any runner, read from its JUnit file or its text.

``{target}`` in the command is replaced by the (quoted) target, or by nothing where all tests run;
``{junit}`` by the path of a temporary file, for runners that can write JUnit XML.
"""

from __future__ import annotations

import codecs
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kcode.safety.process import Finished, child_environment, run
from kcode.testrun.failure import frames_of, outcome_of
from kcode.testrun.junit import UnreadableReport, read_junit
from kcode.testrun.report import Status, TestCase, TestProgress, TestReport, bounded, report_of

_COUNT = re.compile(
    r"(?P<n>\d+) (?:tests? |examples?,? |specs? )?"
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
_UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in", re.M)
_UNITTEST_FAIL = re.compile(r"^(FAIL|ERROR): (\S+)(?: \(([^)]+)\))?", re.M)
_PYTEST_LINE = re.compile(r"^(FAILED|ERROR) ([^\s(]\S*?)(?: - (.*))?$", re.M)
_PASSED_LINE = re.compile(
    r"::\S.* PASSED\b|^test\S* .*\.\.\. ok$|^test \S+ \.\.\. ok$|^\s*(?:✓|✔|ok \d+)\s|^--- PASS"
)
_FAILED_LINE = re.compile(
    r"::\S.* (?:FAILED|ERROR)\b|^test\S* .*\.\.\. (?:FAIL|ERROR)"
    r"|^\s*(?:✗|✘|✖|×|not ok \d+)\s|^--- FAIL"
)
_NOT_STARTED = (126, 127)  # the shell's "not executable" and "not found"


@dataclass(frozen=True, slots=True)
class CommandRunner:
    command: str

    @property
    def describe(self) -> str:
        return f"`{self.command}` (setting tests.command)"

    async def run(
        self,
        root: Path,
        targets: Sequence[str],
        timeout_s: float,
        on_progress: Callable[[TestProgress], None] | None = None,
    ) -> TestReport:
        """Run the command in a shell at ``root``; exit code 0 means that everything passed."""
        with tempfile.TemporaryDirectory(prefix="kcode-tests-") as temp:
            junit = Path(temp) / "junit.xml"
            line = self.command.replace("{target}", shlex.join(targets)).replace(
                "{junit}", shlex.quote(str(junit))
            )
            if targets and "{target}" not in self.command:
                line = f"{line} {shlex.join(targets)}"
            shell = ["cmd", "/c", line] if sys.platform == "win32" else ["/bin/sh", "-c", line]
            live = _Live(on_progress or (lambda progress: None))
            done = await run(
                shell,
                cwd=root,
                env=child_environment(),
                timeout_s=timeout_s,
                merge_stderr=True,
                on_output=live.feed,
            )
            report = _from_junit(junit, root) or _from_text(done, root, targets)
        return replace(
            report,
            command=line,
            seconds=done.seconds,
            timed_out=done.timed_out,
            raw_tail=bounded(done.stdout[-6_000:]),
        )


class _Live:
    """Counts the tests that a runner's lines tell of: pytest's words, unittest's, node's and TAP's."""

    def __init__(self, tell: Callable[[TestProgress], None]) -> None:
        self._tell = tell
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._passed = self._failed = 0

    def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + self._decoder.decode(chunk)).split("\n")
        if not lines:
            return
        self._passed += sum(bool(_PASSED_LINE.search(line)) for line in lines)
        self._failed += sum(bool(_FAILED_LINE.search(line)) for line in lines)
        self._tell(TestProgress(lines[-1].strip()[:120], self._passed, self._failed))


def _from_junit(path: Path, root: Path) -> TestReport | None:
    if not path.is_file():
        return None
    try:
        return report_of(read_junit(path, root))
    except UnreadableReport:
        return None


def _from_text(done: Finished, root: Path, targets: Sequence[str]) -> TestReport:
    if done.code in _NOT_STARTED:
        said = done.stdout.strip().splitlines()[-1:] or [f"exit code {done.code}"]
        return TestReport(
            cannot_run=f"the test command does not start: {said[0]}; check the setting tests.command"
        )
    counts = _counts(done.stdout)
    failing = _failing(done.stdout, root)
    if done.code == 0 and not done.timed_out:
        return TestReport(
            passed=counts.get("passed") or 1,
            skipped=counts.get("skipped", 0),
            cases=() if counts.get("passed") else (TestCase(" ".join(targets) or "all tests", "passed"),),
        )
    if not failing:
        failing = [_whole_run(done, root, targets)]
    by_status = {
        status: sum(1 for case in failing if case.status == status) for status in ("failed", "error")
    }
    return TestReport(
        passed=counts.get("passed", 0),
        failed=max(counts.get("failed", 0), by_status["failed"]),
        errors=max(counts.get("errors", 0), by_status["error"]),
        skipped=counts.get("skipped", 0),
        cases=tuple(failing),
        note="read from the command's text output",
    )


def _counts(text: str) -> dict[str, int]:
    """The totals of the last summary line that has any."""
    for line in reversed(text.splitlines()):
        found = {_KINDS[match["word"]]: int(match["n"]) for match in _COUNT.finditer(line)}
        if found:
            return found
    ran = _UNITTEST_RAN.search(text)
    if ran:
        failing = len(_UNITTEST_FAIL.findall(text))
        return {"passed": int(ran.group(1)) - failing}
    return {}


def _failing(text: str, root: Path) -> list[TestCase]:
    found: dict[str, TestCase] = {}
    for match in _PYTEST_LINE.finditer(text):
        status: Status = "failed" if match.group(1) == "FAILED" else "error"
        found[match.group(2)] = TestCase(match.group(2), status, message=match.group(3) or "")
    for match in _UNITTEST_FAIL.finditer(text):
        status = "failed" if match.group(1) == "FAIL" else "error"
        name = match.group(3) or match.group(2)
        name = name if name.endswith(match.group(2)) else f"{name}.{match.group(2)}"
        found[name] = TestCase(name, status, frames=frames_of(text, root))
    return list(found.values())


def _whole_run(done: Finished, root: Path, targets: Sequence[str]) -> TestCase:
    """A runner whose failures cannot be read apart: the run as a whole is the one failing case."""
    reason = f"time limit of {done.seconds:.0f} s" if done.timed_out else f"exit code {done.code}"
    outcome = outcome_of(done.stdout)
    return TestCase(
        id=" ".join(targets) or "all tests",
        status="failed",
        seconds=done.seconds,
        message=outcome.message or reason,
        assertion=outcome.assertion or bounded(done.stdout[-2_000:]),
        frames=frames_of(done.stdout, root),
    )
