"""What ``kcode fix`` shows: the stages as they happen on stderr, the patch and its proof at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TextIO

from kcode.cli.table import padded
from kcode.conversation.cost import shown
from kcode.i18n import _, from_below, n_
from kcode.repair.events import (
    AgentSaid,
    AttemptEnded,
    CandidatePassed,
    CandidatesTried,
    Progress,
    RepairEvent,
    StageFinished,
    StageStarted,
)
from kcode.safety.sanitize import clean
from kcode.ui.desk import ConsoleDesk
from kcode.ui.look.figures import one_line
from kcode.ui.look.terminal import Look, look_at, make_console, size_of, tolerate
from kcode.ui.look.widths import head

if TYPE_CHECKING:
    from kcode.repair.failing import Choose
    from kcode.repair.result import RepairResult


class Stages:
    """Listens to a repair. In a terminal the running stage is one line that is written over."""

    def __init__(self) -> None:
        self._out = sys.stderr
        tolerate(self._out)
        self._look = look_at(self._out)
        self._stage = ""
        self._shown = False
        self._passed: set[tuple[str, int, str]] = set()  # patches that look alike are told once
        self._agent: object = None

    def handle(self, event: RepairEvent) -> None:
        if isinstance(event, StageStarted):
            self._stage = event.stage
            self._running(event.text)
        elif isinstance(event, StageFinished):
            mark = "✓" if self._look.unicode else "*"
            words = one_line(from_below(event.text))
            self._line(f"{mark} {padded(_(event.stage), 10)} {words}  {event.seconds:.1f} s")
        elif isinstance(event, Progress):
            self._running(event.text)
        elif isinstance(event, CandidatesTried):
            said = _("{tried} candidates tried, {passing} pass, {where}, {seconds:.0f} s")
            words = said.format(
                tried=event.tried, passing=event.passing, where=event.where, seconds=event.seconds
            )
            self._running(words)
        elif isinstance(event, CandidatePassed):
            found = (event.path, event.line, event.after.strip())
            if found not in self._passed:
                self._passed.add(found)
                place = f"{one_line(event.path)}:{event.line}: {one_line(found[2])}"
                self._line(_("  passes: {place}").format(place=place))
        elif isinstance(event, AttemptEnded):
            mark = ("✓" if event.ok else "✗") if self._look.unicode else ("*" if event.ok else "x")
            told = _("attempt {number}: {outcome}")
            self._line(f"{mark} {told.format(number=event.number, outcome=one_line(from_below(event.text)))}")
        elif isinstance(event, AgentSaid):
            self._from_agent(event)

    def aside(self, choose: Choose) -> Choose:
        """``choose`` with the running line out of its way."""

        async def asked(lines: Sequence[str]) -> int | None:
            self._erase()
            return await choose(lines)

        return asked

    def close(self) -> None:
        """Leave no half-written line behind."""
        self._erase()

    def _from_agent(self, event: AgentSaid) -> None:
        from kcode.agent.events import CallFinished
        from kcode.ui.output.plain import PlainRenderer

        if event.attempt:  # several at once: what each does is one line that the next one writes over
            if isinstance(event.event, CallFinished):
                done = f"{event.event.name}: {from_below(event.event.outcome.brief)}"
                self._running(_("attempt {number}: {outcome}").format(number=event.attempt, outcome=done))
            return
        self._erase()
        if not isinstance(self._agent, PlainRenderer):
            self._agent = PlainRenderer(self._out, show_reasoning=False)
        self._agent.handle(event.event)

    def _running(self, text: str) -> None:
        if self._look.plain:
            return
        self._erase()
        columns = size_of(self._out)[0]
        self._out.write(head(f"  {padded(_(self._stage), 10)} {one_line(text)}", columns - 1))
        self._out.flush()
        self._shown = True

    def _line(self, text: str) -> None:
        self._erase()
        _print(text, self._out, self._look)

    def _erase(self) -> None:
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()
            self._shown = False


def show_result(result: RepairResult) -> None:
    """The patch on stdout (as ``git apply`` takes it, where that is no terminal), the words on stderr."""
    from kcode.repair.result import told

    words = [from_below(result.message)] if result.status != "fixed" else []
    if result.edits:
        _show_patch(result)
        words += [result.explanation, ""]
    if result.first_bad:
        words.append(_("first bad commit: {commit}").format(commit=from_below(result.first_bad)))
    if result.edits or result.status == "not_fixed":
        words += [_("proof: {line}").format(line=from_below(line)) for line in result.proof]
    if result.test_edits:
        paths = ", ".join(edit.path for edit in result.test_edits)
        words.append(
            _(
                "left out: the model also wanted to change tests ({paths}); --allow-test-changes allows it"
            ).format(paths=paths)
        )
    if result.warning:
        words.append(_("warning: {warning}").format(warning=from_below(result.warning)))
    if result.alternatives:
        others = len(result.alternatives)
        said = n_(
            "{count} other patch passes as well; see --json",
            "{count} other patches pass as well; see --json",
            others,
        )
        words.append(said.format(count=others))
    for attempt in result.attempts:
        chosen = (
            _("attempt {number} (chosen): {outcome}") if attempt.chosen else _("attempt {number}: {outcome}")
        )
        words.append(chosen.format(number=attempt.number, outcome=from_below(told(attempt))))
    words.append(_spent(result))
    sys.stdout.flush()
    _print(clean("\n".join(words)), sys.stderr, look_at(sys.stderr))


def _spent(result: RepairResult) -> str:
    """The time, and the money where there was any."""
    time = _("time: {seconds:.0f} s").format(seconds=result.seconds)
    if not result.cost:
        return time
    amount, _space, currency = result.cost.partition(" ")
    said = shown(Decimal(amount), currency)
    return _("{time}, cost: {cost}").format(time=time, cost=said)


def _print(text: str, stream: TextIO, look: Look) -> None:
    """Whole words a line on a terminal, untouched elsewhere."""
    if look.plain:
        stream.write(f"{text}\n")
    else:
        from rich.text import Text

        make_console(stream, look).print(Text(text))
    stream.flush()


def _show_patch(result: RepairResult) -> None:
    from kcode.ui.approval.diffview import print_edits

    tolerate(sys.stdout)
    look = look_at(sys.stdout)
    if sys.stdout.isatty():
        print()
        print_edits(make_console(sys.stdout, look), result.edits, look)
        print()
    else:
        sys.stdout.write(result.diff)


class FixDesk(ConsoleDesk):
    """Questions of ``kcode fix``. Where the log came by a pipe they are asked on the terminal itself."""

    def __init__(self, quiet: bool) -> None:
        super().__init__()
        self._quiet = quiet
        terminal = _terminal() if not self.person and sys.stderr.isatty() and not quiet else None
        if terminal is not None:
            self.keys = terminal
        self.person = (self.person or terminal is not None) and not quiet

    def say(self, text: object = "", style: str = "") -> None:
        if not self._quiet:
            super().say(text, style)

    async def yes(self, question: str) -> bool:
        """Anything but a yes is a no."""
        answer = await self.line(f"{question} [y/N]")
        return (answer or "").lower() in ("y", "yes", _("yes"))

    async def choose(self, lines: Sequence[str]) -> int | None:
        """The number of one of ``lines``, from 0; None for none."""
        self.say(_("several tests fit, and fail for different reasons:"))
        for number, line in enumerate(lines, 1):
            self.say(f"  {number}  {one_line(line)}")
        answer = await self.line(_("Which one? A number, or nothing to stop:"))
        return int(answer) - 1 if answer and answer.isdigit() and 0 < int(answer) <= len(lines) else None


def _terminal() -> TextIO | None:
    """The terminal that the user sits at, whatever standard input is."""
    try:
        return open("/dev/tty", encoding="utf-8", errors="replace")  # noqa: PTH123
    except OSError:
        return None
