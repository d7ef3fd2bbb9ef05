"""What of each prompt the server could have read from its cache, what it did, and why there is a gap.

Servers match prefixes in blocks of 256 tokens (facts B.8). The ledger tells what every request sent; token
counts are the server's own where a request ended, and shared out by size between. Pure: no clock, no disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from kcode.conversation.budget import ReasoningRule, reasoning_rule
from kcode.conversation.cost import MILLION, step_of
from kcode.conversation.ledger import (
    Assistant,
    Entry,
    Epoch,
    Note,
    ToolResult,
    Tools,
    UsageEntry,
    WireEntry,
    wire_entries,
)
from kcode.conversation.reasoning import NOTE, is_kept
from kcode.conversation.tokens import shape
from kcode.providers import catalog
from kcode.providers.catalog import Model

BLOCK = 256
TTL_S = 300.0  # the shorter of the two times that Moonshot keeps a prefix (facts 0.6); others do not say

Lookup = Callable[[str, str], Model | None]
_WHY = {
    "compaction": "the conversation was compacted: a hand-off replaced its messages",
    "clear": "/clear began a new conversation",
    "tools": "the tool declarations changed",
    "rewind": "the conversation was taken back to an earlier message",
    "start": "a new epoch began",
    "model": "another model went on: it has a cache of its own",
    "thinking": "the turn was answered, so the template dropped the reasoning of its tool loop (facts E.3)",
    "changed": "earlier messages changed",
    "missed": "the server did not use what it had seen",
    "never": "this provider reports no cached tokens",
}


@dataclass(frozen=True, slots=True)
class Break:
    """One request that read again what had been sent before. ``lost`` tokens of ``possible`` cached ones
    were read at full price; ``cost`` is the difference, None where no price is known. ``request`` counts
    from 1, ``at`` is in seconds since the epoch."""

    request: int
    at: float
    kind: str
    why: str
    prompt: int
    cached: int
    possible: int
    lost: int
    cost: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class CacheReport:
    """``possible`` cached tokens is what blocks of 256 allow had no prefix broken; ``reachable`` what they
    allow with the breaks that the conversation made."""

    requests: int = 0
    prompt: int = 0
    cached: int = 0
    possible: int = 0
    reachable: int = 0
    breaks: tuple[Break, ...] = ()

    @property
    def share(self) -> float:
        """Cached tokens of the reachable ones, 0 to 1."""
        return min(1.0, self.cached / self.reachable) if self.reachable else 1.0


def in_catalogue(model: str, provider: str) -> Model | None:
    return catalog.find(model, provider or None)


def explain(entries: Sequence[Entry], lookup: Lookup = in_catalogue) -> CacheReport:
    """The cache's whole story of a session."""
    history = CacheHistory(lookup)
    history.update(entries)
    return history.report()


