"""Errors as people see them: what happened, what to do next; a stack trace only on request."""

from __future__ import annotations

import os
import sys
import textwrap
import traceback
from typing import TextIO

from kcode.errors import KcodeError


def report(error: KcodeError, debug: bool = False, stream: TextIO | None = None) -> None:
    """Print ``error`` and its remedy to stderr (or ``stream``), with the trace where ``debug`` is set."""
    from kcode.safety.sanitize import clean
    from kcode.ui.terminal import look_at, size_of

    out = stream or sys.stderr
    colour = not look_at(out).plain
    columns = size_of(out)[0] if out.isatty() else 0
    try:
        if debug:
            out.write(clean("".join(traceback.format_exception(error))))
        out.write(_painted("error:", "1;31", colour) + _wrapped(clean(error.message), 6, columns))
        if error.remedy:
            out.write(_painted("  try:", "1", colour) + _wrapped(clean(error.remedy), 6, columns))
        out.flush()
    except (BrokenPipeError, ValueError):  # nobody reads stderr any more: the exit code still speaks
        _forget(out)


def _wrapped(text: str, indent: int, columns: int) -> str:
    """`` text`` behind a label of ``indent`` cells: whole words a line on a terminal, untouched elsewhere."""
    if not columns or "\n" in text:
        return f" {text}\n"
    lines = textwrap.wrap(text, max(columns - indent - 1, 20), break_long_words=False, break_on_hyphens=False)
    return " " + f"\n{' ' * (indent + 1)}".join(lines) + "\n"


def _painted(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


def _forget(stream: TextIO) -> None:
    """Point a broken stream at nothing, so that closing it at exit does not complain again."""
    try:
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
    except (OSError, ValueError):
        return
    os.close(descriptor)
