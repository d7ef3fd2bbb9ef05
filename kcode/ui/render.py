"""The live renderer: listens to a turn's events and shows them without ever repainting the scrollback."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TextIO

from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    CallFinished,
    CallStarted,
    Event,
    Notice,
    ReasoningText,
    RequestStarted,
    TurnFinished,
    TurnStarted,
    UsageReported,
    WaitingToSend,
)
from kcode.safety.sanitize import clean
from kcode.ui import figures
from kcode.ui.live import LiveRegion, Region
from kcode.ui.markdown import Drawer, MarkdownStream
from kcode.ui.plain import PlainRenderer
from kcode.ui.tally import Tally
from kcode.ui.terminal import Look, size_of

if TYPE_CHECKING:
    from rich.text import Text

    from kcode.config.settings import Reasoning

FRAME_S = 0.05  # 20 frames a second are smooth; text that comes faster is shown together
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
ENDINGS = {
    "interrupted": "interrupted",
    "limit": "stopped at a limit",
    "loop": "stopped: the model was repeating itself",
    "error": "failed",
    "refused": "refused",
}
NOTICE_STYLE = {"info": "dim", "warning": "yellow", "error": "red"}


class Renderer(Protocol):
    """Shows events. ``paused`` gives the terminal to somebody else for a while."""

    def handle(self, event: Event) -> None: ...

    def paint(self) -> None: ...

    def paused(self) -> contextlib.AbstractContextManager[None]: ...

    def close(self) -> None: ...


def make_renderer(
    stream: TextIO,
    look: Look,
    *,
    show_reasoning: Reasoning = "folded",
    typed: Callable[[], str] = str,
    region: Region | None = None,
) -> Renderer:
    """The renderer that fits the terminal; ``typed`` tells what was typed ahead meanwhile, ``region`` is
    where live lines go (without: the bottom of ``stream``)."""
    if look.plain:
        return PlainRenderer(stream, show_reasoning=show_reasoning != "hidden")
    return LiveRenderer(stream, look, show_reasoning=show_reasoning != "hidden", typed=typed, region=region)


async def show(events: AsyncIterator[Event], renderer: Renderer) -> TurnFinished | None:
    """Feed a turn's events to ``renderer`` until they end; the last event is returned."""
    last: TurnFinished | None = None
    ticker = asyncio.create_task(_tick(renderer))
    try:
        async for event in events:
            renderer.handle(event)
            if isinstance(event, TurnFinished):
                last = event
    finally:
        ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticker
        renderer.close()
    return last


async def _tick(renderer: Renderer) -> None:
    while True:
        renderer.paint()
        await asyncio.sleep(FRAME_S)


