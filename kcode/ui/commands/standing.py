"""Commands that show where the session stands: model, context, cost, cache."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kcode.i18n import _
from kcode.ui.commands.base import Command, interruptible, table
from kcode.ui.look import figures

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
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    grid.add_column(justify="right")
    grid.add_column()
    for kind, count in rows:
        share = count / session.window if session.window else 0.0
        grid.add_row(kind, figures.tokens(count), figures.percent(share), _bar(sitting, share))
    used = session.context_tokens()
    sitting.say(
        _("{used} of {window} tokens").format(
            used=figures.tokens(used), window=figures.tokens(session.window)
        )
    )
    sitting.say(grid)
    _context_details(sitting, session)


def _context_details(sitting: Sitting, session: Session) -> None:
    """What the tokens of the tools are, the guides that were given, what goes with the next message."""
    from kcode.ui import costs
    from kcode.ui.commands.memory import guide_rows

    tools = [f"{name} {figures.tokens(count)}" for name, count in costs.tool_rows(session)]
    attached = [(figures.one_line(each.name), figures.tokens(each.tokens)) for each in session.attachments]
    rows = [(_("tools"), ", ".join(tools))] if tools else []
    rows += [(_("guide"), f"{path}: {facts}") for path, facts in guide_rows(session)]
    rows += [(_("attached"), f"{name}: {count}") for name, count in attached]
    if rows:
        sitting.say()
        sitting.say(table(rows))


def _bar(sitting: Sitting, share: float) -> str:
    filled, empty = ("█", "·") if sitting.look.unicode else ("#", ".")
    cells = min(BAR_CELLS, max(round(share * BAR_CELLS), 1 if share else 0))
    return filled * cells + empty * (BAR_CELLS - cells)


async def _cost(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import costs

    rows = [*costs.cost_rows(session.cost), *costs.limit_rows(session)]
    rows += await interruptible(sitting, costs.balance_rows(session)) or []
    sitting.say(table(rows))
    sitting.say(_("all sessions: kcode cost"), "dim")


async def _cache(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.conversation.cache import explain
    from kcode.ui import costs

    report = await asyncio.to_thread(explain, list(session.ledger))
    sitting.say(table([*costs.cache_rows(report), *costs.reasoning_rows(session)]))
    if report.breaks:
        sitting.say()
        sitting.say(table(costs.break_rows(report.breaks)))
    else:
        sitting.say(_("every request begins with the one before: nothing was read again"), "dim")


COMMANDS = (
    Command(
        "status",
        "",
        "where this session stands: provider, model, cost, guides, tasks, sandbox",
        _status,
        "looking",
        "/status",
        while_working=True,
    ),
    Command("context", "", "where the window goes", _context, "looking", "/context", while_working=True),
    Command("cost", "", "tokens and money of this session", _cost, "looking", "/cost"),
    Command(
        "cache",
        "",
        "what was read from the cache, and every break explained",
        _cache,
        "looking",
        "/cache",
        while_working=True,
    ),
)
