"""Commands that steer the conversation: help, mode, attachments, going back, compacting, leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from kcode.errors import UsageError
from kcode.ui import figures
from kcode.ui.commands.base import Command, interruptible, table

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def _help(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui.commands.table import COMMANDS as ALL

    sitting.say(table([(f"/{c.name} {c.argument}".rstrip(), c.help) for c in ALL]))
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
    sitting.say(table(keys))


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
    sitting.say(table([(f"{'* ' if mode == sitting.mode else '  '}{mode}", meaning[mode]) for mode in modes]))


async def _attach(sitting: Sitting, session: Session, argument: str) -> None:
    import sys

    from kcode.agent.attach import attach, paths_in
    from kcode.ui.approve import TerminalApprover

    if argument == "none":
        session.attachments.clear()
    for path in paths_in(argument) if argument not in ("", "none") else ():
        session.approver = TerminalApprover(sys.stdout, sitting.look)
        work = attach(session, path, lambda text: sitting.say(figures.one_line(text), "dim"))
        if await interruptible(sitting, work) is None:
            sitting.say(f"{figures.one_line(path)}: interrupted, not attached", "dim")
            break
    waiting = [(each.name, f"about {figures.tokens(each.tokens)} tokens") for each in session.attachments]
    sitting.say(table(waiting) if waiting else "nothing is attached to the next message")


async def _rewind(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import rewinding

    await rewinding.run(sitting, session, argument)


async def _fork(sitting: Sitting, session: Session, argument: str) -> None:
    before = session.id
    now = session.fork()
    sitting.say(f"this is {now} now; {before} stays as it was: kcode --resume {before}")


async def _compact(sitting: Sitting, session: Session, argument: str) -> None:
    sitting.say("compacting…", "dim")
    said = await interruptible(sitting, session.compact(argument))
    sitting.say(said if said is not None else "interrupted", "dim")


async def _clear(sitting: Sitting, session: Session, argument: str) -> None:
    session.clear()
    sitting.say("a new conversation; files stay as they are", "dim")


async def _exit(sitting: Sitting, session: Session, argument: str) -> None:
    sitting.leaving = True


COMMANDS = (
    Command("help", "", "what there is", _help),
    Command("mode", "[plan|ask|edits|auto]", "show the mode, or change it", _mode),
    Command("attach", "[FILE…|none]", "send files with the next message, or take them back", _attach),
    Command("rewind", "[undo]", "go back to an earlier message, with the files or without", _rewind),
    Command("fork", "", "go on in a copy of this session", _fork),
    Command("compact", "[KEEP]", "replace the conversation by a hand-off", _compact),
    Command("clear", "", "begin a new conversation", _clear),
    Command("exit", "", "leave", _exit),
)
