"""What is printed while the stage is on the terminal: whole lines, handed to it to stand above it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TextIO


class StageStream(io.TextIOBase):
    """Looks like ``terminal`` to whoever prints. ``write_lines`` gets the text, once its line has ended."""

    def __init__(self, terminal: TextIO, write_lines: Callable[[str], None]) -> None:
        self._terminal = terminal
        self._write_lines = write_lines
        self._begun = ""

    def write(self, text: str) -> int:
        """Hand over the lines that are whole now; returns the number of characters taken."""
        whole, end, rest = (self._begun + text).rpartition("\n")
        self._begun = rest
        if end:
            self._write_lines(whole + end)
        return len(text)

    def take_begun(self) -> str:
        """The line that has not ended, which is forgotten here."""
        begun, self._begun = self._begun, ""
        return begun

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def fileno(self) -> int:
        return self._terminal.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute there
        return self._terminal.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]  # a plain attribute there
        return self._terminal.errors
