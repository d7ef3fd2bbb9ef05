"""Messages that join a running turn: kept in the journal from the moment they are accepted.

A message that was accepted is answered, or it comes back: where the turn ends before a request carries it,
where it does not fit, or where kcode is killed, :meth:`Steering.unanswered` has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.conversation.ledger import Note

if TYPE_CHECKING:
    from kcode.agent.session import Session

_ACCEPTED, _JOINED, _RETURNED = "steer", "steer-joined", "steer-returned"


class Steering:
    """The steered messages of one session. ``open`` tells that a turn runs which will still look for them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: list[tuple[str, str]] = []  # id, text
        self.open = False

    def accept(self, text: str) -> bool:
        """Keep ``text`` for the running turn; False where none will take it."""
        if not self.open or not text.strip():
            return False
        identity = str(len(self._session.ledger))
        self._session.record(Note(_ACCEPTED, text, {"id": identity}))
        self._waiting.append((identity, text))
        return True

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    def take(self) -> tuple[str, Note]:
        """The next message, and the note that goes to the journal together with it."""
        identity, text = self._waiting.pop(0)
        return text, Note(_JOINED, data={"id": identity})

    def close(self) -> None:
        """The turn takes nothing more."""
        self.open = False
        self._waiting.clear()

    def unanswered(self) -> list[str]:
        """Accepted messages that no turn has taken, each told once; [] while a turn may still take them."""
        if self.open:
            return []
        left: dict[str, str] = {}
        for entry in self._session.ledger:
            if not isinstance(entry, Note) or entry.kind not in (_ACCEPTED, _JOINED, _RETURNED):
                continue
            if entry.kind == _ACCEPTED:
                left[entry.data["id"]] = entry.text
            else:
                left.pop(entry.data["id"], None)
        for identity in left:
            self._session.record(Note(_RETURNED, data={"id": identity}))
        return list(left.values())
