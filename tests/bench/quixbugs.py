"""Measure ``kcode fix`` on the Python programs of QuixBugs. The programs themselves are not kept here.

    python -m tests.bench.quixbugs CLONE --model FILE.gguf [--limit 90] [--only gcd,lis] [--kcode PROGRAM]

For each program a git repository with the buggy program and its pytest file is made, the real ``kcode
fix --yes --json`` runs in it, and the outcome is confirmed against the correct program: on every case of
the benchmark (the slow ones too) and on random valid inputs. Exit code 0 where at least 39 are confirmed.
For each failure the last column says why.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

BAR = 39
_CONFIRM_S = 120


@dataclass(frozen=True)
class Row:
    name: str
    status: str
    confirmed: bool
    seconds: float
    tried: int
    note: str

    def __str__(self) -> str:
        told = "yes" if self.confirmed else "no"
        return f"{self.name:30} {self.status:14} {told:9} {self.seconds:6.1f} {self.tried:5}  {self.note}"


def main() -> int:
    wanted = _arguments()
    clone = wanted.clone.resolve()
    names = [path.stem[5:] for path in sorted((clone / "python_testcases").glob("test_*.py"))]
    names = [name for name in names if not wanted.only or name in wanted.only.split(",")]
    print(f"{'program':30} {'result':14} {'confirmed':9} {'s':>6} {'tried':>5}  note", flush=True)
    rows = []
    for name in names:
        row = measure(clone, name, wanted.model.resolve(), wanted.limit, wanted.kcode)
        rows.append(row)
        print(row, flush=True)
    passed = sum(row.status == "fixed" for row in rows)
    confirmed = sum(row.confirmed for row in rows)
    times = sorted(row.seconds for row in rows)
    print(f"\npass the tests: {passed} of {len(rows)}; confirmed: {confirmed} of {len(rows)}")
    print(f"seconds: median {times[len(times) // 2]:.1f}, longest {times[-1]:.1f}")
    return 0 if confirmed >= min(BAR, len(rows)) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure kcode fix on QuixBugs")
    parser.add_argument("clone", type=Path, help="a clone of the QuixBugs repository")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--limit", type=float, default=90.0, help="seconds for each program")
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--kcode", default=str(Path(sys.executable).parent / "kcode"), help="the program")
    return parser.parse_args()


def measure(clone: Path, name: str, model: Path, limit_s: float, kcode: str) -> Row:
    """Repair one program in a repository of its own, then confirm what came out."""
    with tempfile.TemporaryDirectory(prefix="quixbugs-") as temp:
        root = build(clone, name, Path(temp) / name)
        home = Path(temp) / "home"
        home.mkdir()
        env = _environment(home, model)
        command = [kcode, "fix", "--yes", "--json", "--max-seconds", f"{limit_s - 4:.0f}"]
        began = time.monotonic()
        try:
            done = subprocess.run(
                command, cwd=root, env=env, capture_output=True, text=True, timeout=limit_s + 30, check=False
            )
        except subprocess.TimeoutExpired:
            return Row(name, "over time", False, time.monotonic() - began, 0, "")
        seconds = time.monotonic() - began
        try:
            result = json.loads(done.stdout)
        except ValueError:
            said = done.stderr.strip().splitlines()[-1:]
            return Row(name, f"exit {done.returncode}", False, seconds, 0, " ".join(said)[:80])
        if result["status"] != "fixed":
            return Row(name, result["status"], False, seconds, result["tried"], _why(result["message"]))
        objection = confirm(clone, name, root / "python_programs" / f"{name}.py")
        late = f"over {limit_s:.0f} s" if seconds > limit_s else ""
        changed = [line for line in result["diff"].splitlines() if line[:1] == "+" and line[:3] != "+++"]
        note = objection or late or "; ".join(line[1:].strip() for line in changed)[:70]
        return Row(name, "fixed", not objection and not late, seconds, result["tried"], note)


def _why(message: str) -> str:
    """The reason behind the names of the tests."""
    return message.partition(": ")[2][:90] or message[:90]


def build(clone: Path, name: str, root: Path) -> Path:
    """A git repository with one buggy program, its tests, and what these need."""
    for folder in ("python_programs", "python_testcases", "json_testcases"):
        (root / folder).mkdir(parents=True)
    shutil.copy(clone / "conftest.py", root)
    shutil.copy(clone / "python_programs" / f"{name}.py", root / "python_programs")
    for file in ("load_testdata.py", "node.py", f"test_{name}.py"):
        shutil.copy(clone / "python_testcases" / file, root / "python_testcases")
    cases = clone / "json_testcases" / f"{name}.json"
    if cases.exists():
        shutil.copy(cases, root / "json_testcases")
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", name]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def confirm(clone: Path, name: str, repaired: Path) -> str:
    """Empty where the repaired program agrees with the correct one, else the first difference."""
    checker = Path(__file__).with_name("quixbugs_confirm.py")
    command = [sys.executable, str(checker), str(clone), name, str(repaired)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_CONFIRM_S, check=False)
    except subprocess.TimeoutExpired:
        return "the confirmation did not end"
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip().splitlines()[-1][:100]


def _environment(home: Path, model: Path) -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith(("KCODE_", "XDG_"))}
    for key in ("MOONSHOT_API_KEY", "KIMI_API_KEY", "ARK_API_KEY"):
        env.pop(key, None)
    env.update(HOME=str(home), KCODE_PROVIDER="embedded", KCODE_EMBEDDED__MODEL=str(model))
    env["KCODE_TESTS__PYTHON"] = sys.executable
    return env


if __name__ == "__main__":
    sys.exit(main())
