"""Keys while the model works: Esc interrupts, everything else is kept for the next prompt."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyPress

ESCAPE_WAIT_S = 0.05  # an escape sequence's other bytes follow at once; a lone Esc has none


class KeyReader:
    """Reads keys without echo while no prompt is shown, and hands them to the next prompt.

    Ctrl-C and Ctrl-Z stay signals, so that they work even if this process is busy.
    """

    def __init__(self, source: Input, on_escape: Callable[[], object]) -> None:
        self._source = source
        self._on_escape = on_escape
        self._kept: list[KeyPress] = []
        self._timer: asyncio.TimerHandle | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Within this block keys are read; after it they belong to the next prompt."""
        import asyncio

        from prompt_toolkit.input.typeahead import store_typeahead

        loop = asyncio.get_running_loop()
        try:
            with quiet(self._source.fileno()), self._source.attach(self._on_ready):
                _on_continue(loop, lambda: _set_quiet(self._source.fileno()))
                yield
                self._take(self._source.read_keys())
        finally:
            _on_continue(loop, None)
            if self._timer is not None:
                self._timer.cancel()
            store_typeahead(self._source, self._kept)
            self._kept = []

    def keep(self, keys: list[KeyPress]) -> None:
        """Add keys that somebody else read, but which belong to the next prompt."""
        self._kept.extend(keys)

    def typed(self) -> str:
        """What was typed so far, as one line."""
        return "".join("⏎ " if key.data in "\r\n" else key.data for key in self._kept if _is_text(key))

    def _on_ready(self) -> None:
        import asyncio

        self._take(self._source.read_keys())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(
            ESCAPE_WAIT_S, lambda: self._take(self._source.flush_keys())
        )

    def _take(self, keys: list[KeyPress]) -> None:
        from prompt_toolkit.keys import Keys

        for key in keys:
            if key.key == Keys.Escape:
                self._on_escape()
            elif key.key != Keys.CPRResponse:
                self._kept.append(key)


def keys_of(typed: str) -> list[KeyPress]:
    """Characters as the keys that they come from; a line end is Enter."""
    if not typed:
        return []
    from prompt_toolkit.input.vt100_parser import Vt100Parser

    keys: list[KeyPress] = []
    Vt100Parser(keys.append).feed_and_flush(typed.replace("\n", "\r"))
    return keys


def read_waiting(fd: int) -> str:
    """What the terminal holds already, without waiting for more. It was typed while lines ended with the
    character that Ctrl-J gives, too, so that only the time tells Enter from it."""
    if sys.platform == "win32":
        return ""
    import fcntl
    import os
    import struct
    import termios

    count = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, struct.pack("i", 0)))[0]
    return os.read(fd, count).decode("utf-8", "replace") if count else ""


def _is_text(key: KeyPress) -> bool:
    return bool(key.data) and (key.data.isprintable() or key.data in "\r\n")


@contextlib.contextmanager
def quiet(fd: int) -> Iterator[None]:
    """The terminal neither echoes nor waits for Enter, and is put back as it was."""
    if sys.platform == "win32":
        yield
        return
    import termios

    before = termios.tcgetattr(fd)
    _set_quiet(fd)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(fd, termios.TCSANOW, before)


@contextlib.contextmanager
def lines_and_echo(fd: int) -> Iterator[None]:
    """The terminal is as programs expect to find it, and is put back as it was."""
    if sys.platform == "win32":
        yield
        return
    from prompt_toolkit.input.vt100 import cooked_mode

    with cooked_mode(fd):
        yield


def _set_quiet(fd: int) -> None:
    if sys.platform == "win32":
        return
    import termios

    mode: list[Any] = termios.tcgetattr(fd)
    mode[3] &= ~(termios.ECHO | termios.ICANON)
    mode[0] &= ~termios.ICRNL  # so that Enter reads as Enter, as it does at the prompt
    termios.tcsetattr(fd, termios.TCSANOW, mode)


def _on_continue(loop: asyncio.AbstractEventLoop, action: Callable[[], None] | None) -> None:
    """After Ctrl-Z and ``fg`` the shell has set the terminal its own way: set it again."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        if action is None:
            loop.remove_signal_handler(signal.SIGCONT)
        else:
            loop.add_signal_handler(signal.SIGCONT, action)
