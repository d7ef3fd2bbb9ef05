"""Commands about tests: running them, repairing what fails."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kcode.i18n import _, from_below, n_
from kcode.ui.commands.base import Command, interruptible
from kcode.ui.look import figures

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.repair.events import RepairEvent
    from kcode.repair.result import RepairResult
    from kcode.testrun.report import TestCase, TestProgress
    from kcode.ui.desk import SessionDesk
    from kcode.ui.fixing import Wanted
    from kcode.ui.sitting import Sitting

_SHOWN = 10  # failures


class _Line:
    """One live line above the input; nothing where the terminal cannot repaint."""

    def __init__(self, sitting: Sitting) -> None:
        self._region = sitting.stage.region
        self._terminal = sitting.stage.terminal
        self._began = time.monotonic()

    def show(self, text: str) -> None:
        from kcode.ui.look.terminal import size_of

        if self._region is not None:
            spent = figures.seconds(time.monotonic() - self._began)
            line = figures.cut(f"  {figures.one_line(text)} · {spent}", size_of(self._terminal)[0] - 1)
            self._region.update((), [line])

    def clear(self) -> None:
        if self._region is not None:
            self._region.clear()


@contextmanager
def _live(sitting: Sitting) -> Iterator[_Line]:
    line = _Line(sitting)
    try:
        yield line
    finally:
        line.clear()


async def _test(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.agent.told import news
    from kcode.testrun.run import run_tests
    from kcode.testrun.summary import headline, summarise

    with _live(sitting) as line:
        line.show(_("running the tests…"))

        def progress(so_far: TestProgress) -> None:
            line.show(_counted(so_far))

        work = run_tests(session.root, session.settings, argument or None, on_progress=progress)
        report = await interruptible(sitting, work)
    if report is None:
        sitting.say(_("interrupted: the tests did not run to their end"), "yellow")
        return
    for case in report.failing[:_SHOWN]:
        _show_failure(sitting, case)
    if len(report.failing) > _SHOWN:
        sitting.say(_("and {count} more that fail").format(count=len(report.failing) - _SHOWN), "dim")
    sitting.say(headline(report), "green" if report.ok else "red")
    for case in report.flaky[:_SHOWN]:
        told = _("flaky: {name} failed, then passed when it was run without the others")
        sitting.say(told.format(name=figures.one_line(case.id)), "yellow")
    for words in filter(None, (report.runner, report.environment, report.note)):
        sitting.say(f"  {figures.one_line(words, 300)}", "dim")
    what = f"the tests of {argument}" if argument else "the tests"
    session.tell(news(f"The user ran {what}. Result:\n{summarise(report)}"))
    if not report.ok:
        sitting.say(_("your next message takes the result along; /fix repairs"), "dim")


def _counted(so_far: TestProgress) -> str:
    """``12 passed, 1 failed of 40: tests/test_a.py::test_b``."""
    counts = [_("{count} passed").format(count=so_far.passed)]
    if so_far.failed:
        counts.append(_("{count} failed").format(count=so_far.failed))
    said = ", ".join(counts)
    if so_far.total:
        said = _("{counts} of {total}").format(counts=said, total=so_far.total)
    return f"{said}: {so_far.text}" if so_far.text else said


def _show_failure(sitting: Sitting, case: TestCase) -> None:
    mark = "✗" if sitting.look.unicode else "x"
    sitting.say(f"{mark} {figures.one_line(case.id)}", "red")
    if case.message:
        sitting.say(f"  {figures.one_line(case.message)}")
    if case.expected and case.actual:
        told = _("  expected {expected}, got {actual}")
        sitting.say(
            told.format(
                expected=figures.one_line(case.expected, 200), actual=figures.one_line(case.actual, 200)
            )
        )
    if case.frames:
        frame = case.frames[-1]
        sitting.say(_("  at {place}").format(place=f"{figures.one_line(frame.path)}:{frame.line}"), "dim")


async def _fix(sitting: Sitting, session: Session, argument: str) -> None:
    from kcode.agent.accounting import take_over
    from kcode.agent.told import news
    from kcode.repair.pipeline import repair
    from kcode.ui.fixing import check_place, wanted_of

    wanted = wanted_of(argument)
    await check_place(session.root, wanted)
    with _live(sitting) as line:
        stages = _Stages(sitting, line)
        work = repair(
            session.root,
            wanted.asked,
            session.provider,
            session.settings,
            on_event=stages.handle,
            budget_s=wanted.max_seconds,
            account=lambda entry: take_over(session, entry, "fix"),
            choose=lambda lines: _which(sitting, line, lines),
        )
        result = await interruptible(sitting, work)
    sitting.refresh_status()
    if result is None:
        sitting.say(_("interrupted: nothing was changed"), "yellow")
        return
    applied = await _approved(sitting, session, result, wanted)
    asked = f"/fix {argument}".strip()
    outcome = "applied" if applied else "not applied"
    diff = f"\nThe patch ({outcome}):\n{result.diff[:6_000]}" if result.diff else ""
    session.tell(news(f"The user ran {asked}. {result.message} {result.explanation}{diff}"))


async def _which(sitting: Sitting, line: _Line, lines: Sequence[str]) -> int | None:
    """The number of one of several failures that fit the words, from 0; None for none."""
    from kcode.ui.desk import SessionDesk

    line.clear()
    sitting.say(_("several tests fit, and fail for different reasons:"))
    for number, each in enumerate(lines, 1):
        sitting.say(f"  {number}  {figures.one_line(each)}")
    answer = await SessionDesk(sitting).line(_("Which one? A number, or nothing to stop:"))
    return int(answer) - 1 if answer and answer.isdigit() and 0 < int(answer) <= len(lines) else None


async def _approved(sitting: Sitting, session: Session, result: RepairResult, wanted: Wanted) -> bool:
    """Show the outcome; whether there was a patch and the person took it."""
    from kcode.safety.sanitize import clean
    from kcode.ui.desk import SessionDesk, yes_or_no

    if result.first_bad:
        told = _("first bad commit: {commit}").format(commit=from_below(clean(result.first_bad)))
        sitting.say(told)
    if not result.edits:
        said = from_below(clean(result.message))
        sitting.say(said, "green" if result.status == "nothing_fails" else "yellow")
        if result.status == "not_fixed":
            _show_proof(sitting, result)
        return False
    _show_patch(sitting, result)
    if wanted.dry_run:
        return False
    desk = SessionDesk(sitting)
    if not wanted.yes and await desk.key(_("Apply this patch?"), yes_or_no()) != "y":
        sitting.say(_("not applied"), "dim")
        return False
    await _take(desk, sitting, session, result, wanted)
    return True


def _show_patch(sitting: Sitting, result: RepairResult) -> None:
    from kcode.safety.sanitize import clean
    from kcode.ui.approval.diffview import print_edits
    from kcode.ui.look.terminal import make_console

    sitting.say()
    print_edits(make_console(sys.stdout, sitting.look), result.edits, sitting.look)
    sitting.say()
    if result.explanation:
        sitting.say(clean(result.explanation))
    _show_proof(sitting, result)
    if result.test_edits:
        named = ", ".join(figures.one_line(edit.path) for edit in result.test_edits)
        sitting.say(_("left out: changes of tests ({files})").format(files=named), "yellow")
    if result.warning:
        sitting.say(_("warning: {words}").format(words=from_below(clean(result.warning))), "yellow")


def _show_proof(sitting: Sitting, result: RepairResult) -> None:
    from kcode.safety.sanitize import clean

    for each in result.proof:
        sitting.say(_("proof: {line}").format(line=from_below(clean(each))), "dim")


async def _take(
    desk: SessionDesk, sitting: Sitting, session: Session, result: RepairResult, wanted: Wanted
) -> None:
    """Apply the patch, and make the branch and the commit that were asked for."""
    from kcode.ui.fixing import take

    taken = await take(desk, session.root, wanted, result, lambda: _apply(session, result), lambda: session)
    count = len(result.edits)
    named = ", ".join(figures.one_line(edit.path) for edit in result.edits)
    words = n_("applied to {files}; /undo takes it back", "applied to {files}; /undo takes them back", count)
    sitting.say(words.format(files=named), "green")
    if taken.branch:
        sitting.say(_("on the new branch {name}").format(name=taken.branch), "green")
    if taken.commit:
        subject = taken.message.partition("\n")[0]
        told = _("committed as {commit}: {subject}")
        sitting.say(told.format(commit=taken.commit, subject=figures.one_line(subject)), "green")
    if taken.why:
        sitting.say(taken.why, "yellow")


def _apply(session: Session, result: RepairResult) -> str:
    """Apply the patch as an act of its own, so that /undo takes back this and no turn before it."""
    from kcode.agent.memory import ACT
    from kcode.conversation.ledger import Note
    from kcode.repair.pipeline import apply

    session.record(Note(ACT, "fix"))
    checkpoint = apply(result, session.workspace)
    session.record(Note(ACT, "done"))
    return checkpoint


class _Stages:
    """A repair as it goes: finished stages stay, the running one is a live line."""

    def __init__(self, sitting: Sitting, line: _Line) -> None:
        self._sitting = sitting
        self._line = line
        self._stage = ""

    def handle(self, event: RepairEvent) -> None:
        from kcode.agent.events import CallFinished
        from kcode.repair import events

        if isinstance(event, events.StageStarted):
            self._stage = event.stage
            self._line.show(f"{self._stage:<10} {event.text}")
        elif isinstance(event, events.StageFinished):
            mark = "✓" if self._sitting.look.unicode else "*"
            self._line.clear()
            spent = figures.seconds(event.seconds)
            self._sitting.say(f"{mark} {event.stage:<10} {figures.one_line(event.text)}  {spent}", "dim")
        elif isinstance(event, events.Progress):
            self._line.show(f"{self._stage:<10} {event.text}")
        elif isinstance(event, events.CandidatesTried):
            self._line.show(
                _("{tried} candidates tried, {passing} pass, {where}").format(
                    tried=event.tried, passing=event.passing, where=event.where
                )
            )
        elif isinstance(event, events.AttemptEnded):
            told = _("attempt {number}: {outcome}")
            self._line.clear()
            self._sitting.say(
                told.format(number=event.number, outcome=figures.one_line(from_below(event.text))), "dim"
            )
        elif isinstance(event, events.AgentSaid) and isinstance(event.event, CallFinished):
            self._line.show(f"{self._stage:<10} {event.event.name}: {from_below(event.event.outcome.brief)}")


COMMANDS = (
    Command(
        "test",
        "[TARGET]",
        "run the tests; your next message takes the result along",
        _test,
        example="/test tests/test_cart.py",
    ),
    Command(
        "fix",
        "[TARGET | -- COMMAND] [--attempts N]",
        "repair a failing test, proved by the tests, applied after a yes",
        _fix,
        example="/fix the login test",
    ),
)
