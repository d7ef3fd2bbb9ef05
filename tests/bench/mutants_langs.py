"""Measure ``kcode fix`` on fresh defects in JavaScript and Go: mutants of libraries whose suites notice them.

    python -m tests.bench.mutants_langs CLONE... --model FILE.gguf --log ROWS.jsonl [--count 10] [--limit 90]

The clones must be able to run their tests (packages installed). No text of a library is kept here: mutants
are made from the clones, the same ones for the same seed and commits. In a repository that holds one mutant
alone the real ``kcode fix --yes --json`` runs without a target. Then the suite runs again by its own command,
and the text is compared with the original's; where it differs, JavaScript's exported functions are called
with what the suite calls them with, and with variations of that; of Go the row says "other text", for a
person to judge. Rows that ``--log`` already has are not measured again.
"""

from __future__ import annotations

import argparse
import asyncio
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
from pathlib import Path

from kcode.config.settings import RunnerSettings, Settings
from kcode.testrun.run import run_tests
from tests.bench.mutants_trees import Change, changes_in, mutated, parses, words

_SUITE_S = 120
_MOST_FAILING = 0.4
_LEFT_OUT = shutil.ignore_patterns(".git", "node_modules", "docs", "benchmarks", "examples")
_BEHAVIOUR = Path(__file__).with_name("mutants_calls.cjs")


@dataclass(frozen=True)
class Mutant:
    library: str
    path: str
    change: Change

    def __str__(self) -> str:
        return f"{self.library} {self.path}:{self.change.line}"


@dataclass(frozen=True)
class Row:
    mutant: str
    language: str
    kind: str
    verdict: str
    seconds: float
    tried: int
    note: str

    def __str__(self) -> str:
        head = f"{self.language:10} {self.mutant:34} {self.kind:18} {self.verdict:24}"
        return f"{head} {self.seconds:6.1f} {self.tried:5}  {self.note}"


def main() -> int:
    wanted = _arguments()
    known = _known(wanted.log)
    with tempfile.TemporaryDirectory(prefix="mutants-") as temp:
        clones = {clone.name: clone.resolve() for clone in wanted.clones}
        roots = [_library(clone, Path(temp) / "original") for clone in clones.values()]
        for mutant in _in_turn([_mutants(root, wanted.seed, wanted.count) for root in roots]):
            key = f"{mutant} {mutant.change.kind} {mutant.change.new.strip()}"
            row = known.get(key) or _measured(mutant, clones[mutant.library], Path(temp), wanted)
            if key not in known:
                known[key] = row
                with wanted.log.open("a") as file:
                    file.write(json.dumps({"key": key, **asdict(row)}) + "\n")
            print(row, flush=True)
    _summary(list(known.values()))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measure kcode fix on mutants of JavaScript and Go libraries"
    )
    parser.add_argument("clones", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, required=True, help="a GGUF file")
    parser.add_argument("--log", type=Path, required=True, help="JSON lines; rows in it are kept")
    parser.add_argument("--count", type=int, default=10, help="mutants of each library")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--limit", type=float, default=90.0, help="seconds for each repair")
    parser.add_argument("--kcode", default=str(Path(sys.executable).parent / "kcode"), help="the program")
    return parser.parse_args()


def _known(log: Path) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        data = json.loads(line)
        found[data.pop("key")] = Row(**data)
    return found


def _summary(rows: list[Row]) -> None:
    for language in sorted({row.language for row in rows}):
        ours = [row for row in rows if row.language == language]
        times = sorted(row.seconds for row in ours)
        repaired = sum(row.verdict.startswith("repaired") for row in ours)
        told = ", ".join(
            f"{n} {verdict}" for verdict, n in Counter(row.verdict for row in ours).most_common()
        )
        print(f"\n{language}: repaired {repaired} of {len(ours)} ({repaired / len(ours):.0%}); {told}")
        print(f"  seconds: median {times[len(times) // 2]:.1f}, longest {times[-1]:.1f}")


def _in_turn(found: list[Iterator[Mutant]]) -> Iterator[Mutant]:
    """One of each library after the other."""
    while found:
        for source in list(found):
            mutant = next(source, None)
            if mutant is None:
                found.remove(source)
            else:
                yield mutant


# --- the mutants ----------------------------------------------------------------------------------


def language_of(root: Path) -> str:
    return "Go" if (root / "go.mod").exists() else "JavaScript"


def _library(clone: Path, into: Path) -> Path:
    root = into / clone.name
    _copied(clone, root)
    if _suite(root):
        sys.exit(f"{clone.name}: the suite is not green before")
    return root


