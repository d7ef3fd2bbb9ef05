"""``python -m tests.chaos --turns 1000 --seed 8``: a table per fault; exit 1 where a law broke."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.faults import ROWS, SOUND
from tests.chaos.plan import Plan, of_names, plans
from tests.chaos.sessions import Report, Told, run

_WIDTHS = (6, 6, 8, 10, 9, 7)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no session after that")
    parser.add_argument("--sessions", type=int, default=3, help="at a time")
    parser.add_argument("--only", action="append", choices=sorted(ROWS), help="a session of these faults")
    parser.add_argument("--kind", choices=("terminal", "script"), default="terminal", help="with --only")
    options = parser.parse_args()
    started = time.monotonic()
    if options.only:
        chosen = [of_names(1, options.kind, ["", *options.only, ""], options.seed)]
    else:
        chosen = list(plans(options.turns, options.seed, root=hasattr(os, "geteuid") and os.geteuid() == 0))
    base = Path(tempfile.mkdtemp(prefix="chaos-"))
    with ThreadPoolExecutor(options.sessions) as pool:
        until = started + 60 * options.minutes if options.minutes else float("inf")
        reports = list(pool.map(lambda plan: _one(plan, base, until), chosen))
    print_table(reports)
    broken = sum(len(told.broken) for r in reports for told in r.turns) + sum(len(r.broken) for r in reports)
    turns = [told for report in reports for told in report.turns]
    print(
        f"\nseed {options.seed}: {len(turns)} turns in {sum(bool(r.turns) for r in reports)} sessions,"
        f" {sum(t.retried for t in turns)} requests sent again, laws broken: {broken},"
        f" peak memory {max((t.peak for t in turns), default=0) // 1_000_000} MB,"
        f" {time.monotonic() - started:.0f} s"
    )
    if not any(base.iterdir()):
        base.rmdir()
    else:
        print(f"journals of the sessions in which a law broke: {base}")
    return 1 if broken else 0


def _one(plan: Plan, base: Path, until: float) -> Report:
    if time.monotonic() > until:
        return Report(plan)
    try:
        report = run(plan, base / f"chaos-{os.getpid()}-{plan.number}")
    except Exception:  # outer door: one session that cannot be played is told, the others go on
        report = Report(plan, broken=[f"the session could not be played: {traceback.format_exc()}"])
    for told in report.turns:
        for why in told.broken:
            _say(f"session {plan.number} ({plan.kind}), turn {told.turn.number} [{told.turn.label}]: {why}")
    for why in report.broken:
        _say(f"session {plan.number} ({plan.kind}), at its end: {why}")
    _say(f"session {plan.number} ({plan.kind}): {len(report.turns)} turns")
    return report


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def print_table(reports: Sequence[Report]) -> None:
    """For each fault, alone and with others: turns, requests sent again, answered, told as failed."""
    told = [turn for report in reports for turn in report.turns]
    heads = zip(("turns", "alone", "retried", "recovered", "reported", "broken"), _WIDTHS, strict=True)
    print(f"{'fault':38}" + "".join(f" {head:>{width}}" for head, width in heads))
    for name in [SOUND, *ROWS]:
        mine = [t for t in told if (not t.turn.rows if name == SOUND else t.turn.suffers(name))]
        if mine:
            print(_row(name, mine))


def _row(name: str, mine: Sequence[Told]) -> str:
    alone = sum(len(t.turn.rows) <= 1 for t in mine)
    retried = sum(t.retried > 0 for t in mine)
    answered = sum(t.answered for t in mine)
    reported = sum(not t.answered and t.reported for t in mine)
    broken = sum(bool(t.broken) for t in mine)
    figures = zip((len(mine), alone, retried, answered, reported, broken), _WIDTHS, strict=True)
    return f"{name:38}" + "".join(f" {figure:{width}}" for figure, width in figures)


if __name__ == "__main__":
    sys.exit(main())
