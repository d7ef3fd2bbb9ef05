"""A test report in words for the model: failures first, each reason once, bounded."""

from __future__ import annotations

import re

from kcode.safety.sanitize import clean
from kcode.testrun.report import TestCase, TestReport, bounded

SUMMARY_LIMIT = 6_000  # characters
_NAMED = 8  # tests named for one shared reason


def headline(report: TestReport) -> str:
    """One line: ``2 failed, 11 passed in 0.4 s``, or why nothing ran."""
    if report.cannot_run:
        return f"the tests cannot run: {report.cannot_run}"
    counts = (
        ("failed", report.failed),
        ("errors", report.errors),
        ("passed", report.passed),
        ("skipped", report.skipped),
        ("flaky", len(report.flaky)),
    )
    said = ", ".join(f"{count} {word}" for word, count in counts if count) or "nothing ran"
    return f"{said} in {report.seconds:.1f} s"


def summarise(report: TestReport, limit: int = SUMMARY_LIMIT) -> str:
    """The report for a model, at most about ``limit`` characters, free of control sequences."""
    return clean(_summary(report, limit))


def _summary(report: TestReport, limit: int) -> str:
    parts = [headline(report), *_circumstances(report)]
    if report.cannot_run:
        return "\n".join([*parts, bounded(report.raw_tail, limit // 2)]).strip()
    parts = ["\n".join(parts)]
    groups = by_reason(report.failing)
    room = max(600, (limit - sum(map(len, parts))) // max(1, min(len(groups), 6)))
    used = sum(map(len, parts))
    for shown, group in enumerate(groups):
        text = _group(group, room)
        if used + len(text) > limit:
            rest = [case.id for later in groups[shown:] for case in later]
            parts.append(_named("not shown for length", rest))
            break
        parts.append(text)
        used += len(text)
    parts += [_flaky(case, 300) for case in report.flaky]
    if report.failed + report.errors > len(report.failing):
        parts.append(bounded(report.raw_tail, limit // 3))
    return "\n\n".join(parts)


def _circumstances(report: TestReport) -> list[str]:
    said = (
        ("runner", report.runner),
        ("environment", report.environment),
        ("command", report.command),
        ("note", report.note),
    )
    return [f"{what}: {bounded(text, 1_000)}" for what, text in said if text]


def _flaky(case: TestCase, room: int) -> str:
    why = bounded(case.message or case.assertion, room)
    return (
        f"FLAKY {case.id}\nfailed in this run and passed when it was run again without the others: {why}\n"
        "(it is flaky, or depends on tests that run before it)"
    )


_VARYING = re.compile(r"0x[0-9a-fA-F]+|'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|-?\d+(?:\.\d+)?")
_ASSERTED = re.compile(
    r"assert |AssertionError|assertion |(?:\w*Error: )?expect(?:ed|\(|ation)|Failed asserting", re.I
)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+|/tmp/\S+|\b\d{4,}\b")


def by_reason(failing: tuple[TestCase, ...]) -> list[list[TestCase]]:
    """Failures of one exception with the same message (its values aside) at the same place of the repository
    are one reason. A place inside the test itself says nothing of the reason, except for an assertion:
    there the whole message has to be the same."""
    groups: dict[tuple[object, ...], list[TestCase]] = {}
    for case in failing:
        message = " ".join((case.message or case.assertion).split())[:300]
        asserted = bool(case.expected or case.actual or _ASSERTED.match(message))
        kind = "assert" if asserted else message.partition(":")[0]
        innermost = case.frames[-1] if case.frames else None
        own = innermost is not None and case.id.startswith(innermost.path)
        key: tuple[object, ...]
        if innermost is not None and (asserted or not own):
            said = "" if asserted else _VARYING.sub("…", message)
            key = (kind, said, innermost.path, innermost.line)
        elif asserted or not message:
            key = (case.id,)
        else:
            key = (kind, _ADDRESS.sub("…", message))
        groups.setdefault(key, []).append(case)
    return sorted(groups.values(), key=len, reverse=True)


def _group(group: list[TestCase], room: int) -> str:
    case = group[0]
    lines = [f"{case.status.upper()} {case.id}"]
    said = case.assertion or case.message
    if case.message and " ".join(case.message.split()) not in " ".join(said.split()):
        said = f"{case.message}\n{said}"
    if said:
        lines.append(bounded(said, room // 2))
    if case.expected and case.actual:
        lines.append(
            f"expected: {bounded(case.expected, room // 8)}\nactual: {bounded(case.actual, room // 8)}"
        )
    if case.frames:
        where = " > ".join(
            f"{f.path}:{f.line}" + (f" ({f.function})" if f.function else "") for f in case.frames[-4:]
        )
        lines.append(f"at: {where}")
    if case.output:
        lines.append(f"output:\n{bounded(case.output, room // 4)}")
    if len(group) > 1:
        lines.append(_named("the same reason", [other.id for other in group[1:]]))
    return "\n".join(lines)


def _named(why: str, ids: list[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"{why} ({len(ids)}): {', '.join(ids[:_NAMED])}{more}"
