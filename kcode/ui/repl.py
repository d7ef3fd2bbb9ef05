"""The door to the session in the terminal: a prompt at once, everything slow behind it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.errors import UsageError
from kcode.ui.look.background import ask_background, read_background, seen
from kcode.ui.look.terminal import Look, look_at, tolerate
from kcode.ui.stage.keys import quiet, read_waiting

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.config.settings import Settings


def run_repl(
    open_session: Callable[[], Session], *, root: Path, settings: Settings, attach: Sequence[str] = ()
) -> int:
    """Run until the user leaves. ``open_session`` is called in a thread, after the prompt is painted.

    ``attach`` are files that go with the first message; they wait for the session.

    Raises UsageError where there is no terminal to type at, and what ``open_session`` raises.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("a session needs a terminal", 'one task without one: kcode -p "…"')
    tolerate(sys.stdout)
    # What is typed from now on waits in the terminal: the prompt's own imports may take their time.
    look = look_at(sys.stdout, theme=settings.ui.theme)
    with quiet(sys.stdin.fileno()):
        typed = read_waiting(sys.stdin.fileno())
        with _first_sign(look):
            replies = ask_background(look)
            import asyncio

            from kcode.ui.sitting import Sitting

            typed += read_background(replies)
            sitting = Sitting(open_session, root, settings, seen(look, replies), attach, typed, replies)
        code = int(asyncio.run(sitting.run()))
    if sitting.ended_by is not None:  # the terminal is as it was: end as whoever sent the signal expects it
        sys.stdout.flush()
        os.kill(os.getpid(), sitting.ended_by)
    return code


@contextlib.contextmanager
def _first_sign(look: Look) -> Iterator[None]:
    """A bare prompt, painted at once and replaced by the real one."""
    if look.plain:
        yield
        return
    os.write(sys.stdout.fileno(), ("❯ " if look.unicode else "> ").encode())
    try:
        yield
    finally:
        os.write(sys.stdout.fileno(), b"\r\x1b[K")
