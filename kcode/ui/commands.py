"""The slash commands, as a table."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from kcode.errors import UsageError
from kcode.ui import figures

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

T = TypeVar("T")
BAR_CELLS = 30


@dataclass(frozen=True, slots=True)
class Command:
    """``argument`` is how the argument is written in the help, ``""`` for none."""

    name: str
    argument: str
    help: str
    run: Callable[[Sitting, Session, str], Awaitable[None]]


def looks_like_command(message: str) -> bool:
    """``/model kimi`` is one; ``/usr/bin is full`` is a message."""
    return re.match(r"/[A-Za-z?][\w-]*(\s|$)", message) is not None


async def run(sitting: Sitting, message: str) -> None:
    """Run the command of ``message``. Raises UsageError for one that is not there, naming the nearest."""
    name, _, argument = message[1:].partition(" ")
    name = {"?": "help", "quit": "exit", "q": "exit"}.get(name.strip(), name.strip())
    command = next((c for c in COMMANDS if c.name == name), None)
    if command is None:
        near = get_close_matches(name, [c.name for c in COMMANDS], n=1, cutoff=0.5)
        raise UsageError(f"no command /{name}", f"/{near[0]}" if near else "/help lists the commands")
    if argument.strip() and not command.argument:
        raise UsageError(f"/{name} takes nothing behind it", f"/{name}")
    await command.run(sitting, await sitting.ready(), argument.strip())


async def _help(sitting: Sitting, session: Session, argument: str) -> None:
    sitting.say(_table([(f"/{c.name} {c.argument}".rstrip(), c.help) for c in COMMANDS]))
    sitting.say()
    keys = [
        ("Enter", "send; after a \\ at the end, a new line"),
        ("Alt-Enter", "a new line"),
        ("Shift-Tab", "the next mode"),
        ("Esc, Ctrl-C", "interrupt the model; at the prompt, Ctrl-C clears the line, twice quits"),
        ("Up, Ctrl-R", "earlier messages, search in them"),
        ("Esc Esc", "at the empty prompt: go back to an earlier message"),
        ("Ctrl-D", "quit"),
    ]
    sitting.say(_table(keys))


async def _model(sitting: Sitting, session: Session, argument: str) -> None:
    if argument:
        await _switch(sitting, session, argument)
    model = session.provider.model
    facts = [("model", model.id), ("provider", session.provider.name)]
    facts += [("window", f"{figures.tokens(session.window)} tokens")]
    if not argument:
        facts += [("listed now", ", ".join(await _listed(sitting, session)) or "the provider gives no list")]
    sitting.say(_table(facts))


async def _listed(sitting: Sitting, session: Session) -> list[str]:
    from kcode.providers.base import ProviderError

    try:
        return await _interruptible(sitting, session.provider.list_models()) or []
    except ProviderError:
        return []


async def _switch(sitting: Sitting, session: Session, name: str) -> None:
    """Open the provider anew for the model and go on with it; the old one is closed."""
    from kcode.providers.registry import open_provider, resolve

    settings = session.settings
    section = settings.provider.model_copy(update={"model": name})
    settings = settings.model_copy(update={"provider": section})
    provider = await asyncio.to_thread(lambda: open_provider(resolve(settings, os.environ), settings))
    old = session.provider
    session.switch(provider)
    await old.close()


async def _cost(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import costs

    rows = [*costs.cost_rows(session.cost), *costs.limit_rows(session)]
    rows += await _interruptible(sitting, costs.balance_rows(session)) or []
    sitting.say(_table(rows))
    sitting.say("all sessions: kcode cost", "dim")


async def _cache(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.conversation.cache import explain
    from kcode.ui import costs

    report = await asyncio.to_thread(explain, list(session.ledger))
    sitting.say(_table([*costs.cache_rows(report), *costs.reasoning_rows(session)]))
    if report.breaks:
        sitting.say()
        sitting.say(_table(costs.break_rows(report.breaks)))
    else:
        sitting.say("every request begins with the one before: nothing was read again", "dim")


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


async def _status(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import standing

    sitting.say(_table(standing.rows(session)))


async def _clear(sitting: Sitting, session: Session, argument: str) -> None:
    session.clear()
    sitting.say("a new conversation; files stay as they are", "dim")


async def _diff(sitting: Sitting, session: Session, argument: str) -> None:
    import sys

    from kcode.ui.diffview import print_edits
    from kcode.ui.terminal import make_console

    edits = session.changes()
    if not edits:
        sitting.say("this session has changed no files", "dim")
        return
    print_edits(make_console(sys.stdout, sitting.look), edits, sitting.look)


async def _undo(sitting: Sitting, session: Session, argument: str) -> None:
    if argument not in ("", "force"):
        raise UsageError(f"/undo does not know {argument!r}", "/undo, or /undo force")
    restored = session.undo(force=argument == "force")
    if not restored:
        sitting.say("nothing to undo", "dim")
    for path in restored:
        sitting.say(f"restored {figures.one_line(path)}")


async def _rewind(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import rewinding

    await rewinding.run(sitting, session, argument)


async def _fork(sitting: Sitting, session: Session, argument: str) -> None:
    before = session.id
    now = session.fork()
    sitting.say(f"this is {now} now; {before} stays as it was: kcode --resume {before}")


async def _mode(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.config.settings import Mode

    modes = get_args(Mode)
    if argument and argument not in modes:
        raise UsageError(f"no mode {argument!r}", f"one of: {', '.join(modes)}")
    if argument:
        sitting.set_mode(argument)
    meaning = {
        "plan": "read only: nothing is changed, nothing is run",
        "ask": "asks before files are changed and commands are run",
        "edits": "changes files without asking, asks before commands",
        "auto": "changes files and runs commands without asking",
    }
    sitting.say(
        _table([(f"{'* ' if mode == sitting.mode else '  '}{mode}", meaning[mode]) for mode in modes])
    )


async def _compact(sitting: Sitting, session: Session, argument: str) -> None:
    sitting.say("compacting…", "dim")
    said = await _interruptible(sitting, session.compact(argument))
    sitting.say(said if said is not None else "interrupted", "dim")


async def _attach(sitting: Sitting, session: Session, argument: str) -> None:
    import sys

    from kcode.agent.attach import attach, paths_in
    from kcode.ui.approve import TerminalApprover

    if argument == "none":
        session.attachments.clear()
    for path in paths_in(argument) if argument not in ("", "none") else ():
        session.approver = TerminalApprover(sys.stdout, sitting.look)
        work = attach(session, path, lambda text: sitting.say(figures.one_line(text), "dim"))
        if await _interruptible(sitting, work) is None:
            sitting.say(f"{figures.one_line(path)}: interrupted, not attached", "dim")
            break
    waiting = [(each.name, f"about {figures.tokens(each.tokens)} tokens") for each in session.attachments]
    sitting.say(_table(waiting) if waiting else "nothing is attached to the next message")


async def _exit(sitting: Sitting, session: Session, argument: str) -> None:
    sitting.leaving = True


async def _interruptible(sitting: Sitting, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of ``work``, or None where the user interrupted it."""
    task = asyncio.ensure_future(work)

    async def wait() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})

    await sitting.during(wait, task.cancel)
    return None if task.cancelled() else task.result()


