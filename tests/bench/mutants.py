"""Measure ``kcode fix`` on fresh defects: mutants of real libraries, whose own test suites notice them.

    python -m tests.bench.mutants CLONE... --model FILE.gguf [--single 60] [--double 20] [--limit 90]
                                  [--results FILE.jsonl] [--minutes 15] [--shuffle]

No text of a library is kept here: mutants are made from given clones, the same ones for the same seed and
commits. A mutant counts where the suite, green before, fails with it. In a repository that holds the mutant
alone, the real ``kcode fix --yes --json`` runs without a target, so the defect is looked for in the whole
library. Then the suite runs again, and the mutated function is compared with the original on the inputs
that the suite calls it with and on variations of these. Exit code 0 where 75 % of the single and 30 % of
the double mutants are truly repaired and no wrong patch was presented as a fix.

With ``--results`` what was measured is kept, and the same command goes on from there; ``--minutes`` ends it
between two repairs. ``--shuffle`` measures in an order that the seed decides, so that what was measured so
far is a random part of the whole.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tests.bench.mutants_made import Change, changes_in, matter, mutated
from tests.bench.mutants_record import Record

BARS = {1: 0.75, 2: 0.30}
_SUITE_S = 90
_LEFT_OUT = shutil.ignore_patterns(".git", "docs", "doc", "bench", "misc", "__pycache__", "test_package.py")
_MOST_FAILING = 0.4  # a mutant that breaks more of the suite is a broken import, no defect to look for


@dataclass(frozen=True)
class Mutant:
    library: str
    path: str
    function: str
    changes: tuple[Change, ...]

    def __str__(self) -> str:
        return f"{self.library} {self.path}:{','.join(str(one.line) for one in self.changes)}"


@dataclass(frozen=True)
class Row:
    mutant: Mutant
    verdict: str  # repaired, or why not
    seconds: float
    tried: int
    note: str

    def __str__(self) -> str:
        kinds = "+".join(one.kind for one in self.mutant.changes)
        what = f"{self.mutant!s:42} {kinds:26} {self.verdict:22}"
        return f"{what} {self.seconds:6.1f} {self.tried:5}  {self.note}"


def main() -> int:
    wanted = _arguments()
    record = Record(wanted.results)
    until = time.monotonic() + 60 * wanted.minutes if wanted.minutes else float("inf")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as temp:
        libraries = [_library(clone.resolve(), Path(temp) / "original") for clone in wanted.clones]
        mutants: list[Mutant] = []
        for lines, count in ((1, wanted.single), (2, wanted.double)):
            mutants += _in_turn([_mutants(root, lines, wanted.seed, record) for root in libraries], count)
        if wanted.shuffle:
            random.Random(wanted.seed).shuffle(mutants)
        for mutant in mutants:
            known = record.rows.get(str(mutant))
            if known is None and time.monotonic() > until:
                continue
            row = Row(mutant, **known) if known else measure(mutant, Path(temp), wanted)
            if known is None:
                told = {key: value for key, value in asdict(row).items() if key != "mutant"}
                record.measured(str(mutant), told)
            rows.append(row)
            print(f"{len(mutant.changes)}  {row}", flush=True)
    return _summary(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure kcode fix on mutants of libraries")
    parser.add_argument("clones", type=Path, nargs="+", help="clones of Python libraries that use pytest")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--single", type=int, default=60, help="how many mutants of one line")
    parser.add_argument("--double", type=int, default=20, help="how many mutants of two lines")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--limit", type=float, default=90.0, help="seconds for each repair")
    parser.add_argument("--results", type=Path, help="a file that keeps what was measured")
    parser.add_argument("--minutes", type=float, default=0.0, help="end after about so many; 0: never")
    parser.add_argument("--shuffle", action="store_true", help="measure in a random order")
    parser.add_argument("--kcode", default=str(Path(sys.executable).parent / "kcode"), help="the program")
    return parser.parse_args()


def _summary(rows: list[Row]) -> int:
    good = True
    for lines, bar in BARS.items():
        ours = [row for row in rows if len(row.mutant.changes) == lines]
        if not ours:
            continue
        verdicts = Counter(row.verdict for row in ours)
        times = sorted(row.seconds for row in ours)
        share = verdicts["repaired"] / len(ours)
        good = good and share >= bar and not verdicts["WRONG, presented"]
        told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
        print(f"\nlines changed: {lines}; repaired: {verdicts['repaired']} of {len(ours)} ({share:.0%})")
        print(f"  {told}; seconds: median {times[len(times) // 2]:.1f}, longest {times[-1]:.1f}")
        seen = Counter(row.note.partition(":")[0] for row in ours if row.verdict == "repaired")
        if seen:
            print("  repaired as seen by: " + ", ".join(f"{how} {count}" for how, count in seen.items()))
    return 0 if good else 1


# --- the mutants ----------------------------------------------------------------------------


def _library(clone: Path, into: Path) -> Path:
    root = into / clone.name
    shutil.copytree(clone, root, ignore=_LEFT_OUT)
    code, failed, total = suite(root)
    if code != 0:
        sys.exit(f"{clone.name}: the suite is not green before: {failed} of {total} fail")
    return root


def _in_turn(found: list[Iterator[Mutant]], count: int) -> Iterator[Mutant]:
    """One of each library after the other."""
    while count > 0 and found:
        for source in list(found):
            mutant = next(source, None)
            if mutant is None:
                found.remove(source)
            elif count > 0:
                count -= 1
                yield mutant


def _mutants(root: Path, lines: int, seed: int, record: Record) -> Iterator[Mutant]:
    """Mutants that the suite kills, in an order that only the seed decides."""
    chance = random.Random(f"{seed} {root.name} {lines}")
    places: list[tuple[str, str, list[Change]]] = []
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if "test" in name or path.name in ("setup.py", "conftest.py", "__init__.py", "_version.py"):
            continue
        places += [(name, function, made) for function, made in changes_in(path.read_text()) if made]
    while True:
        name, function, made = chance.choice(places)
        chosen = sorted(chance.sample(made, min(lines, len(made))), key=lambda one: one.line)
        mutant = Mutant(root.name, name, function, tuple(chosen))
        if len({one.line for one in chosen}) == lines:
            told = f"{mutant} {[one.new for one in chosen]}"
            if record.noticed(told, partial(_killed, root, mutant)):
                yield mutant


def _killed(root: Path, mutant: Mutant) -> bool:
    """The suite notices it; of two changes, it notices each by itself."""
    parts = [mutant.changes] if len(mutant.changes) == 1 else [*((one,) for one in mutant.changes)]
    target = root / mutant.path
    before = target.read_bytes()
    try:
        for part in [*parts, mutant.changes] if len(parts) > 1 else parts:
            if not matter(before.decode(), part):
                return False
            target.write_text(mutated(before.decode(), part), newline="")
            code, failed, total = suite(root)
            if code != 1 or not total or failed > _MOST_FAILING * total:
                return False
    finally:
        target.write_bytes(before)
    return True


def suite(root: Path) -> tuple[int, int, int]:
    """(exit code of pytest, tests that fail, tests that ran)."""
    report = root.parent / f"{root.name}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "no:randomly", "--tb=no", f"--junitxml={report}"]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(root)}
    try:
        done = subprocess.run(command, cwd=root, env=env, capture_output=True, timeout=_SUITE_S, check=False)
    except subprocess.TimeoutExpired:
        return -1, 0, 0
    from xml.etree import ElementTree

    counts = ElementTree.parse(report).getroot().find("testsuite")
    if counts is None:
        return done.returncode, 0, 0
    failed = int(counts.get("failures", 0)) + int(counts.get("errors", 0))
    return done.returncode, failed, int(counts.get("tests", 0))


# --- one repair -----------------------------------------------------------------------------


def measure(mutant: Mutant, temp: Path, wanted: argparse.Namespace) -> Row:
    """Repair one mutant in a repository of its own, then look whether it is one."""
    original = temp / "original" / mutant.library
    root = temp / "work" / mutant.library
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(original, root)
    target = root / mutant.path
    target.write_text(mutated(target.read_bytes().decode(), mutant.changes), newline="")
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for git in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "start"]):
        subprocess.run(["git", *git], cwd=root, check=True)
    command = [wanted.kcode, "fix", "--yes", "--json", "--max-seconds", f"{wanted.limit:.0f}"]
    began = time.monotonic()
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=_environment(temp / "home", wanted.model.resolve()),
            capture_output=True,
            text=True,
            timeout=3 * wanted.limit + 60,
            check=False,
        )
        result = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Row(mutant, "over time", time.monotonic() - began, 0, "")
    except ValueError:
        said = " ".join(done.stderr.strip().splitlines()[-1:])
        return Row(mutant, f"exit {done.returncode}", time.monotonic() - began, 0, said[:80])
    seconds = time.monotonic() - began
    if result["status"] != "fixed":
        return Row(mutant, _reason(mutant, result), seconds, result["tried"], result["message"][:100])
    added = [
        line[1:].strip() for line in result["diff"].splitlines() if line[:1] == "+" and line[:3] != "+++"
    ]
    objection, shown = _objection(original, root, mutant)
    verdict = "repaired" if not objection else "WRONG, warned" if result["warning"] else "WRONG, presented"
    note = f"{objection or shown}: {'; '.join(added)}"
    return Row(mutant, verdict, seconds, result["tried"], note[:110])


def _reason(mutant: Mutant, result: dict[str, object]) -> str:
    return "not found" if result["status"] == "not_fixed" else str(result["status"])


def _objection(original: Path, root: Path, mutant: Mutant) -> tuple[str, str]:
    """What speaks against the repair, empty where the suite passes and the function does what the original
    does; and how that was seen: `same` text, `alike` on inputs, or by the `suite` alone, where the function
    cannot be called by itself."""
    if (root / mutant.path).read_bytes() == (original / mutant.path).read_bytes():
        return "", "same"
    code, failed, _ = suite(root)
    if code != 0:
        return f"{failed} tests of the suite fail", ""
    checker = Path(__file__).with_name("mutants_behaviour.py")
    command = [sys.executable, str(checker), str(original), str(root), mutant.path, mutant.function]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * _SUITE_S, check=False)
    except subprocess.TimeoutExpired:
        return "the comparison did not end", ""
    if done.returncode:
        return (done.stdout + done.stderr).strip().splitlines()[-1][:80], ""
    return "", "alike" if "alike" in done.stdout else "suite"


def _environment(home: Path, model: Path) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("KCODE_", "XDG_"))}
    for key in ("MOONSHOT_API_KEY", "KIMI_API_KEY", "ARK_API_KEY"):
        env.pop(key, None)
    env.update(HOME=str(home), KCODE_PROVIDER="embedded", KCODE_EMBEDDED__MODEL=str(model))
    env["KCODE_TESTS__PYTHON"] = sys.executable
    return env


if __name__ == "__main__":
    sys.exit(main())
