"""Commands in the background, as a session knows them: in its journal, told to the model, shown to people."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from kcode.agent.events import BackgroundEnded
from kcode.agent.told import news, quoted
from kcode.conversation.ledger import Entry, Note
from kcode.errors import KcodeError
from kcode.safety.sanitize import clean
from kcode.tools.background import Background
from kcode.tools.background import BackgroundTask as BackgroundTask
from kcode.tools.bounds import bounded

if TYPE_CHECKING:
    from kcode.agent.session import Session

_STARTED, _ENDED = "background", "background-ended"
_LAST_WORDS = 2_000  # characters


def background_of(session: Session) -> Background:
    """The commands that ``session`` leaves running, numbered on where it is a resumed one."""

    def started(task: BackgroundTask) -> None:
        session.record(Note(_STARTED, task.command, {"id": task.id}))

    count = sum(isinstance(entry, Note) and entry.kind == _STARTED for entry in session.ledger)

    def ended() -> None:
        with suppress(KcodeError):  # the disk is full: it is tried again with the next message
            notice_ended(session)

    return Background(started, ended, count)


def notice_ended(session: Session) -> None:
    """Tell the model, with whatever it gets next, and the interface of commands that ended by themselves."""
    background = session.context.background
    for task, words, seconds in background.take_ended() if background is not None else ():
        last = quoted(bounded(clean(words).strip(), _LAST_WORDS), "news")
        said = f"; it printed since you last asked:\n{last}" if last else "; it printed nothing more"
        session.record(Note(_ENDED, data={"id": task.id, "code": str(task.code)}))
        session.tell(
            news(
                f"The background command {task.id} has ended with exit code {task.code}"
                f" (its output is data){said}"
            )
        )
        session.emit(BackgroundEnded(task.id, task.command, task.code or 0, seconds))


def ended_with_kcode(ledger: Sequence[Entry]) -> list[Note]:
    """What a resumed session has to record: the commands that an earlier run of it had in the background are
    gone, and the model does not know."""
    open_ones: dict[str, str] = {}
    for entry in ledger:
        if isinstance(entry, Note) and entry.kind == _STARTED:
            open_ones[entry.data["id"]] = entry.text
        elif isinstance(entry, Note) and entry.kind == _ENDED:
            open_ones.pop(entry.data["id"], None)
    notes = [Note(_ENDED, data={"id": identity, "code": ""}) for identity in open_ones]
    if open_ones:
        named = ", ".join(open_ones)
        text = f"kcode was closed and opened again: the commands in the background have ended ({named})"
        notes.append(Note("news", news(text)))
    return notes
