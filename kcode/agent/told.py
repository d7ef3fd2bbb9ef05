"""What the model has been told beside the user's words, and what it has yet to hear. Read from the ledger.

News and the output of the user's own commands wait as notes until a message (news: or a tool's result)
carries them, so that they outlive a crash; the mode and the project's guides are told where they changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from kcode.agent import guide
from kcode.agent.orientation import code_map
from kcode.agent.prompt import first_context
from kcode.config.prompts import load_prompt
from kcode.conversation.ledger import Entry, Epoch, Note, User, live_entries, live_positions, wire_entries

if TYPE_CHECKING:
    from kcode.agent.session import Session

NEWS = "news"
COMMAND = "user-command"
_TOLD = "told"  # a tool's result has carried the news before it
_MODE = "mode-told"
_UNTOLD_MODE = "ask"  # what the system text describes

Blocks = tuple[list[str], list[Note]]  # what is appended to a message, and the notes that say so


def with_message(session: Session) -> Blocks:
    """What goes with the next message of the user's."""
    session.notice_ended()
    begun = any(isinstance(entry, User) for entry in wire_entries(session.ledger))
    blocks, notes = _mode_and_guides(session) if begun else opening(session)
    waiting = [*_waiting(session.ledger, NEWS), *_waiting(session.ledger, COMMAND)]
    blocks += [note.text for _, note in sorted(waiting, key=lambda pair: pair[0])]
    blocks += [attachment.block for attachment in session.attachments]
    return blocks, notes


def with_result(session: Session, paths: Iterable[str]) -> Blocks:
    """What goes with a tool's result: guides of the folders that ``paths`` lie in, and news."""
    session.notice_ended()
    blocks, notes = guide.entered(session, paths)
    news = [note.text for _, note in _waiting(session.ledger, NEWS)]
    return ([*blocks, *news], [*notes, Note(_TOLD)]) if news else (blocks, notes)


def opening(session: Session) -> Blocks:
    """What the first message of an epoch carries: where we are, the guides, the mode."""
    blocks, notes = guide.opening(session)
    mode, mode_notes = _mode(session, _UNTOLD_MODE)
    return [first_context(session.workspace), *code_map(session), *blocks, *mode], [*notes, *mode_notes]


def news(text: str) -> str:
    """``text`` as the block in which the model hears it."""
    return f"<news>{text}</news>"


def quoted(text: str, tag: str) -> str:
    """``text`` as the body of a ``tag`` block, which it cannot end by itself."""
    return re.sub(rf"<(?=/\s*{tag}\b)", "&lt;", text, flags=re.IGNORECASE)


def _mode_and_guides(session: Session) -> Blocks:
    live = live_entries(session.ledger)
    told = next((e.text for e in reversed(live) if isinstance(e, Note) and e.kind == _MODE), _UNTOLD_MODE)
    mode, mode_notes = _mode(session, told)
    blocks, notes = guide.changed(session)
    return [*blocks, *mode], [*notes, *mode_notes]


def _mode(session: Session, told: str) -> Blocks:
    if session.mode == told:
        return [], []
    words = load_prompt(f"mode_{session.mode}")
    return [f'<mode name="{session.mode}">\n{words}\n</mode>'], [Note(_MODE, session.mode)]


def _waiting(ledger: Sequence[Entry], kind: str) -> list[tuple[int, Note]]:
    """The notes that no message has carried, with their positions: of the conversation as it is now, and
    those that an epoch has put behind since the last message. A command's output is forgotten where the
    conversation goes back behind it, news is not."""
    raw = list(enumerate(ledger))
    found = dict(_after_last_message(live_positions(ledger), kind))
    found |= dict(_after_last_message(raw, kind))
    return sorted(found.items())


def _after_last_message(entries: Sequence[tuple[int, Entry]], kind: str) -> list[tuple[int, Note]]:
    found = []
    for position, entry in reversed(entries):
        if isinstance(entry, User) and entry.typed:
            break
        if isinstance(entry, Epoch):
            went_back = entry.reason == "rewind" and entry.restore_upto is not None
            if entry.reason == "clear" or (went_back and kind == COMMAND):
                break
        if isinstance(entry, Note) and entry.kind == _TOLD and kind == NEWS:
            break
        if isinstance(entry, Note) and entry.kind == kind:
            found.append((position, entry))
    return found
