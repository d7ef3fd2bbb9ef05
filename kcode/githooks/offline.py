"""A review without a model: what can be told for certain from the added lines of a change."""

from __future__ import annotations

from collections.abc import Sequence

from kcode.agent.reviewing import SEVERITIES, Review, ReviewFinding, Severity
from kcode.githooks.checks import conflict_markers, leftovers, secrets
from kcode.githooks.staged import Added
from kcode.workspace.unidiff import DiffFile

_KINDS: Sequence[tuple[Severity, str]] = (
    ("high", "take it out, and make a new one: it is in the history once it is committed"),
    ("high", "resolve the conflict: kcode resolve"),
    ("medium", "take the line out"),
)


def added(files: Sequence[DiffFile]) -> list[Added]:
    """The added lines of a diff with their numbers in the new file."""
    return [
        Added(
            file.path,
            tuple((line.new, line.text) for hunk in file.hunks for line in hunk.lines if line.sign == "+"),
        )
        for file in files
    ]


def checks_only(files: Sequence[DiffFile]) -> Review:
    """Keys and passwords, conflict markers and debugging leftovers as findings, the worst first."""
    lines = added(files)
    runs = (secrets(lines), conflict_markers(lines), leftovers(lines))
    findings = [
        ReviewFinding(found.path, found.line, severity, found.what, "", suggestion)
        for (severity, suggestion), run in zip(_KINDS, runs, strict=True)
        for found in run
    ]
    changed = sum(file.added + file.removed for file in files)
    return Review(
        tuple(sorted(findings, key=lambda each: (SEVERITIES.index(each.severity), each.file, each.line))),
        tuple(file.path for file in files),
        seen=changed,
        lines=changed,
        checks_only=True,
    )
