"""Compaction: the conversation becomes a hand-off, a new epoch begins with the same system text and tools.

The request that asks for the hand-off is the live prefix plus one message, so it is read from the cache.
A compaction must at least halve the context, must pay for itself, and does not follow another one at
once; where it cannot, it says so and the conversation stays as it is.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from kcode.agent.accounting import record_usage
from kcode.agent.collect import Answer
from kcode.agent.handoff import Record, carried_steps, recent
from kcode.agent.told import opening
from kcode.config.prompts import load_prompt
from kcode.conversation.journal import JournalProblem
from kcode.conversation.ledger import (
    Assistant,
    Entry,
    Epoch,
    Note,
    System,
    Tools,
    User,
    live_entries,
    wire_entries,
)
from kcode.conversation.projection import project
from kcode.errors import LimitReached
from kcode.providers.base import ContextOverflow, Retrying, Waiting
from kcode.providers.catalog import Model

if TYPE_CHECKING:
    from kcode.agent.session import Session

THRESHOLD = 0.85  # of what the window leaves beside the answer
HANDOFF_TOKENS = 3_000  # room for the model's summary
SMALLEST_GAP = 3  # answers between two compactions: closer than that it is a loop, not work
LATEST_PAYBACK = 60  # requests after which a compaction asked for by hand must have paid for itself
_OWN_WORDS = 24_000  # characters of the user's messages that are kept verbatim, in a large window
_OWN_WORDS_A_TOKEN = 0.4  # … and for each token of a smaller context
_RECENT_SHARE = 0.2  # of the context, for the last steps kept verbatim


@dataclass(frozen=True, slots=True)
class _Plan:
    """The epoch to come. ``after`` is its estimated size in tokens, ``kept`` says what it keeps."""

    entries: tuple[Entry, ...]
    after: int
    kept: str


def worth_compacting(session: Session) -> bool:
    """The next request would leave too little room, and the last attempt has not just failed."""
    room = session.window - session.answer_tokens()
    return session.context_tokens() > THRESHOLD * room and not session.compaction_stuck


async def compact(session: Session, keep: str = "", *, asked: bool = False) -> str:
    """Make the new epoch; the sentence that is returned says what it did and what it kept.

    ``asked`` is for a compaction that the user asked for: without ``keep`` it must pay for itself. Raises
    LimitReached where the conversation cannot be made smaller or it is not worth it.
    """
    if not asked:
        _refuse_loop(session)
    elif not keep:
        _refuse_waste(session)
    position = len(session.ledger)
    try:
        return await _compact(session, keep)
    except BaseException:
        # Interrupted or not worth it: the instruction must not stay in the conversation.
        with contextlib.suppress(JournalProblem):
            session.record(Epoch("rewind", "compaction given up", keep_upto=position))
        raise


async def _compact(session: Session, keep: str) -> str:
    before, live = session.context_tokens(), live_entries(session.ledger)
    try:
        summary = await _summary(session, keep)
    except ContextOverflow:  # not even the question fits: the record alone has to do
        summary = ""
    plan = _plan(session, live, summary, before)
    if plan.after > before // 2:
        session.compaction_stuck = True
        session.record(Note("compaction-refused", f"{before} -> {plan.after}"))
        if session.budget.room_for_output(session.projection(), session.answer_tokens()) < 256:
            raise ContextOverflow(
                "the conversation does not fit the window and cannot be compacted", "use /clear"
            )
        raise LimitReached(
            f"compaction would not halve the context ({before} to {plan.after} tokens); kept as it is"
        )
    session.begin(Epoch("compaction", f"{before} -> {plan.after} tokens"), *plan.entries)
    return (
        f"compacted the conversation: {before} to about {plan.after} tokens; kept {plan.kept};"
        " /rewind reaches behind it"
    )


async def _summary(session: Session, keep: str) -> str:
    """The model's own hand-off, asked for on the live prefix."""
    instruction = load_prompt("compaction") + (f"\n\nThe user asks to keep: {keep}" if keep else "")
    session.record(User(instruction))
    request = session.request(reserve=HANDOFF_TOKENS, no_calls=True)
    started, answer = time.monotonic(), Answer()
    async for chunk in session.provider.stream(request):
        if isinstance(chunk, Retrying):
            answer = Answer()
        elif not isinstance(chunk, Waiting):
            answer.take(chunk)
    answer.calls.clear()
    session.take_answer(answer)
    record_usage(session, answer, request, time.monotonic() - started)
    return answer.content.strip()


