"""Ctrl-Z and ``fg``: stopping as a shell expects it, and finding the terminal again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator

from kcode.ui.stage.keys import lines_and_echo


@contextlib.contextmanager
def heeded(stop: Callable[[], None], continued: Callable[[], None]) -> Iterator[None]:
    """Within this block a SIGTSTP calls ``stop``, a SIGCONT ``continued``."""
    if sys.platform == "win32":
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTSTP, stop)
    loop.add_signal_handler(signal.SIGCONT, continued)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTSTP)
        loop.remove_signal_handler(signal.SIGCONT)


def stop_group(fd: int, stop: Callable[[], None], continued: Callable[[], None]) -> None:
    """Stop the process group, with the terminal ``fd`` as programs expect it, until the shell continues it.

    ``stop`` and ``continued`` are what ``heeded`` was given: they are not called for this stop.
    """
    if sys.platform == "win32":
        return
    loop = asyncio.get_running_loop()
    loop.remove_signal_handler(signal.SIGTSTP)
    loop.remove_signal_handler(signal.SIGCONT)
    try:
        with lines_and_echo(fd):
            os.kill(0, signal.SIGTSTP)  # returns when the group is continued
    finally:
        loop.add_signal_handler(signal.SIGTSTP, stop)
        loop.add_signal_handler(signal.SIGCONT, continued)


def taken_over(fd: int) -> bool:
    """Whether somebody else, the shell after a stop, has set the terminal its own way."""
    if sys.platform == "win32":
        return False
    import termios

    with contextlib.suppress(termios.error):
        return bool(termios.tcgetattr(fd)[3] & termios.ICANON)
    return False
