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
    from kcode.agent.survey import survey

    if session.mode == "plan":
        raise UsageError(_("in plan mode nothing is written"), _("/mode ask, then /init"))
    facts = await asyncio.to_thread(survey, session.root)
    sitting.say(_("what this repository says about itself:"), "dim")
    for fact in facts:
        sitting.say(figures.one_line(fact.line()), "dim")
    await sitting.turn(message([fact.line() for fact in facts], session.root, argument))


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
