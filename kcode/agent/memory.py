"""``#note``: one more line in the project's AGENTS.md, for this session and all that follow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kcode.agent import guide
from kcode.agent.told import news
from kcode.conversation.ledger import Note, User, wire_entries
from kcode.errors import UsageError
from kcode.workspace.change import FileEdit
from kcode.workspace.files import dominant_newline

if TYPE_CHECKING:
    from kcode.agent.session import Session

ACT = "remember"  # stands before and after the change in the ledger: an act of its own for /undo
_HEADING = "## Notes"
_NOTES = re.compile(r"#{1,6}[ \t]+notes[ \t]*#*[ \t]*\Z", re.IGNORECASE)


def remember(session: Session, note: str) -> str:
    """Add ``note`` to the guide of the workspace's root; returns its path, relative to the workspace.

    Where the root has no AGENTS.md but one of the names read in its place, that one gets it. Raises
    UsageError for an empty note, KcodeError where the file cannot be read or written.
    """
    if not note.strip():
        raise UsageError("there is nothing to remember", "type it behind the sign: #run make before a commit")
    workspace = session.workspace
    path = workspace.relative(guide.guide_of(session, session.root))
    before = workspace.read(path).text if (session.root / path).is_file() else None
    session.record(Note(ACT, note.strip()))
    workspace.apply([FileEdit(path, before, with_note(before or "", note))], label=f"note in {path}")
    session.record(Note(ACT, "done"))
    if any(isinstance(entry, User) for entry in wire_entries(session.ledger)):
        session.tell(news(f"The user added a note to {path}, for you to keep to: {' '.join(note.split())}"))
        guide.took_note(session, path)
    return path


def with_note(text: str, note: str) -> str:
    """``text`` with ``note`` as the last item of its section of notes, which is made where there is none."""
    end = dominant_newline(text)
    first, *more = note.strip().splitlines()
    item = [f"- {first.strip()}", *(f"  {line.strip()}" for line in more if line.strip())]
    if not text.strip():
        return end.join(["# Notes for whoever works here", "", _HEADING, "", *item, ""])
    lines = text.splitlines()
    at = _end_of_notes(lines)
    if at is None:
        body = text if text.endswith(("\n", "\r")) else text + end
        return body + end.join(["", _HEADING, "", *item, ""])
    kept = text.splitlines(keepends=True)
    if at and not kept[at - 1].endswith(("\n", "\r")):
        kept[at - 1] += end
    gap = [end] if at and _NOTES.match(lines[at - 1]) else []
    return "".join([*kept[:at], *gap, *(line + end for line in item), *kept[at:]])


def _end_of_notes(lines: list[str]) -> int | None:
    """Where the next item of the section "Notes" goes: behind its last line that is not blank."""
    level, at, fenced = 0, None, False
    for number, line in enumerate(lines):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        depth = len(line) - len(line.lstrip("#")) if re.match(r"#{1,6}[ \t]", line) and not fenced else 0
        if at is None:
            if depth and _NOTES.match(line):
                level, at = depth, number + 1
        elif depth and depth <= level:
            break
        elif line.strip():
            at = number + 1
    return at
