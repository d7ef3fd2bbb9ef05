"""pytest inside of something else (tox, nox, make, a configured command): asked for its report through the
environment, so that the result is as full as that of a run of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from kcode.safety.process import Finished
from kcode.safety.sanitize import clean
from kcode.testrun.adapter import Reading
from kcode.testrun.junit import UnreadableReport, read_junit
from kcode.testrun.report import TestCase
from kcode.testrun.text import read_text

# Each environment of tox and session of nox writes a file of its own: pytest puts the variables in.
_NAME = "pytest-$TOX_ENV_NAME-$NOX_CURRENT_SESSION.xml"
_ENDED = re.compile(r"^=+ (?:\d+ \w+, )*\d+ \w+(?: \([^)]*\))? in [\d.]+s(?: \([\d:]+\))? =+$", re.M)


def report_asked(report: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables that make any pytest below write JUnit XML into the folder ``report``."""
    own = f'--junitxml="{report / _NAME}" -o junit_family=xunit1 -o junit_logging=out-err'
    own += " --verbosity=1 --color=no"
    before = (os.environ if environ is None else environ).get("PYTEST_ADDOPTS", "")
    return {
        "PYTEST_ADDOPTS": f"{before} {own}".strip(),
        # tox lets through only what it is told to.
        "TOX_OVERRIDE": "testenv.pass_env+=PYTEST_ADDOPTS;env_run_base.pass_env+=PYTEST_ADDOPTS",
        "TOX_TESTENV_PASSENV": "PYTEST_ADDOPTS",
    }


def read_within(done: Finished, folder: Path, report: Path, named: str = "", mend: str = "") -> Reading:
    """pytest's reports where every pytest that ran has left one, else the text."""
    files = sorted(report.glob("pytest-*.xml"))
    if not files or len(_ENDED.findall(clean(done.stdout))) > len(files):
        return read_text(done, folder, named, mend)
    cases: dict[str, TestCase] = {}
    try:
        for file in files:
            for case in read_junit(file, folder):  # of several environments the one where it fails counts
                if case.id not in cases or (case.failing and not cases[case.id].failing):
                    cases[case.id] = case
    except UnreadableReport:
        return read_text(done, folder, named, mend)
    return Reading(list(cases.values())) if cases else read_text(done, folder, named, mend)
