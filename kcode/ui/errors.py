"""Errors as people see them: what happened, what to do next; a stack trace only on request."""

from __future__ import annotations

import os
import re
import sys
import traceback
from typing import TYPE_CHECKING, TextIO
from unicodedata import east_asian_width

from kcode.errors import KcodeError

if TYPE_CHECKING:
    from kcode.ui.terminal import Look


def report(
    error: KcodeError, debug: bool = False, stream: TextIO | None = None, look: Look | None = None
) -> None:
    """Print ``error`` and its remedy to stderr (or ``stream``), with the trace where ``debug`` is set."""
    from kcode.i18n import _, from_below
    from kcode.safety.sanitize import clean
    from kcode.ui.paint import painted
    from kcode.ui.terminal import look_at, size_of
    from kcode.ui.theme import theme_of

    out = stream or sys.stderr
    look = look or look_at(out)
    theme = theme_of(look)
    columns = size_of(out)[0] if out.isatty() else 0
    try:
        if debug:
            out.write(clean("".join(traceback.format_exception(error))))
        label = _("error:")
        out.write(painted(label, f"bold {theme.bad}", look))
        out.write(_wrapped(clean(from_below(error.message)), cells(label), columns))
        if error.remedy:
            label = _("  try:")
            remedy = _wrapped(clean(from_below(error.remedy)), cells(label), columns)
            out.write(painted(label, "bold", look) + remedy)
        out.flush()
    except (BrokenPipeError, ValueError):  # nobody reads stderr any more: the exit code still speaks
        _forget(out)


def _wrapped(text: str, indent: int, columns: int) -> str:
    """`` text`` behind a label of ``indent`` cells: whole words a line on a terminal, untouched elsewhere."""
    if not columns or "\n" in text:
        return f" {text}\n"
    lines = wrapped(text, max(columns - indent - 1, 20))
    return " " + f"\n{' ' * (indent + 1)}".join(lines) + "\n"


def wrapped(text: str, room: int) -> list[str]:
    """Lines of at most ``room`` cells, cut between words and beside wide letters; a long word stays whole."""
    lines, line, gap = [], "", ""
    for part in re.findall(r"\s+|[\u2e80-\U0003fffd]|[^\s\u2e80-\U0003fffd]+", text):
        if part.isspace():
            gap = " "
        elif line and cells(line + gap + part) > room:
            lines.append(line)
            line, gap = part, ""
        else:
            line, gap = (line + gap + part if line else part), ""
    return [*lines, line]


def cells(text: str) -> int:
    """The width of ``text`` on a terminal."""
    return sum(2 if east_asian_width(char) in "WF" else 1 for char in text)


def _forget(stream: TextIO) -> None:
    """Point a broken stream at nothing, so that closing it at exit does not complain again."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
    except (OSError, ValueError):
        return
    os.close(descriptor)
