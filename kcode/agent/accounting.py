"""What requests cost, on record: usage as the provider reported it, its bill, and fees beside tokens."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from kcode.agent.collect import Answer
from kcode.agent.events import UsageReported
from kcode.conversation.cost import bill, free
from kcode.conversation.ledger import Fee, UsageEntry
from kcode.conversation.projection import Projection
from kcode.providers.base import Request, Usage

if TYPE_CHECKING:
    from kcode.agent.session import Session


def record_usage(session: Session, answer: Answer, request: Request, seconds: float) -> UsageReported:
    """Record the request's tokens and price; tokens the server did not report count as unpriced."""
    model, usage, items = session.provider.model, answer.usage, None
    sent = Projection(request.tools, (*request.messages, *filter(None, [request.partial])))
    if usage is None:
        usage = Usage(prompt=session.budget.estimate(sent), completion=0)
    else:
        session.budget.calibrate(sent, usage.prompt)
        items = bill(
            model, prompt=usage.prompt, completion=usage.completion, cached=usage.cached,
            cache_write=usage.cache_write, stored=usage.stored, stored_hours=usage.stored_hours,
            batch=usage.batch,
        )  # fmt: skip
    entry = _record(session, usage, items.fields() if items else {}, seconds)
    return UsageReported(
        entry.prompt, entry.cached, entry.completion, entry.reasoning, entry.cost, model.currency,
        session.cost.text(), session.window, session.cost.hit_rate,
    )  # fmt: skip


def record_aside(session: Session, usage: Usage, seconds: float, purpose: str) -> UsageEntry:
    """Record a request beside the conversation: it is billed, and says nothing of the conversation's size."""
    model = session.provider.model
    items = bill(
        model, prompt=usage.prompt, completion=usage.completion, cached=usage.cached,
        cache_write=usage.cache_write, stored=usage.stored, stored_hours=usage.stored_hours,
        batch=usage.batch,
    )  # fmt: skip
    return _record(session, usage, items.fields() if items else {}, seconds, purpose)


def take_over(session: Session, entry: UsageEntry, purpose: str) -> None:
    """Record what another session of kcode's own spent for this one."""
    entry = replace(entry, aside=purpose)
    session.record(entry)
    session.cost.add(entry)


def record_fee(session: Session, fee: Fee) -> None:
    """Record money that was spent beside tokens."""
    fee = replace(fee, at=fee.at or round(time.time(), 3))
    session.record(fee)
    session.cost.add_fee(fee)


def record_unreported(session: Session, purpose: str = "") -> None:
    """Record a request that was cut short: it is billed, but nobody said how much."""
    _record(session, Usage(0, 0), {"cost": "0"} if free(session.provider.model) else {}, 0.0, purpose)


def _record(
    session: Session, usage: Usage, paid: dict[str, str], seconds: float, aside: str = ""
) -> UsageEntry:
    model = session.provider.model
    entry = UsageEntry(
        model.id, usage.prompt, usage.cached, usage.completion, usage.reasoning,
        currency=model.currency, seconds=round(seconds, 3), provider=session.provider.name,
        cache_write=usage.cache_write, stored=usage.stored, stored_hours=usage.stored_hours,
        batch=usage.batch, at=round(time.time(), 3), aside=aside, **paid,
    )  # fmt: skip
    session.record(entry)
    session.cost.add(entry)
    return entry
