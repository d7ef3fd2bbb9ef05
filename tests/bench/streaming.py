"""What streaming costs: ``python -m tests.bench.streaming``.

kcode on a pty against the simulator at 100 and at 2,000 tokens a second (four characters each), while
somebody types all the time. Reports the CPU seconds of kcode per second of the stream, the bytes written to
the terminal, and whether every key arrived.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from tests.k2sim import TEST_KEY, Chunking, Simulator, say
from tests.ui.sitting import KCODE, Sitting

TOKEN = 4  # characters
PARAGRAPH = (
    "The function **reads** the file, then `total(prices)` adds what is in it. 读取文件。\n\n"
    "- one item of a list with some words in it\n- another item, `with code`\n\n"
    "```python\ndef total(prices):\n    return sum(price for price in prices if price)\n```\n\n"
)
TYPED = "typing while the model works "


@dataclass(frozen=True)
class Run:
    rate: int  # tokens a second, as asked for
    seconds: float
    cpu: float  # seconds
    written: int  # bytes
    typed: int
    kept: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 2_000])
    parser.add_argument("--seconds", type=float, default=3.5)
    parser.add_argument("--size", default="100x40", help="columns x rows of the terminal")
    options = parser.parse_args()
    columns, rows = (int(part) for part in options.size.split("x"))
    for rate in options.rates:
        run = stream(rate, options.seconds, columns, rows)
        share, kilobytes = run.cpu / run.seconds, run.written / run.seconds / 1000
        print(
            f"{run.rate:5} tokens/s  {run.seconds:5.1f} s  CPU {run.cpu:5.2f} s = {share:5.1%} of a core  "
            f"{kilobytes:6.1f} kB/s to the terminal  keys {run.kept} of {run.typed}",
            flush=True,
        )
    return 0


def stream(rate: int, seconds: float, columns: int, rows: int) -> Run:
    """One turn whose answer lasts about ``seconds``; it has to fit one answer of the model (8,000 tokens)."""
    text = PARAGRAPH * (int(rate * seconds * TOKEN) // len(PARAGRAPH) + 1)
    per_piece = max(1, rate // 200)  # tokens: the simulator's own pauses are not exact below some ms
    chunking = Chunking(text_chars=TOKEN * per_piece, delay_ms=1000 * per_piece / rate)
    with (
        tempfile.TemporaryDirectory() as folder,
        Simulator(lambda request: say(text, chunking=chunking)) as sim,
        _sitting(Path(folder), sim, columns, rows) as person,
    ):
        person.see("ask mode · kimi")
        person.type("go\r")
        person.see("reads the file")
        before, began, raw = _cpu(person.process.pid), time.monotonic(), len(person.terminal.raw)
        keys, stop = [0], threading.Event()

        def keep_typing() -> None:
            while not stop.wait(0.08):
                person.type(TYPED[keys[0] % len(TYPED)])
                keys[0] += 1

        typist = threading.Thread(target=keep_typing)
        typist.start()
        _drain(person)
        took, cpu = time.monotonic() - began, _cpu(person.process.pid) - before
        stop.set()
        typist.join()
        written = sum(len(piece.encode()) for piece in person.terminal.raw[raw:])
        person.settle(1)
        person.type("\r")
        person.settle(1)
        said = sim.chats[-1].json["messages"][-1]["content"] if len(sim.chats) > 1 else ""
        typed = "".join(TYPED[n % len(TYPED)] for n in range(keys[0])).strip()
        kept = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(said, typed, strict=False)))
        return Run(rate, took, cpu, written, len(typed), kept)


def _drain(person: Sitting) -> None:
    """Read to the end of the turn. The screen is not rebuilt meanwhile: that would be our own CPU."""
    ended = person.terminal
    feed, tail = ended.write, ""

    def note(text: str) -> int:
        nonlocal tail
        ended.raw.append(text)
        tail = (tail + text)[-4000:]
        return len(text)

    ended.write = note  # type: ignore[method-assign]
    while "% cached · " not in tail:  # the line that ends a turn
        person._read(1)
    ended.write = feed  # type: ignore[method-assign]


def _cpu(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _sitting(folder: Path, sim: Simulator, columns: int, rows: int) -> Sitting:
    repo = folder / "repo"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "KCODE_PROVIDER": "moonshot",
        "KCODE_MODEL": "kimi-k2-0905-preview",
        "KCODE_BASE_URL": sim.base_url,
        "KCODE_API_KEY": TEST_KEY,
    }
    return Sitting([KCODE], cwd=repo, env=env, columns=columns, rows=rows)


if __name__ == "__main__":
    sys.exit(main())
