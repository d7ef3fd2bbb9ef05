"""The plain renderer: text as it comes, no styles, no cursor movement, for pipes and dumb terminals."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TextIO

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
    RequestStarted,
    Steered,
    TodoChanged,
    TurnFinished,
    TurnStarted,
    UsageReported,
    WaitingToSend,
)
from kcode.i18n import _, from_below
from kcode.safety.sanitize import clean
from kcode.ui.look import figures
from kcode.ui.output import todo, words
from kcode.ui.output.callgroup import Running
from kcode.ui.output.callgroup import plain_line as finished_call
from kcode.ui.output.results import failure_lines
from kcode.ui.output.tally import Tally

PROGRESS_S = 10.0  # between two lines about a call that runs


class PlainRenderer:
    """Writes each piece once, in order."""

    def __init__(
        self,
        stream: TextIO,
        *,
        show_reasoning: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._show_reasoning = show_reasoning
        self._clock = clock
        self._tally = Tally(clock)
        self._calls: dict[str, Running] = {}
        self._told = 0.0  # when the last line about a running call was written
        self._todo: todo.Items = ()
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
        elif isinstance(event, CallStarted | CallProgress | CallAnswered | CallFinished):
            self._follow_call(event)
        elif isinstance(event, TodoChanged):
            self._change_todo(event.items)
        elif isinstance(event, RequestStarted):
            self._held_for = ""
        elif isinstance(event, UsageReported):
            self._tally.add(event)
        elif isinstance(event, TurnStarted):
            self._tally = Tally(self._clock)
        elif isinstance(event, TurnFinished):
            self._finish(event)
        else:
            self._tell(event)

    def paint(self) -> None:
        """Tell how far a call is that has been running for long, at most every ten seconds."""
        now = self._clock()
        if not self._calls or now - self._told < PROGRESS_S:
            return
        self._told = now
        for call in self._calls.values():
            if now - call.started >= PROGRESS_S:
                self._line("calls", f"[{_('running')}] {running_for(call, now)}")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        self._end_line()
        yield

    def close(self) -> None:
        self._write_todo()
        self._calls.clear()
        self._end_line()
        self._section = ""

    def _tell(self, event: Event) -> None:
        if isinstance(event, AnswerDiscarded):
            why = figures.one_line(from_below(event.why))
            self._line("notice", f"[{why}; {words.trying_again(event.wait_s)}]")
        elif isinstance(event, WaitingToSend):
            if event.why != self._held_for:
                self._line("notice", f"[{words.held_back(event)}]")
            self._held_for = event.why
        elif isinstance(event, Notice):
            levels = {"info": _("info"), "warning": _("warning"), "error": _("error")}
            self._line("notice", f"[{levels[event.level]}] {figures.one_line(from_below(event.text))}")
        elif isinstance(event, BackgroundEnded):
            self._line("notice", f"[{words.background_ended(event)}]")
        elif isinstance(event, Steered):
            self._line("notice", f"[{_('you')}] {figures.one_line(event.text)}")

    def _follow_call(self, event: CallStarted | CallProgress | CallAnswered | CallFinished) -> None:
        if isinstance(event, CallStarted):
            if not self._calls:
                self._told = self._clock()
            self._calls[event.call_id] = Running(from_below(event.title) or event.name, self._clock())
        elif isinstance(event, CallProgress):
            if event.call_id in self._calls:
                self._calls[event.call_id].take(event)
        elif isinstance(event, CallAnswered):
            if event.call_id in self._calls:
                self._calls[event.call_id].started = self._clock()
            self._tally.waited(event)
        else:
            call = self._calls.pop(event.call_id, None)
            if words.about_todo(event):
                return
            self._line("calls", finished_call(call.title if call else event.name, event))
            for line in failure_lines(event):
                self._line("calls", f"  | {figures.one_line(line, 200)}")

    def _change_todo(self, items: todo.Items) -> None:
        self._todo = items
        if todo.finished(items):
            self._write_todo()
        elif items:
            self._line("calls", f"[{todo.step(items)}]")

    def _write_todo(self) -> None:
        for line in todo.words(self._todo) if self._todo else ():
            self._line("todo", line)
        self._todo = ()

    def _finish(self, event: TurnFinished) -> None:
        self._write_todo()
        if event.reason != "answered":
            self._line("ending", f"[{words.ending(event)}]")
            if event.error is not None and event.error.remedy:
                self._line("ending", f"[{figures.one_line(from_below(event.error.remedy))}]")
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


def running_for(call: Running, now: float) -> str:
    """``$ make: 42s, 12 passed, 1 failed of 40`` or the newest line of output in place of the counts."""
    told = [figures.seconds(now - call.started)]
    if call.passed or call.failed or call.total:
        told.append(_("{count} passed").format(count=call.passed))
        if call.failed:
            told.append(_("{count} failed").format(count=call.failed))
        if call.total:
            told.append(_("of {count}").format(count=call.total))
    elif call.last_line:
        told.append(figures.one_line(call.last_line, 120))
    return f"{figures.one_line(call.title)}: {', '.join(told)}"