class LiveRenderer:
    """Finished lines go to the scrollback; the unfinished block, running calls and status stay live."""

    def __init__(
        self,
        stream: TextIO,
        look: Look,
        *,
        show_reasoning: bool = True,
        typed: Callable[[], str] = str,
        region: Region | None = None,
        size: Callable[[], tuple[int, int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = size or (lambda: size_of(stream))
        self._region = region or LiveRegion(stream, self._size)
        self._drawer = Drawer(look)
        self._answer = MarkdownStream(self._drawer)
        self._reasoning = ""
        self._section = ""  # what the last finished line belongs to: sections are set apart by a blank line
        self._show_reasoning = show_reasoning
        self._typed = typed
        self._clock = clock
        self._tally = Tally(clock)
        self._calls: dict[str, tuple[str, float]] = {}
        self._status = ""
        self._held: tuple[float, str] | None = None  # until when nothing is sent, and what is waited for
        self._held_for = ""
        self._paused = False
        self._finished: list[str] = []

    # --- events --------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        if isinstance(event, AnswerText):
            self._end_reasoning()
            self._held, self._status = None, "writing"
            self._answer.feed(event.text)
        elif isinstance(event, ReasoningText):
            self._held, self._status = None, "thinking"
            self._take_reasoning(event.text)
        elif isinstance(event, CallStarted):
            self._end_texts()
            self._calls[event.call_id] = (event.title or event.name, self._clock())
        elif isinstance(event, CallFinished):
            self._finish_call(event)
        elif isinstance(event, UsageReported):
            self._tally.add(event)
        elif isinstance(event, AnswerDiscarded):
            self._discard(event)
        elif isinstance(event, WaitingToSend):
            self._hold(event)
        elif isinstance(event, Notice):
            self._end_texts()
            self._say("notice", figures.one_line(event.text), NOTICE_STYLE[event.level])
        elif isinstance(event, TurnStarted):
            self._tally, self._status = Tally(self._clock), "waiting for the model"
        elif isinstance(event, RequestStarted):
            self._held, self._held_for, self._status = None, "", "waiting for the model"
        elif isinstance(event, TurnFinished):
            self._finish_turn(event)

    def paint(self) -> None:
        """Bring the screen up to date: one write, or none when nothing changed."""
        if self._paused:
            return
        width = self._size()[0]
        self._commit("answer", self._answer.take(width))
        finished, self._finished = self._finished, []
        self._region.update(finished, self._live_lines(width))

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """The live lines are taken away and nothing is painted until the block ends."""
        self.paint()
        self._region.clear()
        self._paused = True
        try:
            yield
        finally:
            self._paused = False
            self._section = "other"

    def close(self) -> None:
        """Everything that is left becomes scrollback, the live region empty."""
        self._end_texts()
        self._status, self._held = "", None
        self._calls.clear()
        self._paused = False
        finished, self._finished = self._finished, []
        self._region.update(finished, ())

    # --- what becomes scrollback ---------------------------------------------------------------

    def _commit(self, section: str, lines: list[str]) -> None:
        if not lines:
            return
        if self._section not in ("", section):
            self._finished.append("")
        self._section = section
        self._finished += lines

    def _say(self, section: str, text: str, style: str = "") -> None:
        from rich.text import Text

        self._commit(section, self._drawer.text(Text(text, style=style), self._size()[0]))

    def _take_reasoning(self, text: str) -> None:
        if not self._show_reasoning:
            return
        *lines, self._reasoning = (self._reasoning + text).split("\n")
        for line in lines:
            self._commit_reasoning(line)

    def _commit_reasoning(self, line: str) -> None:
        if line.strip() or self._section == "reasoning":
            self._commit("reasoning", self._drawer.dim(clean(line), self._size()[0]))

    def _end_reasoning(self) -> None:
        if self._reasoning.strip():
            self._commit_reasoning(self._reasoning)
        self._reasoning = ""

    def _end_texts(self) -> None:
        self._end_reasoning()
        self._commit("answer", self._answer.finish(self._size()[0]))

    def _discard(self, event: AnswerDiscarded) -> None:
        self._reasoning = ""
        self._answer.discard()
        why = figures.one_line(event.why)
        if self._section in ("answer", "reasoning"):
            self._say("notice", f"↻ what was said above does not count ({why}); trying again", "yellow")
        else:
            self._say("notice", f"↻ {why}; trying again", "yellow")
        self._held = (self._clock() + event.wait_s, "trying again in")

    def _hold(self, event: WaitingToSend) -> None:
        why = figures.one_line(event.why)
        self._held = (self._clock() + event.wait_s, f"{why}: sending in")
        if event.wait_s <= 0 and why != self._held_for:  # nothing to count down: said once instead
            self._end_texts()
            self._say("notice", why, "dim")
        self._held_for = why

    def _finish_call(self, event: CallFinished) -> None:
        title, _ = self._calls.pop(event.call_id, (event.name, 0.0))
        width = self._size()[0]
        self._end_texts()
        line = call_line(title, event.outcome.brief, event.outcome.ok, event.seconds, width - 1)
        self._commit("calls", self._drawer.text(line, width))

    def _finish_turn(self, event: TurnFinished) -> None:
        self._end_texts()
        if event.reason != "answered":
            detail = figures.one_line(event.detail)
            style = "yellow" if event.reason == "interrupted" else "red"
            text = ENDINGS.get(event.reason, event.reason) + (f": {detail}" if detail else "")
            self._say("ending", text, style)
            if event.error is not None and event.error.remedy:
                self._say("ending", figures.one_line(event.error.remedy))
        self._say("usage", self._tally.line(), "dim")
        self._status = ""

    # --- what stays live -----------------------------------------------------------------------

    def _live_lines(self, width: int) -> list[str]:
        from rich.text import Text

        lines: list[str] = []
        if self._reasoning.strip():
            lines += self._drawer.dim(clean(self._reasoning), width)
        else:
            pending = self._answer.pending(width)
            lines += pending
        section = "reasoning" if self._reasoning.strip() else "answer"
        if lines and self._section not in ("", section):
            lines.insert(0, "")
        if self._calls and self._section not in ("", "calls") and not lines:
            lines.append("")
        now = self._clock()
        for title, started in self._calls.values():
            text = Text.assemble((self._spin(now), "cyan"), " ", figures.one_line(title, max(10, width - 14)))
            text.append(f"  {figures.seconds(now - started)}", style="dim")
            lines += self._drawer.text(text, width)
        status = self._status_line(now, width)
        if status is not None:
            lines += ["", *self._drawer.text(status, width)]
        return lines

    def _status_line(self, now: float, width: int) -> Text | None:
        from rich.text import Text

        if not self._status:
            return None
        what, escape = self._status, "interrupts"
        if self._calls:
            what = "working"
        if self._held is not None and self._held[0] > now:
            until, words = self._held
            what, escape = f"{words} {math.ceil(until - now)}s", "cancels"
        label = f"{what} · {figures.seconds(self._tally.seconds)} · Esc {escape}"
        typed = figures.one_line(self._typed())
        text = Text.assemble((self._spin(now), "cyan"), (" " + figures.cut(label, width - 4), "dim"))
        if typed:
            text.append("\n❯ " + figures.cut(typed, width - 6))
        return text

    def _spin(self, now: float) -> str:
        return SPINNER[int(now * 10) % len(SPINNER)]


def call_line(title: str, brief: str, ok: bool, took_s: float, width: int) -> Text:
    """``✓ read src/a.py · 120 lines · 0.1s`` in one row of ``width`` columns."""
    from rich.cells import cell_len
    from rich.text import Text

    time_text = figures.seconds(took_s)
    title, brief = figures.one_line(title), figures.one_line(brief)
    room = max(12, width - 2 - 3 - len(time_text))
    if brief:
        title = figures.cut(title, max(room - 3 - cell_len(brief), room * 3 // 5))
        brief = figures.cut(brief, max(0, room - 3 - cell_len(title)))
    else:
        title = figures.cut(title, room)
    mark = ("✓ ", "green") if ok else ("✗ ", "red")
    text = Text.assemble(mark, title)
    if brief:
        text.append(" · ", style="dim").append(brief, style="dim" if ok else "red")
    return text.append(f" · {time_text}", style="dim")
