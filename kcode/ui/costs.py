"""Costs, cache and context in words: rows for ``/cost``, ``kcode cost``, ``/cache`` and ``/context``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from kcode.i18n import _, from_below, n_
from kcode.ui.look import figures

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
        (_("requests"), str(cost.requests)),
        (_("input"), _tokens(fresh) + _price(cost, "input")),
        (
            _("cached input"),
            _("{count}, {share} of the prompts").format(
                count=_tokens(cost.cached), share=figures.percent(cost.hit_rate)
            ),
        ),
        (_("output"), _tokens(cost.completion) + _price(cost, "output")),
        (_("  of it reasoning"), _tokens(cost.reasoning)),
    ]
    rows[2] = (rows[2][0], rows[2][1] + _price(cost, "cached"))
    saved = _amounts(cost, "saved")
    if saved:
        rows.append((_("saved by caching"), saved))
    for name, label in (("write", _("cache writes")), ("storage", _("cache storage"))):
        if amount := _amounts(cost, name):
            rows.append((label, amount))
    if cost.fees:
        kinds = ", ".join(f"{count} × {kind}" for kind, count in cost.fees.items())
        amount = _amounts(cost, "fees")
        rows.append((_("fees"), f"{kinds}{f': {amount}' if amount else ''}"))
    rows.append((_("model time"), figures.seconds(cost.seconds)))
    rows.append((_("cost"), cost.text()))
    if any(money.total > money.itemised for money in cost.by_currency.values()):
        rows.append(("", _("older requests are in the total only")))
    if cost.unpriced:
        one = _("{count} of {model}")
        models = ", ".join(one.format(count=n, model=model) for model, n in cost.unpriced_by_model.items())
        rows.append((_("price unknown"), _("{models}; not in the cost").format(models=models)))
    return rows


def limit_rows(session: Session) -> Rows:
    currency = session.provider.model.currency
    return [
        (
            _("limit of {what}").format(what=from_below(limit.words)),
            _("{spent} of {limit} ({share})").format(
                spent=figures.money(spent, currency) or _("nothing"),
                limit=figures.money(limit.amount, currency),
                share=figures.percent(float(spent / limit.amount)),
            ),
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
    return [(_("balance"), figures.money(balance.available, balance.currency))]


def reasoning_rows(session: Session) -> Rows:
    """What was chosen for the reasoning of answered turns, where the model leaves that open."""
    from kcode.conversation.reasoning import chosen

    note = chosen(session.ledger)
    return [(_("earlier reasoning"), note.text)] if note is not None else []


def cache_rows(report: CacheReport) -> Rows:
    """What was read from the cache, against what blocks of 256 tokens allow."""
    rows = [
        (
            _("prompts"),
            n_("{tokens} in {count} request", "{tokens} in {count} requests", report.requests).format(
                tokens=_tokens(report.prompt), count=report.requests
            ),
        ),
        (_("read from cache"), f"{_tokens(report.cached)} ({_share(report.cached, report.prompt)})"),
        (
            _("blocks of 256 allow"),
            _("{reachable}; {possible} without any break").format(
                reachable=_tokens(report.reachable), possible=_tokens(report.possible)
            ),
        ),
        (_("of that was read"), f"{report.share * 100:.1f}%"),
    ]
    lost: dict[str, Decimal] = {}
    for broken in report.breaks:
        if broken.cost is not None:
            lost[broken.currency] = lost.get(broken.currency, Decimal(0)) + broken.cost
    if any(lost.values()):
        rows.append((_("breaks cost"), " + ".join(figures.money(a, c) for c, a in lost.items() if a)))
    return rows


def break_rows(breaks: Sequence[Break]) -> Rows:
    """One row a break: when, what it cost, why."""
    rows = []
    for broken in breaks:
        when = time.strftime("%H:%M", time.localtime(broken.at)) if broken.at else ""
        price = "" if broken.cost is None else f", {figures.money(broken.cost, broken.currency)}"
        lost = _("nothing read again")
        if broken.lost:
            lost = _("{tokens} read again{price}").format(tokens=_tokens(broken.lost), price=price)
        request = _("request {number} {when}").format(number=broken.request, when=when)
        rows.append((request.rstrip(), f"{lost}: {from_below(broken.why)}"))
    return rows


def context_rows(session: Session) -> list[tuple[str, int]]:
    """Tokens by kind, the answer's reserve and what is free; together they are the window."""
    window, used = session.window, session.context_tokens()
    reserve = max(0, min(session.answer_tokens(), window - used))
    rows = [(_(kind), count) for kind, count in session.context_by_kind().items()]
    return [*rows, (_("answer's reserve"), reserve), (_("free"), max(0, window - used - reserve))]


def tool_rows(session: Session) -> list[tuple[str, int]]:
    """Tokens of each declared tool's schema, the largest first; together they are the context's tools."""
    import json

    from kcode.conversation.ledger import Tools, live_entries

    spelled = next((e.json for e in reversed(live_entries(session.ledger)) if isinstance(e, Tools)), "[]")
    sizes = {tool["function"]["name"]: len(json.dumps(tool)) for tool in json.loads(spelled)}
    whole, tokens = sum(sizes.values()), session.context_by_kind().get("tools", 0)
    rows = [(name, round(tokens * size / whole)) for name, size in sizes.items()]
    return sorted(rows, key=lambda row: -row[1])


def _tokens(count: int) -> str:
    return _("{count} tokens").format(count=figures.tokens(count))


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
