"""Ctrl-Z and ``fg``: stopping as a shell expects it, and finding the terminal again, or that it is gone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

from kcode.ui.stage.keys import lines_and_echo

_BY_VFORK = ("_USE_VFORK", "_USE_POSIX_SPAWN")  # the library's own switches, both documented


@contextlib.contextmanager
def heeded(stop: Callable[[], None], continued: Callable[[], None]) -> Iterator[None]:
    """Within this block a SIGTSTP calls ``stop``, a SIGCONT ``continued``.

    Programs are started by fork here: with vfork a thread waits until its child has become the other program,
    which a child that is stopped with the group never does. kcode could then not be stopped either, and the
    shell would wait for it for ever.
    """
    if sys.platform == "win32":
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTSTP, stop)
    loop.add_signal_handler(signal.SIGCONT, continued)
    quick = {name: getattr(subprocess, name, False) for name in _BY_VFORK}
    try:
        for name in quick:
            setattr(subprocess, name, False)
        yield
    finally:
        for name, value in quick.items():
            setattr(subprocess, name, value)
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


def gone(fd: int) -> bool:
    """Whether the terminal ``fd`` was closed, as with its window or its connection."""
    if sys.platform == "win32":
        return False
    import termios

    try:
        termios.tcgetattr(fd)
    except termios.error as error:
        return bool(error.args[0] == errno.EIO)
    return False


def write_nowhere() -> None:
    """What is still said to a terminal that is gone must not fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in (sys.stdout.fileno(), sys.stderr.fileno()):
        if gone(fd):
            os.dup2(nowhere, fd)
    os.close(nowhere)


def taken_over(fd: int) -> bool:
    """Whether somebody else, the shell after a stop, has set the terminal its own way."""
    if sys.platform == "win32":
        return False
    import termios

    with contextlib.suppress(termios.error):
        return bool(termios.tcgetattr(fd)[3] & termios.ICANON)
    return False
