"""Which sessions there are: listed, searched and thrown away, without opening them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.config.paths import state_dir
from kcode.conversation.journal import SessionBusy, find_session, held, session_files
from kcode.conversation.records import KINDS, TOGETHER
from kcode.errors import UsageError

_SHOWN = ("User", "Assistant", "UsageEntry", "Note", "Fee")


@dataclass(frozen=True, slots=True)
class Summary:
    """A session as a list shows it. Times are seconds since the epoch; ``cost`` sums by currency.

    ``title`` is what the user typed first, ``last`` the last thing said by either side. ``damage`` says
    what is wrong with the journal, or is empty.
    """

    id: str
    path: Path
    root: str
    created: float
    changed: float
    size: int  # bytes
    title: str = ""
    last: str = ""
    branch: str = ""
    model: str = ""
    messages: int = 0  # that the user typed
    requests: int = 0
    cost: tuple[tuple[str, Decimal], ...] = ()
    parent: str = ""
    damage: str = ""
    typed: tuple[str, ...] = ()


def summaries(root: Path) -> list[Summary]:
    """The sessions of a project, the latest first; those in which nothing was said are left out."""
    return [found for found in map(summary, reversed(session_files(root))) if found.messages]


def all_summaries() -> list[Summary]:
    """The sessions of every project, the latest first."""
    paths = sorted((state_dir() / "sessions").glob("*/*.jsonl"), key=_changed, reverse=True)
    return [found for found in map(summary, paths) if found.messages]


def summary(path: Path) -> Summary:
    """What a list shows of one session; reads only the lines it needs."""
    head: dict[str, Any] = {}
    facts = _Facts()
    damage = ""
    changed = _changed(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break  # torn, or being written
                try:
                    if number == 1:
                        head = dict(read_json(line))
                    elif line.startswith(_STARTS):
                        record = read_json(line.decode("utf-8", "surrogatepass"))
                        for each in record["entries"] if record["t"] == TOGETHER else [record]:
                            facts.take(each)
                    elif not line.startswith(_KINDS) or not line.endswith(b"}\n"):
                        damage = damage or f"line {number} is damaged"
                except (ValueError, TypeError, AttributeError, KeyError):
                    damage = damage or f"line {number} is damaged"
    except OSError as error:
        return Summary(path.stem, path, "", 0, changed, 0, damage=f"cannot be read: {error.strerror}")
    created = head.get("created", 0)
    return Summary(
        str(head.get("session", path.stem)),
        path,
        str(head.get("root", "")),
        float(created) if isinstance(created, int | float) else 0.0,
        changed,
        size,
        facts.typed[0] if facts.typed else "",
        facts.last,
        facts.branch,
        facts.model,
        len(facts.typed),
        facts.requests,
        tuple(sorted(facts.money.items())),
        str(head.get("parent", "")),
        damage,
        tuple(facts.typed),
    )


_STARTS = tuple(f'{{"t":"{kind}"'.encode() for kind in (*_SHOWN, TOGETHER))
_KINDS = tuple(f'{{"t":"{kind}"'.encode() for kind in KINDS)


class _Facts:
    """What accumulates over the lines of one journal."""

    def __init__(self) -> None:
        self.typed: list[str] = []
        self.last = self.branch = self.model = ""
        self.requests = 0
        self.money: dict[str, Decimal] = {}

    def take(self, record: dict[str, Any]) -> None:
        kind = record["t"]
        if kind == "User" and record.get("typed"):
            self.last = str(record["typed"])
            self.typed.append(self.last)
        elif kind == "Assistant" and record.get("content", "").strip():
            self.last = str(record["content"])
        elif kind == "Note":
            data = record.get("data") or {}
            self.branch = str(data.get("branch", self.branch))
            self.model = str(data.get("model", self.model))
        elif kind == "UsageEntry":
            self.requests += 1
            self.model = str(record.get("model", self.model))
            self._spend(record.get("cost", ""), record.get("currency", ""))
        elif kind == "Fee":
            self._spend(record.get("amount", ""), record.get("currency", ""))

    def _spend(self, amount: str, currency: str) -> None:
        if amount:
            with contextlib.suppress(InvalidOperation):
                self.money[currency] = self.money.get(currency, Decimal(0)) + Decimal(amount)


def matching(found: Sequence[Summary], words: str) -> list[Summary]:
    """Those whose id begins with ``words``, else those in which every word was typed, is the branch's or
    the last thing said."""
    by_id = [each for each in found if each.id.startswith(words)]
    if by_id:
        return by_id
    wanted = words.casefold().split()
    texts = [(each, "\n".join((*each.typed, each.branch, each.last, each.id)).casefold()) for each in found]
    return [each for each, text in texts if all(word in text for word in wanted)]


def choose(root: Path, wanted: str) -> Path:
    """The one session that ``wanted`` (the beginning of an id, or words) means.

    Raises UsageError where there is none or several, naming them.
    """
    with contextlib.suppress(UsageError):
        return find_session(root, wanted)
    found = matching(summaries(root), wanted)
    if not found:
        raise UsageError(f"no session fits {wanted!r}", "kcode session list")
    if len(found) > 1:
        named = "; ".join(f"{each.id} {' '.join(each.title.split())[:40]}" for each in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise UsageError(f"{wanted!r} fits several sessions: {named}{more}", "give an id, or more words")
    return found[0].path


def remove(path: Path) -> int:
    """Delete a session; the bytes that were freed. Raises :class:`SessionBusy` where it is open."""
    with held(path):
        size = path.stat().st_size
        path.unlink()
    return size


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many sessions went, and how many bytes that freed."""

    sessions: int = 0
    size: int = 0


def prune(paths: Sequence[Path], *, older_than: float = 0, max_bytes: int = 0) -> Pruned:
    """Delete sessions last written before ``older_than`` (seconds since the epoch), then the oldest ones
    until the rest is within ``max_bytes`` (0: any size). Open sessions stay."""
    ordered = sorted(paths, key=_changed)
    sizes = {path: _size(path) for path in ordered}
    total, gone, freed = sum(sizes.values()), 0, 0
    for path in ordered:
        too_old = bool(older_than) and _changed(path) < older_than
        if not too_old and (not max_bytes or total <= max_bytes):
            continue
        with contextlib.suppress(SessionBusy, OSError):
            remove(path)
            gone, freed, total = gone + 1, freed + sizes[path], total - sizes[path]
    return Pruned(gone, freed)


def every_journal() -> Iterator[Path]:
    """The journals of all projects."""
    yield from (state_dir() / "sessions").glob("*/*.jsonl")


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
