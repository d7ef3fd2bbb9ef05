"""pytest, run as the project would run it, read back from its JUnit XML."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kcode.config.paths import cache_dir
from kcode.safety.process import Finished, run
from kcode.testrun.adapter import OPEN, Surroundings
from kcode.testrun.failure import frames_of
from kcode.testrun.interpreter import Interpreter
from kcode.testrun.junit import UnreadableReport, read_junit
from kcode.testrun.report import Status, TestCase, TestProgress, TestReport, bounded, report_of

_LIVE = re.compile(
    r"^(?:\[gw\d+\] \[ *\d+%\] (?P<s1>[A-Z]+) )?(?P<id>\S+\.py(?:::.*?)?)(?: (?P<s2>[A-Z]+)(?: .*)?)?$"
)
_STATUS: dict[str, Status] = {
    "PASSED": "passed",
    "FAILED": "failed",
    "ERROR": "error",
    "SKIPPED": "skipped",
    "XFAIL": "skipped",
    "XPASS": "passed",
}
_COLLECTED = re.compile(
    r"^(?:(?:collecting \.\.\. )?collected (\d{1,9}) items?|\d+ workers? \[(\d{1,9}) items?\])"
)
_SELECTED = re.compile(r"/ (\d{1,9}) selected")
_WORDS = re.compile(r"\w+")
USAGE_ERROR, NO_TESTS = 4, 5  # pytest's exit codes


@dataclass(frozen=True, slots=True)
class PytestRunner:
    """How this project's tests are started."""

    interpreter: Interpreter

    @property
    def describe(self) -> str:
        version = ".".join(str(part) for part in self.interpreter.version)
        return f"pytest with Python {version} ({self.interpreter.origin})"

    @property
    def environment(self) -> str:
        version = ".".join(str(part) for part in self.interpreter.version)
        return f"Python {version}, {self.interpreter.origin}"

    async def run(
        self,
        root: Path,
        targets: Sequence[str],
        timeout_s: float,
        on_progress: Callable[[TestProgress], None] | None = None,
        environ: Mapping[str, str] | None = None,
        around: Surroundings = OPEN,
    ) -> TestReport:
        """Run ``targets`` (node ids, files, folders, names; none: all). Never raises for a failing run."""
        with around.folder() as temp:
            report_file = temp / "junit.xml"
            argv = [str(self.interpreter.python), "-m", "pytest", *_words(root, targets)]
            options = [
                f"--rootdir={root}",
                f"--junitxml={report_file}",
                *("-o", "junit_family=xunit1"),
                *("-o", "junit_logging=out-err"),
                *("-o", f"cache_dir={temp / 'cache'}"),  # leaves the project's own cache alone
                *("-o", f"faulthandler_timeout={max(1.0, timeout_s * 0.8):.0f}"),
                *("--verbosity=1", "--color=no", "--tb=long"),
            ]
            live = _Live(on_progress)
            done = await run(
                argv + options,
                cwd=root,
                env=_environment(environ, around),
                timeout_s=timeout_s,
                merge_stderr=True,
                on_output=live.feed,
                confine=around.confine,
            )
            report = _read(done, report_file, root, live)
        note = "; ".join(part for part in (self.interpreter.note, report.note) if part)
        return replace(report, command=shlex.join(argv), seconds=done.seconds, note=note)


def _words(root: Path, targets: Sequence[str]) -> list[str]:
    """Node ids and paths as they are; a bare name becomes an expression for ``-k``."""
    paths = [one for one in targets if is_place(root, one)]
    names = [" and ".join(_WORDS.findall(one)) for one in targets if not is_place(root, one)]
    select = (
        ["-k", " or ".join(f"({name})" if " " in name else name for name in names if name)] if names else []
    )
    return [*paths, *select]


def is_place(root: Path, target: str) -> bool:
    """Whether a target is a node id or a path rather than a test's name."""
    path = target.partition("::")[0]
    return "::" in target or "/" in path or path.endswith(".py") or (root / path).exists()


def _environment(extra: Mapping[str, str] | None, around: Surroundings) -> dict[str, str]:
    env = around.environment()
    cache = around.scratch / "cache" if around.scratch else cache_dir()
    env.setdefault("PYTHONPYCACHEPREFIX", str(cache / "pycache"))  # no files into the user's tree
    env["PYTHONUNBUFFERED"] = "1"
    env.pop("PYTEST_CURRENT_TEST", None)
    env.update(extra or {})
    return env


