"""Which turn suffers what: sessions of turns, the same ones for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random

from tests.chaos.faults import ROWS, Row
from tests.k2sim import Fault

STEPS = 3  # two of calls, one of words
_A_SITTING = 16
_A_SCRIPT = 7


@dataclass(frozen=True)
class Turn:
    """``spoilt`` are the server's faults by step: those of its first answers, and what all later ones suffer.
    ``at`` is the step of which the machine or the model fails."""

    number: int
    rows: tuple[Row, ...] = ()
    spoilt: dict[int, tuple[tuple[Fault, ...], Fault | None]] = field(default_factory=dict)
    at: int = 0

    @property
    def text(self) -> str:
        return f"chaos turn {self.number}: do your work"

    @property
    def label(self) -> str:
        return " + ".join(row.name for row in self.rows) or "none"

    def suffers(self, name: str) -> bool:
        return any(row.name == name for row in self.rows)


@dataclass(frozen=True)
class Plan:
    """One session: on a ``terminal`` or of ``script`` runs."""

    number: int
    kind: str
    turns: tuple[Turn, ...]
    retries: int = 2


def plans(turns: int, seed: int, *, root: bool) -> Iterator[Plan]:
    """Sessions of ``turns`` turns in all. Every fault comes alone first, in both kinds of session, with sound
    turns between; the rest suffers one to three at random."""
    chance = Random(seed)
    numbers = count(1)
    alone = {kind: _fitting(kind, root) for kind in ("terminal", "script")}
    waiting = {kind: chance.sample(rows, len(rows)) for kind, rows in alone.items()}
    left = turns
    for number in count(1):
        if not left:
            return
        kind = "script" if number % 3 == 0 else "terminal"
        size = min(left, _A_SITTING if kind == "terminal" else _A_SCRIPT)
        made = []
        for place in range(size):
            if place % 5 == 4:
                rows: tuple[Row, ...] = ()
            elif waiting[kind]:
                rows = (waiting[kind].pop(),)
            else:
                rows = _mixed(alone[kind], chance)
            made.append(make_turn(next(numbers), rows, chance))
        left -= size
        yield Plan(number, kind, tuple(made), retries=chance.choice((1, 2, 2, 3)))


def make_turn(number: int, rows: Sequence[Row], chance: Random) -> Turn:
    spoilt: dict[int, tuple[tuple[Fault, ...], Fault | None]] = {}
    for row in rows:
        if row.fault is None:
            continue
        step = chance.randrange(STEPS)
        first, later = spoilt.get(step, ((), None))
        more = tuple(row.fault(chance) for _ in range(row.times))
        spoilt[step] = (first + more, later if row.times else row.fault(chance))
    return Turn(number, tuple(rows), spoilt, at=chance.randrange(STEPS))


def of_names(number: int, kind: str, names: Sequence[str | tuple[str, ...]], seed: int = 0) -> Plan:
    """A session whose turns suffer exactly these."""
    chance = Random(seed)
    groups = [((name,) if name else ()) if isinstance(name, str) else name for name in names]
    turns = tuple(
        make_turn(place, [ROWS[name] for name in group], chance) for place, group in enumerate(groups, 1)
    )
    return Plan(number, kind, turns, retries=2)


def _fitting(kind: str, root: bool) -> list[Row]:
    return [row for row in ROWS.values() if row.only in ("", kind) or (row.only == "root" and root)]


def _mixed(rows: Sequence[Row], chance: Random) -> tuple[Row, ...]:
    """One to three; of those that are not the server's at most one, so that it is known whose a result is."""
    chosen = chance.sample(list(rows), chance.choice((1, 2, 2, 3)))
    own = [row for row in chosen if row.place != "server"]
    return tuple(row for row in chosen if row.place == "server" or row is own[0])
