"""Commands about the files this session changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.i18n import _
from kcode.ui.commands.base import Command, not_known, words_of
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting


async def _diff(sitting: Sitting, session: Session, argument: str) -> None:
    import sys

    from kcode.ui.approval.diffview import print_edits
    from kcode.ui.look.terminal import make_console

    edits = session.changes()
    if not edits:
        sitting.say(_("this session has changed no files"), "dim")
        return
    print_edits(make_console(sys.stdout, sitting.look), edits, sitting.look)


async def _undo(sitting: Sitting, session: Session, argument: str) -> None:
    if argument not in ("", "force"):
        raise not_known(argument, "/undo [force]")
    restored = session.undo(force=argument == "force")
    _tell(sitting, restored, _("restored {path}"), _("nothing to undo"))


async def _redo(sitting: Sitting, session: Session, argument: str) -> None:
    if argument not in ("", "force"):
        raise not_known(argument, "/redo [force]")
    again = session.redo(force=argument == "force")
    _tell(sitting, again, _("changed again: {path}"), _("nothing to redo"))


def _tell(sitting: Sitting, paths: Sequence[str], each: str, none: str) -> None:
    if not paths:
        sitting.say(none, "dim")
    for path in paths:
        sitting.say(each.format(path=figures.one_line(path)))


async def _add_dir(sitting: Sitting, session: Session, argument: str) -> None:
    words = words_of(argument, 1, "/add-dir [PATH]")
    if words:
        added = session.add_dir(Path(words[0]))
        sitting.say(_("{folder} is part of the workspace now").format(folder=figures.one_line(str(added))))
        return
    for number, folder in enumerate(session.workspace.roots):
        sitting.say(figures.one_line(str(folder)), "" if number else "bold")


COMMANDS = (
    Command(
        "diff",
        "",
        "what this session changed in the files",
        _diff,
        "files",
        "/diff",
        while_working=True,
    ),
    Command(
        "undo",
        "[force]",
        "take back the file changes of the last turn",
        _undo,
        "files",
        "/undo",
    ),
    Command("redo", "[force]", "make the changes that were undone again", _redo, "files", "/redo"),
    Command(
        "add-dir",
        "[PATH]",
        "let another folder be read and changed too; alone, list them",
        _add_dir,
        "files",
        "/add-dir ../library",
    ),
)
