"""What ``kcode fix`` shows: the stages as they happen on stderr, the patch and its proof at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from kcode.cli.table import padded
from kcode.i18n import _, from_below, n_
from kcode.repair.events import (
    AgentSaid,
    CandidatePassed,
    CandidatesTried,
    Progress,
    RepairEvent,
    StageFinished,
    StageStarted,
)
from kcode.safety.sanitize import clean
from kcode.ui.look.figures import one_line
from kcode.ui.look.terminal import Look, look_at, make_console, size_of, tolerate
from kcode.ui.look.widths import head

if TYPE_CHECKING:
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
        elif isinstance(event, AgentSaid):
            self._from_agent(event)

    def close(self) -> None:
        """Leave no half-written line behind."""
        self._erase()

    def _from_agent(self, event: AgentSaid) -> None:
        from kcode.ui.output.plain import PlainRenderer

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
    words = [from_below(result.message)] if result.status != "fixed" else []
    if result.edits:
        _show_patch(result)
        words += [
            from_below(result.explanation),
            "",
            *(_("proof: {line}").format(line=line) for line in result.proof),
        ]
    if result.test_edits:
        paths = ", ".join(edit.path for edit in result.test_edits)
        words.append(
            _(
                "left out: the model also wanted to change tests ({paths}); --allow-test-changes allows it"
            ).format(paths=paths)
        )
    if result.warning:
        words.append(_("warning: {warning}").format(warning=result.warning))
    if result.alternatives:
        others = len(result.alternatives)
        said = n_(
            "{count} other patch passes as well; see --json",
            "{count} other patches pass as well; see --json",
            others,
        )
        words.append(said.format(count=others))
    if result.cost:
        words.append(_("cost: {cost}").format(cost=result.cost))
    sys.stdout.flush()
    _print(clean("\n".join(words)), sys.stderr, look_at(sys.stderr))


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


def agreed(question: str) -> bool:
    """Ask on the terminal; anything but a yes is a no."""
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
