"""Frames: everything that one change of the screen needs, written to the terminal at once."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TextIO

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output

from kcode.ui.output.notify import FOCUS_OFF, FOCUS_ON
from kcode.ui.stage.live import FRAME_BEGIN, FRAME_END, HIDE_CURSOR, SHOW_CURSOR

if TYPE_CHECKING:
    from kcode.ui.look.terminal import Look

_NOTHING = re.compile(r"(?:\x1b\[\?7[lh]|\x1b\[0?m)*")  # what a repaint writes where nothing has changed
_PASTE_ON, _PASTE_OFF = "\x1b[?2004h" + FOCUS_ON, FOCUS_OFF + "\x1b[?2004l"
_DEPTHS = {"16": ColorDepth.DEPTH_4_BIT, "256": ColorDepth.DEPTH_8_BIT, "true": ColorDepth.DEPTH_24_BIT}
REFLOWING = (  # variables that terminals set which break painted rows anew when they get narrower
    "TMUX",
    "VTE_VERSION",
    "KITTY_WINDOW_ID",
    "WT_SESSION",
    "KONSOLE_VERSION",
    "ALACRITTY_WINDOW_ID",
    "GHOSTTY_RESOURCES_DIR",
    "WEZTERM_PANE",
    "ITERM_SESSION_ID",
    "TERM_PROGRAM",
)
_REFLOWING_TERMS = ("tmux", "alacritty", "foot", "xterm-kitty", "xterm-ghostty", "wezterm")


class FrameOutput(Vt100_Output):
    """A terminal that is written to once per frame, with the cursor hidden meanwhile.

    It is never asked where its cursor is: over ssh the answer could come after keys, or not at all.
    """

    _depth = 0
    _gone = False
    _cursor_wanted = True
    _paste_wanted = False
    _paste_marked = False

    @contextlib.contextmanager
    def frame(self) -> Iterator[None]:
        """All that is flushed within the block leaves as one write when the outermost block ends."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self.flush()

    def flush(self) -> None:
        """Write what was gathered, between the marks of a frame."""
        if self._depth:
            return
        text = "".join(self._buffer)
        self._buffer.clear()
        if self._paste_wanted != self._paste_marked:
            text += _PASTE_ON if self._paste_wanted else _PASTE_OFF
            self._paste_marked = self._paste_wanted
        if self._gone or _NOTHING.fullmatch(text):
            return
        shown = SHOW_CURSOR if self._cursor_wanted else ""
        self._buffer.append(f"{FRAME_BEGIN}{HIDE_CURSOR}{text}{shown}{FRAME_END}")
        try:
            super().flush()
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self.hang_up()

    def hang_up(self) -> None:
        """The terminal is gone: nothing is written from now on."""
        self._gone = True

    def erase_down(self) -> None:
        """Called with the cursor in the first column, where prompt_toolkit begins to paint.

        tmux takes a screen that is erased from its first row on into its scrollback, so that row is erased
        for itself. The cursor is put back by name: in the last row it cannot go down.
        """
        self.write_raw("\x1b7\x1b[K\x1b[B\x1b[J\x1b8")

    def hide_cursor(self) -> None:
        self._cursor_wanted = False

    def show_cursor(self) -> None:
        self._cursor_wanted = True

    def enable_bracketed_paste(self) -> None:
        self._paste_wanted = True

    def disable_bracketed_paste(self) -> None:
        self._paste_wanted = False


def open_output(stream: TextIO, look: Look) -> FrameOutput:
    """The terminal behind ``stream``, with the colours that ``look`` promises."""
    depth = _DEPTHS[look.depth] if look.colour else ColorDepth.DEPTH_1_BIT
    output = FrameOutput.from_pty(stream, term=os.environ.get("TERM"), default_color_depth=depth)
    assert isinstance(output, FrameOutput)
    output.enable_cpr = False
    return output


def reflows(environ: Mapping[str, str]) -> bool:
    """Whether the terminal breaks painted rows anew when it gets narrower; others, xterm among them, cut
    them. Where it is not known, cutting is assumed: rows of the scrollback are never taken for own ones."""
    if "XTERM_VERSION" in environ or "STY" in environ:
        return False
    return any(name in environ for name in REFLOWING) or environ.get("TERM", "").startswith(_REFLOWING_TERMS)