def _table(rows: list[tuple[str, str]]) -> RenderableType:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for left, right in rows:
        table.add_row(figures.one_line(left) if not left.startswith(" ") else left, figures.one_line(right))
    return table


COMMANDS: tuple[Command, ...] = (
    Command("help", "", "what there is", _help),
    Command("model", "[NAME]", "show the model, or go on with another", _model),
    Command("mode", "[plan|ask|edits|auto]", "show the mode, or change it", _mode),
    Command("status", "", "session, provider, model, cost, how well calls are spelled", _status),
    Command("context", "", "where the window goes", _context),
    Command("cost", "", "tokens and money of this session", _cost),
    Command("cache", "", "what was read from the cache, and every break explained", _cache),
    Command("diff", "", "what this session changed in the files", _diff),
    Command("undo", "[force]", "take back the file changes of the last turn", _undo),
    Command("attach", "[FILE…|none]", "send files with the next message, or take them back", _attach),
    Command("rewind", "[undo]", "go back to an earlier message, with the files or without", _rewind),
    Command("fork", "", "go on in a copy of this session", _fork),
    Command("compact", "[KEEP]", "replace the conversation by a hand-off", _compact),
    Command("clear", "", "begin a new conversation", _clear),
    Command("exit", "", "leave", _exit),
)
