"""Asks pip-audit about what the locks pin. A known vulnerability fails; no tool, or no answer, does not.

pip-audit is not in the development lock: it is taken where it is installed (beside this Python, or on PATH).
``KCODE_AUDIT_LIMIT_S`` bounds the whole (120 seconds).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
LIMIT_S = 120.0


def main() -> int:
    beside = Path(sys.executable).with_name("pip-audit")
    tool = str(beside) if beside.is_file() else shutil.which("pip-audit")
    if tool is None:
        return skipped("pip-audit is not installed")
    locks = sorted(str(path) for path in CHECKOUT.glob("requirements*.lock"))
    argv = [
        tool,
        "--disable-pip",
        "--require-hashes",
        "--progress-spinner=off",
        "--format=json",
        "--timeout=10",
    ]
    limit = float(os.environ.get("KCODE_AUDIT_LIMIT_S") or LIMIT_S)
    printed, problem = run([*argv, "--timeout=10", *(f"--requirement={lock}" for lock in locks)], limit)
    if printed is None:
        return skipped(f"it had no answer within {limit:g} seconds")
    try:
        packages = json.loads(printed)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = problem.strip().splitlines()
        return skipped(said[-1][:300] if said else "it printed no report")
    return judged(packages)


def run(argv: list[str], limit: float) -> tuple[str | None, str]:
    """What it printed on both channels; None where it took longer than ``limit`` seconds."""
    process = subprocess.Popen(  # noqa: S603 - pip-audit itself, with our own words
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        return process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)  # what it started holds the pipes as well
        process.communicate()
        return None, ""


def judged(packages: list[dict[str, Any]]) -> int:
    asked = [package for package in packages if "vulns" in package]
    bad = [package for package in asked if package["vulns"]]
    for package in bad:
        for each in package["vulns"]:
            fixed = ", ".join(each.get("fix_versions") or []) or "no version yet"
            print(f"{package['name']} {package['version']}: {each['id']}, fixed in {fixed}")
    if bad:
        return 1
    if not asked:
        return skipped("its source knows none of these packages")
    print(
        f"no known vulnerabilities in {len(asked)} packages; {len(packages) - len(asked)} are not known there"
    )
    return 0


def skipped(why: str) -> int:
    print(f"pip-audit: skipped: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
