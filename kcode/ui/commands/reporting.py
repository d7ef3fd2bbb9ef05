"""``/bug``: writing a report, and asking before words of the conversation go into it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kcode.i18n import _
from kcode.ui.commands.base import Command, choose, not_known
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def _bug(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui import bugreport
    from kcode.ui.picker import Choice

    if argument not in ("", "full"):
        raise not_known(argument, "/bug [full]")
    full = False
    if argument == "full":
        choices = [
            Choice(_("without the conversation"), _("facts, events and traces only")),
            Choice(_("with the conversation"), _("all that was said, file contents included; keys masked")),
        ]
        picked = await choose(sitting, choices, title=_("What goes into the report?"))
        if picked is None:
            return sitting.say(_("no report was written"), "dim")
        full = picked == 1
    path = await asyncio.to_thread(lambda: bugreport.write(session, sitting.look, full=full))
    sitting.say(_("the report is in {file}").format(file=figures.one_line(str(path))))
    sitting.say(_("nothing was sent; read it before you give it away"), "dim")
    return None


def _choices(sitting: Sitting) -> list[tuple[str, str]]:
    return [("full", _("with the conversation, after a question"))]


COMMANDS = (
    Command(
        "bug",
        "[full]",
        "write a report without keys and names to a file; nothing is sent",
        _bug,
        "looking",
        "/bug",
        choices=_choices,
    ),
)
