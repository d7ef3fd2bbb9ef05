from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.install.conftest import CHECKOUT

SCRIPT = CHECKOUT / ".ci" / "audit.py"


def audit(folder: Path, program: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """The step with nothing on PATH but ``program``, a shell script that stands for pip-audit."""
    if program:
        tool = folder / "pip-audit"
        tool.write_text(f"#!/bin/sh\n{program}\n")
        tool.chmod(stat.S_IRWXU)
    (folder / "python").symlink_to(sys.executable)  # so that none beside it is found
    return subprocess.run(
        [folder / "python", "-S", SCRIPT],
        env={"PATH": f"{folder}", "HOME": os.environ["HOME"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def report(*packages: dict[str, object]) -> str:
    return f"echo '{json.dumps({'dependencies': packages, 'fixes': []})}'"


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("", "pip-audit is not installed"),
        ("/bin/sleep 600 & wait", "no answer within 1 seconds"),
        ("echo 'ERROR: could not connect' >&2; exit 1", "could not connect"),
        ("exit 3", "printed no report"),
        (report({"name": "rich", "skip_reason": "not found"}), "knows none of these packages"),
    ],
)
def test_where_nobody_answers_it_is_skipped_and_says_why(tmp_path: Path, program: str, why: str) -> None:
    done = audit(tmp_path, program, KCODE_AUDIT_LIMIT_S="1" if "sleep" in program else "")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("pip-audit: skipped: ")
    assert why in done.stdout


def test_a_known_vulnerability_fails_and_is_named(tmp_path: Path) -> None:
    bad = {"name": "rich", "version": "14.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["14.1"]}]}
    done = audit(tmp_path, f"{report(bad)}; exit 1")
    assert done.returncode == 1
    assert done.stdout == "rich 14.0: PYSEC-1, fixed in 14.1\n"


def test_it_is_asked_about_every_lock_and_nothing_else(tmp_path: Path) -> None:
    fine = {"name": "rich", "version": "14.0", "vulns": []}
    done = audit(tmp_path, f'printf "%s\\n" "$@" >"$0.asked"; {report(fine)}')
    assert done.stdout.startswith("no known vulnerabilities in 1 packages")
    asked = (tmp_path / "pip-audit.asked").read_text().split("\n")
    named = {line.partition("=")[2] for line in asked if line.startswith("--requirement=")}
    assert named == {str(path) for path in CHECKOUT.glob("requirements*.lock")}
    assert {"--require-hashes", "--disable-pip"} <= {*asked}  # neither resolves nor installs anything


def test_the_installer_asks_it_with_the_other_checks() -> None:
    assert ".ci/audit.py" in (CHECKOUT / "install.sh").read_text("utf-8")
