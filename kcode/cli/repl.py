"""``kcode`` without a command: the session in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kcode.errors import UsageError

if TYPE_CHECKING:
    from kcode.cli.root import Flags


def run(flags: Flags) -> int:
    if not sys.stdin.isatty():
        raise UsageError("a session needs a terminal", 'one task without one: kcode -p "…"')
    from kcode.cli.start import begin, open_session
    from kcode.ui.repl import run_repl

    start = begin(flags)
    return run_repl(open_session(start, flags), start.settings)
