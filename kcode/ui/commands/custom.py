"""Running a custom command: its text as a message, its files attached, in its mode and with its model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.i18n import _
from kcode.ui import customs
from kcode.ui.commands.base import Command, interruptible
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.customs import Custom
    from kcode.ui.sitting import Sitting


def as_command(custom: Custom) -> Command:
    """The custom command as one of the table."""

    async def run(sitting: Sitting, session: Session, argument: str) -> None:
        await _run(custom, sitting, session, argument)

    return Command(custom.name, custom.hint or "[…]", described(custom), run, "own")


def described(custom: Custom) -> str:
    """What the help says of it."""
    if not custom.trusted:
        return _("not trusted: /permissions trust")
    if custom.problem:
        return _("cannot be used: {why}").format(why=figures.one_line(custom.problem))
    where = _("project") if custom.origin == "project" else _("yours")
    return f"{figures.one_line(custom.description, 60)} ({where})"


async def _run(custom: Custom, sitting: Sitting, session: Session, argument: str) -> None:
    if not custom.trusted:
        raise UsageError(
            _("/{name} comes from this folder, which you have not trusted").format(name=custom.name),
            _("look at {file}, then /permissions trust").format(file=custom.path),
        )
    if custom.problem:
        raise UsageError(custom.problem, _("repair the file: it is read again when it has changed"))
    filled = customs.filled(custom, argument)
    already = len(session.attachments)
    try:
        if not await _attach(custom, filled, sitting, session):
            return
        await _in_its_way(custom, filled.text, sitting, session)
    finally:
        del session.attachments[already:]  # of a turn that did not begin; one that did has taken them


async def _attach(custom: Custom, filled: customs.Filled, sitting: Sitting, session: Session) -> bool:
    """See that the files are there which the text names. Those of the workspace go with the message as its
    mentions, others of a user's own command are attached; False where the user interrupted that."""
    from kcode.agent.mentions import mentions, spell

    for path, line in dict(filled.files).items():
        if mentions(spell(path), session.workspace):
            continue
        outside = _outside(custom, path, session)
        if outside is not None:
            if not await _attach_one(custom, outside, line, sitting, session):
                return False
        elif customs.is_meant(path):
            what = _("is not a file") if custom.origin == "user" else _("is not a file of this project")
            raise UsageError(
                f"{custom.path}:{line}: @{path} {what}",
                _("name a file that is there, or put the word in backticks"),
            )
    return True


def _outside(custom: Custom, path: str, session: Session) -> Path | None:
    """The file elsewhere on the disk that a user's own command names."""
    file = session.root / Path(path).expanduser()
    return file if custom.origin == "user" and file.is_file() else None


async def _attach_one(custom: Custom, file: Path, line: int, sitting: Sitting, session: Session) -> bool:
    from kcode.agent.attach import attach
    from kcode.errors import KcodeError
    from kcode.ui.turns import asking

    session.approver = asking(sitting, session)
    work = attach(session, str(file), lambda text: sitting.say(figures.one_line(text), "dim"))
    try:
        return await interruptible(sitting, work) is not None
    except KcodeError as error:
        raise UsageError(f"{custom.path}:{line}: {error.message}", error.remedy) from error


async def _in_its_way(custom: Custom, text: str, sitting: Sitting, session: Session) -> None:
    """One turn in the command's mode and with its model, which are put back behind it."""
    from kcode.ui import switching

    before, settings = sitting.mode, session.settings
    mode = customs.mode_for(custom, before)
    if custom.model and custom.model != session.provider.model.id:
        await switching.switch(session, switching.with_model(settings, custom.model))
    try:
        if mode != before:
            sitting.set_mode(mode)
        await sitting.turn(text)
    finally:
        if sitting.mode == mode != before:
            sitting.set_mode(before)
        if session.settings is not settings:
            await switching.switch(session, settings)