def _plan(session: Session, live: list[Entry], summary: str, before: int) -> _Plan:
    wire = wire_entries(live)
    head = [entry for entry in wire if isinstance(entry, System | Tools)]
    record = Record.of(live)

    def tokens(entries: Sequence[Entry]) -> int:
        return session.budget.estimate(project(entries, session.provider.dialect))

    last = recent(wire, int(before * _RECENT_SHARE), tokens)
    told = f"<hand-off>\n{summary}\n</hand-off>\n" if summary else ""
    blocks, told_notes = opening(session)
    context = "\n".join(blocks)
    words = record.text(min(_OWN_WORDS, int(before * _OWN_WORDS_A_TOKEN)))
    handoff = User(f"{told}{words}\n{context}\n\n{load_prompt('after_compaction')}")
    steps = sum(isinstance(entry, Assistant) for entry in last)
    entries = (*head, handoff, *told_notes, record.note(steps), *last)
    after = tokens(entries)
    named = len(record.read) + len(record.changed)
    kept = [
        "the model's hand-off" if summary else "no hand-off of the model's (it did not fit)",
        _plural(len(record.messages), "message of yours", "messages of yours"),
        _plural(named, "file by name", "files by name"),
        _plural(steps, "last step", "last steps"),
    ]
    if record.todo:
        kept.insert(2, "the to-do list")
    return _Plan(entries, after, ", ".join(kept))


# --- when not to -----------------------------------------------------------------------------------


def _refuse_loop(session: Session) -> None:
    """A window that fills right after a compaction, or again with the same things, will do so for ever."""
    live, answers = live_entries(session.ledger), 0
    for entry in reversed(live):
        if isinstance(entry, Note) and (carried := carried_steps(entry)) is not None:
            if answers - carried < SMALLEST_GAP or not Record.of(live).adds_to(Record.from_note(entry)):
                session.compaction_stuck = True
                raise LimitReached(
                    "the conversation was compacted just before and is full again without anything new: this"
                    " step needs more than the window; ask for a smaller part of the work"
                )
            return
        if isinstance(entry, User) and entry.typed:
            return  # the user has spoken since: what fills the window is not this turn's going round
        answers += isinstance(entry, Assistant)


def _refuse_waste(session: Session) -> None:
    before = session.context_tokens()
    head = [e for e in wire_entries(session.ledger) if isinstance(e, System | Tools)]
    kept = session.budget.estimate(project(head, session.provider.dialect))
    after = kept + HANDOFF_TOKENS // 2
    payback = _payback(session.provider.model, before, after, kept)
    if payback is None or payback > LATEST_PAYBACK:
        when = "would never pay for itself"
        if payback is not None:
            when = f"would pay for itself only after {payback} requests"
        raise LimitReached(
            f"not worth it: {before} tokens would become about {after}, which {when};"
            " /compact with what to keep does it anyway"
        )


def _payback(model: Model, before: int, after: int, head: int) -> int | None:
    """Requests after which a compaction has cost less than none; None for never.

    It costs one reading of the prefix from the cache, the summary's output, and the new part read at full
    price; it saves the difference, at the price of cached input, with every request after it.
    """
    step = model.prices[-1] if model.prices else None
    full = step.input if step and step.input else Decimal(4)
    cached = step.cached if step and step.cached is not None else full / 4
    output = step.output if step and step.output else full * 4
    cost = before * cached + HANDOFF_TOKENS // 2 * output + (after - head) * full
    gain = (before - after) * cached
    return None if gain <= 0 else int(cost / gain) + 1


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
