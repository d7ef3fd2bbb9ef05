"""``!command``: the user's own command, its output shown as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import TYPE_CHECKING

from kcode.i18n import _
from kcode.safety.sanitize import clean
from kcode.ui import figures
from kcode.ui.terminal import size_of

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

FRAME_S = 0.05
PATIENCE_S = 1.0  # before it is said that the command still runs


async def run_shell(sitting: Sitting, session: Session, command: str) -> None:
    """Run ``command``; its lines go to the scrollback, the one that has not ended stays live."""
    view = _View(sitting)
    running = asyncio.ensure_future(session.run_shell(command, view.hear))

    async def watch() -> None:
        while not running.done():
            view.paint()
            await asyncio.wait({running}, timeout=FRAME_S)

    try:
        await sitting.during(watch, running.cancel)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({running})
        view.end()
    if running.cancelled():
        sitting.say(_("interrupted"), sitting.theme.warn)
    elif (code := running.result().code) != 0:
        took = figures.seconds(running.result().seconds)
        sitting.say(_("exit code {code} · {time}").format(code=code, time=took), sitting.theme.bad)
    sitting.say()


class _View:
    """What the command printed and is not in the scrollback yet."""

    def __init__(self, sitting: Sitting) -> None:
        self._sitting = sitting
        self._region = sitting.stage.region
        self._text = ""
        self._began = time.monotonic()

    def hear(self, text: str) -> None:
        self._text += text

    def paint(self) -> None:
        whole, end, self._text = self._text.rpartition("\n")
        lines = [_seen(line) for line in whole.split("\n")] if end else []
        if self._region is None:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
        else:
            self._region.update(lines, self._live(size_of(sys.stdout)[0]))

    def end(self) -> None:
        """Everything to the scrollback."""
        if self._text and not self._text.endswith("\n"):
            self._text += "\n"
        self.paint()
        if self._region is not None:
            self._region.clear()

    def _live(self, columns: int) -> list[str]:
        lines = [figures.cut(_seen(self._text), columns - 1)] if self._text else []
        passed = time.monotonic() - self._began
        if passed >= PATIENCE_S:
            words = _("running · {time} · Esc interrupts").format(time=figures.seconds(passed))
            lines.append(f"\x1b[2m{figures.cut(words, columns - 1)}\x1b[0m")
        return lines


def _seen(line: str) -> str:
    """What a terminal shows of ``line`` in the end: a carriage return begins it anew."""
    return clean(line.rstrip("\r").rpartition("\r")[2])
