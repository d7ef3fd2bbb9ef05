"""Which tests of a project failed last: the target ``last failed``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

from kcode.config.jsontext import read_json
from kcode.config.paths import state_dir
from kcode.testrun.report import TestReport

_KEPT = 2_000  # ids


def last_failed(root: Path) -> list[str]:
    """Ids in the order in which they failed; none where nothing failed or nothing ran yet."""
    try:
        found = read_json(_file(root).read_text(encoding="utf-8"))["failed"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def remember(root: Path, report: TestReport, everything: bool) -> None:
    """Record what a run says. Of a run of some tests (not ``everything``) the others keep their state."""
    if report.cannot_run:
        return
    failing = [case.id for case in report.failing]
    before = [] if everything and not report.timed_out else last_failed(root)
    ran = {case.id for case in report.cases} | {case.id for case in report.flaky}
    kept = [*dict.fromkeys([*failing, *(one for one in before if one not in ran)])][:_KEPT]
    file = _file(root)
    with contextlib.suppress(OSError):  # a state folder that cannot be written costs the convenience alone
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temp = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump({"root": str(root), "failed": kept}, out)
        Path(temp).replace(file)


def _file(root: Path) -> Path:
    name = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return state_dir() / "tests" / f"{name}.json"
