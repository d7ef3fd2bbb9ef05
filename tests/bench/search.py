"""How much longer ``grep`` takes from call to result than ripgrep alone on the same tree: paired ratios.

    python -m tests.bench.search [--files 100000] [--rounds 9] [--root FOLDER]

Both search the same files: ripgrep is told to pass over git's own folder. Each round runs ripgrep as a
process and the tool one after the other, in alternating order; what is printed is the median of the ratios
of the pairs, of time and of processor time (which a busy machine disturbs less), and both medians in
milliseconds. The first search of a session, which asks git more, is a line of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from kcode.config.settings import Settings
from kcode.tools.base import ToolContext
from kcode.tools.grep import Grep, GrepArguments
from kcode.tools.grep_engines import ripgrep
from kcode.workspace import listing
from kcode.workspace.workspace import Workspace

PATTERNS = {
    "rare literal": "needle_in_the_hay",
    "regex": r"class \w+Manager\b",
    "no literal": r"\b[a-z]{3}_[0-9]{4}\b",
    "nothing": "zzzzqqqq",
    "2,000 hits": r"class \w+Handler\b",
    "everything": r"return \w+",
}


def tree(root: Path, files: int) -> None:
    """Python-like files of 2 kB on average, in folders of forty; one in a thousand has the rare
    word. Committed."""
    chance = random.Random(7)
    words = [f"{chance.choice('abcdefg')}{number}" for number in range(500)]
    for number in range(files):
        folder = root / f"p{number // 1600}" / f"m{number // 40 % 40}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            f"def {chance.choice(words)}({chance.choice(words)}): return {chance.choice(words)}"
            for _ in range(chance.randrange(10, 80))
        ]
        if number % 1000 == 0:
            lines.append("x = needle_in_the_hay")
        if number % 500 == 0:
            lines.append(f"class Order{number}Manager: pass")
        if number % 50 == 7:
            lines.append(f"class Order{number}Handler: pass")
        (folder / f"f{number}.py").write_text("\n".join(lines) + "\n")
    (root / ".gitignore").write_text("*.log\nbuild/\n")
    author = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], ["gc", "-q"]):
        subprocess.run(["git", *author, *command], cwd=root, check=True)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds on the clock, and of the processor by this process and those it waited for."""

    clock: float
    processor: float

    @classmethod
    def now(cls) -> Spent:
        times = os.times()
        return cls(time.perf_counter(), sum(times[:4]))

    def until(self, other: Spent) -> Spent:
        return Spent(other.clock - self.clock, other.processor - self.processor)


def alone(root: Path, pattern: str) -> Spent:
    began = Spent.now()
    subprocess.run(
        [ripgrep(), "--no-config", "--hidden", "--glob=!.git", "--line-number", "-e", pattern, "./"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    return began.until(Spent.now())


def through_the_tool(context: ToolContext, pattern: str) -> Spent:
    began = Spent.now()
    asyncio.run(Grep().run(GrepArguments(pattern=pattern), context))
    return began.until(Spent.now())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--root", type=Path, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = given.root or Path(folder)
        if given.root is None:
            tree(root, given.files)
        context = ToolContext(Workspace.open(root), Settings())
        for name, pattern in {"first of a session": PATTERNS["rare literal"], **PATTERNS}.items():
            alone(root, pattern)
            pairs = []
            for number in range(given.rounds):
                if name == "first of a session":
                    listing.forget()
                first = alone(root, pattern) if number % 2 else None
                tool = through_the_tool(context, pattern)
                pairs.append((tool, first or alone(root, pattern)))
            ratio = statistics.median(tool.clock / own.clock for tool, own in pairs)
            work = statistics.median(tool.processor / max(own.processor, 0.01) for tool, own in pairs)
            tool, own = (
                statistics.median(each.clock for each in column) * 1000 for column in zip(*pairs, strict=True)
            )
            print(
                f"{name:18} ratio {ratio:.2f}, of processor time {work:.2f}"
                f"   grep {tool:7.0f} ms   ripgrep {own:7.0f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
