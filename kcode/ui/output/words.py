"""Sentences about a turn that the live and the plain renderer share."""

from __future__ import annotations

from kcode.agent.events import AnswerDiscarded, BackgroundEnded, CallFinished, TurnFinished, WaitingToSend
from kcode.i18n import _, from_below
from kcode.ui.look import figures


def ending(event: TurnFinished) -> str:
    """Why a turn ended without an answer: ``stopped at a limit: …``."""
    reasons = {
        "interrupted": _("interrupted"),
        "limit": _("stopped at a limit"),
        "loop": _("stopped: the model was repeating itself"),
        "error": _("failed"),
        "refused": _("refused"),
    }
    detail = figures.one_line(from_below(event.detail))
    return reasons.get(event.reason, event.reason) + (f": {detail}" if detail else "")


def discarded(event: AnswerDiscarded, *, shown: bool) -> str:
    """What a retry says; ``shown``: part of the answer is in the scrollback already."""
    why = figures.one_line(from_below(event.why))
    if shown:
        return _("what was said above does not count ({why}); trying again").format(why=why)
    return _("{why}; trying again").format(why=why)


def background_ended(event: BackgroundEnded) -> str:
    """``in the background ended with exit code 1 after 12s: npm run dev``."""
    return _("in the background ended with exit code {code} after {time}: {command}").format(
        code=event.code, time=figures.seconds(event.seconds), command=figures.one_line(event.command)
    )


def trying_again(wait_s: float) -> str:
    """``trying again in 12s``."""
    return _("trying again in {count}s").format(count=round(wait_s)) if wait_s >= 1 else _("trying again")


def held_back(event: WaitingToSend) -> str:
    """``waiting 12s: the account allows 3 requests a minute``; without a time, why alone."""
    why = figures.one_line(from_below(event.why))
    if event.wait_s <= 0:
        return why
    return _("waiting {count}s: {why}").format(count=max(1, round(event.wait_s)), why=why)


def about_todo(event: CallFinished) -> bool:
    """Whether a call only changed the to-do list, which is shown itself."""
    return event.name == "update_todo" and event.outcome.ok
