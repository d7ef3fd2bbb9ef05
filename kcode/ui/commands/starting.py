"""``/init``: a good AGENTS.md, from facts first and a reading of the repository then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.i18n import _
from kcode.ui.commands.base import Command
from kcode.ui.look import figures

if TYPE_CHECKING:
    from pathlib import Path

    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

GUIDE = "AGENTS.md"


async def _init(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.agent.narrow import is_narrow
    from kcode.agent.survey import survey

    if session.mode == "plan":
        raise UsageError(_("in plan mode nothing is written"), _("/mode ask, then /init"))
    facts = await asyncio.to_thread(survey, session.root)
    sitting.say(_("what this repository says about itself:"), "dim")
    for fact in facts:
        sitting.say(figures.one_line(fact.line()), "dim")
    if is_narrow(session):
        await _from_facts(sitting, session, [fact.line() for fact in facts])
        return
    await sitting.turn(message([fact.line() for fact in facts], session.root, argument))


async def _from_facts(sitting: Sitting, session: Session, facts: list[str]) -> None:
    """What is certain as AGENTS.md, after a yes: an embedded model is too small to read a repository."""
    from kcode.agent.narrow import TooSmall
    from kcode.ui.desk import SessionDesk, yes_or_no
    from kcode.workspace.change import FileEdit

    if (session.root / GUIDE).exists():
        raise TooSmall(
            _("the embedded model is too small to improve the AGENTS.md that is here"),
            _("edit it yourself; or kcode login, for a K2 model"),
        )
    if not facts:
        raise TooSmall(_("this repository says nothing about itself that could be written down"))
    sitting.say(
        _("the embedded model is too small to read a repository: AGENTS.md would hold what is above"), "dim"
    )
    if await SessionDesk(sitting).key(_("Write it?"), yes_or_no()) != "y":
        sitting.say(_("nothing was written"), "dim")
        return
    text = "# AGENTS.md\n\nWhat the files of this repository say:\n\n" + "\n".join(facts) + "\n"
    session.workspace.apply([FileEdit(GUIDE, None, text)], label="/init")
    sitting.say(_("AGENTS.md is written: add what cannot be seen in the files"), "green")


def message(facts: list[str], root: Path, wish: str = "") -> str:
    """What the model is asked, in English whatever the interface's language."""
    from kcode.agent.aside import filled
    from kcode.config.prompts import load_prompt

    there = (root / GUIDE).is_file()
    name = "init_improve" if there else "init_new"
    text = filled(load_prompt("init"), existing=load_prompt(name), facts="\n".join(facts) or "- nothing")
    return f"{text}\n\nThe user adds: {wish}" if wish else text


COMMANDS = (
    Command(
        "init",
        "[WISH]",
        "write a good AGENTS.md after reading the repository, or improve it",
        _init,
        "setup",
        "/init",
    ),
)
