"""What the code map costs on real trees: ``python -m tests.bench.codemap [--aider PYTHON] FOLDER...``.

The floor is reading and parsing the same files with the same grammars, split over as many processes as the
map uses. Times are of the wall and, where processes are ended, of the processor, children included: on a
busy machine the ratio of processor times is the honest one. The index is made in a folder of its own and
thrown away; ten files get a line more and are then as they were.

``--aider`` names an interpreter that has aider-chat: its RepoMap then draws a map of the same files, as
large, first with nothing known, then in a new process with its cache of tags, and again in that process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kcode.codemap import asking, service, store
from kcode.codemap.service import CodeMap
from kcode.tools.mapping import measure
from kcode.ui.completing.symbols import SymbolIndex

TOKENS = 2_000
TOUCHED = 10
KEYS = ("c", "ca", "cat", "get", "getname", "handler", "abstractbean", "xyzzy")
AIDER_CPU_S, AIDER_GB = 900, 12  # where it needs more, it is ended, and that is said
ROUNDS = 5
_FLOOR = """
import sys
from kcode.codemap.languages import language_for
from kcode.codemap.tags import LARGEST
from kcode.workspace.grammars import parser
from pathlib import Path
parsers = {}
root, part, of = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for path in Path(sys.argv[4]).read_text().split("\\n")[part::of]:
    try:
        source = (root / path).read_bytes()
    except OSError:
        continue
    if len(source) <= LARGEST:
        name = language_for(path).grammar
        (parsers.get(name) or parsers.setdefault(name, parser(name))).parse(source)
