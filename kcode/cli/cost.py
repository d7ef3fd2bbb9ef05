"""``kcode cost``: what the sessions on this machine cost."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.conversation.cost import Money, SessionCost
    from kcode.conversation.spending import Spent

SCHEMA = "kcode.cost/1"
WAYS = ("model", "project", "day")

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def cost(
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="A date (2026-11-01), or 24h, 7d, 4w, today.")
    ] = "",
    by: Annotated[str, typer.Option("--by", metavar="WAY", help="model, project or day.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> int:
    """Show what the sessions cost, from their journals; nothing is asked of a provider."""
    from kcode.conversation.spending import Reading
    from kcode.errors import UsageError

    if by and by not in WAYS:
        raise UsageError(f"--by must be {', '.join(WAYS)}, not {by!r}")
    reading = Reading(moment(since))
    total, groups, sessions = _sums(reading.all(), by)
    if as_json:
        print(json.dumps(_object(since, by, total, groups, sessions, reading.damaged), indent=2))
    else:
        _print(by, total, groups, sessions)
    for line in reading.damaged:
        print(f"kcode: {line}", file=sys.stderr)
    return 0


def moment(since: str, now: datetime | None = None) -> float:
    """Seconds since the epoch of ``--since``: local midnight of a date, or so long before now. 0 for ``""``.

    Raises UsageError.
    """
    from kcode.errors import UsageError

    now = (now or datetime.now()).astimezone()
    if not since:
        return 0.0
    if since == "today":
        return now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    if found := re.fullmatch(r"(\d{1,5})([hdw])", since):
        unit = {"h": "hours", "d": "days", "w": "weeks"}[found[2]]
        return (now - timedelta(**{unit: int(found[1])})).timestamp()
    try:
        return datetime.strptime(since, "%Y-%m-%d").astimezone().timestamp()
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {since!r} is no time", "a date such as 2026-11-01, or 24h, 7d, 4w, today"
        ) from None


def _sums(found: Any, by: str) -> tuple[SessionCost, dict[str, SessionCost], int]:
    from kcode.conversation.cost import SessionCost
    from kcode.conversation.ledger import UsageEntry

    total, sessions = SessionCost(), set()
    groups: dict[str, SessionCost] = {}
    for spent in found:
        sessions.add(spent.session)
        into = [total]
        if by:
            into.append(groups.setdefault(_group(spent, by), SessionCost()))
        for each in into:
            if isinstance(spent.entry, UsageEntry):
                each.add(spent.entry)
            else:
                each.add_fee(spent.entry)
    return total, groups, len(sessions)


def _group(spent: Spent, by: str) -> str:
    from kcode.conversation.ledger import UsageEntry

    if by == "day":
        return spent.day
    if by == "project":
        return spent.project
    if not isinstance(spent.entry, UsageEntry):
        return spent.entry.kind
    return f"{spent.entry.provider}/{spent.entry.model}" if spent.entry.provider else spent.entry.model


def _print(by: str, total: SessionCost, groups: dict[str, SessionCost], sessions: int) -> None:
    from kcode.cli.table import cells, padded
    from kcode.ui.costs import cost_rows

    if not total.requests and not total.fees:
        print(_("nothing was spent"))
        return
    if by:
        _print_groups(by, total, groups)
        return
    rows = [(_("sessions"), str(sessions)), *cost_rows(total)]
    width = max(cells(left) for left, _right in rows)
    for left, right in rows:
        print(f"{padded(left, width)}  {right}".rstrip())


def _print_groups(by: str, total: SessionCost, groups: dict[str, SessionCost]) -> None:
    from kcode.cli.door import with_tilde
    from kcode.cli.table import cells, padded
    from kcode.ui.look import figures

    ordered = sorted(groups.items(), key=lambda group: group[0])
    rows = [(_(by), _("requests"), _("input"), _("cached"), _("output"), _("cost"))]
    for name, cost in [*ordered, (_("total"), total)]:
        unknown = (
            _(" ({count} without a price)").format(count=cost.unpriced)
            if cost.unpriced and cost.money
            else ""
        )
        shown = with_tilde(_path(name)) if by == "project" and name.startswith("/") else name
        rows.append(
            (
                figures.one_line(shown),
                str(cost.requests),
                figures.tokens(cost.prompt),
                figures.percent(cost.hit_rate),
                figures.tokens(cost.completion),
                cost.text() + unknown,
            )
        )
    widths = [max(cells(row[column]) for row in rows) for column in range(5)]
    for first, *numbers, cost_text in rows:
        figures_ = [
            padded(number, width, right=True) for number, width in zip(numbers, widths[1:], strict=True)
        ]
        print("  ".join([padded(first, widths[0]), *figures_, cost_text]))


def _path(name: str) -> Any:
    from pathlib import Path

    return Path(name)


def _object(
    since: str, by: str, total: SessionCost, groups: dict[str, SessionCost], sessions: int, damaged: list[str]
) -> dict[str, Any]:
    shown = {
        "schema": SCHEMA,
        "since": since,
        "by": by,
        "sessions": sessions,
        "total": _cost_object(total),
        "damaged": damaged,
    }
    if by:
        shown["groups"] = [{by: name, **_cost_object(groups[name])} for name in sorted(groups)]
    return shown


def _cost_object(cost: SessionCost) -> dict[str, Any]:
    return {
        "requests": cost.requests,
        "prompt_tokens": cost.prompt,
        "cached_tokens": cost.cached,
        "completion_tokens": cost.completion,
        "reasoning_tokens": cost.reasoning,
        "hit_rate": round(cost.hit_rate, 4),
        "seconds": round(cost.seconds, 3),
        "cost": [_money_object(currency, money) for currency, money in cost.by_currency.items()],
        "fees": cost.fees,
        "unpriced": cost.unpriced_by_model,
    }


def _money_object(currency: str, money: Money) -> dict[str, str]:
    from kcode.conversation.cost import plain

    items = {
        "amount": money.total,
        "input": money.input,
        "cached": money.cached,
        "output": money.output,
        "cache_writes": money.write,
        "cache_storage": money.storage,
        "fees": money.fees,
        "saved_by_caching": money.saved,
    }
    return {"currency": currency, **{name: plain(amount) for name, amount in items.items()}}
