"""The plain renderer: text as it comes, no styles, no cursor movement, for pipes and dumb terminals."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TextIO

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
from kcode.ui.tally import Tally


class PlainRenderer:
    """Writes each piece once, in order."""

    def __init__(self, stream: TextIO, *, show_reasoning: bool = True) -> None:
        self._stream = stream
        self._show_reasoning = show_reasoning
        self._tally = Tally()
        self._titles: dict[str, str] = {}
        self._section = ""
        self._column = 0
        self._held = ""
        self._held_for = ""

    def handle(self, event: Event) -> None:
        if isinstance(event, AnswerText):
            self._stream_text("answer", event.text)
        elif isinstance(event, ReasoningText):
            if self._show_reasoning:
                self._stream_text("reasoning", event.text)
        elif isinstance(event, CallStarted):
            self._titles[event.call_id] = event.title or event.name
        elif isinstance(event, CallFinished):
            self._line("calls", finished_call(self._titles.pop(event.call_id, event.name), event))
        elif isinstance(event, AnswerDiscarded):
            self._line("notice", f"[{figures.one_line(event.why)}; {trying_again(event.wait_s)}]")
        elif isinstance(event, WaitingToSend):
            if event.why != self._held_for:
                self._line("notice", f"[{held_back(event)}]")
            self._held_for = event.why
        elif isinstance(event, RequestStarted):
            self._held_for = ""
        elif isinstance(event, Notice):
            self._line("notice", f"[{event.level}] {figures.one_line(event.text)}")
        elif isinstance(event, UsageReported):
            self._tally.add(event)
        elif isinstance(event, TurnStarted):
            self._tally = Tally()
        elif isinstance(event, TurnFinished):
            self._finish(event)

    def paint(self) -> None:
        """Nothing waits to be painted."""

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        self._end_line()
        yield

    def close(self) -> None:
        self._end_line()
        self._section = ""

    def _finish(self, event: TurnFinished) -> None:
        if event.reason != "answered":
            detail = f": {figures.one_line(event.detail)}" if event.detail else ""
            self._line("ending", f"[{event.reason}{detail}]")
            if event.error is not None and event.error.remedy:
                self._line("ending", f"[{figures.one_line(event.error.remedy)}]")
        self._line("usage", f"[{self._tally.line()}]")

    def _stream_text(self, section: str, text: str) -> None:
        text = self._held + text
        # A line end cut in two would be shown as the control character that its first half is.
        self._held = "\r" if text.endswith("\r") else ""
        text = clean(text.removesuffix("\r"))
        if section != self._section:
            text = text.lstrip("\n")
            if text:
                self._begin(section)
        if not text:
            return
        self._stream.write(text)
        self._stream.flush()
        self._column = len(text) - text.rfind("\n") - 1 if "\n" in text else self._column + len(text)

    def _line(self, section: str, text: str) -> None:
        if section != self._section:
            self._begin(section)
        self._stream.write(text + "\n")
        self._stream.flush()

    def _begin(self, section: str) -> None:
        self._end_line()
        if self._section:
            self._stream.write("\n")
        self._section = section

    def _end_line(self) -> None:
        if self._column:
            self._stream.write("\n")
            self._stream.flush()
        self._column = 0


def finished_call(title: str, event: CallFinished) -> str:
    """``ok read src/a.py: 120 lines (0.1s)``."""
    brief = figures.one_line(event.outcome.brief)
    mark = "ok" if event.outcome.ok else "failed"
    took = figures.seconds(event.seconds)
    return f"[{mark}] {figures.one_line(title)}{': ' + brief if brief else ''} ({took})"


def trying_again(wait_s: float) -> str:
    """``trying again in 12s``."""
    return "trying again" + (f" in {wait_s:.0f}s" if wait_s >= 1 else "")


def held_back(event: WaitingToSend) -> str:
    """``waiting 12s: the account allows 3 requests a minute``; without a time, why alone."""
    if event.wait_s <= 0:
        return figures.one_line(event.why)
    return f"waiting {max(1, round(event.wait_s))}s: {figures.one_line(event.why)}"