"""
Took = tuple[float, float]  # seconds of the wall, of the processors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aider", metavar="PYTHON", default="", help="an interpreter that has aider-chat")
    parser.add_argument("folders", nargs="+", type=Path)
    asked = parser.parse_args()
    for folder in asked.folders:
        with tempfile.TemporaryDirectory() as cache:
            os.environ["XDG_CACHE_HOME"] = cache
            print(f"== {folder.name}", flush=True)
            measured(folder.resolve(), Path(cache))
            if asked.aider:
                beside(asked.aider, folder.resolve(), Path(cache))
            else:
                print("aider: not measured, --aider names no interpreter", flush=True)
    return 0


def measured(root: Path, scratch: Path) -> None:
    cores = os.cpu_count() or 1
    cold, built = indexing(root)
    paths = [path for (path,) in rows(root, "SELECT path FROM files ORDER BY path")]
    (scratch / "paths").write_text("\n".join(paths))
    floor = timed(
        [
            [sys.executable, "-c", _FLOOR, str(root), str(part), str(cores), str(scratch / "paths")]
            for part in range(cores)
        ]
    )
    print(f"files {len(paths):,}; floor: {said(floor)}")
    print(f"cold: {said(cold)}; ratio {cold[0] / floor[0]:.2f} wall, {cold[1] / floor[1]:.2f} processor")
    print(f"  questions after {built['asked_s']:.1f} s, ranks after {built['seconds']:.1f} s")
    size = store.index_path(root).stat().st_size / 1e6
    print(f"  largest process {largest_child():.0f} MB, index {size:.0f} MB")
    again, _ = indexing(root)
    print(f"nothing changed, new process: {said(again)}")
    printed = timed([[sys.executable, "-m", "kcode.cli.entry", "map"]], cwd=root)
    print(f"kcode map, new process, all checked: {said(printed)}")
    asyncio.run(in_session(root, paths))


def beside(python: str, root: Path, scratch: Path) -> None:
    """Aider's map of the same files."""
    if subprocess.run([python, "-c", "import aider.repomap"], capture_output=True).returncode:
        print(f"aider: not measured, {python} has no aider-chat", flush=True)
        return
    script = Path(__file__).with_name("codemap_aider.py")
    command = [python, str(script), str(root), str(scratch / "paths"), str(scratch / "aider")]
    for process in ("nothing known", "its tags known"):
        done = subprocess.run(
            [*command, str(AIDER_CPU_S), str(AIDER_GB)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        for line in done.stdout.splitlines():
            if line.startswith(b"{"):
                step = json.loads(line)
                what = f"aider, {process}, {step['what']}: {said(step['took'])}"
                print(f"{what}, {step['peak_mb']:.0f} MB at most", flush=True)
        if done.returncode:
            print(
                f"aider, {process}: did not end within {AIDER_CPU_S} s of the processor and {AIDER_GB} GB "
                f"(exit code {done.returncode})",
                flush=True,
            )
            return


async def in_session(root: Path, paths: list[str]) -> None:
    service.FRESH_S = 0.0
    code = CodeMap(root)
    await code.refresh(600)
    with code.reading() as index:
        assert index is not None
        name = best_name(index)
        questions = {
            "map": lambda: asking.draw(index, TOKENS, measure),
            "map with a focus": lambda: asking.draw(index, TOKENS, measure, (paths[len(paths) // 3],)),
            "find_symbol": lambda: asking.find_symbol(index, name),
            "references": lambda: asking.references(index, root, name),
        }
        for what, ask in questions.items():
            times = sorted(seconds_of(ask) for _ in range(ROUNDS))
            print(f"{what}: {1e3 * times[ROUNDS // 2]:.0f} ms (of {ROUNDS}: {1e3 * times[0]:.0f} the least)")
    typed(root)
    chosen = random.Random(6).sample(paths, min(TOUCHED, len(paths)))
    before = {path: (root / path).read_bytes() for path in chosen}
    times = []
    try:
        for turn in range(ROUNDS):
            for path in chosen:
                (root / path).write_bytes(before[path] + b"\n" * (turn + 1))
            started = time.perf_counter()
            await code.refresh(600)
            times.append(time.perf_counter() - started)
    finally:
        for path, source in before.items():
            (root / path).write_bytes(source)
    times.sort()
    print(
        f"update of {len(chosen)} files: {1e3 * times[ROUNDS // 2]:.0f} ms ({1e3 * times[0]:.0f} the least)"
    )
    print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most")
    await code.close()


def typed(root: Path) -> None:
    """What a keystroke costs in the completion of symbols, once the names are loaded."""
    symbols = SymbolIndex(root)
    symbols._load()
    times = []
    for text in KEYS:
        started = time.process_time()
        symbols._updated_at = time.monotonic()  # what an update costs is measured above
        symbols.search(text, 50)
        times.append(1e3 * (time.process_time() - started))
    print(f"@# a key: {sorted(times)[len(times) // 2]:.0f} ms of the processor, {max(times):.0f} at most")


def indexing(root: Path) -> tuple[Took, dict[str, float]]:
    with tempfile.TemporaryFile("w+") as out:
        took = timed([[sys.executable, "-m", "kcode.codemap.build", str(root)]], out=out)
        out.seek(0)
        return took, json.loads(out.read())


def timed(commands: list[list[str]], cwd: Path | None = None, out: object = subprocess.DEVNULL) -> Took:
    """Of several commands at once."""
    used, started = children(), time.perf_counter()
    running = [subprocess.Popen(command, cwd=cwd, stdout=out) for command in commands]  # type: ignore[call-overload]
    for process in running:
        process.wait()
    return time.perf_counter() - started, children() - used


def children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def largest_child() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def rows(root: Path, query: str) -> list[tuple[str, ...]]:
    index = store.open_for_reading(store.index_path(root))
    assert index is not None
    with index:
        found = index.execute(query).fetchall()
    index.close()
    return found


def best_name(index: object) -> str:
    from kcode.codemap.names import load

    return next(name for name in load(index).full if len(name) > 8 and "/" not in name)  # type: ignore[arg-type]


def seconds_of(ask: object) -> float:
    started = time.perf_counter()
    ask()  # type: ignore[operator]
    return time.perf_counter() - started


def said(took: Took) -> str:
    return f"{took[0]:.2f} s wall, {took[1]:.2f} s processor"


if __name__ == "__main__":
    raise SystemExit(main())
