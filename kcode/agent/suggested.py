"""The change that a finding suggests: kept beside the repository, and made as exactly as any edit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kcode.agent.reviewing import Review, ReviewFinding
from kcode.config.jsontext import read_json
from kcode.errors import EnvironmentProblem, NotAchieved, UsageError
from kcode.workspace import repo
from kcode.workspace.change import FileEdit
from kcode.workspace.edits import apply_edits
from kcode.workspace.workspace import Workspace

KEPT = "KCODE_REVIEW.json"


def keep(root: Path, result: Review) -> None:
    """Remember the findings in the repository's own git folder; where that cannot be written, do not."""
    try:
        _file(root).write_text(json.dumps(result.as_json()["findings"], ensure_ascii=False), encoding="utf-8")
    except OSError:
        return


def kept(root: Path) -> list[ReviewFinding]:
    """The findings of the last review here. Raises UsageError where there was none."""
    try:
        rows: list[dict[str, Any]] = read_json(_file(root).read_text(encoding="utf-8"))
        return [ReviewFinding(**row) for row in rows]
    except (FileNotFoundError, ValueError, TypeError):
        raise UsageError(
            "there is no review to apply something from", "kcode review, then --apply N"
        ) from None


def edits_of(
    workspace: Workspace, findings: Sequence[ReviewFinding], numbers: Sequence[int]
) -> list[FileEdit]:
    """The changes that these findings (numbers from 1) suggest, file by file.

    Raises UsageError for a number that there is not, NotAchieved where a finding suggests no change or the
    lines that it is about are no longer there, or not only once.
    """
    texts: dict[str, tuple[str, str]] = {}
    for number in numbers:
        if not 1 <= number <= len(findings):
            raise UsageError(f"there is no finding {number}", f"the last review had {len(findings)}")
        finding = findings[number - 1]
        if not finding.applicable:
            raise NotAchieved(f"finding {number} suggests no change that can be applied", finding.suggestion)
        before, now = texts.get(finding.file) or (workspace.read(finding.file).text,) * 2
        done = apply_edits(now, [(finding.old, finding.new, False)])
        if not done.ok:
            raise NotAchieved(
                f"finding {number} does not fit {finding.file} as it is now: {'; '.join(done.problems)}",
                "review it again",
            )
        texts[finding.file] = (before, done.text)
    return [FileEdit(path, before, after) for path, (before, after) in texts.items()]


def _file(root: Path) -> Path:
    done = repo.git_sync(root, "rev-parse", "--git-path", KEPT)
    if done.code:
        raise EnvironmentProblem("this folder is no git repository", "git init")
    return root / done.stdout.strip()
