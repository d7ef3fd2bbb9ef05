"""What all sessions of this user spent: their journals' usage, read from disk without loading them.

Only the lines that hold money are parsed, so that years of sessions are summed in seconds. A forked
session carries its parent's entries: each is counted once, by what it says and when.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.config.paths import state_dir
from kcode.conversation.ledger import Entry, Fee, UsageEntry
from kcode.conversation.records import decode

_MONEY = (b'"t":"UsageEntry"', b'"t":"Fee"')
_LONGEST_HEADER = 65_536


@dataclass(frozen=True, slots=True)
class Spent:
    """One request or fee. ``project`` is the folder the session worked in, ``at`` seconds since the epoch."""

    entry: UsageEntry | Fee
    session: str
    project: str

    @property
    def at(self) -> float:
        return self.entry.at

    @property
    def day(self) -> str:
        """The local date, ``2026-11-22``."""
        return datetime.fromtimestamp(self.at).astimezone().strftime("%Y-%m-%d")


@dataclass(slots=True)
class Reading:
    """A pass over journals. ``damaged`` names what could not be read, and is filled while it runs."""

    since: float = 0.0
    damaged: list[str] = field(default_factory=list)

    def all(self) -> Iterator[Spent]:
        """Every request and fee since ``since``, the journal written last at the end."""
        return distinct(self.one(path) for path in journals(self.since))

    def one(self, path: Path) -> Iterator[Spent]:
        """Those of one journal."""
        try:
            with path.open("rb") as file:
                head = _header(file.readline(_LONGEST_HEADER))
                if head is None:
                    self.damaged.append(f"{path}: not a session, or its first line is damaged")
                    return
                for number, line in enumerate(file, 2):
                    if any(mark in line for mark in _MONEY):
                        yield from self._line(line, path, number, head)
        except OSError as error:
            self.damaged.append(f"{path}: {error.strerror}")

    def _line(self, line: bytes, path: Path, number: int, head: dict[str, Any]) -> Iterator[Spent]:
        try:
            entries = list(_money_of(read_json(line)))
        except (ValueError, TypeError, KeyError, ArithmeticError):
            if line.endswith(b"\n"):  # a line without its end is being written, or was torn: no damage
                self.damaged.append(f"{path}, line {number}: damaged, left out")
            return
        for entry in entries:
            if entry.at >= self.since:
                yield Spent(entry, str(head.get("session", path.stem)), str(head.get("root", "")))


def distinct(sessions: Iterable[Iterable[Spent]]) -> Iterator[Spent]:
    """Each request and fee once, whichever of the sessions has it: a fork begins with copies."""
    seen: set[tuple[object, ...]] = set()
    for session in sessions:
        here: Counter[UsageEntry | Fee] = Counter()
        for spent in session:
            here[spent.entry] += 1  # two equal fees of one session are two fees
            key = (spent.entry, here[spent.entry])
            if key not in seen:
                seen.add(key)
                yield spent


def journals(since: float = 0.0) -> list[Path]:
    """The journals that were written to since then, oldest first."""
    found = []
    for path in (state_dir() / "sessions").glob("*/*.jsonl"):
        try:
            written = path.stat().st_mtime
        except OSError:
            continue
        if written >= since:
            found.append((written, path))
    return [path for _, path in sorted(found)]


def today() -> float:
    """The last local midnight, seconds since the epoch."""
    return datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()


class SpentToday:
    """What all sessions spent since midnight; asked again, it reads only journals that have changed."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._since = 0.0
        self._read: dict[Path, tuple[int, list[Spent]]] = {}

    def total(self, currency: str, own: Iterable[Entry]) -> Decimal:
        """In ``currency``; ``own`` is this session's ledger. What cannot be read counts as nothing."""
        if self._since != (since := today()):
            self._since, self._read = since, {}
        for path in journals(since):
            with contextlib.suppress(OSError):
                size = path.stat().st_size
                if path.stem != self._session and self._read.get(path, (-1,))[0] != size:
                    self._read[path] = (size, list(Reading(since).one(path)))
        mine = [
            Spent(entry, self._session, "")
            for entry in own
            if isinstance(entry, UsageEntry | Fee) and entry.at >= since
        ]
        everything = distinct([mine, *(found for _, found in self._read.values())])
        return sum((_amount(s.entry) for s in everything if s.entry.currency == currency), Decimal(0))


def _amount(entry: UsageEntry | Fee) -> Decimal:
    text = entry.cost if isinstance(entry, UsageEntry) else entry.amount
    return Decimal(text) if text else Decimal(0)


def _header(line: bytes) -> dict[str, Any] | None:
    try:
        head = read_json(line)
    except ValueError:
        return None
    return head if isinstance(head, dict) and "kcode_journal" in head else None


def _money_of(record: dict[str, Any]) -> Iterator[UsageEntry | Fee]:
    for each in record.get("entries", [record]):
        if each.get("t") in ("UsageEntry", "Fee"):
            entry = decode(each)
            assert isinstance(entry, UsageEntry | Fee)
            _amount(entry)
            yield entry
