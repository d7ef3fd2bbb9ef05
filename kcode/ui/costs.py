"""Costs, cache and context in words: rows for ``/cost``, ``kcode cost``, ``/cache`` and ``/context``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from kcode.ui import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.conversation.cache import Break, CacheReport
    from kcode.conversation.cost import Money, SessionCost
    from kcode.providers.moonshot.balance import Balance

Rows = list[tuple[str, str]]
BALANCE_PATIENCE_S = 3.0


def cost_rows(cost: SessionCost) -> Rows:
    """Tokens and money of some requests; each currency has a column of its own words."""
    fresh = cost.prompt - cost.cached
    rows = [
        ("requests", str(cost.requests)),
        ("input", _tokens(fresh) + _price(cost, "input")),
        ("cached input", f"{_tokens(cost.cached)}, {figures.percent(cost.hit_rate)} of the prompts"),
        ("output", _tokens(cost.completion) + _price(cost, "output")),
        ("  of it reasoning", _tokens(cost.reasoning)),
    ]
    rows[2] = (rows[2][0], rows[2][1] + _price(cost, "cached"))
    saved = _amounts(cost, "saved")
    if saved:
        rows.append(("saved by caching", saved))
    for name, label in (("write", "cache writes"), ("storage", "cache storage")):
        if amount := _amounts(cost, name):
            rows.append((label, amount))
    if cost.fees:
        kinds = ", ".join(f"{count} × {kind}" for kind, count in cost.fees.items())
        amount = _amounts(cost, "fees")
        rows.append(("fees", f"{kinds}{f': {amount}' if amount else ''}"))
    rows.append(("model time", figures.seconds(cost.seconds)))
    rows.append(("cost", cost.text()))
    if any(money.total > money.itemised for money in cost.by_currency.values()):
        rows.append(("", "older requests are in the total only"))
    if cost.unpriced:
        models = ", ".join(f"{count} of {model}" for model, count in cost.unpriced_by_model.items())
        rows.append(("price unknown", f"{models}; not in the cost"))
    return rows


def limit_rows(session: Session) -> Rows:
    currency = session.provider.model.currency
    return [
        (
            f"limit of {limit.words}",
            f"{figures.money(spent, currency) or 'nothing'} of {figures.money(limit.amount, currency)}"
            f" ({figures.percent(float(spent / limit.amount))})",
        )
        for limit, spent in session.allowance.used()
    ]


async def balance_rows(session: Session) -> Rows:
    """The account's balance where its service tells one within a few seconds, else nothing."""
    import asyncio

    from kcode.errors import KcodeError
    from kcode.providers.moonshot.balance import ask_balance

    try:
        balance: Balance = await asyncio.wait_for(ask_balance(session.provider), BALANCE_PATIENCE_S)
    except (KcodeError, TimeoutError):
        return []
    return [("balance", figures.money(balance.available, balance.currency))]


def reasoning_rows(session: Session) -> Rows:
    """What was chosen for the reasoning of answered turns, where the model leaves that open."""
    from kcode.conversation.reasoning import chosen

    note = chosen(session.ledger)
    return [("earlier reasoning", note.text)] if note is not None else []


def cache_rows(report: CacheReport) -> Rows:
    """What was read from the cache, against what blocks of 256 tokens allow."""
    rows = [
        ("prompts", f"{_tokens(report.prompt)} in {report.requests} requests"),
        ("read from cache", f"{_tokens(report.cached)} ({_share(report.cached, report.prompt)})"),
        (
            "blocks of 256 allow",
            f"{_tokens(report.reachable)}; {_tokens(report.possible)} without any break",
        ),
        ("of that was read", f"{report.share * 100:.1f}%"),
    ]
    lost: dict[str, Decimal] = {}
    for broken in report.breaks:
        if broken.cost is not None:
            lost[broken.currency] = lost.get(broken.currency, Decimal(0)) + broken.cost
    if any(lost.values()):
        rows.append(("breaks cost", " + ".join(figures.money(a, c) for c, a in lost.items() if a)))
    return rows


def break_rows(breaks: Sequence[Break]) -> Rows:
    """One row a break: when, what it cost, why."""
    rows = []
    for broken in breaks:
        when = time.strftime("%H:%M", time.localtime(broken.at)) if broken.at else ""
        price = "" if broken.cost is None else f", {figures.money(broken.cost, broken.currency)}"
        lost = f"{_tokens(broken.lost)} read again{price}" if broken.lost else "nothing read again"
        rows.append((f"request {broken.request} {when}".rstrip(), f"{lost}: {broken.why}"))
    return rows


def context_rows(session: Session) -> list[tuple[str, int]]:
    """Tokens by kind, the answer's reserve and what is free; together they are the window."""
    window, used = session.window, session.context_tokens()
    reserve = max(0, min(session.answer_tokens(), window - used))
    rows = list(session.context_by_kind().items())
    return [*rows, ("answer's reserve", reserve), ("free", max(0, window - used - reserve))]


def _tokens(count: int) -> str:
    return f"{figures.tokens(count)} tokens"


def _share(part: int, whole: int) -> str:
    return figures.percent(part / whole if whole else 0.0)


def _price(cost: SessionCost, item: str) -> str:
    amounts = _amounts(cost, item)
    return f": {amounts}" if amounts else ""


def _amounts(cost: SessionCost, item: str) -> str:
    """``¥0.0123 + $0.0004``; ``""`` where there is nothing."""
    parts = []
    for currency, money in cost.by_currency.items():
        amount = _item(money, item)
        if amount:
            parts.append(figures.money(amount, currency))
    return " + ".join(parts)


def _item(money: Money, item: str) -> Decimal:
    amount: Decimal = getattr(money, item)
    return amount
