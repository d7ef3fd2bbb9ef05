"""A plan: the answer of a turn in plan mode, and the message that accepts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.agent.aside import filled
from kcode.config.prompts import load_prompt
from kcode.conversation.ledger import Assistant, Note, User, live_entries

if TYPE_CHECKING:
    from kcode.agent.session import Session


def proposed(session: Session) -> str:
    """The answer that the last turn ended with; ``""`` where it was interrupted, failed or said nothing."""
    parts: list[str] = []
    for entry in reversed(live_entries(session.ledger)):
        if isinstance(entry, Note) and entry.kind == "turn-ended":
            return ""
        if isinstance(entry, Assistant):
            if entry.calls or entry.finish in ("interrupted", "content_filter"):
                break
            parts.append(entry.content)
        elif isinstance(entry, User) and entry.typed:
            break
    return "".join(reversed(parts)).strip()


def accepted(plan: str) -> str:
    """The user's message that accepts ``plan``. It holds the whole plan, so that it outlives a compaction."""
    return filled(load_prompt("plan_accepted"), plan=plan.strip())