def _copied(clone: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(clone, root, ignore=_LEFT_OUT)
    if (clone / "node_modules").exists():
        (root / "node_modules").symlink_to(clone / "node_modules")


def _mutants(root: Path, seed: int, count: int) -> Iterator[Mutant]:
    chance = random.Random(f"{seed} {root.name}")
    places: list[tuple[str, Change]] = []
    for path in sorted(root.rglob("*.go" if language_of(root) == "Go" else "*.js")):
        name = path.relative_to(root).as_posix()
        if "test" not in name and "node_modules" not in name:
            places += [(name, change) for change in changes_in(name, path.read_text())]
    chance.shuffle(places)
    given: set[tuple[str, int]] = set()
    for name, change in places:
        if count and (name, change.line) not in given and _killed(root, name, change):
            given.add((name, change.line))
            count -= 1
            yield Mutant(root.name, name, change)


def _killed(root: Path, name: str, change: Change) -> bool:
    target = root / name
    before = target.read_text()
    after = mutated(before, [change])
    if not parses(name, after) or words(name, before) == words(name, after):
        return False
    target.write_text(after)
    try:
        settings = Settings(tests=RunnerSettings(rerun_failed=False))
        report = asyncio.run(run_tests(root, settings, None, _SUITE_S))
    finally:
        target.write_text(before)
    ran = report.passed + report.failed + report.errors
    builds = not any("::" not in case.id for case in report.failing)
    return builds and not report.timed_out and 0 < report.failed + report.errors <= _MOST_FAILING * ran


def _suite(root: Path) -> int:
    """The exit code of the suite's own command."""
    command = ["npm", "test"] if language_of(root) == "JavaScript" else ["go", "test", "-count=1", "./..."]
    try:
        return subprocess.run(
            command, cwd=root, capture_output=True, timeout=_SUITE_S, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return -1


# --- one repair -----------------------------------------------------------------------------------


def _measured(mutant: Mutant, clone: Path, temp: Path, wanted: argparse.Namespace) -> Row:
    original, root = temp / "original" / mutant.library, temp / "work" / mutant.library
    _copied(clone, root)
    target = root / mutant.path
    target.write_text(mutated(target.read_text(), [mutant.change]))
    (root / ".gitignore").write_text("node_modules\n")
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for git in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "start"]):
        subprocess.run(["git", *git], cwd=root, check=True)
    began = time.monotonic()
    verdict, tried, note = _repaired(mutant, original, root, temp, wanted)
    language = language_of(root)
    return Row(
        str(mutant), language, mutant.change.kind, verdict, time.monotonic() - began, tried, note[:120]
    )


def _repaired(
    mutant: Mutant, original: Path, root: Path, temp: Path, wanted: argparse.Namespace
) -> tuple[str, int, str]:
    """(verdict, candidates tried, what to know)"""
    command = [wanted.kcode, "fix", "--yes", "--json", "--max-seconds", f"{wanted.limit:.0f}"]
    env = _environment(temp / "home", wanted.model.resolve())
    try:
        done = subprocess.run(
            command,
            cwd=root,
            env=env,
            capture_output=True,
            text=True,
            timeout=4 * wanted.limit + 120,
            check=False,
        )
        result = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return "over time", 0, ""
    except ValueError:
        return f"exit {done.returncode}", 0, " ".join(done.stderr.strip().splitlines()[-1:])
    if result["status"] != "fixed":
        status = "not found" if result["status"] == "not_fixed" else str(result["status"])
        return status, result["tried"], str(result["message"])
    added = "; ".join(
        line[1:].strip() for line in result["diff"].splitlines() if line[:1] == "+" and line[:3] != "+++"
    )
    ours, theirs = (words(mutant.path, (one / mutant.path).read_text()) for one in (root, original))
    changed = [path for path in result["edits"] if path != mutant.path]
    if not changed and ours == theirs:
        return "repaired, as it was", result["tried"], added
    warned = "warned" if result["warning"] else "presented"
    if _suite(root):
        return f"WRONG, {warned}", result["tried"], f"the suite fails: {added}"
    if language_of(root) == "Go":
        return "other text", result["tried"], added
    objection = _differs(original, root)
    if objection:
        return f"WRONG, {warned}", result["tried"], f"{objection}: {added}"
    return "repaired, alike", result["tried"], added


def _differs(original: Path, root: Path) -> str:
    """The first difference between what the exported functions of both answer; empty where there is none."""
    argv = ["node", str(_BEHAVIOUR), str(original), str(root)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=2 * _SUITE_S, check=False)
    except subprocess.TimeoutExpired:
        return "the comparison did not end"
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip().splitlines()[-1][:80]


def _environment(home: Path, model: Path) -> dict[str, str]:
    home.mkdir(exist_ok=True)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("KCODE_", "XDG_"))}
    for key in ("MOONSHOT_API_KEY", "KIMI_API_KEY", "ARK_API_KEY"):
        env.pop(key, None)
    env.setdefault("GOCACHE", str(Path.home() / ".cache" / "go-build"))
    env.setdefault("GOPATH", str(Path.home() / "go"))
    env.update(HOME=str(home), KCODE_PROVIDER="embedded", KCODE_EMBEDDED__MODEL=str(model))
    return env


if __name__ == "__main__":
    sys.exit(main())
