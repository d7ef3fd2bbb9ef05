"""``/plan``: think first, change nothing; and the offer to carry a plan out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.i18n import _
from kcode.ui.commands.base import Command, choose

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def _plan(sitting: Sitting, session: Session, argument: str) -> None:
    sitting.set_mode("plan")
    if argument:
        await sitting.turn(argument)
        return
    sitting.say(_("plan mode: nothing is changed, nothing is run; say what is to be planned"), "dim")


async def offer(sitting: Sitting, session: Session) -> None:
    """After a turn in plan mode that ended with an answer: carry it out, edit it first, or go on planning.

    Nothing is asked where the person has already typed on: then planning goes on.
    """
    from kcode.agent.planning import proposed

    if session.mode != "plan" or sitting.queue or sitting.leaving:
        return
    plan = proposed(session)
    while plan and (picked := await _asked(sitting)):
        if picked != "edit":
            await _carry_out(sitting, plan, picked)
            break
        plan = await _edited(sitting, plan) or plan


async def _asked(sitting: Sitting) -> str:
    """The mode to carry the plan out in, ``edit``, or ``""`` for going on with planning."""
    from kcode.ui.approval.ask import choose_key, is_dumb
    from kcode.ui.picker import Choice

    answers = {
        "": Choice(_("keep planning"), _("nothing happens; say what should be different")),
        "edits": Choice(_("carry it out, edits accepted"), _("commands are asked about")),
        "ask": Choice(_("carry it out, asked each time"), _("edits and commands are asked about")),
        "edit": Choice(_("edit the plan first"), _("in your editor; what you leave there counts")),
    }
    if is_dumb():  # no list there: a line with a key in it
        keys = [(str(number), choice.text) for number, choice in enumerate(answers.values(), 1)]
        key = await sitting.aside(lambda: choose_key(_("The plan:"), keys, sitting.look, escape="1"))
        return [*answers][int(key) - 1] if key.isdigit() else ""
    number = await choose(sitting, [*answers.values()], title=_("The plan:"))
    return "" if number is None else [*answers][number]


async def _edited(sitting: Sitting, plan: str) -> str:
    """The plan as it was left in the editor; ``""`` where nothing is to be taken from there."""
    from kcode.ui.desk import SessionDesk
    from kcode.ui.editor import own_editor

    left = await SessionDesk(sitting).edit(f"{plan}\n", "PLAN.md", own_editor())
    if left is None or not left.strip():
        sitting.say(_("the plan is as it was"), "dim")
        return ""
    if left.strip() != plan:
        sitting.say(_("the plan as you left it:"), "dim")
        sitting.say(left.strip())
    return left.strip()


async def _carry_out(sitting: Sitting, plan: str, mode: str) -> None:
    from kcode.agent.planning import accepted

    sitting.set_mode(mode)
    sitting.refresh_status()
    await sitting.turn(accepted(plan))


COMMANDS = (
    Command(
        "plan",
        "[TASK]",
        "plan mode: think first, change nothing, then carry the plan out",
        _plan,
        "conversation",
        "/plan move the cart into a package of its own",
    ),
)
