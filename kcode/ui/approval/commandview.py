"""A command that is about to run: what decides underlined, what it touches, and what it runs in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kcode.i18n import _, from_below
from kcode.safety.commands import assess
from kcode.safety.findings import Finding
from kcode.safety.programs import CHANGES_FILES
from kcode.safety.rules import hosts_in
from kcode.safety.sanitize import reveal
from kcode.ui.look import figures
from kcode.ui.look.terminal import Look
from kcode.ui.look.theme import theme_of

if TYPE_CHECKING:
    from rich.console import Console

    from kcode.agent.approval import Question

MOST = 12  # names on one line
_SCRIPTS = ("sed", "awk", "gawk", "perl", "grep", "rg")  # their first words are no files
_FILE = re.compile(r"[\w@.+-]*(/|\.\w{1,8}$)[^\s'\"`;|]*")


def print_command(console: Console, question: Question, look: Look) -> None:
    from rich.text import Text

    theme = theme_of(look)
    command = reveal(question.intent.command)
    part = reveal(question.part)
    marked = _place(command, part)
    text = Text(command, style="bold")
    if marked is not None:
        text.stylize(f"underline {theme.warn}".strip(), *marked)
    prompt = "$ "
    for line in text.split("\n"):
        console.print(Text.assemble((prompt, theme.dim), line), overflow="fold")
        prompt = "  "
    rows = list(_facts(question))
    if part and (marked is None or look.plain) and figures.one_line(command) != figures.one_line(part):
        rows.append((_("decides"), figures.one_line(part)))
    width = max((len(label) for label, _value in rows), default=0)
    for label, value in rows:
        console.print(Text(f"  {label:<{width}}  {value}", style=theme.dim), overflow="fold")


def _place(command: str, part: str) -> tuple[int, int] | None:
    """Where the deciding part stands, which has lost its quotes; None where it is all, or not to be found."""
    words = part.split()
    if not words or part == command.strip():
        return None
    gap = r"""["'\\\s]+"""
    found = re.search(rf"""(?<![\w./-])["']?{gap.join(map(re.escape, words))}["']?""", command)
    return found.span() if found and found.span() != (0, len(command)) else None


def _facts(question: Question) -> Iterator[tuple[str, str]]:
    root = question.root.as_posix() if question.root is not None else ""
    found = assess(question.intent.command, root)
    writes = [path for one in found if one.target == "redirect" for path in one.paths]
    touched = [path for one in found for path in _files(one) if path not in writes]
    hosts = [host for one in found for host in hosts_in(one.command)]
    for label, names in ((_("writes"), writes), (_("touches"), touched), (_("reaches"), hosts)):
        if names:
            yield label, _listed(names)
    if question.sandbox:
        yield _("runs"), from_below(question.sandbox)


def _files(finding: Finding) -> Iterator[str]:
    """Which words of a command that changes something are names of files, as far as that can be told."""
    program = finding.command.split(" ", 1)[0]
    if finding.target != "command" or finding.effect in ("read", "test") or program in _SCRIPTS:
        return
    for path in finding.paths:
        if program in CHANGES_FILES or _FILE.fullmatch(path):
            yield path.removeprefix("./") or path


def _listed(names: list[str]) -> str:
    known = [figures.one_line(name) for name in dict.fromkeys(names)]
    more = f" … (+{len(known) - MOST})" if len(known) > MOST else ""
    return ", ".join(known[:MOST]) + more
