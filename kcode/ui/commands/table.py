"""The slash commands, as a table: kcode's own, then those of the user's and the project's files."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.i18n import _
from kcode.ui.commands import (
    files,
    gitwork,
    helping,
    memory,
    permissions,
    planning,
    providing,
    queueing,
    reporting,
    sessions,
    setup,
    standing,
    starting,
    talk,
    testing,
)
from kcode.ui.commands.base import Command

if TYPE_CHECKING:
    from kcode.ui.customs import Customs
    from kcode.ui.sitting import Sitting

_ORDER = (  # of the help and of the completion: what is used most comes first
    "help",
    "model",
    "provider",
    "mode",
    "plan",
    "status",
    "context",
    "cost",
    "cache",
    "queue",
    "test",
    "fix",
    "commit",
    "resolve",
    "review",
    "diff",
    "undo",
    "redo",
    "attach",
    "add-dir",
    "rewind",
    "resume",
    "fork",
    "compact",
    "clear",
    "export",
    "copy",
    "permissions",
    "memory",
    "init",
    "config",
    "theme",
    "doctor",
    "bug",
    "exit",
)
_ALL: tuple[Command, ...] = (
    *helping.COMMANDS,
    *talk.COMMANDS,
    *providing.COMMANDS,
    *standing.COMMANDS,
    *queueing.COMMANDS,
    *files.COMMANDS,
    *sessions.COMMANDS,
    *permissions.COMMANDS,
    *memory.COMMANDS,
    *setup.COMMANDS,
    *reporting.COMMANDS,
    *planning.COMMANDS,
    *gitwork.COMMANDS,
    *testing.COMMANDS,
    *starting.COMMANDS,
)
COMMANDS: tuple[Command, ...] = tuple(sorted(_ALL, key=lambda command: _ORDER.index(command.name)))
_ALIASES = {"?": "help", "quit": "exit", "q": "exit"}
_customs: dict[Path, Customs] = {}  # by project, so that files that have not changed are not read again


def looks_like_command(message: str) -> bool:
    """``/model kimi`` is one, and ``/git:tidy``; ``/usr/bin is full`` is a message."""
    return re.match(r"/(\?|[^\W\d_][\w.:-]*)(\s|$)", message) is not None


def commands_of(root: Path) -> list[Command]:
    """All commands of a project, its own and the user's included, as they are on disk now."""
    from kcode.ui.commands.custom import as_command

    return [*COMMANDS, *(as_command(custom) for custom in customs_of(root).all())]


def customs_of(root: Path) -> Customs:
    from kcode.ui.customs import Customs

    if root not in _customs:
        _customs[root] = Customs(root, [*(command.name for command in COMMANDS), *_ALIASES])
    return _customs[root]


def find(name: str, root: Path) -> Command:
    """The command ``/name``. Raises UsageError for one that is not there, naming the nearest."""
    name = _ALIASES.get(name, name)
    command = next((c for c in COMMANDS if c.name == name), None)
    if command is not None:
        return command
    known = commands_of(root)
    command = next((c for c in known if c.name == name), None)
    if command is None:
        near = get_close_matches(name, [c.name for c in known], n=1, cutoff=0.5)
        hint = f"/{near[0]}" if near else _("/help lists the commands")
        raise UsageError(_("no command /{name}").format(name=name), hint)
    return command


async def run(sitting: Sitting, message: str) -> None:
    """Run the command of ``message``. Raises UsageError for one that is not there, naming the nearest."""
    name, *rest = message[1:].split(None, 1)
    argument = rest[0].strip() if rest else ""
    command = find(name, sitting.root)
    if argument and not command.argument:
        raise UsageError(_("/{name} takes nothing behind it").format(name=command.name), f"/{command.name}")
    await command.run(sitting, await sitting.ready(), argument)
