"""The slash commands, as a table."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.ui.commands import files, providing, sessions, standing, talk
from kcode.ui.commands.base import Command

if TYPE_CHECKING:
    from kcode.ui.sitting import Sitting

_ORDER = (  # of the help and of the completion: what is used most comes first
    "help",
    "model",
    "provider",
    "mode",
    "status",
    "context",
    "cost",
    "cache",
    "diff",
    "undo",
    "attach",
    "rewind",
    "resume",
    "fork",
    "compact",
    "clear",
    "export",
    "copy",
    "exit",
)
_ALL: tuple[Command, ...] = (
    *talk.COMMANDS,
    *providing.COMMANDS,
    *standing.COMMANDS,
    *files.COMMANDS,
    *sessions.COMMANDS,
)
COMMANDS: tuple[Command, ...] = tuple(sorted(_ALL, key=lambda command: _ORDER.index(command.name)))


def looks_like_command(message: str) -> bool:
    """``/model kimi`` is one; ``/usr/bin is full`` is a message."""
    return re.match(r"/[A-Za-z?][\w-]*(\s|$)", message) is not None


async def run(sitting: Sitting, message: str) -> None:
    """Run the command of ``message``. Raises UsageError for one that is not there, naming the nearest."""
    name, _, argument = message[1:].partition(" ")
    name = {"?": "help", "quit": "exit", "q": "exit"}.get(name.strip(), name.strip())
    command = next((c for c in COMMANDS if c.name == name), None)
    if command is None:
        near = get_close_matches(name, [c.name for c in COMMANDS], n=1, cutoff=0.5)
        raise UsageError(f"no command /{name}", f"/{near[0]}" if near else "/help lists the commands")
    if argument.strip() and not command.argument:
        raise UsageError(f"/{name} takes nothing behind it", f"/{name}")
    await command.run(sitting, await sitting.ready(), argument.strip())
