"""A session's choice about the reasoning of answered turns: made once an epoch, journalled, then kept to.

Changing it in the middle would itself break the prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.conversation.ledger import Note
from kcode.conversation.reasoning import NOTE, choose, chosen, finished_turns, is_kept

if TYPE_CHECKING:
    from kcode.agent.dialogue import Dialogue


def keeps_reasoning(session: Dialogue) -> bool:
    """Whether the next request asks the server to keep it; decides and records where that is open."""
    model, dialect = session.provider.model, session.provider.dialect
    open_to_choice = model.reasoning_history == "keep" and model.thinking != "no"
    if not (open_to_choice and dialect.keep_reasoning and dialect.wire == "chat"):
        return False
    found = chosen(session.ledger)
    if found is None:
        choice = choose(model, finished_turns(session.ledger))
        found = Note(NOTE, choice.why, {"keep": "all" if choice.keep else "loop"})
        session.record(found)
    keeps = is_kept(found)
    session.budget.reasoning = "always" if keeps else "loop"
    return keeps
