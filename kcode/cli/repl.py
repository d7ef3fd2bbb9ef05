"""``kcode`` without a command: the session in the terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.errors import UsageError

if TYPE_CHECKING:
    from kcode.cli.root import Flags


def run(flags: Flags) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        _refuse(flags)
        raise UsageError("a session needs a terminal", 'one task without one: kcode -p "…"')
    from kcode.cli.firstrun import ensure_model
    from kcode.cli.resume import settle
    from kcode.cli.start import begin, open_session
    from kcode.cli.welcome import welcome
    from kcode.ui.repl import run_repl

    start = begin(flags)
    if welcome(start.settings):
        start = begin(flags)
    flags = settle(flags, start.root, person=True)
    ensure_model(start.settings)  # asks a person, so before the prompt owns the terminal
    return run_repl(
        lambda: open_session(start, flags),
        root=start.root,
        settings=start.settings,
        attach=flags.attach or (),
    )


def _refuse(flags: Flags) -> None:
    """A bare ``--resume`` still shows what there is to choose from."""
    if flags.resume is not None and not flags.resume.strip():
        from kcode.cli.resume import settle
        from kcode.config.paths import project_root

        settle(flags, project_root(Path.cwd().resolve()), person=False)
