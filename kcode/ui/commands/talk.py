"""Commands that steer the conversation: mode, attachments, going back, compacting, leaving."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from kcode.errors import UsageError
from kcode.i18n import _, from_below
from kcode.ui.commands.base import Command, interruptible, table
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def _mode(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.config.settings import Mode

    modes = get_args(Mode)
    if argument and argument not in modes:
        raise UsageError(
            _("no mode {mode!r}").format(mode=argument), _("one of: {modes}").format(modes=", ".join(modes))
        )
    if argument:
        sitting.set_mode(argument)
    meaning = {
        "plan": _("read only: nothing is changed, nothing is run"),
        "ask": _("asks before files are changed and commands are run"),
        "edits": _("changes files without asking, asks before commands"),
        "auto": _("changes files and runs commands without asking"),
    }
    sitting.say(table([(f"{'* ' if mode == sitting.mode else '  '}{mode}", meaning[mode]) for mode in modes]))


async def _attach(sitting: Sitting, session: Session, argument: str) -> None:

    from kcode.agent.attach import attach, paths_in
    from kcode.ui.turns import asking

    if argument == "none":
        session.attachments.clear()
    for path in paths_in(argument) if argument not in ("", "none") else ():
        session.approver = asking(sitting, session)
        work = attach(session, path, lambda text: sitting.say(figures.one_line(text), "dim"))
        if await interruptible(sitting, work) is None:
            sitting.say(_("{file}: interrupted, not attached").format(file=figures.one_line(path)), "dim")
            break
    about = _("about {count} tokens")
    waiting = [(each.name, about.format(count=figures.tokens(each.tokens))) for each in session.attachments]
    sitting.say(table(waiting) if waiting else _("nothing is attached to the next message"))


async def _rewind(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import rewinding

    await rewinding.run(sitting, session, argument)


async def _fork(sitting: Sitting, session: Session, argument: str) -> None:
    before = session.id
    now = session.fork()
    sitting.say(
        _("this is {now} now; {before} stays as it was: kcode --resume {before}").format(
            now=now, before=before
        )
    )


async def _compact(sitting: Sitting, session: Session, argument: str) -> None:
    sitting.say(_("compacting…"), "dim")
    said = await interruptible(sitting, session.compact(argument))
    sitting.say(from_below(said) if said is not None else _("interrupted"), "dim")


async def _clear(sitting: Sitting, session: Session, argument: str) -> None:
    session.clear()
    sitting.say(_("a new conversation; files stay as they are"), "dim")


async def _exit(sitting: Sitting, session: Session, argument: str) -> None:
    if session.busy:  # typed while the model works: the turn is ended, its history is true
        return sitting.leave()
    # Also where it was typed at the very end of a turn, when nobody waited for a message yet.
    sitting.leaving = True
    return sitting.stage.leave()


def _modes(sitting: Sitting) -> list[tuple[str, str]]:
    from kcode.config.settings import Mode

    return [(mode, "") for mode in get_args(Mode)]


COMMANDS = (
    Command(
        "mode",
        "[plan|ask|edits|auto]",
        "show the mode, or change it",
        _mode,
        "model",
        "/mode plan",
        while_working=True,
        choices=_modes,
    ),
    Command(
        "attach",
        "[FILE…|none]",
        "send files with the next message, or take them back",
        _attach,
        "conversation",
        '/attach "my report.pdf"',
    ),
    Command(
        "rewind",
        "[undo]",
        "go back to an earlier message, with the files or without",
        _rewind,
        "conversation",
        "/rewind undo",
    ),
    Command("fork", "", "go on in a copy of this session", _fork, "conversation", "/fork"),
    Command(
        "compact",
        "[KEEP]",
        "replace the conversation by a hand-off",
        _compact,
        "conversation",
        "/compact the parser's error cases",
    ),
    Command("clear", "", "begin a new conversation", _clear, "conversation", "/clear"),
    Command("exit", "", "leave", _exit, "conversation", "/exit", while_working=True),
)