def _read(done: Finished, report_file: Path, root: Path, live: _Live) -> TestReport:
    tail = bounded(done.stdout[-6_000:])
    if done.timed_out:
        return _timed_out(done, root, live, tail)
    if done.code == NO_TESTS:
        return TestReport(
            cannot_run="no tests were found; name a test file, or set tests.command to how they are run",
            raw_tail=tail,
        )
    if done.code != USAGE_ERROR and not report_file.is_file() and (live.finished or live.running):
        return _crashed(done, root, live, tail)
    if done.code == USAGE_ERROR or not report_file.is_file():
        return TestReport(cannot_run=_why(done), raw_tail=tail)
    try:
        cases = read_junit(report_file, root)
    except UnreadableReport as error:
        return TestReport(cannot_run=f"pytest's report cannot be read: {error}", raw_tail=tail)
    if not cases:
        return TestReport(cannot_run=_why(done), raw_tail=tail)
    return report_of(_merged(cases), raw_tail=tail)


def _merged(cases: list[TestCase]) -> list[TestCase]:
    """A test that fails and whose teardown fails too has two entries: the first failing one counts."""
    kept: dict[str, TestCase] = {}
    for case in cases:
        if case.id not in kept or (case.failing and not kept[case.id].failing):
            kept[case.id] = case
    return list(kept.values())


def _why(done: Finished) -> str:
    """The reason in pytest's own words: its ERROR lines, else what a Python failure ends with."""
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(("ERROR:", "ERROR ", "ImportError while loading"))]
    explained = [line for line in lines if line.startswith("E  ")]
    if done.signal is not None and not said:
        return f"pytest was killed by signal {done.signal}"
    reason = "; ".join([*said[:2], *explained[-1:]]) or (
        lines[-1] if lines else f"pytest exited with {done.code}"
    )
    return bounded(f"pytest could not run: {reason}", 600)


def _crashed(done: Finished, root: Path, live: _Live, tail: str) -> TestReport:
    """The interpreter died in a test (a segmentation fault, ``os._exit``): what had ended still counts."""
    cases = [TestCase(id=name, status=status) for name, status in live.finished.items()]
    how = f"was killed by signal {done.signal}" if done.signal else f"ended with exit code {done.code}"
    message = f"the test process {how} in this test"
    frames = tuple(reversed(frames_of(done.stdout, root)))
    named = (live.running or live.last).partition(" Fatal Python error")[0]  # written behind the test's name
    cases.append(TestCase(named, "error", message=message, assertion=tail, frames=frames))
    note = f"pytest {how} before its end: the tests after it did not run"
    return report_of(_merged(cases), raw_tail=tail, note=note)


def _timed_out(done: Finished, root: Path, live: _Live, tail: str) -> TestReport:
    cases = [TestCase(id=name, status=status) for name, status in live.finished.items()]
    if live.running:
        message = f"still running when the time limit of the run was reached ({done.seconds:.0f} s)"
        frames = tuple(reversed(frames_of(done.stdout, root)))
        cases.append(TestCase(live.running, "error", done.seconds, message, frames=frames))
    note = f"stopped by the time limit after {done.seconds:.0f} s"
    if not cases:
        return TestReport(
            cannot_run=f"the tests were {note} before any began; raise tests.timeout_s",
            raw_tail=tail,
            timed_out=True,
        )
    return report_of(cases, raw_tail=tail, note=note, timed_out=True)


_DUMPED = re.compile(r" Timeout \(\d+:\d\d:\d\d\)!$")  # what faulthandler writes behind a test that runs


class _Live:
    """Follows pytest's verbose lines: what is running, and what finished before a time limit."""

    def __init__(self, on_progress: Callable[[TestProgress], None] | None) -> None:
        self._on_progress = on_progress
        self._rest = ""
        self.finished: dict[str, Status] = {}
        self.running = ""
        self.last = ""  # the test that ended last
        self._total = 0
        self._news = False

    def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk.decode("utf-8", "replace")).split("\n")
        for line in lines:
            self._line(line)
        if self._news:
            self._news = False
            self._tell()
        if "::" in self._rest and (match := _LIVE.match(self._rest.strip())) and not match["s2"]:
            self.running = match["id"]

    def _line(self, line: str) -> None:
        if collected := _COLLECTED.match(line.strip()):
            selected = _SELECTED.search(line)
            self._total = int(selected[1] if selected else collected[1] or collected[2])
            self._news = True
            return
        match = _LIVE.match(_DUMPED.sub("", line.strip()))
        if not match or "::" not in match["id"]:
            return
        status = _STATUS.get(match["s1"] or match["s2"] or "")
        if status is None:
            self.running = match["id"]
            return
        self.finished[match["id"]] = status
        self.running = "" if self.running == match["id"] else self.running
        self._news, self.last = True, match["id"]

    def _tell(self) -> None:
        if self._on_progress:
            ended = list(self.finished.values())
            failed = sum(one in ("failed", "error") for one in ended)
            self._on_progress(TestProgress(self.last, ended.count("passed"), failed, self._total))
