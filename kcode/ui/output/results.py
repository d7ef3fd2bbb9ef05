"""What of a call's result people get to see: all of it on demand, a few lines at once where it failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.agent.events import CallFinished
from kcode.i18n import _, from_below
from kcode.safety.sanitize import clean
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.testrun.report import TestCase, TestReport
    from kcode.workspace.change import FileEdit

FAILURE_LINES = 3


def detail_of(event: CallFinished) -> str | tuple[FileEdit, ...]:
    """What opening the call's line shows: edits for a diff, output, failures, matches, or the text; of what
    ran without a question, which rule allowed it."""
    shown = _shown(event)
    if not event.allowed or not isinstance(shown, str):
        return shown
    rule = _("allowed: {why}").format(why=figures.one_line(from_below(event.allowed)))
    return f"{shown.rstrip()}\n[{rule}]" if shown.strip() else f"[{rule}]"


def _shown(event: CallFinished) -> str | tuple[FileEdit, ...]:
    from kcode.safety.process import Finished
    from kcode.testrun.report import TestReport
    from kcode.tools.grep import GrepResult
    from kcode.workspace.change import FileEdit

    payload = event.outcome.payload
    if isinstance(payload, tuple) and payload and all(isinstance(part, FileEdit) for part in payload):
        return payload
    if isinstance(payload, Finished):
        return payload.stdout + payload.stderr
    if isinstance(payload, TestReport):
        return _told(payload)
    if isinstance(payload, GrepResult):
        return "\n".join(f"{match.path}:{match.line}: {match.text}" for match in payload.matches)
    return event.outcome.text


def failure_lines(event: CallFinished) -> list[str]:
    """What is shown right away under a call that failed: a command's last lines, the first failures of a
    test run. At most :data:`FAILURE_LINES`; nothing where the brief says it all."""
    from kcode.safety.process import Finished
    from kcode.testrun.report import TestReport

    if event.outcome.ok:
        return []
    payload = event.outcome.payload
    if isinstance(payload, Finished):
        return _last_lines(payload.stdout + payload.stderr)
    if isinstance(payload, TestReport):
        if payload.cannot_run:
            return [" ".join(clean(payload.cannot_run).split())]
        failing = [_failure(case) for case in payload.failing[:FAILURE_LINES]]
        return failing or _last_lines(payload.raw_tail)
    return []


def _last_lines(output: str) -> list[str]:
    lines = [line.rstrip() for line in clean(output).split("\n") if line.strip()]
    return lines[-FAILURE_LINES:]


def _failure(case: TestCase) -> str:
    message = " ".join(clean(case.message or case.assertion).split())
    return f"{clean(case.id)}: {message}" if message else clean(case.id)


def _told(report: TestReport) -> str:
    """The failures of a test run, then its last output where there is nothing better."""
    parts = [report.cannot_run, report.note]
    for case in report.failing:
        parts.append(_failure(case))
        parts += [f"  {line}" for line in case.assertion.split("\n") if line.strip()]
        parts += [f"  {frame.path}:{frame.line}" for frame in case.frames]
        if case.output.strip():
            parts.append(_("  what it printed:"))
            parts += [f"    {line}" for line in case.output.strip("\n").split("\n")]
    told = "\n".join(part for part in parts if part)
    return told or report.raw_tail
