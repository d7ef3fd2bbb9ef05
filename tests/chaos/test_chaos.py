"""A small slice of the chaos run, with every kind of fault: ``python -m tests.chaos`` is the long one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.faults import ROWS
from tests.chaos.people import stray_modes
from tests.chaos.plan import of_names, plans
from tests.chaos.sessions import Report, run

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
TERMINAL = (
    ("500 HTML", "duplicated deltas"),
    "cut stream",
    "",
    ("wrong index", "deltas out of order"),
    "key revoked",
    "clock ten years back",
    "journal deleted in the turn",
    "",
    "disk full in the turn",
    "a call repeated without end",
    "repository deleted in the turn",
    ("unknown tool", "usage wrong"),
    "",
)
SCRIPT = ("a command that hangs", "malformed JSON", "model gone", "")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def broken(report: Report) -> list[str]:
    return [*report.broken, *(f"{t.turn.label}: {why}" for t in report.turns for why in t.broken)]


@pytest.mark.parametrize(("kind", "names"), [("terminal", TERMINAL), ("script", SCRIPT)])
def test_nothing_is_lost_or_done_twice_whatever_goes_wrong(
    tmp_path: Path, kind: str, names: Sequence[str | tuple[str, ...]]
) -> None:
    report = run(of_names(1, kind, names, seed=3), tmp_path / "chaos-slice")
    assert not broken(report)
    assert len(report.turns) == len(names)
    assert all(told.answered for told in report.turns if not told.turn.rows)
    for_good = [told for told in report.turns if told.turn.suffers("key revoked")]
    assert all(told.reported and not told.answered for told in for_good)


def test_the_same_seed_is_the_same_plan_and_every_fault_comes_alone_first() -> None:
    made = list(plans(1000, 8, root=ROOT))
    assert [p.turns for p in made] == [p.turns for p in plans(1000, 8, root=ROOT)]
    assert sum(len(plan.turns) for plan in made) == 1000
    alone = {turn.rows[0].name for plan in made for turn in plan.turns if len(turn.rows) == 1}
    assert alone == {name for name, row in ROWS.items() if row.only != "root" or ROOT}


def test_modes_that_are_left_on_are_seen() -> None:
    assert stray_modes("\x1b[?25l\x1b[?2004h\x1b[?1049h\x1b[?7l") == [
        "mode ?25 is left at l",
        "mode ?7 is left at l",
        "mode ?2004 is left at h",
        "mode ?1049 is left on",
    ]
    assert not stray_modes("\x1b[?25l\x1b[?2004h\x1b[?25;7h\x1b[?2004l")
