"""A terminal made of pyte, with its scrollback kept as text."""

from __future__ import annotations

import io
from collections.abc import Callable

import pyte


class Terminal(io.TextIOBase):
    """Write to it as to a tty; read what a person would see. Also counts what rose above the screen's top."""

    encoding = "utf-8"

    def __init__(
        self, columns: int = 80, rows: int = 24, answer: Callable[[str], None] | None = None
    ) -> None:
        self.screen = pyte.HistoryScreen(columns, rows, history=100_000, ratio=0.5)
        self.screen.set_mode(pyte.modes.LNM)
        if answer is not None:
            self.screen.write_process_input = answer
        self._stream = pyte.Stream(self.screen)
        self.raw: list[str] = []

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.raw.append(text)
        self._stream.feed(text)
        return len(text)

    def flush(self) -> None:
        pass

    def size(self) -> tuple[int, int]:
        return self.screen.columns, self.screen.lines

    def visible(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    def scrollback(self) -> list[str]:
        return [_text(line, self.screen.columns) for line in self.screen.history.top]

    def lines(self) -> list[str]:
        """Scrollback and screen, without the empty rows at the end."""
        lines = [*self.scrollback(), *self.visible()]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def text(self) -> str:
        return "\n".join(self.lines())


def _text(line: dict[int, pyte.screens.Char], columns: int) -> str:
    text, skip = "", False
    for column in range(columns):
        if skip:
            skip = False
            continue
        data = line[column].data
        text += data
        skip = bool(data) and pyte.screens.wcwidth(data[0]) == 2
    return text.rstrip()
