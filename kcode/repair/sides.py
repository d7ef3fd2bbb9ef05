"""Whether tests that fail after a merge failed on its sides already: then the resolution is not to blame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import KcodeError
from kcode.repair.project_copy import Lab, ProjectCopy, git
from kcode.testrun.report import TestReport

_MOST = 50  # failing tests that are run again by name


async def failed_before(
    root: Path, settings: Settings, report: TestReport, targets: Sequence[str], theirs: str = ""
) -> frozenset[str]:
    """The ids of ``report``'s failing tests that fail on our side (HEAD) or on ``theirs`` (a revision, or
    empty) and pass on neither: what one side had mended, the merge may not break.

    They run in a copy; nothing of the user's changes. Empty where that cannot be found out.
    """
    ids = [case.id for case in report.failing]
    ours, other = await _commit(root, "HEAD"), await _commit(root, theirs) if theirs else ""
    wanted = ids if len(ids) <= _MOST and all("::" in one for one in ids) else list(targets)
    try:
        async with Lab.open(root, settings) as lab:
            if not lab.has_history or not ours:
                return frozenset()
            copy = await lab.another()
            reports = [await _run_at(copy, ours, other, wanted)]
            if other and set(ids) - _passed(reports[0]):
                reports.append(await _run_at(copy, other, ours, wanted))
    except KcodeError:  # no room, no runner: nothing is known then
        return frozenset()
    found = {case.id for one in reports for case in one.failing}.difference(*map(_passed, reports))
    return frozenset(found & set(ids))


def _passed(report: TestReport) -> set[str]:
    return {case.id for case in report.cases if not case.failing}


async def _commit(root: Path, revision: str) -> str:
    """Its id in the user's own repository, which alone knows MERGE_HEAD and the like."""
    done = await git(root, "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}")
    return done.stdout.strip() if done.code == 0 else ""


async def _run_at(copy: ProjectCopy, commit: str, other: str, targets: Sequence[str]) -> TestReport:
    """Run tests with what is tracked as it is in ``commit``, without files that only ``other`` has."""
    done = await git(copy.scratch, "checkout", "-q", "--detach", "--force", commit)
    if done.code:
        return TestReport(cannot_run="the commit cannot be checked out")
    if other:
        added = await git(copy.scratch, "diff", "--name-only", "--diff-filter=A", "-z", commit, other)
        for name in filter(None, added.stdout.split("\0")):
            (copy.scratch / name).unlink(missing_ok=True)
    there = [one for one in targets if (copy.scratch / one.partition("::")[0]).exists()]
    return await copy.run_tests(there, rerun=False) if there or not targets else TestReport()
