"""Compaction: a new epoch that holds a hand-off instead of the messages.

The request that asks for the hand-off is the live prefix plus one instruction, so it is read from cache.
It must at least halve the context; otherwise nothing changes and the reason is said.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from kcode.agent.collect import Answer
from kcode.config.prompts import load_prompt
from kcode.conversation.journal import JournalProblem
from kcode.conversation.ledger import Epoch, Note, System, Tools, User, wire_entries
from kcode.conversation.projection import project
from kcode.errors import LimitReached
from kcode.providers.base import ContextOverflow, Retrying

if TYPE_CHECKING:
    from kcode.agent.session import Session

THRESHOLD = 0.85  # of what the window leaves beside the answer
OWN_WORDS_LIMIT = 12_000  # characters of the user's messages that are kept verbatim


def worth_compacting(session: Session) -> bool:
    """The next request would leave too little room, and the last attempt has not just failed."""
    room = session.window - session.answer_tokens()
    return session.context_tokens() > THRESHOLD * room and not session.compaction_stuck


async def compact(session: Session, keep: str = "") -> str:
    """Make the new epoch; the sentence that is returned says what it did.

    Raises LimitReached where the conversation cannot be made smaller.
    """
    position = len(session.ledger)
    try:
        return await _compact(session, keep)
    except BaseException:
        # Interrupted or not worth it: the instruction must not stay in the conversation.
        with contextlib.suppress(JournalProblem):
            session.record(Epoch("rewind", "compaction given up", keep_upto=position))
        raise


async def _compact(session: Session, keep: str) -> str:
    before = session.context_tokens()
    live = wire_entries(session.ledger)
    instruction = load_prompt("compaction") + (f"\n\nThe user asks to keep: {keep}" if keep else "")
    session.record(User(instruction))
    request = session.request(reserve=2_000)
    started = time.monotonic()
    answer = Answer()
    async for chunk in session.provider.stream(request):
        if isinstance(chunk, Retrying):
            answer = Answer()
        else:
            answer.take(chunk)
    answer.calls.clear()
    session.take_answer(answer)
    session.take_usage(answer, request, time.monotonic() - started)

    head = [entry for entry in live if isinstance(entry, System | Tools)]
    handoff = User(_handoff(answer.content, [e.typed for e in live if isinstance(e, User) and e.typed]))
    candidate = project([*head, handoff], session.provider.dialect)
    after = session.budget.estimate(candidate)
    if not answer.content.strip() or after > before // 2:
        session.compaction_stuck = True
        session.record(Note("compaction-refused", f"{before} -> {after}"))
        if session.budget.room_for_output(session.projection(), session.answer_tokens()) < 256:
            raise ContextOverflow(
                "the conversation does not fit the window and cannot be compacted", "use /clear"
            )
        raise LimitReached(
            f"compaction would not halve the context ({before} to {after} tokens); kept as it is"
        )
    session.begin(Epoch("compaction", f"{before} -> {after} tokens"), *head, handoff)
    return f"compacted the conversation: {before} to about {after} tokens"


def _handoff(summary: str, typed: list[str]) -> str:
    kept: list[str] = []
    size = 0
    for text in reversed(typed):
        size += len(text)
        if size > OWN_WORDS_LIMIT and kept:
            kept.append("[earlier messages left out]")
            break
        kept.append(text[:OWN_WORDS_LIMIT])
    words = "\n---\n".join(reversed(kept))
    return (
        f"<hand-off>\n{summary.strip()}\n</hand-off>\n<user-messages>\n{words}\n</user-messages>\nContinue."
    )
