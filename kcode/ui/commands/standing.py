"""Commands that show where the session stands: model, context, cost, cache."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kcode.ui import figures
from kcode.ui.commands.base import Command, interruptible, table

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

BAR_CELLS = 30


async def _status(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import standing

    sitting.say(table(standing.rows(session)))


async def _context(sitting: Sitting, session: Session, argument: str) -> None:
    from rich.table import Table

    from kcode.ui import costs

    rows = costs.context_rows(session)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column()
    for kind, count in rows:
        share = count / session.window if session.window else 0.0
        table.add_row(kind, figures.tokens(count), figures.percent(share), _bar(sitting, share))
    used = session.context_tokens()
    sitting.say(f"{figures.tokens(used)} of {figures.tokens(session.window)} tokens")
    sitting.say(table)


def _bar(sitting: Sitting, share: float) -> str:
    filled, empty = ("█", "·") if sitting.look.unicode else ("#", ".")
    cells = min(BAR_CELLS, max(round(share * BAR_CELLS), 1 if share else 0))
    return filled * cells + empty * (BAR_CELLS - cells)


async def _cost(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import costs

    rows = [*costs.cost_rows(session.cost), *costs.limit_rows(session)]
    rows += await interruptible(sitting, costs.balance_rows(session)) or []
    sitting.say(table(rows))
    sitting.say("all sessions: kcode cost", "dim")


async def _cache(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.conversation.cache import explain
    from kcode.ui import costs

    report = await asyncio.to_thread(explain, list(session.ledger))
    sitting.say(table([*costs.cache_rows(report), *costs.reasoning_rows(session)]))
    if report.breaks:
        sitting.say()
        sitting.say(table(costs.break_rows(report.breaks)))
    else:
        sitting.say("every request begins with the one before: nothing was read again", "dim")


COMMANDS = (
    Command("status", "", "session, provider, model, cost, how well calls are spelled", _status),
    Command("context", "", "where the window goes", _context),
    Command("cost", "", "tokens and money of this session", _cost),
    Command("cache", "", "what was read from the cache, and every break explained", _cache),
)
