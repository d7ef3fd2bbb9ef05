"""The worker processes of a build, whose results are taken while they work."""

from __future__ import annotations

import json
import marshal
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from kcode.codemap.languages import language_for
from kcode.codemap.worker import FRAME, Result, at_path, chunk_of, unreadable, write_frame
from kcode.safety.process import child_environment, run_sync

WORKER_S = 1_800.0  # longest time for a worker's share
FEWEST = 150  # files that are worth another process
MOST_CRASHES = 5  # of one worker in one language: the grammar does for no file
_LOOK_S = 0.03


def crashed(code: int) -> bool:
    """Whether a process that ended like this was ended by a grammar: by a fault, or by taking too long."""
    names = ("SIGSEGV", "SIGABRT", "SIGILL", "SIGFPE", "SIGBUS", "SIGPROF")
    return -code in {getattr(signal, name) for name in names if hasattr(signal, name)}


def results(index: Path, root: Path, paths: Sequence[str], workers: int) -> Iterator[list[Result]]:
    """What workers find in ``paths``, as it comes. Raises OSError where they cannot write it down."""
    workers = max(1, min(workers, len(paths) // FEWEST))
    paths = sorted(paths, key=_language)  # each worker loads few grammars: some take a quarter of a second
    with (
        tempfile.TemporaryDirectory(prefix="kcode-map-") as folder,
        ThreadPoolExecutor(workers) as pool,
    ):
        outs = [Path(folder) / str(n) for n in range(workers)]
        for out in outs:
            out.touch()
        running = [
            pool.submit(_work, index, root, paths, _order(-(-len(paths) // FRAME), n, workers), out)
            for n, out in enumerate(outs)
        ]
        streams = [out.open("rb") for out in outs]
        try:
            done = False
            while not done:
                done = all(work.done() for work in running)  # asked before reading: nothing is missed
                found = [result for stream in streams for result in _frames(stream)]
                if found:
                    yield found
                elif not done:
                    time.sleep(_LOOK_S)
            for work in running:
                work.result()
        finally:
            for stream in streams:
                stream.close()


def _language(path: str) -> tuple[str, str]:
    language = language_for(path)
    return language.name if language else "", path


def _order(chunks: int, worker: int, workers: int) -> list[int]:
    """The chunks in the order in which a worker takes those that are free: its own share from the front, then
    the shares of the others from behind."""
    starts = [chunks * n // workers for n in range(workers + 1)]
    found = list(range(starts[worker], starts[worker + 1]))
    for other in range(worker + 1, worker + workers):
        start = other % workers
        found += reversed(range(starts[start], starts[start + 1]))
    return found


def _work(index: Path, root: Path, paths: Sequence[str], chunks: Sequence[int], out: Path) -> None:
    """One worker's share. A file that crashes it is left out; raises OSError where the worker cannot work."""
    left: list[int] = []  # of the chunk in which it crashed
    faults: Counter[str] = Counter()
    while True:
        task = {
            "root": str(root),
            "paths": paths,
            "index": str(index),
            "chunks": chunks,
            "left": left,
            "without": [name for name, count in faults.items() if count >= MOST_CRASHES],
        }
        done = run_sync(
            [sys.executable, "-m", "kcode.codemap.worker", str(out)],
            cwd=root,
            env=child_environment({"PYTHONSAFEPATH": "1"}),  # the workspace is no place to import from
            timeout_s=WORKER_S,
            input=json.dumps(task).encode("ascii"),
        )
        if done.code == 0:
            return
        if not crashed(done.code):
            raise OSError((done.stderr.strip().splitlines() or [f"a worker ended with {done.code}"])[-1])
        at = int(at_path(out).read_text() or 0)
        faults[_language(paths[at])[0]] += 1
        if max(faults.values()) > MOST_CRASHES:
            raise OSError("a worker crashes before it reads a file")
        with out.open("ab") as stream:
            missing = unreadable(str(root), paths[at])
            write_frame(stream, [missing])
        left = [each for each in (left if at in left else chunk_of(paths, at // FRAME)) if each != at]


def _frames(stream: BinaryIO) -> Iterator[Result]:
    """The results that are there whole; what is still being written stays for the next time."""
    while True:
        at = stream.tell()
        head = stream.read(4)
        body = stream.read(int.from_bytes(head, "little")) if len(head) == 4 else b""
        if len(head) < 4 or len(body) < int.from_bytes(head, "little"):
            stream.seek(at)
            return
        yield from marshal.loads(body)  # noqa: S302 - written by our own worker, on its own pipe
