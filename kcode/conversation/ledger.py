"""The ledger: what was said and done, append-only. The journal is its copy on disk.

Wire entries (``System Tools User Assistant ToolResult``) are projected into requests; the others
record facts beside them. An :class:`Epoch` is the only thing that may change what earlier entries
project to, and it says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

EpochReason = Literal["start", "compaction", "model", "tools", "clear", "rewind"]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as the model spelled it: ``arguments`` is its raw JSON text."""

    id: str
    name: str
    arguments: str
    builtin: bool = False  # one of the provider's own, such as $web_search


@dataclass(frozen=True, slots=True)
class System:
    text: str


@dataclass(frozen=True, slots=True)
class Tools:
    """The tool declarations of this epoch: one JSON array, spelled once and stored as sent."""

    json: str


@dataclass(frozen=True, slots=True)
class User:
    """``text`` is what is sent; ``typed`` is what the person typed, without the appended context."""

    text: str
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Assistant:
    """``reasoning`` is None when the model sent none; ``""`` is kept apart from None (k2 quirk B.4).

    ``signature`` seals the reasoning where the wire has such a thing.
    """

    content: str
    reasoning: str | None = None
    calls: tuple[Call, ...] = ()
    finish: str = "stop"
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The answer to one call, bounded when it enters and never edited later.

    ``images`` are ``data:`` addresses, shown to models that see.
    """

    call_id: str
    name: str
    text: str
    ok: bool = True
    brief: str = ""
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Epoch:
    """From here on the wire starts anew: with nothing, with the first live entries, or as it once was.

    ``keep_upto`` counts entries of the whole ledger: those of the live entries before that position stay.
    ``restore_upto`` brings back what was live when the ledger had that many entries, across epochs that
    have emptied it since (a compaction, a clear, a rewind); it goes before ``keep_upto``.
    """

    reason: EpochReason
    detail: str = ""
    keep_upto: int | None = None
    restore_upto: int | None = None


@dataclass(frozen=True, slots=True)
class UsageEntry:
    """One request's tokens and price. ``cost`` is a decimal string in ``currency``, ``""`` unknown.

    ``cost`` is everything the request cost; its parts, decimal strings too, are ``input_cost`` (input that
    was not cached), ``cached_cost``, ``output_cost``, ``storage`` and ``write`` (cache storage and cache
    writes). ``saved`` is what cached input saved against input at full price. ``at`` is when the answer was
    there, seconds since the epoch.
    """

    model: str
    prompt: int
    cached: int
    completion: int
    reasoning: int = 0
    cost: str = ""
    currency: str = ""
    seconds: float = 0.0
    provider: str = ""
    cache_write: int = 0
    stored: int = 0
    stored_hours: int = 0
    batch: bool = False
    storage: str = ""
    write: str = ""
    saved: str = ""
    input_cost: str = ""
    cached_cost: str = ""
    output_cost: str = ""
    at: float = 0.0
    aside: str = ""  # what asked beside the conversation (``commit``, ``review``, ``fix``); "" for a turn


@dataclass(frozen=True, slots=True)
class Fee:
    """Money beside tokens, such as a web search. ``amount`` is a decimal string in ``currency``.

    ``at`` is when it was due, seconds since the epoch.
    """

    kind: str
    amount: str
    currency: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A snapshot of the files about to change, restored by ``/undo``."""

    id: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """``answer`` is ``yes``, ``no``, ``all``, or ``part``: then ``applied`` is the change that was accepted
    instead, as a diff. ``rules`` are those that the answer made, with how long they hold."""

    call_id: str
    answer: str
    reason: str = ""
    applied: str = ""
    rules: str = ""


@dataclass(frozen=True, slots=True)
class Note:
    """Anything worth keeping that is not sent: a retry, an interruption, a notice."""

    kind: str
    text: str = ""
    data: dict[str, str] = field(default_factory=dict)


WireEntry = System | Tools | User | Assistant | ToolResult
Entry = WireEntry | Epoch | UsageEntry | Fee | Checkpoint | Approval | Note
WIRE_TYPES = (System, Tools, User, Assistant, ToolResult)


def live_entries(entries: Sequence[Entry]) -> list[Entry]:
    """The entries that count today: epochs applied, in order. Pure."""
    return [entry for _, entry in live_positions(entries)]


def live_positions(entries: Sequence[Entry]) -> list[tuple[int, Entry]]:
    """:func:`live_entries`, each with its position in the ledger. Pure; one pass.

    A position that an epoch cannot mean (behind itself) counts as the epoch's own.
    """
    asked_for = {entry.restore_upto for entry in entries if isinstance(entry, Epoch)}
    remembered: dict[int, list[tuple[int, Entry]]] = {}
    live: list[tuple[int, Entry]] = []
    for position, entry in enumerate(entries):
        if position in asked_for:
            remembered[position] = list(live)
        if not isinstance(entry, Epoch):
            live.append((position, entry))
        elif entry.restore_upto is not None:
            live = list(remembered.get(entry.restore_upto, live))
        elif entry.keep_upto is not None:
            live = [(at, kept) for at, kept in live if at < entry.keep_upto]
        else:
            live = []
    return live


def wire_entries(entries: Sequence[Entry]) -> list[WireEntry]:
    """The entries that are sent, in order."""
    return [entry for entry in live_entries(entries) if isinstance(entry, WIRE_TYPES)]


def open_calls(entries: Iterable[Entry]) -> list[Call]:
    """Calls of the live conversation that have no result yet, in call order."""
    pending: dict[str, Call] = {}
    for entry in live_entries(list(entries)):
        if isinstance(entry, Assistant):
            pending.update((call.id, call) for call in entry.calls)
        elif isinstance(entry, ToolResult):
            pending.pop(entry.call_id, None)
    return list(pending.values())
