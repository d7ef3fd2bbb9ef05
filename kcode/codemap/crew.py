"""The worker processes of a build, whose results are taken while they work."""

from __future__ import annotations

import json
import marshal
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

from kcode.codemap.worker import FRAME, Result, at_path, unreadable, write_frame
from kcode.safety.process import child_environment, run_sync

WORKER_S = 1_800.0  # longest time for a worker's share
FEWEST = 150  # files that are worth another process
MOST_CRASHES = 20  # of one worker
_LOOK_S = 0.03


def crashed(code: int) -> bool:
    """Whether a process that ended like this was ended by a grammar: by a fault, or by taking too long."""
    names = ("SIGSEGV", "SIGABRT", "SIGILL", "SIGFPE", "SIGBUS", "SIGPROF")
    return -code in {getattr(signal, name) for name in names if hasattr(signal, name)}


def results(index: Path, root: Path, paths: Sequence[str], workers: int) -> Iterator[list[Result]]:
    """What workers find in ``paths``, as it comes. Raises OSError where they cannot write it down."""
    workers = max(1, min(workers, len(paths) // FEWEST))
    with (
        tempfile.TemporaryDirectory(prefix="kcode-map-") as folder,
        ThreadPoolExecutor(workers) as pool,
    ):
        outs = [Path(folder) / str(n) for n in range(workers)]
        for out in outs:
            out.touch()
        running = [pool.submit(_work, index, root, paths[n::workers], out) for n, out in enumerate(outs)]
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


def _work(index: Path, root: Path, paths: Sequence[str], out: Path) -> None:
    """One worker's share. A file that crashes it is left out; raises OSError where the worker cannot work."""
    left = list(paths)
    for _ in range(MOST_CRASHES):
        done = run_sync(
            [sys.executable, "-m", "kcode.codemap.worker", str(out)],
            cwd=root,
            env=child_environment({"PYTHONSAFEPATH": "1"}),  # the workspace is no place to import from
            timeout_s=WORKER_S,
            input=json.dumps({"root": str(root), "paths": left, "index": str(index)}).encode("ascii"),
        )
        if done.code == 0:
            return
        if not crashed(done.code):
            raise OSError((done.stderr.strip().splitlines() or [f"a worker ended with {done.code}"])[-1])
        at = int(at_path(out).read_text() or 0)
        with out.open("ab") as stream:
            write_frame(stream, [unreadable(str(root), left[at])])
        del left[at]
        left = left[at // FRAME * FRAME :]  # what came before is written
        if not left:
            return


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
