"""What a session that is opened again finds out first: how it ended, and what that left open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.agent.background import ended_with_kcode
from kcode.agent.folders import restore_folders
from kcode.conversation.ledger import (
    Assistant,
    Checkpoint,
    Entry,
    Epoch,
    Note,
    ToolResult,
    UsageEntry,
    User,
    live_entries,
    open_calls,
)
from kcode.conversation.projection import NOT_RUN

if TYPE_CHECKING:
    from kcode.agent.session import Session

_MAY_HAVE_RUN = (  # the first of the open calls: the others wait for it
    "[interrupted: kcode was ended before this call had a result; it may have run:"
    " look before doing it again]"
)


def heal(session: Session) -> None:
    """After a crash: keep what was said of an answer under way, answer the calls that were open, and say so
    if another model goes on. Folders that were added are there again."""
    said = [e for e in live_entries(session.ledger) if isinstance(e, Assistant | User) or _cut_off(e)]
    if said and isinstance(cut := said[-1], Note):
        session.record(Assistant(cut.text, cut.data.get("reasoning"), (), "interrupted"))
    for number, call in enumerate(open_calls(session.ledger)):
        why = f"{NOT_RUN} (kcode was ended)" if number else _MAY_HAVE_RUN
        session.record(ToolResult(call.id, call.name, why, ok=False, brief="not run"))
    for note in ended_with_kcode(session.ledger):
        session.record(note)
    restore_folders(session)
    changed = next((e.paths for e in reversed(session.ledger) if isinstance(e, Checkpoint)), ())
    session.workspace.sweep(changed)
    last = next((e.model for e in reversed(session.ledger) if isinstance(e, UsageEntry)), "")
    if last and last != session.provider.model.id:
        session.record(Epoch("model", str(session.who()), keep_upto=len(session.ledger)))


def _cut_off(entry: Entry) -> bool:
    """The kept beginning of an answer that was being continued."""
    return isinstance(entry, Note) and entry.kind == "cut-off" and bool(entry.text)
