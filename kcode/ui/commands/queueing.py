"""``/queue``: the messages that wait for the turn to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.i18n import _, n_
from kcode.ui.commands.base import Command, not_known, table

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def _queue(sitting: Sitting, session: Session, argument: str) -> None:
    if argument not in ("", "clear"):
        raise not_known(argument, "/queue [clear]")
    waiting = list(sitting.queue)
    if argument == "clear":
        sitting.queue.clear()
        count = len(waiting)
        words = n_("{count} message does not wait any more", "{count} messages do not wait any more", count)
        return sitting.say(words.format(count=count), "dim")
    if not waiting:
        return sitting.say(_("nothing waits"), "dim")
    rows = [(str(number), sitting.stage.prompt.folds.refold(text)) for number, text in enumerate(waiting, 1)]
    return sitting.say(table(rows))


COMMANDS = (
    Command(
        "queue",
        "[clear]",
        "the messages that wait for the turn to end",
        _queue,
        group="looking",
        example="/queue clear",
        while_working=True,
    ),
)
