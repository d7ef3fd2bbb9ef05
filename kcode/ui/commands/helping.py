"""``/help``: the commands by group and the keys, on one screen; more on one command, one group, or all."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.i18n import _
from kcode.ui.commands.base import Command, Group, table
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

_FORM = "/help [COMMAND|GROUP|keys|all]"
_INDENT = 15  # columns of the group's name


def groups() -> list[tuple[Group, str]]:
    """The groups in their order, and how they are called."""
    return [
        ("conversation", _("conversation")),
        ("model", _("model")),
        ("looking", _("looking")),
        ("files", _("files")),
        ("work", _("work")),
        ("setup", _("setup")),
        ("own", _("your own")),
    ]


def keys() -> list[tuple[str, str]]:
    """What the keys do, those that are used most first."""
    return [
        ("Enter", _("send; while the model works: queue; after a \\ : a new line")),
        ("Alt-Enter", _("a new line")),
        ("Ctrl-S", _("while the model works: tell it now, before its next step")),
        ("Esc, Ctrl-C", _("interrupt the model; Ctrl-C clears the line, twice it quits")),
        ("Esc Esc", _("at the empty prompt: go back to an earlier message")),
        ("Shift-Tab", _("the next mode: plan, ask, edits, auto")),
        ("Ctrl-O", _("details of the last call or reasoning; again: the one before")),
        ("Ctrl-X Ctrl-E", _("write the message in your editor")),
        ("Up, Ctrl-R", _("earlier messages, search in them")),
        ("@ / ! #", _("files, symbols; commands; a shell command; note for AGENTS.md")),
        ("Ctrl-D", _("quit")),
    ]


async def _help(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.ui.commands.table import commands_of

    known = commands_of(session.root)
    wanted = argument.strip().lstrip("/")
    group = next((key for key, name in groups() if wanted in (key, name)), None)
    if not wanted:
        return _overview(sitting, known)
    if wanted == "keys":
        return sitting.say(table(keys()))
    if wanted == "all":
        for key, name in groups():
            sitting.say(name, "bold")
            _rows(sitting, [c for c in known if c.group == key])
        return sitting.say(table(keys()))
    command = next((c for c in known if c.name == wanted), None)
    if command is not None:
        return _one(sitting, command)
    if group is not None:
        return _rows(sitting, [c for c in known if c.group == group])
    near = get_close_matches(wanted, [c.name for c in known], 1, 0.5)
    raise UsageError(
        _("there is no command /{name}").format(name=figures.one_line(wanted)),
        f"/help {near[0]}" if near else _FORM,
    )


def _overview(sitting: Sitting, known: Sequence[Command]) -> None:
    import sys

    from kcode.ui.look.terminal import size_of

    width = max(20, min(size_of(sys.stdout)[0] - _INDENT - 1, 100))
    rows: list[tuple[str, str]] = []
    for key, name in groups():
        names = [f"/{c.name}" for c in known if c.group == key]
        for number, line in enumerate(_lines(names, width)):
            rows.append((name if not number else " ", line))
    sitting.say(table([*rows, *keys()]))
    sitting.say(_("/help COMMAND says more, with an example; so do /help GROUP and /help all"), "dim")


def _lines(names: Sequence[str], width: int) -> list[str]:
    """The names in lines of at most ``width`` columns."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + 1 + len(name) <= width:
            lines[-1] += f" {name}"
        else:
            lines.append(name)
    return lines


def _rows(sitting: Sitting, commands: Sequence[Command]) -> None:
    if not commands:
        return sitting.say(_("none; a file .kcode/commands/NAME.md makes /NAME"), "dim")
    sitting.say(table([(f"/{c.name} {c.argument}".rstrip(), _(c.help)) for c in commands]))
    return None


def _one(sitting: Sitting, command: Command) -> None:
    sitting.say(f"/{command.name} {command.argument}".rstrip(), "bold")
    sitting.say(f"  {_(command.help)}")
    sitting.say(_("  for example: {example}").format(example=command.example or f"/{command.name}"), "dim")
    if command.while_working:
        sitting.say(_("  also while the model works"), "dim")


def _choices(sitting: Sitting) -> list[tuple[str, str]]:
    from kcode.ui.commands.table import commands_of

    return [("keys", ""), ("all", ""), *((c.name, _(c.help)) for c in commands_of(sitting.root))]


COMMANDS = (
    Command(
        "help",
        "[COMMAND|GROUP|keys|all]",
        "the commands and the keys; more on one of them",
        _help,
        "conversation",
        "/help rewind",
        while_working=True,
        choices=_choices,
    ),
)
