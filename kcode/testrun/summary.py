"""A test report in words for the model: failures first, each reason once, bounded."""

from __future__ import annotations

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
    )
    said = ", ".join(f"{count} {word}" for word, count in counts if count) or "nothing ran"
    return f"{said} in {report.seconds:.1f} s"


def summarise(report: TestReport, limit: int = SUMMARY_LIMIT) -> str:
    """The report for a model, at most about ``limit`` characters."""
    parts = [headline(report)]
    if report.command:
        parts.append(f"command: {report.command}")
    if report.note:
        parts.append(f"note: {report.note}")
    if report.cannot_run:
        return "\n".join([*parts, bounded(report.raw_tail, limit // 2)]).strip()
    groups = _by_reason(report.failing)
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
    if report.failed + report.errors > len(report.failing):
        parts.append(bounded(report.raw_tail, limit // 3))
    return "\n\n".join(parts)


def _by_reason(failing: tuple[TestCase, ...]) -> list[list[TestCase]]:
    """Failures with the same exception at the same place of the repository are one reason."""
    groups: dict[tuple[object, ...], list[TestCase]] = {}
    for case in failing:
        kind = "assert" if case.message.startswith("assert ") else case.message.partition(":")[0]
        innermost = case.frames[-1] if case.frames else None
        where = (innermost.path, innermost.line) if innermost else case.id
        groups.setdefault((kind, where), []).append(case)
    return sorted(groups.values(), key=len, reverse=True)


def _group(group: list[TestCase], room: int) -> str:
    case = group[0]
    lines = [f"{case.status.upper()} {case.id}"]
    if case.assertion or case.message:
        lines.append(bounded(case.assertion or case.message, room // 2))
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
