"""``!command``: the user's own command, its output shown as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from kcode.i18n import _, n_
from kcode.safety.sanitize import clean
from kcode.ui.look import figures, paint
from kcode.ui.look.terminal import size_of

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.ui.sitting import Sitting

FRAME_S = 0.05
PATIENCE_S = 1.0  # before it is said that the command still runs
FRAME_LINES = 500  # written at once: keys are heard between the frames
WAITING_LINES = 10_000  # kept until they are written; a flood leaves out the older ones
LONGEST_LINE = 20_000  # characters, before a line that does not end is broken


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
        view.end(cut=running.cancelled())
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
        self._lines: deque[str] = deque()
        self._left_out = 0  # lines, before those that wait
        self._text = ""  # of the line that has not ended
        self._began = time.monotonic()

    def hear(self, text: str) -> None:
        *lines, self._text = (self._text + text).split("\n")
        while len(self._text) > LONGEST_LINE:
            lines.append(self._text[:LONGEST_LINE])
            self._text = self._text[LONGEST_LINE:]
        self._lines.extend(lines)
        while len(self._lines) > WAITING_LINES:
            self._lines.popleft()
            self._left_out += 1

    def paint(self, limit: int = FRAME_LINES) -> None:
        lines = self._note() if self._lines else []
        lines += [_seen(self._lines.popleft()) for _line in range(min(limit, len(self._lines)))]
        if self._region is None:
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
        else:
            self._region.update(lines, self._live(size_of(sys.stdout)[0]))

    def end(self, *, cut: bool) -> None:
        """Everything to the scrollback; with ``cut`` no more than a frame: it was not waited for."""
        if self._text:
            self._lines.append(self._text)
            self._text = ""
        if cut:
            self._left_out += max(0, len(self._lines) - FRAME_LINES)
            self._lines = deque(self._lines, FRAME_LINES)
        self.paint(WAITING_LINES + 1)
        if self._region is not None:
            self._region.clear()

    def _note(self) -> list[str]:
        count, self._left_out = self._left_out, 0
        if not count:
            return []
        text = n_("… {count} line left out …", "… {count} lines left out …", count).format(count=f"{count:,}")
        return [paint.painted(text, self._sitting.theme.dim, self._sitting.look)]

    def _live(self, columns: int) -> list[str]:
        lines = [figures.cut(_seen(self._text), columns - 1)] if self._text else []
        passed = time.monotonic() - self._began
        if passed >= PATIENCE_S:
            words = _("running · {time} · Esc interrupts").format(time=figures.seconds(passed))
            text = figures.cut(words, columns - 1)
            lines.append(paint.painted(text, self._sitting.theme.dim, self._sitting.look))
        return lines


def _seen(line: str) -> str:
    """What a terminal shows of ``line`` in the end: a carriage return begins it anew."""
    return clean(line.rstrip("\r").rpartition("\r")[2])
