"""Whether answered turns keep their reasoning in the prompt, where the model leaves that open (K2.6).

Dropped, it breaks the prefix once a turn: the tool loop that was answered is read again at the input price
(facts E.3). Kept, it is read with every later request, at the price of cached input. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from kcode.conversation.cost import MILLION, shown
from kcode.conversation.ledger import Assistant, Entry, Epoch, Note, ToolResult, User
from kcode.conversation.tokens import shape
from kcode.providers.catalog import Model

NOTE = "reasoning-history"  # the kind of the Note that records a choice
_ANEW = ("start", "compaction", "clear", "model", "tools")
_FEWEST = 2  # finished turns, before a session's own numbers are taken for typical
_AHEAD = 5  # turns that are expected at least


@dataclass(frozen=True, slots=True)
class Turns:
    """Finished turns and what one has on average: ``text`` tokens of its loop without the reasoning,
    ``reasoning`` tokens, model ``requests``."""

    count: int = 0
    text: float = 12_000.0
    reasoning: float = 2_000.0
    requests: float = 8.0


@dataclass(frozen=True, slots=True)
class Choice:
    keep: bool
    why: str


def choose(model: Model, turns: Turns) -> Choice:
    """The cheaper side over as many turns as there were so far, at least five.

    Without prices, or without a price of cached input, keeping has nothing to gain.
    """
    step = model.prices[0] if model.prices else None
    if step is None or step.cached is None:
        return Choice(False, "dropped with each answer: no price of cached input is known")
    ahead = max(_AHEAD, turns.count)
    breaks = Decimal(ahead * turns.text) * (step.input - step.cached) / MILLION
    carried = Decimal(turns.reasoning * turns.requests * ahead * (ahead - 1) / 2) * step.cached / MILLION
    keep = carried < breaks
    costs = f"over {ahead} turns about {shown(carried, model.currency)} to keep it"
    costs += f" against {shown(breaks, model.currency)} for reading answered turns again"
    return Choice(keep, f"{'kept' if keep else 'dropped with each answer'}: {costs}")


def finished_turns(entries: Sequence[Entry]) -> Turns:
    """What the turns of a session were like; the usual numbers where too few are finished."""
    count = requests = 0
    text = reasoning = 0.0
    open_text = open_reasoning = 0.0
    open_requests = 0
    for entry in entries:
        if isinstance(entry, User):
            open_text = open_reasoning = 0.0
            open_requests = 0
        elif isinstance(entry, ToolResult):
            open_text += shape(entry.text).total
        elif isinstance(entry, Assistant):
            open_requests += 1
            open_text += shape(entry.content + "".join(call.arguments for call in entry.calls)).total
            open_reasoning += shape(entry.reasoning or "").total
            if not entry.calls:
                count, requests = count + 1, requests + open_requests
                text, reasoning = text + open_text, reasoning + open_reasoning
    if count < _FEWEST:
        return Turns(count)
    return Turns(count, text / count, reasoning / count, requests / count)


def chosen(entries: Sequence[Entry]) -> Note | None:
    """The choice that holds now, if one was made since the conversation last began anew."""
    for entry in reversed(entries):
        if isinstance(entry, Note) and entry.kind == NOTE:
            return entry
        if isinstance(entry, Epoch) and entry.reason in _ANEW:
            return None
    return None


def is_kept(note: Note | None) -> bool:
    return note is not None and note.data.get("keep") == "all"
