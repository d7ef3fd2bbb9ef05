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
    after: dict[int, _Node] = field(default_factory=dict)


@dataclass(slots=True)
class _Line:
    """All prefixes that one server has read; ``keys`` and ``end`` are its last request's."""

    root: _Node = field(default_factory=_Node)
    keys: list[int] = field(default_factory=list)
    end: _Node = field(default_factory=_Node)

    def longest(self, keys: list[int]) -> tuple[_Node, int]:
        """The longest prefix of ``keys`` that was sent before, and how many keys it has."""
        known = len(self.keys)
        if known and keys[:known] == self.keys:
            node, depth = self.end, known
        else:
            self.touch()
            node, depth = self.root, 0
        while depth < len(keys) and (following := node.after.get(keys[depth])) is not None:
            node, depth = following, depth + 1
        return node, depth

    def touch(self) -> None:
        """The last request read all of its prefix: that counts when a later one parts from it."""
        node = self.root
        for key in self.keys:
            node = node.after[key]
            node.at = max(node.at, self.end.at)


@dataclass(frozen=True, slots=True)
class _Piece:
    """One entry: interned number, size without and with its reasoning. As a template renders it, its key is
    twice the number, and one more with the reasoning."""

    number: int
    bare: float
    full: float
    ends_loop: bool

    def key(self, rendered: bool) -> int:
        return self.number * 2 + (rendered and self.full > self.bare)

    def size(self, rendered: bool) -> float:
        return self.full if rendered else self.bare


class CacheHistory:
    """Follows a ledger as it grows; ``update`` reads only what is new."""

    def __init__(self, lookup: Lookup = in_catalogue) -> None:
        self._lookup = lookup
        self._position = 0
        self._tools: list[_Piece] = []
        self._messages: list[_Piece] = []
        self._interned: dict[WireEntry, _Piece] = {}
        self._lines: dict[tuple[str, str], _Line] = {}
        self._seen: set[int] = set()
        self._epoch = ""
        self._keeps = False  # the reasoning of answered turns, where the model leaves it open
        self._last: UsageEntry | None = None
        self._sent: list[int] = []
        self._hits: set[tuple[str, str]] = set()  # who has reported cached tokens
        self._report = CacheReport()

    def update(self, entries: Sequence[Entry]) -> None:
        for position in range(self._position, len(entries)):
            entry = entries[position]
            if isinstance(entry, Note) and entry.kind == NOTE:
                self._keeps = is_kept(entry)
            elif isinstance(entry, Epoch):
                self._epoch = entry.reason
                self._tools, self._messages = [], []
                for kept in wire_entries(entries[: position + 1]):
                    self._add(kept)
            elif isinstance(entry, WireEntry):
                self._add(entry)
            elif isinstance(entry, UsageEntry) and entry.prompt > 0 and not entry.aside:
                answered = position > 0 and isinstance(entries[position - 1], Assistant)
                self._request(entry, self._messages[:-1] if answered else self._messages)
        self._position = len(entries)

    def report(self) -> CacheReport:
        return self._report

    def expected(self, provider: str, model: Model, prompt: int, now: float) -> int:
        """Cached tokens to expect of the next request, which will have about ``prompt`` tokens: none where
        this server has never reported any, or the prefix has not been sent within its time."""
        line = self._lines.get((provider, model.id))
        if line is None or (provider, model.id) not in self._hits:
            return 0
        node, depth = line.longest(self._keys(self._messages, self._rule(model)))
        return _blocks(node.tokens, prompt) if depth and now - node.at <= TTL_S else 0

    # --- one request -----------------------------------------------------------------------------

    def _request(self, usage: UsageEntry, messages: Sequence[_Piece]) -> None:
        model = self._lookup(usage.model, usage.provider)
        rule = self._rule(model)
        keys = self._keys(messages, rule)
        line = self._lines.setdefault((usage.provider, usage.model), _Line())
        node, depth = line.longest(keys)
        known, last_at = node.tokens, node.at
        start = _start(messages, rule)
        pieces = [*self._tools, *messages]
        first = len(self._tools) + start
        rest = [(pieces[at].number, pieces[at].size(at >= first)) for at in range(depth, len(pieces))]
        size = sum(each for _, each in rest)
        per_size = max(usage.prompt - known, 0.0) / size if size else 0.0
        again = sum(each for number, each in rest if number in self._seen) * per_size
        for key, (_, each) in zip(keys[depth:], rest, strict=True):
            node.after[key] = node = _Node(node.tokens + each * per_size)
        node.tokens, node.at = float(usage.prompt), usage.at
        line.keys, line.end = keys, node
        parted = keys[: len(self._sent)] != self._sent
        reachable, possible = _blocks(known, usage.prompt), _blocks(known + again, usage.prompt)
        self._account(usage, model, possible, reachable, last_at, parted)
        self._seen.update(number for number, _ in rest)
        if usage.cached:
            self._hits.add((usage.provider, usage.model))
        self._last, self._sent, self._epoch = usage, keys, ""

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

    # --- pieces ----------------------------------------------------------------------------------

    def _rule(self, model: Model | None) -> ReasoningRule:
        if model is None:
            return "none"
        kept = self._keeps and model.reasoning_history == "keep" and model.thinking != "no"
        return "always" if kept else reasoning_rule(model)

    def _keys(self, messages: Sequence[_Piece], rule: ReasoningRule) -> list[int]:
        """As the template renders them: tool declarations first."""
        start = _start(messages, rule)
        keys = [piece.key(False) for piece in self._tools]
        keys += [piece.number * 2 for piece in messages[:start]]
        return keys + [piece.key(True) for piece in messages[start:]]

    def _add(self, entry: WireEntry) -> None:
        piece = self._interned.get(entry)
        if piece is None:
            bare = sum(shape(text).total for text in _texts(entry)) + 4.0
            full, ends_loop = bare, False
            if isinstance(entry, Assistant):
                full += shape(entry.reasoning or "").total
                ends_loop = bool(entry.content) and not entry.calls
            piece = _Piece(len(self._interned), bare, full, ends_loop)
            self._interned[entry] = piece
        (self._tools if isinstance(entry, Tools) else self._messages).append(piece)


def _start(messages: Sequence[_Piece], rule: ReasoningRule) -> int:
    """The position from which reasoning is rendered: behind the last assistant message without calls
    (facts E.3), unless all or none is."""
    if rule != "loop":
        return 0 if rule == "always" else len(messages)
    for position in range(len(messages) - 1, -1, -1):
        if messages[position].ends_loop:
            return position + 1
    return 0


def _texts(entry: WireEntry) -> Iterable[str]:
    if isinstance(entry, Tools):
        yield entry.json
    elif isinstance(entry, Assistant):
        yield entry.content
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
