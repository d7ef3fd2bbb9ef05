"""Aider's map of the same files: ``PYTHON tests/bench/codemap_aider.py FOLDER PATHS CACHE CPU_S GB``.

Run by ``tests/bench/codemap.py --aider PYTHON`` with an interpreter that has aider-chat. PATHS is a file with
one path a line. Prints a JSON object for each step as soon as it is done: what was done, seconds of the wall
and of the processor. Its cache of tags is CACHE, so that nothing is written into FOLDER; the processor's time
is limited to CPU_S seconds, after which the system ends the process, and its address space to GB.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

TOKENS = 2_000
_PER_TOKEN = 3.5  # characters: what kcode measures its own map by


class Counting:
    """In the place of a model: RepoMap asks it how long a text is."""

    def token_count(self, text: str) -> float:
        return len(text) / _PER_TOKEN


def main() -> int:
    root, paths, cache, cpu_s = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    most = int(sys.argv[5]) << 30
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    from aider.io import InputOutput
    from aider.repomap import RepoMap

    RepoMap.TAGS_CACHE_DIR = cache
    map_ = RepoMap(
        map_tokens=TOKENS, root=root, main_model=Counting(), io=InputOutput(pretty=False, yes=True)
    )
    files = [f"{root}/{path}" for path in paths.read_text("utf-8").split("\n")]
    for what in ("first", "again in the same process"):
        wall, processor = time.perf_counter(), time.process_time()
        drawn = map_.get_ranked_tags_map([], files, TOKENS, force_refresh=True)
        took = time.perf_counter() - wall, time.process_time() - processor
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            json.dumps({"what": what, "took": took, "peak_mb": peak, "characters": len(drawn or "")}),
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