@dataclass(slots=True)
class _Node:
    """A prefix that was sent. ``tokens`` up to its end; ``at`` when a request last had it."""

    tokens: float = 0.0
    at: float = 0.0
    after: dict[tuple[int, bool], _Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One entry as the template renders it: interned number, with or without its reasoning, its size."""

    number: int
    reasoning: bool
    size: float

    @property
    def key(self) -> tuple[int, bool]:
        return self.number, self.reasoning


class CacheHistory:
    """Follows a ledger as it grows; ``update`` reads only what is new."""

    def __init__(self, lookup: Lookup = in_catalogue) -> None:
        self._lookup = lookup
        self._position = 0
        self._live: list[WireEntry] = []
        self._numbers: dict[WireEntry, int] = {}
        self._sizes: dict[tuple[int, bool], float] = {}
        self._roots: dict[tuple[str, str], _Node] = {}
        self._seen: set[int] = set()
        self._epoch = ""
        self._keeps = False  # the reasoning of answered turns, where the model leaves it open
        self._last: UsageEntry | None = None
        self._sent: list[tuple[int, bool]] = []
        self._hits: set[tuple[str, str]] = set()  # who has reported cached tokens
        self._report = CacheReport()

    def update(self, entries: Sequence[Entry]) -> None:
        for position in range(self._position, len(entries)):
            entry = entries[position]
            if isinstance(entry, Note) and entry.kind == NOTE:
                self._keeps = is_kept(entry)
            if isinstance(entry, Epoch):
                self._live = wire_entries(entries[: position + 1])
                self._epoch = entry.reason
            elif isinstance(entry, WireEntry):
                self._live.append(entry)
            elif isinstance(entry, UsageEntry) and entry.prompt > 0:
                answered = position > 0 and isinstance(entries[position - 1], Assistant)
                self._request(entry, self._live[:-1] if answered else self._live)
        self._position = len(entries)

    def report(self) -> CacheReport:
        return self._report

    def expected(self, provider: str, model: Model, prompt: int, now: float) -> int:
        """Cached tokens to expect of the next request, which will have about ``prompt`` tokens: none where
        this server has never reported any, or the prefix has not been sent within its time."""
        if (provider, model.id) not in self._hits:
            return 0
        pieces = self._pieces(self._live, model)
        node, depth = self._walk(self._roots.get((provider, model.id), _Node()), pieces)
        if not depth or now - node.at > TTL_S:
            return 0
        return _blocks(node.tokens, prompt)

    # --- one request -----------------------------------------------------------------------------

    def _request(self, usage: UsageEntry, sent: Sequence[WireEntry]) -> None:
        model = self._lookup(usage.model, usage.provider)
        pieces = self._pieces(sent, model)
        root = self._roots.setdefault((usage.provider, usage.model), _Node())
        node, depth = self._walk(root, pieces)
        last_at = node.at
        rest = pieces[depth:]
        size = sum(piece.size for piece in rest)
        per_size = max(usage.prompt - node.tokens, 0.0) / size if size else 0.0
        again = sum(piece.size for piece in rest if piece.number in self._seen) * per_size
        known = node.tokens if depth else 0.0
        reachable = _blocks(known, usage.prompt)
        possible = _blocks(known + again, usage.prompt)
        self._remember(node, rest, per_size, usage, pieces, root)
        keys = [piece.key for piece in pieces]
        parted = keys[: len(self._sent)] != self._sent
        self._account(usage, model, possible, reachable, last_at, parted)
        self._sent = keys
        self._seen.update(piece.number for piece in pieces)
        if usage.cached:
            self._hits.add((usage.provider, usage.model))
        self._last, self._epoch = usage, ""

    def _remember(
        self,
        node: _Node,
        rest: Sequence[_Piece],
        per_size: float,
        usage: UsageEntry,
        pieces: Sequence[_Piece],
        root: _Node,
    ) -> None:
        tokens = node.tokens
        for piece in rest:
            tokens += piece.size * per_size
            node.after[piece.key] = node = _Node(tokens)
        node.tokens = float(usage.prompt)
        node = root
        for piece in pieces:
            node = node.after[piece.key]
            node.at = usage.at

    def _account(
        self,
        usage: UsageEntry,
        model: Model | None,
        possible: int,
        reachable: int,
        last_at: float,
        parted: bool,
    ) -> None:
        """``parted``: the request does not begin with the one before."""
        before = self._report
        number = before.requests + 1
        found: list[Break] = []

        def note(kind: str, why: str, lost: int) -> None:
            cost, currency = _price_of(model, usage.prompt, lost)
            found.append(
                Break(number, usage.at, kind, why, usage.prompt, usage.cached, possible, lost, cost, currency)
            )

        apart = max(possible - max(reachable, usage.cached), 0)
        if apart >= BLOCK or (parted and self._epoch):
            kind = self._kind(usage)
            note(kind, _WHY[kind], apart)
        missed = min(reachable, possible) - usage.cached
        if missed >= BLOCK:
            gap = usage.at - usage.seconds - last_at
            if (usage.provider, usage.model) not in self._hits and not usage.cached:
                note("never", _WHY["never"], missed)
            elif gap > TTL_S:
                why = f"the server's cache had run out: {gap / 60:.0f} minutes since the prefix was last sent"
                note("expired", why, missed)
            else:
                note("missed", _WHY["missed"], missed)
        self._report = CacheReport(
            number,
            before.prompt + usage.prompt,
            before.cached + usage.cached,
            before.possible + possible,
            before.reachable + reachable,
            (*before.breaks, *found),
        )

    def _kind(self, usage: UsageEntry) -> str:
        last = self._last
        if last is not None and (last.provider, last.model) != (usage.provider, usage.model):
            return "model"
        if self._epoch:
            return self._epoch
        model = self._lookup(usage.model, usage.provider)
        return "thinking" if self._rule(model) == "loop" else "changed"

    # --- prefixes --------------------------------------------------------------------------------

    def _walk(self, node: _Node, pieces: Sequence[_Piece]) -> tuple[_Node, int]:
        """The longest prefix of ``pieces`` that was sent before, and how many pieces it has."""
        for depth, piece in enumerate(pieces):
            following = node.after.get(piece.key)
            if following is None:
                return node, depth
            node = following
        return node, len(pieces)

    def _pieces(self, live: Sequence[WireEntry], model: Model | None) -> list[_Piece]:
        start = {"none": len(live), "always": 0}.get(self._rule(model), _loop_start(live))
        head = sorted(live, key=lambda entry: not isinstance(entry, Tools))  # the template has them first
        position = {id(entry): number for number, entry in enumerate(live)}
        return [self._piece(entry, position[id(entry)] >= start) for entry in head]

    def _rule(self, model: Model | None) -> ReasoningRule:
        if model is None:
            return "none"
        kept = self._keeps and model.reasoning_history == "keep" and model.thinking != "no"
        return "always" if kept else reasoning_rule(model)

    def _piece(self, entry: WireEntry, rendered: bool) -> _Piece:
        number = self._numbers.setdefault(entry, len(self._numbers))
        reasoning = rendered and isinstance(entry, Assistant) and bool(entry.reasoning)
        key = (number, reasoning)
        if key not in self._sizes:
            self._sizes[key] = sum(shape(text).total for text in _texts(entry, reasoning)) + 4.0
        return _Piece(number, reasoning, self._sizes[key])


def _loop_start(live: Sequence[WireEntry]) -> int:
    """The position behind the last assistant message without calls (facts E.3)."""
    for position in range(len(live) - 1, -1, -1):
        entry = live[position]
        if isinstance(entry, Assistant) and not entry.calls and entry.content:
            return position + 1
    return 0


def _texts(entry: WireEntry, reasoning: bool) -> Iterable[str]:
    if isinstance(entry, Tools):
        yield entry.json
    elif isinstance(entry, Assistant):
        yield entry.content
        if reasoning:
            yield entry.reasoning or ""
        for call in entry.calls:
            yield f"{call.id} {call.name} {call.arguments}"
    elif isinstance(entry, ToolResult):
        yield f"{entry.call_id} {entry.text}"
    else:
        yield entry.text


def _blocks(tokens: float, prompt: int) -> int:
    """Whole blocks of a prefix; never the whole prompt."""
    return max(0, min(round(tokens), prompt - 1)) // BLOCK * BLOCK


def _price_of(model: Model | None, prompt: int, tokens: int) -> tuple[Decimal | None, str]:
    step = step_of(model.prices, prompt) if model is not None else None
    if model is None or step is None or step.cached is None:
        return None, ""
    return tokens * (step.input - step.cached) / MILLION, model.currency
