"""``/memory``: which AGENTS.md files the model has been given, and editing one of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.errors import EnvironmentProblem, UsageError
from kcode.i18n import _
from kcode.ui.commands.base import Command, not_known, table, words_of
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

_FORM = "/memory [edit [N]]"


def scopes() -> dict[str, str]:
    return {"user": _("yours"), "project": _("project"), "folder": _("folder")}


async def _memory(sitting: Sitting, session: Session, argument: str) -> None:
    words = words_of(argument, 2, _FORM)
    if words and words[0] != "edit":
        raise not_known(words[0], _FORM)
    if words:
        return await _edit(sitting, session, words[1] if len(words) > 1 else "")
    rows = guide_rows(session)
    sitting.say(
        table(rows) if rows else _("no AGENTS.md here yet: /init writes one, /memory edit begins one")
    )
    sitting.say(_("#note at the prompt adds a line to the project's; /memory edit N opens one"), "dim")
    return None


def guide_rows(session: Session) -> list[tuple[str, str]]:
    """A row a guide: its number and path; whose it is, its size, whether the model has all of it."""
    rows = []
    for number, guide in enumerate(session.guides, 1):
        facts = [scopes().get(guide.scope, guide.scope)]
        facts += [_("{count} tokens").format(count=figures.tokens(guide.tokens))]
        if guide.cut:
            facts += [_("cut: it has {count} characters").format(count=guide.characters)]
        rows.append((f"{number}  {figures.one_line(guide.path)}", ", ".join(facts)))
    return rows


async def _edit(sitting: Sitting, session: Session, number: str) -> None:
    from kcode.ui.editor import edit, own_editor

    path = _path(session, number)
    before = await asyncio.to_thread(_text, path)
    after = await sitting.aside(lambda: edit(before or "", path.name, own_editor()))
    shown = figures.one_line(str(path))
    if after is None:
        raise EnvironmentProblem(
            _("the editor ended with an error; {file} is as it was").format(file=shown),
            _("save and leave the editor without an error"),
        )
    if after == (before or ""):
        return sitting.say(_("{file} is as it was").format(file=shown), "dim")
    await asyncio.to_thread(_write, session, path, before, after)
    sitting.say(_("{file} written; the model reads it with your next message").format(file=shown))
    return None


def _path(session: Session, number: str) -> Path:
    """The guide of that number; without one the project's, there or not yet."""
    from kcode.agent.guide import guide_of

    guides = session.guides
    if not number:
        return guide_of(session, session.root)
    if not (number.isascii() and number.isdigit() and 0 < int(number) <= len(guides)):
        raise UsageError(_("there is no guide {number}").format(number=number), _("/memory lists them"))
    return session.root / guides[int(number) - 1].path


def _text(path: Path) -> str | None:
    from kcode.workspace.files import read_text

    return read_text(path, str(path)).text if path.is_file() else None


def _write(session: Session, path: Path, before: str | None, after: str) -> None:
    """Through the workspace, so that ``/undo`` has it; the user's own guide is none of the workspace's."""
    from kcode.config.edit import write_atomically
    from kcode.workspace.change import FileEdit

    if path.resolve().is_relative_to(session.root):
        session.workspace.apply(
            [FileEdit(session.workspace.relative(path.resolve()), before, after)], label="/memory edit"
        )
    else:
        write_atomically(path, after)


def _choices(sitting: Sitting) -> list[tuple[str, str]]:
    return [("edit", _("open one in your editor"))]


COMMANDS = (
    Command(
        "memory",
        "[edit [N]]",
        "the AGENTS.md files that the model has; edit one",
        _memory,
        "setup",
        "/memory edit 1",
        choices=_choices,
    ),
)
