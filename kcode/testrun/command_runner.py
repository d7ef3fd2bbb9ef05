"""A configured test command: any runner, read from its JUnit file or its text.

``{target}`` in the command is replaced by the (quoted) target, or by nothing where all tests run;
``{junit}`` by the path of a temporary file, for runners that can write JUnit XML.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kcode.safety.process import run
from kcode.safety.sanitize import clean
from kcode.testrun.adapter import OPEN, Surroundings
from kcode.testrun.junit import UnreadableReport, read_junit
from kcode.testrun.live import Live
from kcode.testrun.report import TestProgress, TestReport, bounded, report_of
from kcode.testrun.text import totals
from kcode.testrun.within import read_within, report_asked


@dataclass(frozen=True, slots=True)
class CommandRunner:
    command: str

    @property
    def describe(self) -> str:
        return f"`{self.command}` (setting tests.command)"

    @property
    def environment(self) -> str:
        return ""

    async def run(
        self,
        root: Path,
        targets: Sequence[str],
        timeout_s: float,
        on_progress: Callable[[TestProgress], None] | None = None,
        environ: Mapping[str, str] | None = None,
        around: Surroundings = OPEN,
    ) -> TestReport:
        """Run the command in a shell at ``root``; exit code 0 means that everything passed."""
        with around.folder() as temp:
            junit = temp / "junit.xml"
            line = self.command.replace("{target}", shlex.join(targets)).replace(
                "{junit}", shlex.quote(str(junit))
            )
            if targets and "{target}" not in self.command:
                line = f"{line} {shlex.join(targets)}"
            shell = ["cmd", "/c", line] if sys.platform == "win32" else ["/bin/sh", "-c", line]
            done = await run(
                shell,
                cwd=root,
                env=around.environment({**report_asked(temp), **(environ or {})}),
                timeout_s=timeout_s,
                merge_stderr=True,
                on_output=Live(on_progress).feed,
                confine=around.confine,
            )
            report = _from_junit(junit, root)
            reading = read_within(done, root, temp, " ".join(targets), "check the setting tests.command")
        if report is None:
            counts = totals(reading.cases, dict(reading.counts))
            report = TestReport(
                passed=counts["passed"],
                failed=counts["failed"],
                errors=counts["error"],
                skipped=counts["skipped"],
                cases=tuple(reading.cases),
                cannot_run=reading.cannot_run,
                note=reading.note,
            )
        return replace(
            report,
            command=line,
            seconds=done.seconds,
            timed_out=done.timed_out,
            raw_tail=bounded(clean(done.stdout[-6_000:])),
        )


def _from_junit(path: Path, root: Path) -> TestReport | None:
    if not path.is_file():
        return None
    try:
        return report_of(read_junit(path, root))
    except UnreadableReport:
        return None
