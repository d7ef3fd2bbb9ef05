"""The live region: the few lines at the bottom that are repainted; all above it belongs to the scrollback."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TextIO

from kcode.ui.look.terminal import CONTROL_SEQUENCE

# One frame is one write between these marks: terminals that know mode 2026 show it at once, others ignore it.
FRAME_BEGIN = "\x1b[?2026h"
FRAME_END = "\x1b[?2026l"
CLEAR_TO_LINE_END = "\x1b[K"
CLEAR_BELOW = "\x1b[J"
HIDE_CURSOR = "\x1b[?25l"
SHOW_CURSOR = "\x1b[?25h"


class Region(Protocol):
    """Where a renderer's lines go: finished ones to the scrollback, live ones where they are repainted.

    Lines carry their own styles (SGR sequences, nothing else) and are narrower than the terminal.
    """

    def update(self, finished: Sequence[str], live: Sequence[str]) -> None:
        """Append ``finished`` to the scrollback and show ``live`` below."""
        ...

    def clear(self) -> None:
        """Take the live lines away."""
        ...


class LiveRegion:
    """Writes finished lines once and repaints only the unfinished ones below them.

    Lines carry their own styles and must be narrower than the terminal. Between calls the cursor rests
    at the end of the last live line, or at column 0 of a fresh line when there is none.
    """

    def __init__(self, stream: TextIO, size: Callable[[], tuple[int, int]]) -> None:
        self._stream = stream
        self._size = size
        self._painted: list[str] = []

    def update(self, finished: Sequence[str], live: Sequence[str]) -> None:
        """Append ``finished`` to the scrollback and show ``live`` (its tail, on a low terminal) below."""
        columns, rows = self._size()
        live = list(live)[-max(1, rows - 2) :]
        if not finished and live == self._painted:
            return
        frame = [FRAME_BEGIN, HIDE_CURSOR if live else "", self._to_top(columns)]
        frame += [f"{line}{CLEAR_TO_LINE_END}\r\n" for line in finished]
        frame += ["\r\n".join(line + CLEAR_TO_LINE_END for line in live), CLEAR_BELOW]
        frame += ["" if live else SHOW_CURSOR, FRAME_END]
        self._painted = live
        self._stream.write("".join(frame))
        self._stream.flush()

    def clear(self) -> None:
        """Take the live lines away; the cursor stands where they began."""
        self.update((), ())

    def _to_top(self, columns: int) -> str:
        if not self._painted:
            return ""
        # After a resize to narrower, a line painted earlier may fill several rows.
        rows = sum(max(1, -(-_cells(line) // max(1, columns))) for line in self._painted)
        return "\r" + (f"\x1b[{rows - 1}A" if rows > 1 else "")


def _cells(line: str) -> int:
    from rich.cells import cell_len

    return cell_len(CONTROL_SEQUENCE.sub("", line))
