"""SIGKILL at random moments of a scripted session, many times: ``python -m tests.bench.kill --kills 200``.

After each kill: the journal loads, the files are what it says, the resumed request begins with the bytes of
the last request before the kill, and the simulator, which refuses illegal histories, answers it.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.cli import killing
from tests.k2sim import Simulator


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    outcomes, failures = [], 0
    with tempfile.TemporaryDirectory() as folder, Simulator(killing.answer) as sim:
        _own_home(Path(folder))
        whole = killing.run_whole(sim, killing.make_project(Path(folder, "whole")))
        started = time.monotonic()
        for number in range(options.kills):
            after = moments.uniform(0, whole)
            project = killing.make_project(Path(folder, f"p{number}"))
            try:
                outcomes.append(killing.kill_and_resume(sim, project, after))
            except AssertionError:
                failures += 1
                print(f"kill {number}, after {after:.3f} s:", file=sys.stderr)
                traceback.print_exc()
    begun = [outcome for outcome in outcomes if outcome.begun]
    print(f"whole session: {whole:.1f} s, {killing.STEPS} steps")
    print(f"kills: {options.kills}, failures: {failures}, {time.monotonic() - started:.0f} s")
    print(f"before the first message was on disk: {len(outcomes) - len(begun)}")
    print(f"entries in the journal: {sum(o.entries for o in begun)}, at most {max(o.entries for o in begun)}")
    print(f"kills with a call under way: {sum(o.open_calls > 0 for o in begun)}")
    print(f"kills that left a temporary file: {sum(o.litter > 0 for o in begun)}")
    return 1 if failures else 0


def _own_home(folder: Path) -> None:
    os.environ.update(HOME=str(folder), GIT_CONFIG_GLOBAL=str(folder / ".gitconfig"))
    for name in [name for name in os.environ if name.startswith(("XDG_", "KCODE_"))]:
        del os.environ[name]
    (folder / ".gitconfig").write_text("[user]\n\tname = Test\n\temail = test@example.invalid\n")


if __name__ == "__main__":
    sys.exit(main())
