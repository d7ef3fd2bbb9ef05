"""Tool calls that run side by side: live rows while any of them runs, lines in call order when all ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kcode.agent.events import CallAnswered, CallFinished, CallProgress, CallStarted
from kcode.i18n import _, from_below, n_
from kcode.safety.sanitize import clean
from kcode.ui.look import figures, widths
from kcode.ui.look.marks import marks_of
from kcode.ui.look.terminal import Look
from kcode.ui.look.theme import theme_of
from kcode.ui.output.results import failure_lines

if TYPE_CHECKING:
    from rich.text import Text

LIVE_CALLS = 8  # shown one by one
LAST_LINE = 2_000  # characters of a running call's output that its last line is looked for in


@dataclass(slots=True)
class Running:
    """One call, from its start until its group has become scrollback."""

    title: str
    started: float
    output: str = ""
    passed: int = 0
    failed: int = 0
    total: int = 0
    ended: CallFinished | None = None

    def take(self, event: CallProgress) -> None:
        self.output = (self.output + event.text)[-LAST_LINE:]
        if event.passed or event.failed or event.total:
            self.passed, self.failed, self.total = event.passed, event.failed, event.total

    @property
    def last_line(self) -> str:
        """The newest line that was printed, as a person may see it."""
        lines = clean(self.output.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
        return next((" ".join(line.split()) for line in reversed(lines) if line.strip()), "")


@dataclass(slots=True)
class CallGroup:
    """The calls that overlap in time. A group of one is shown as a single line."""

    look: Look
    calls: dict[str, Running] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.calls)

    @property
    def running(self) -> int:
        return sum(call.ended is None for call in self.calls.values())

    def start(self, event: CallStarted, now: float) -> None:
        self.calls[event.call_id] = Running(from_below(event.title) or event.name, now)

    def progress(self, event: CallProgress) -> None:
        if event.call_id in self.calls:
            self.calls[event.call_id].take(event)

    def answered(self, event: CallAnswered, now: float) -> None:
        """The clock of a call that had to be asked about starts when it may run."""
        if event.call_id in self.calls:
            self.calls[event.call_id].started = now

    def finish(self, event: CallFinished, now: float) -> list[tuple[Running, CallFinished]]:
        """Tick the call off. When it was the last one: the whole group in call order; a new one begins."""
        call = self.calls.setdefault(event.call_id, Running(event.name, now - event.seconds))
        call.ended = event
        return [] if self.running else self.end()

    def end(self) -> list[tuple[Running, CallFinished]]:
        """The calls that ended, in call order; those that did not are dropped."""
        ended = [(call, call.ended) for call in self.calls.values() if call.ended is not None]
        self.calls = {}
        return ended

    def live_rows(self, now: float, spin: str, width: int) -> list[Text]:
        """One row for each call, the newest output of a running one below it."""
        from rich.text import Text

        theme = theme_of(self.look)
        many = len(self.calls) > 1
        head = figures.cut(together(len(self.calls), self.look), width)
        rows = [Text(head, style=theme.dim)] if many else []
        indent = "  " if many else ""
        shown = self._shown()
        for call in shown:
            if call.ended is not None:
                outcome = call.ended.outcome
                row = call_line(
                    call.title, outcome.brief, outcome.ok, call.ended.seconds, width - len(indent), self.look
                )
                rows.append(Text(indent).append_text(row))
            else:
                rows += self._running_rows(call, now, spin, width, indent)
        if left_out := len(self.calls) - len(shown):
            more = n_("… and {count} more", "… and {count} more", left_out).format(count=left_out)
            rows.append(Text(figures.cut(indent + more, width), style=theme.dim))
        return rows

    def _shown(self) -> list[Running]:
        """The running ones first where there is no room for all, but in call order."""
        calls = list(self.calls.values())
        if len(calls) <= LIVE_CALLS:
            return calls
        chosen = sorted(calls, key=lambda call: call.ended is not None)[: LIVE_CALLS - 1]
        return [call for call in calls if any(call is one for one in chosen)]

    def _running_rows(self, call: Running, now: float, spin: str, width: int, indent: str) -> list[Text]:
        from rich.text import Text

        theme, marks = theme_of(self.look), marks_of(self.look)
        time = f"  {figures.seconds(now - call.started)}"
        counts = counted(call.passed, call.failed, call.total, self.look)
        room = width - len(indent) - 2 - len(time) - (widths.columns(counts) + 2 if counts else 0)
        text = Text.assemble(indent, (spin, theme.accent), " ", figures.one_line(call.title, max(8, room)))
        text.append(time, style=theme.dim)
        if counts:
            text.append("  ").append(counts, style=theme.bad if call.failed else theme.good)
        rows = [text]
        if (last := call.last_line) and not counts:
            line = figures.cut(last, width - len(indent) - 4)
            rows.append(Text(f"{indent}  {marks.under} {line}", style=theme.dim))
        return rows


def together(count: int, look: Look) -> str:
    """``⇉ 3 calls at once``."""
    text = n_("{count} call", "{count} calls at once", count).format(count=count)
    return f"{marks_of(look).together} {text}"


def counted(passed: int, failed: int, total: int, look: Look) -> str:
    """``✓ 12 ✗ 1 / 40``, ``""`` where nothing was counted yet."""
    if not (passed or failed or total):
        return ""
    marks = marks_of(look)
    parts = [f"{marks.done} {passed}"] + ([f"{marks.failed} {failed}"] if failed else [])
    return " ".join([*parts, f"/ {total}"] if total else parts)


def group_rows(ended: list[tuple[Running, CallFinished]], look: Look, width: int) -> list[Text]:
    """The lines of calls that ended together; under one that failed, what it said last."""
    from rich.text import Text

    theme, marks = theme_of(look), marks_of(look)
    many = len(ended) > 1
    rows = [Text(figures.cut(together(len(ended), look), width), style=theme.dim)] if many else []
    indent = "  " if many else ""
    for call, event in ended:
        outcome = event.outcome
        row = call_line(call.title, outcome.brief, outcome.ok, event.seconds, width - len(indent), look)
        rows.append(Text(indent).append_text(row))
        for line in failure_lines(event):
            text = figures.one_line(line, width - len(indent) - 4)
            rows.append(Text(f"{indent}  {marks.under} {text}", style=theme.dim))
    return rows


def call_line(title: str, brief: str, ok: bool, took_s: float, width: int, look: Look) -> Text:
    """``✓ read src/a.py · 120 lines · 0.1s`` in one row of ``width`` columns."""
    from rich.text import Text

    theme, marks = theme_of(look), marks_of(look)
    time = figures.seconds(took_s)
    title, brief = figures.one_line(title), figures.one_line(from_below(brief))
    room = max(8, width - 2 - 3 - len(time))
    if brief:
        title = figures.cut(title, max(room - 3 - widths.columns(brief), room * 3 // 5))
        brief = figures.cut(brief, max(0, room - 3 - widths.columns(title)))
    else:
        title = figures.cut(title, room)
    text = Text.assemble((f"{marks.done} ", theme.good) if ok else (f"{marks.failed} ", theme.bad), title)
    if brief:
        text.append(" · ", style=theme.dim).append(brief, style=theme.dim if ok else theme.bad)
    return text.append(f" · {time}", style=theme.dim)


def plain_line(title: str, event: CallFinished) -> str:
    """``[ok] read src/a.py: 120 lines (0.1s)``."""
    brief = figures.one_line(from_below(event.outcome.brief))
    mark = _("ok") if event.outcome.ok else _("failed")
    took = figures.seconds(event.seconds)
    return f"[{mark}] {figures.one_line(title)}{': ' + brief if brief else ''} ({took})"
