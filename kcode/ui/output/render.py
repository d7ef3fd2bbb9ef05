"""The live renderer: listens to a turn's events and shows them without ever repainting the scrollback."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Protocol, TextIO

from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    BackgroundEnded,
    CallAnswered,
    CallFinished,
    CallProgress,
    CallStarted,
    Event,
    Notice,
    ReasoningText,
    Steered,
    TodoChanged,
    TurnFinished,
    TurnStarted,
    UsageReported,
    WaitingToSend,
)
from kcode.i18n import from_below
from kcode.safety.sanitize import clean
from kcode.ui.look import figures
from kcode.ui.look.marks import marks_of
from kcode.ui.look.terminal import Look, size_of
from kcode.ui.look.theme import theme_of
from kcode.ui.output import callgroup, todo, words
from kcode.ui.output.markdown import Drawer, MarkdownStream
from kcode.ui.output.plain import PlainRenderer
from kcode.ui.output.results import detail_of
from kcode.ui.output.tally import Tally
from kcode.ui.output.thinking import Thinking
from kcode.ui.output.working import Working
from kcode.ui.stage.live import LiveRegion, Region

if TYPE_CHECKING:
    from rich.text import Text

    from kcode.config.settings import Reasoning
    from kcode.ui.output.details import Details

FRAME_S = 0.066  # 15 frames a second are smooth; text that comes faster is shown together
DRAW_PAUSE = 6  # times as long as drawing the answer took, nothing is drawn again: a seventh of a core
LONGEST_PAUSE_S = 0.5
TODO_ROWS = 8


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
    details: Details | None = None,
) -> Renderer:
    """The renderer that fits the terminal; ``typed`` tells what was typed ahead meanwhile, ``region`` is
    where live lines go (without: the bottom of ``stream``), ``details`` takes what is folded away."""
    if look.plain:
        return PlainRenderer(stream, show_reasoning=show_reasoning != "hidden")
    return LiveRenderer(
        stream, look, show_reasoning=show_reasoning, typed=typed, region=region, details=details
    )


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
    """Finished lines go to the scrollback; the unfinished block, running calls, to-do list and status stay
    live."""

    def __init__(
        self,
        stream: TextIO,
        look: Look,
        *,
        show_reasoning: Reasoning = "folded",
        typed: Callable[[], str] = str,
        region: Region | None = None,
        details: Details | None = None,
        size: Callable[[], tuple[int, int]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._size = size or (lambda: size_of(stream))
        self._region = region or LiveRegion(stream, self._size)
        self._look, self._theme, self._marks = look, theme_of(look), marks_of(look)
        self._details = details
        if details is not None:
            details.running = self._thought
        self._drawer = Drawer(look)
        self._answer = MarkdownStream(self._drawer)
        self._pending: list[str] = []  # the answer's unfinished block as it was drawn last
        self._drawn_at = 0  # columns
        self._fresh = False  # whether text came since
        self._due = 0.0  # when the answer may be drawn again
        self._show_reasoning = show_reasoning
        self._thinking = Thinking()
        self._reasoning = ""  # the unfinished line, where reasoning is shown open
        self._section = ""  # what the last finished line belongs to: sections are set apart by a blank line
        self._typed = typed
        self._clock = clock
        self._tally = Tally(clock)
        self._working = Working(clock)
        self._calls = callgroup.CallGroup(look)
        self._todo: todo.Items = ()
        self._paused = False
        self._finished: list[str] = []

    # --- events --------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        self._working.follow(event)
        if isinstance(event, AnswerText):
            self._end_reasoning()
            self._answer.feed(event.text)
            self._fresh = True
        elif isinstance(event, ReasoningText):
            self._take_reasoning(event.text)
        elif isinstance(event, CallStarted):
            self._end_texts()
            self._calls.start(event, self._clock())
        elif isinstance(event, CallProgress):
            self._calls.progress(event)
        elif isinstance(event, CallAnswered):
            self._calls.answered(event, self._clock())
            self._tally.waited(event)
        elif isinstance(event, CallFinished):
            self._end_texts()
            self._commit_calls(self._calls.finish(event, self._clock()))
        elif isinstance(event, TodoChanged):
            self._change_todo(event.items)
        elif isinstance(event, UsageReported):
            self._tally.add(event)
        elif isinstance(event, AnswerDiscarded):
            self._discard(event)
        elif isinstance(event, TurnStarted):
            self._tally = Tally(self._clock)
        elif isinstance(event, TurnFinished):
            self._finish_turn(event)
        else:
            self._tell(event)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Notice):
            style = {"info": self._theme.dim, "warning": self._theme.warn, "error": self._theme.bad}
            self._end_texts()
            self._say("notice", figures.one_line(from_below(event.text)), style[event.level])
        elif isinstance(event, BackgroundEnded):
            self._end_texts()
            bad = self._theme.warn if event.code else self._theme.dim
            self._say("notice", words.background_ended(event), bad)
        elif isinstance(event, Steered):
            self._end_texts()
            self._say("steered", f"{self._marks.joined} {clean(event.text)}", self._theme.user)
        elif isinstance(event, WaitingToSend) and (why := self._working.news):
            self._end_texts()
            self._say("notice", why, self._theme.dim)

    def paint(self) -> None:
        """Bring the screen up to date: one write, or none when nothing changed."""
        if self._paused:
            return
        width = self._size()[0]
        self._draw_answer(width)
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
        self._commit_calls(self._calls.end())
        self._write_todo()
        self._working.rest()
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

    def _draw_answer(self, width: int) -> None:
        """What is finished of the answer goes to the scrollback, the rest is drawn anew: not more often
        than the drawing itself allows."""
        now = self._clock()
        if width == self._drawn_at and (not self._fresh or now < self._due):
            return
        began = time.thread_time()
        self._commit("answer", self._answer.take(width))
        self._pending = self._answer.pending(width)
        self._drawn_at, self._fresh = width, False
        self._due = now + min(LONGEST_PAUSE_S, DRAW_PAUSE * (time.thread_time() - began))

    def _thought(self) -> tuple[str, str]:
        """What is being thought, for who does not want to wait for its end."""
        folded = bool(self._thinking) and self._show_reasoning == "folded"
        return (self._thinking.summary(self._clock(), ""), self._thinking.text) if folded else ("", "")

    def _take_reasoning(self, text: str) -> None:
        self._thinking.feed(text, self._clock())
        if self._show_reasoning != "open":
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
        if self._thinking and self._show_reasoning == "folded":
            now = self._clock()
            line = self._thinking.summary(now, "Ctrl-O" if self._details is not None else "")
            line = figures.cut(f"{self._marks.thought} {line}", self._size()[0] - 1)
            self._say("work", line, self._theme.dim)
            if self._details is not None:
                self._details.add(self._thinking.summary(now, ""), self._thinking.text, "reasoning")
        self._thinking.forget()

    def _end_texts(self) -> None:
        self._end_reasoning()
        self._commit("answer", self._answer.finish(self._size()[0]))
        self._pending, self._fresh, self._due = [], False, 0.0

    def _discard(self, event: AnswerDiscarded) -> None:
        self._reasoning = ""
        self._thinking.forget()
        self._answer.discard()
        self._pending, self._fresh, self._due = [], False, 0.0
        text = words.discarded(event, shown=self._section in ("answer", "reasoning"))
        self._say("notice", f"{self._marks.again} {text}", self._theme.warn)

    def _commit_calls(self, ended: list[tuple[callgroup.Running, CallFinished]]) -> None:
        width = self._size()[0]
        # The to-do list is on the screen itself: that it changed needs no line.
        seen = [(call, event) for call, event in ended if not words.about_todo(event)]
        if seen:
            rows = callgroup.group_rows(seen, self._look, width - 1)
            self._commit("work", [line for row in rows for line in self._drawer.text(row, width)])
        if self._details is not None:
            for call, event in seen:
                self._details.add(call.title, detail_of(event), "call")

    def _change_todo(self, items: todo.Items) -> None:
        self._todo = items
        if todo.finished(items):
            self._end_texts()
            self._write_todo()

    def _write_todo(self) -> None:
        if self._todo:
            self._commit("todo", self._todo_lines(self._size()[0], len(self._todo)))
        self._todo = ()

    def _todo_lines(self, width: int, limit: int) -> list[str]:
        rows = todo.rows(self._todo, self._look, width - 1, limit)
        return [line for row in rows for line in self._drawer.text(row, width)]

    def _finish_turn(self, event: TurnFinished) -> None:
        self._end_texts()
        self._commit_calls(self._calls.end())
        self._write_todo()
        if event.reason != "answered":
            style = self._theme.warn if event.reason == "interrupted" else self._theme.bad
            self._say("ending", words.ending(event), style)
            if event.error is not None and event.error.remedy:
                self._say("ending", figures.one_line(from_below(event.error.remedy)))
        self._say("usage", self._tally.line(), self._theme.dim)
        self._working.rest()

    # --- what stays live -----------------------------------------------------------------------

    def _live_lines(self, width: int) -> list[str]:
        section, lines = "answer", self._pending
        if self._thinking:
            section, lines = self._live_reasoning(width)
        if lines and self._section not in ("", section):
            lines = ["", *lines]
        now = self._clock()
        if self._calls:
            apart = self._section not in ("", "work") or bool(lines)
            rows = self._calls.live_rows(now, self._spin(now), width - 1)
            lines = [*lines, *([""] if apart else []), *self._drawn(rows, width)]
        if self._todo:
            limit = min(TODO_ROWS, max(2, self._size()[1] // 3))
            lines = [*lines, "", *self._todo_lines(width, limit)]
        status = self._status_line(now, width)
        if status is None:
            return lines
        apart = bool(lines or self._section)  # the message above it leaves a blank line itself
        return [*lines, *([""] if apart else []), *self._drawn([status], width)]

    def _live_reasoning(self, width: int) -> tuple[str, list[str]]:
        from rich.text import Text

        if self._show_reasoning == "open":
            shown = self._reasoning.strip()
            return "reasoning", self._drawer.dim(clean(self._reasoning), width) if shown else []
        if self._show_reasoning == "hidden":
            return "work", []
        heading = f"{self._marks.thought} {self._thinking.heading(self._clock())}"
        lines = self._drawer.text(Text(heading, style=self._theme.dim), width)
        tail = [row for line in self._thinking.last_lines() for row in self._drawer.dim(line, width - 2)]
        return "work", [*lines, *(f"  {row}" for row in tail[-3:])]

    def _drawn(self, rows: list[Text], width: int) -> list[str]:
        return [line for row in rows for line in self._drawer.text(row, width)]

    def _status_line(self, now: float, width: int) -> Text | None:
        from rich.text import Text

        label = self._working.label(bool(self._calls.running), self._tally.seconds)
        if not label:
            return None
        text = Text.assemble((self._spin(now), self._theme.accent))
        text.append(" " + figures.cut(label, width - 4), style=self._theme.dim)
        if typed := figures.one_line(self._typed()):
            text.append(f"\n{self._marks.prompt} " + figures.cut(typed, width - 6))
        return text

    def _spin(self, now: float) -> str:
        return self._marks.spinner[int(now * 10) % len(self._marks.spinner)]
