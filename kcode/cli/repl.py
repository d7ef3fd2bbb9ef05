"""``kcode`` without a command: the session in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kcode.errors import UsageError

if TYPE_CHECKING:
    from kcode.cli.root import Flags


def run(flags: Flags) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("a session needs a terminal", 'one task without one: kcode -p "…"')
    from kcode.cli.firstrun import ensure_model
    from kcode.cli.start import begin, open_session
    from kcode.ui.repl import run_repl

    start = begin(flags)
    ensure_model(start.settings)  # asks a person, so before the prompt owns the terminal
    return run_repl(
        lambda: open_session(start, flags),
        root=start.root,
        settings=start.settings,
        attach=flags.attach or (),
    )
