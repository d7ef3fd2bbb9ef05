"""Commands about the files this session changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.ui import figures
from kcode.ui.commands.base import Command

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def _diff(sitting: Sitting, session: Session, argument: str) -> None:
    import sys

    from kcode.ui.diffview import print_edits
    from kcode.ui.terminal import make_console

    edits = session.changes()
    if not edits:
        sitting.say("this session has changed no files", "dim")
        return
    print_edits(make_console(sys.stdout, sitting.look), edits, sitting.look)


async def _undo(sitting: Sitting, session: Session, argument: str) -> None:
    if argument not in ("", "force"):
        raise UsageError(f"/undo does not know {argument!r}", "/undo, or /undo force")
    restored = session.undo(force=argument == "force")
    if not restored:
        sitting.say("nothing to undo", "dim")
    for path in restored:
        sitting.say(f"restored {figures.one_line(path)}")


COMMANDS = (
    Command("diff", "", "what this session changed in the files", _diff),
    Command("undo", "[force]", "take back the file changes of the last turn", _undo),
)
