"""``/undo`` and ``/redo``: the file changes of the last act taken back, and that taken back again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kcode.agent.memory import ACT
from kcode.agent.rewind import standing
from kcode.agent.told import news
from kcode.conversation.ledger import Checkpoint, Entry, Note, User, live_entries
from kcode.errors import UsageError

if TYPE_CHECKING:
    from kcode.agent.session import Session


def undo(session: Session, *, force: bool = False) -> list[str]:
    """Take back the file changes of the last turn (or note) that has any; the paths that were restored.

    Raises StaleFile, before anything is touched, where a file was changed since, unless ``force``.
    """
    last = _last_act(session)
    if not force:
        session.workspace.check_undo([checkpoint.id for checkpoint in last])
    restored: dict[str, None] = {}
    act = last[0].id if last else ""
    for checkpoint in last:
        taken_back = session.workspace.take_back(checkpoint.id, force=force)
        restored.update(dict.fromkeys(taken_back.paths))
        session.record(Note("undo", data={"checkpoint": checkpoint.id, "by": taken_back.id, "act": act}))
    if restored:
        session.tell(news(f"The user took back your changes to: {', '.join(restored)}"))
    return list(restored)


def redo(session: Session, *, force: bool = False) -> list[str]:
    """Take back the last undo; the paths that changed. Raises UsageError where there is none, StaleFile,
    before anything is touched, where a file was changed since, unless ``force``."""
    notes = _last_undo(session.ledger)
    if not notes:
        raise UsageError("there is no undo to take back", "/undo takes back the last turn's changes")
    if not force:
        session.workspace.check_undo([note.data["by"] for note in notes])
    restored: dict[str, None] = {}
    for note in notes:
        taken_back = session.workspace.take_back(note.data["by"], force=force)
        restored.update(dict.fromkeys(taken_back.paths))
        session.record(Note("redo", data={"checkpoint": note.data["checkpoint"]}))
    session.tell(news(f"The user brought your changes back to: {', '.join(restored)}"))
    return list(restored)


def _last_act(session: Session) -> list[Checkpoint]:
    """The checkpoints of the last message, or note, that has any, the latest first."""
    last: list[Checkpoint] = []
    still_there = [checkpoint for _, checkpoint in standing(session.ledger)]
    for entry in reversed(live_entries(session.ledger)):
        begins = isinstance(entry, User) and bool(entry.typed)
        if last and (begins or (isinstance(entry, Note) and entry.kind == ACT)):
            break
        if isinstance(entry, Checkpoint) and entry in still_there:
            last.append(entry)
    return last


def _last_undo(ledger: Sequence[Entry]) -> list[Note]:
    """The notes of the last undo that has not been taken back, the latest first."""
    redone: set[str] = set()
    found: list[Note] = []
    for entry in reversed(ledger):
        if not isinstance(entry, Note) or entry.kind not in ("undo", "redo"):
            continue
        name = entry.data.get("checkpoint", "")
        if entry.kind == "redo":
            redone.update(name.split())
        elif name in redone:
            redone.discard(name)  # an earlier undo of the same change has its own redo
        elif entry.data.get("by"):
            if found and entry.data["act"] != found[0].data["act"]:
                break
            found.append(entry)
    return found
