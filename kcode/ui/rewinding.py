"""``/rewind`` and Esc Esc: choosing a message to go back to, what goes back with it, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.i18n import _, n_
from kcode.ui.commands.base import choose
from kcode.ui.look import figures
from kcode.ui.picker import Choice, of_moment

if TYPE_CHECKING:
    from kcode.agent.rewind import FilePlan, Moment, Rewound, What
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

_NAMED = 6  # paths that a line names
_LISTED = 20  # paths that are listed after the fact


async def run(sitting: Sitting, session: Session, argument: str) -> None:
    """The command. Raises UsageError for an argument other than ``undo``."""
    if argument == "undo":
        return await _take_back(sitting, session)
    if argument:
        raise UsageError(
            _("/rewind does not know {what!r}").format(what=argument), _("/rewind, or /rewind undo")
        )
    from kcode.agent.rewind import moments, plan_files, rewind

    found = moments(session.ledger)
    if not found:
        return sitting.say(_("there is no message to go back to"), "dim")
    moment = await _moment(sitting, found)
    if moment is None:
        return None
    plan = await plan_files(session, moment.position)
    what = await _what(sitting, plan)
    if what is None:
        return None
    force = what != "conversation" and await _force(sitting, plan)
    if force is None:
        return None
    done = await rewind(session, moment.position, what, plan, force=force)
    _tell(sitting, what, done)
    if not plan.exact and what != "conversation":
        sitting.say(_("without a snapshot, only what kcode's own edits changed came back"), "yellow")
    if done.text:
        sitting.draft = done.text
    return None


async def _moment(sitting: Sitting, found: Sequence[Moment]) -> Moment | None:
    chosen = await choose(
        sitting,
        [of_moment(moment) for moment in found],
        title=_("Go back to before which message?"),
        start=len(found) - 1,
    )
    return None if chosen is None else found[chosen]


async def _what(sitting: Sitting, plan: FilePlan) -> What | None:
    """What goes back; without a question where no file has changed."""
    if plan.empty:
        return "conversation"
    files = _count(plan.restored, _("change back")) if plan.restored else ""
    kept = _count(plan.kept, _("changed by you")) if plan.kept else ""
    detail = "; ".join(filter(None, (files, kept)))
    choices: list[tuple[What, Choice]] = [
        ("both", Choice(_("conversation and files"), detail)),
        ("conversation", Choice(_("conversation only"), _("files stay as they are"))),
        ("files", Choice(_("files only"), _("the conversation goes on, and the model is told"))),
    ]
    chosen = await choose(sitting, [choice for _what, choice in choices], title=_("What goes back?"))
    return None if chosen is None else choices[chosen][0]


async def _force(sitting: Sitting, plan: FilePlan) -> bool | None:
    """Whether what the user changed goes back too; None where they left."""
    if not plan.kept:
        return False
    choices = [
        Choice(_("keep my changes"), _count(plan.kept, _("stay as they are now"))),
        Choice(_("bring these back too"), _("my changes to them are undone; /rewind undo has them")),
    ]
    title = _("You changed some of these files yourself, or somebody else did")
    chosen = await choose(sitting, choices, title=title)
    return None if chosen is None else chosen == 1


async def _take_back(sitting: Sitting, session: Session) -> None:
    from kcode.agent.rewind import plan_undo, undo

    position, plan = await plan_undo(session)
    force = await _force(sitting, plan)
    if force is None:
        return
    done = await undo(session, position, plan, force=force)
    sitting.say(_("the rewind is taken back"))
    _paths(sitting, done)


def _tell(sitting: Sitting, what: What, done: Rewound) -> None:
    words = {
        "both": _("conversation and files are as they were before that message"),
        "conversation": _("the conversation is as it was before that message; files stay"),
        "files": _("files are as they were before that message; the conversation goes on"),
    }
    sitting.say(_("{done} (/rewind undo takes it back)").format(done=words[what]))
    _paths(sitting, done)


def _paths(sitting: Sitting, done: Rewound) -> None:
    for path in done.restored[:_LISTED]:
        sitting.say(f"  {figures.one_line(path)}", "dim")
    if len(done.restored) > _LISTED:
        more = len(done.restored) - _LISTED
        sitting.say("  " + _("and {count} more").format(count=more), "dim")
    for path, why in done.left:
        told = _("left alone: {file}: {why}").format(file=figures.one_line(path), why=figures.one_line(why))
        sitting.say(f"  {told}", "yellow")


def _count(paths: Sequence[str], what: str) -> str:
    """``3 files change back: a.py, b.py, c.py``."""
    named = ", ".join(figures.one_line(path) for path in paths[:_NAMED])
    more = ", …" if len(paths) > _NAMED else ""
    files = n_("{count} file", "{count} files", len(paths)).format(count=len(paths))
    return f"{files} {what}: {named}{more}"
