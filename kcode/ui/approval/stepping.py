"""What the small applications that stand in for the stage, questions and pickers, share with it: they stop
with Ctrl-Z, and leave nothing behind when the terminal gets narrower."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from kcode.ui.stage.frames import reflows
from kcode.ui.stage.livelines import rows_after_reflow

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent


def bind_suspend(bindings: KeyBindings) -> None:
    """Let Ctrl-Z stop the process until the shell continues it."""

    @bindings.add("c-z", eager=True)
    def _suspend(event: KeyPressEvent) -> None:
        if sys.platform != "win32" and signal.getsignal(signal.SIGTSTP) != signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGTSTP)  # a stage heeds it and steps aside for the shell
        else:
            event.app.suspend_to_background()


def erase_after_reflow(application: Application[Any]) -> None:
    """Let ``application`` take off the rows, too, that a narrower terminal has made of its own."""
    erase = application.renderer.erase
    columns = 0

    def remember(_application: object) -> None:
        nonlocal columns
        columns = application.output.get_size().columns

    def erase_all(leave_alternate_screen: bool = True) -> None:
        painted, now = application.renderer.last_rendered_screen, application.output.get_size().columns
        if painted is not None and now < columns and reflows(os.environ):
            cursor = painted.get_cursor_position(application.layout.current_window)
            application.output.write_raw("\r")
            application.output.cursor_up(rows_after_reflow(painted, cursor, now) - cursor.y)
        erase(leave_alternate_screen)

    application.after_render += remember
    application.renderer.erase = erase_all  # type: ignore[method-assign]  # what every repaint begins with
