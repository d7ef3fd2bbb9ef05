"""Errors as people see them: what happened, what to do next; a stack trace only on request."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, TextIO

from kcode.errors import Interrupted, KcodeError

if TYPE_CHECKING:
    from kcode.ui.look.terminal import Look


def report(
    error: KcodeError, debug: bool = False, stream: TextIO | None = None, look: Look | None = None
) -> None:
    """Print ``error`` and its remedy to stderr (or ``stream``), with the trace where ``debug`` is set."""
    from kcode.i18n import _, from_below
    from kcode.safety.sanitize import clean
    from kcode.ui.look.paint import painted
    from kcode.ui.look.terminal import look_at, size_of
    from kcode.ui.look.theme import theme_of

    out = stream or sys.stderr
    look = look or look_at(out)
    theme = theme_of(look)
    columns = size_of(out)[0] if out.isatty() else 0
    try:
        if debug:
            out.write(clean("".join(traceback.format_exception(error))))
        # Who stopped it knows that nothing went wrong.
        label = "" if isinstance(error, Interrupted) else _("error:")
        out.write(painted(label, f"bold {theme.bad}", look))
        out.write(_behind(label, clean(from_below(error.message)), columns))
        if error.remedy:
            label = _("  try:")
            remedy = _behind(label, clean(from_below(error.remedy)), columns)
            out.write(painted(label, "bold", look) + remedy)
        out.flush()
    except (BrokenPipeError, ValueError):  # nobody reads stderr any more: the exit code still speaks
        _forget(out)


def _behind(label: str, text: str, columns: int) -> str:
    """`` text`` behind ``label``: whole words a line on a terminal, untouched elsewhere. A full-width colon
    needs no blank behind it."""
    from kcode.ui.look.wrapping import cells, wrapped

    blank = "" if not label or label.endswith("：") else " "
    if not columns or "\n" in text:
        return f"{blank}{text}\n"
    indent = cells(label + blank)
    return blank + f"\n{' ' * indent}".join(wrapped(text, max(columns - indent, 20))) + "\n"


def _forget(stream: TextIO) -> None:
    """Point a broken stream at nothing, so that closing it at exit does not complain again."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
    except (OSError, ValueError):
        return
    os.close(descriptor)
