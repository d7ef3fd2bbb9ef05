"""Folders beside the workspace that the user has let the session work in."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.agent.told import news
from kcode.conversation.ledger import Note
from kcode.errors import UsageError

if TYPE_CHECKING:
    from kcode.agent.session import Session

_KIND = "add-dir"


def add_folder(session: Session, path: Path) -> Path:
    """Let ``path`` (relative to where kcode was started) be worked in for the rest of this session; its real
    path. Raises UsageError where it is no folder, or one that must not be.

    Edits in it have their checkpoints and can be undone; snapshots do not cover it, so that a rewind does not
    bring back there what commands have changed.
    """
    before = session.workspace.added
    real = session.workspace.add(session.start / path.expanduser())
    if session.workspace.added == before:
        return real
    try:
        session.record(Note(_KIND, str(real)))
    except BaseException:
        session.workspace.added = before
        raise
    session.tell(
        news(
            f"The user added the folder {real.as_posix()} to the workspace: read, search and edit in it by"
            " absolute paths"
        )
    )
    return real


def restore_folders(session: Session) -> None:
    """Those of an earlier run of the session, where they are still there."""
    for entry in session.ledger:
        if isinstance(entry, Note) and entry.kind == _KIND:
            with suppress(UsageError):
                session.workspace.add(Path(entry.text))
