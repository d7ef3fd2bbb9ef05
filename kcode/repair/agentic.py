"""Repair by the agent, for models that can read, reason and edit on their own.

The agent works in a scratch copy with the tools it always has, so that nothing is applied before
somebody approved it. kcode itself then runs the tests and compares; the model's word is not the proof.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from kcode.agent.approval import Answer, Question
from kcode.agent.events import AnswerText, TurnFinished
from kcode.agent.session import Session
from kcode.config.prompts import load_prompt
from kcode.config.settings import Settings
from kcode.conversation.ledger import UsageEntry
from kcode.errors import KcodeError
from kcode.providers.base import Provider
from kcode.repair.aim import Aim, Asked
from kcode.repair.bisect import Culprit, bisect
from kcode.repair.check import Checker
from kcode.repair.events import AgentSaid, Listener, Stage
from kcode.repair.evidence import Evidence, gather
from kcode.repair.failing import Choose, Failing, Reproducer
from kcode.repair.honesty import imitation, set_up_changed, weakened
from kcode.repair.present import patch_of
from kcode.repair.project_copy import Changes, Lab, ProjectCopy, with_command
from kcode.repair.result import RepairResult
from kcode.repair.testfiles import inline_tests, is_test_part
from kcode.repair.verify import Proof
from kcode.safety.temporary import remove
from kcode.testrun.report import TestReport
from kcode.testrun.summary import headline, summarise
from kcode.tools.base import FileEdit

_ROUNDS = 3  # the first answer, and how often the proof's findings are handed back
_REPORT_LIMIT = 6_000  # characters of test results shown to the model
_USUAL_DEGREE, _WARMER = 0.6, 0.2  # temperature of the first attempt, and how much more each one has
_LOG_LIMIT = 3_000  # characters of a pasted log


async def repair_by_agent(
    root: Path,
    asked: Asked,
    aim: Aim,
    provider: Provider,
    settings: Settings,
    tell: Listener,
    account: Callable[[UsageEntry], None] | None = None,
    choose: Choose | None = None,
) -> RepairResult:
    """See :func:`kcode.repair.pipeline.repair`, which calls this for providers that cannot infill."""
    if aim.command:
        settings = with_command(settings, aim.command)
    with Stage(tell, "prepare", "a copy of the project") as stage:
        opening = Lab.open(root, settings, aim.targets[0] if aim.targets else "")
        lab = await opening.__aenter__()
        stage.text = f"a copy of the project; {lab.chosen.runner.describe}"
    try:
        result = await _in_lab(lab, asked, aim, provider, tell, account, choose)
        return replace(result, runner=lab.chosen.runner.describe)
    finally:
        await opening.__aexit__(None, None, None)


async def _in_lab(
    lab: Lab,
    asked: Asked,
    aim: Aim,
    provider: Provider,
    tell: Listener,
    account: Callable[[UsageEntry], None] | None,
    choose: Choose | None,
) -> RepairResult:
    found = await Reproducer(lab, tell, choose).run(aim)
    if found.problem:
        return RepairResult("cannot_run", f"The tests cannot run: {found.problem.rstrip('.')}.")
    if not found.cases:
        return nothing_fails(found, aim)
    checker = Checker(lab, found, lab.settings.fix.suite_seconds)
    try:
        culprit = await bisect(lab, found, asked.good, tell) if asked.bisect else None
        with Stage(tell, "localise", "which lines the failing tests run") as stage:
            evidence = await gather(lab, found)
            stage.text = str(evidence)
        task = Task(lab, found, checker, aim, evidence, culprit, asked.allow_test_changes)
        copies = [await lab.another() for _ in range(asked.attempts)]
        checker.start()  # from now on the tests write into the first copy while the model works
        if len(copies) > 1:
            from kcode.repair.attempts import several

            return await several(task, copies, provider, tell, account)
        return await Attempting(task, copies[0], provider, tell, account).run()
    finally:
        await checker.close()


@dataclass(frozen=True)
class Task:
    """What every attempt has to do, and what is known about it."""

    lab: Lab
    found: Failing
    checker: Checker
    aim: Aim
    evidence: Evidence
    culprit: Culprit | None = None
    allow_test_changes: bool = False

    def prompt(self, number: int = 0) -> str:
        """The first message to the model. Of several attempts each but the first (``number`` 1) begins with
        another suspicious place, and is told another way to look for the cause."""
        parts = [summarise(self.found.report, _REPORT_LIMIT)]
        if self.found.others:
            names = ", ".join(self.found.others[:8])
            parts.append(f"These fail too and are not asked for: {names}")
        if self.aim.log:
            parts.append(f"The end of the log that the user gave:\n{self.aim.log[-_LOG_LIMIT:]}")
        if known := _beginning(self.evidence, number).text():
            parts.append(known)
        if self.culprit is not None:
            parts.append(self.culprit.text())
        if number > 1:
            ways = load_prompt("fix/ways").splitlines()
            parts.append(ways[(number - 2) % len(ways)])
        report = "\n\n".join(parts)
        return load_prompt("fix/agent").replace("{asked}", self.aim.told).replace("{report}", report)

    def refused(self, edit: FileEdit) -> bool:
        return not self.allow_test_changes and is_test_part(edit.path)


class _OnlyTests:
    """In a repair the model may look, edit the copy and run tests; other commands have nobody to ask."""

    async def ask(self, question: Question) -> Answer:
        return Answer("no", "a repair only edits files and runs tests with run_tests; other commands are off")


@dataclass
class Attempting:
    """One attempt in one copy. ``cost`` is set when it is over, interrupted ones included."""

    task: Task
    copy: ProjectCopy
    provider: Provider
    tell: Listener
    account: Callable[[UsageEntry], None] | None = None
    number: int = 0  # from 1 where there are several
    cost: Decimal = Decimal(0)

    async def run(self) -> RepairResult:
        settings = _warmer(self.copy.settings, self.number)
        session = Session.open(self.copy.scratch, settings, self.provider, errand="fix")
        session.mode = "edits"
        session.files.enabled = False  # a scratch copy: nobody rewinds it
        session.approver = _OnlyTests()
        session.context.test_env.update(self.copy.env)
        try:
            return await self._rounds(session)
        finally:
            self.cost = session.spent()
            await _closed(session, self.account)

    async def _rounds(self, session: Session) -> RepairResult:
        prompt, said = self.task.prompt(self.number), ""
        proof: Proof | None = None
        changes, refused, doubted = Changes(), dict[str, FileEdit](), False
        for _ in range(_ROUNDS):
            said = await self._turn(session, prompt)
            changes = await self._accepted(refused)
            if not changes.edits:
                proof = None
                break
            changed = [edit.path for edit in changes.edits]
            proof, after = await self.task.checker.check(self.copy, changed, self.tell)
            changes = await self._accepted(refused)  # what the tests wrote is no change of the model's
            doubt = self._imitation(changes) if proof.ok and not doubted else ""
            if proof.ok and not doubt:
                break
            doubted = doubted or bool(doubt)  # asked once: the value may be a rule of the project
            prompt = _again(proof, after, doubt)
        return self._result(proof, changes, tuple(refused.values()), said, session)

    async def _accepted(self, refused: dict[str, FileEdit]) -> Changes:
        """The model's changes; those of tests are put back and kept in ``refused``."""
        changes = (await self.copy.changes()).without(await self.task.checker.artefacts())
        kept: list[FileEdit] = []
        for edit in changes.edits:
            if self.task.refused(edit):
                refused[edit.path] = edit
                await self.copy.put_back([edit.path])
                continue
            kept_edit = edit if self.task.allow_test_changes else self._without_inline(edit, refused)
            if kept_edit is not None:
                kept.append(kept_edit)
        return Changes(tuple(kept), changes.binary)

    def _without_inline(self, edit: FileEdit, refused: dict[str, FileEdit]) -> FileEdit | None:
        """An edit of a Rust file whose own tests are as they were."""
        if edit.before is None or edit.after is None:
            return edit
        _, old_tests = inline_tests(edit.path, edit.before)
        code, new_tests = inline_tests(edit.path, edit.after)
        if old_tests == new_tests or not old_tests:
            return edit
        refused[edit.path] = edit
        restored = f"{code.rstrip()}\n\n{old_tests}" if code.strip() else old_tests
        (self.copy.scratch / edit.path).write_text(restored, encoding="utf-8", newline="")
        return None if restored == edit.before else FileEdit(edit.path, edit.before, restored)

    async def _turn(self, session: Session, prompt: str) -> str:
        """One turn of the agent; its final answer. Raises the error that ended it, if one did."""
        text, error = "", None
        with Stage(self.tell, "propose", f"{self.provider.model.id} works on a copy") as stage:
            async for event in session.turn(prompt):
                self.tell(AgentSaid(event, self.number))
                if isinstance(event, AnswerText):
                    text += event.text
                elif isinstance(event, TurnFinished):
                    text = event.text or text
                    error = event.error
                    stage.text = f"{event.steps} steps, {len(event.files_changed)} files changed"
        if isinstance(error, KcodeError):
            raise error
        return text.strip()

    def _result(
        self,
        proof: Proof | None,
        changes: Changes,
        refused: tuple[FileEdit, ...],
        said: str,
        session: Session,
    ) -> RepairResult:
        task, before = self.task, self.task.found.report
        failing = task.found.ids
        ok = proof is not None and proof.ok and bool(changes.edits)
        named = failing[0] if len(failing) == 1 else f"{len(failing)} tests"
        old, new = (proof.before, proof.after) if ok and proof else (None, None)
        failed_before = len(old.failed) if old else before.failed + before.errors
        passed_before = len(old.passed) if old else before.passed
        return RepairResult(
            status="fixed" if ok else "not_fixed",
            message=f"A patch passes {named}." if ok else _why_not(named, proof, changes),
            targets=failing,
            failing_before=failed_before,
            passing_before=passed_before,
            failing_after=len(new.failed) if new else failed_before,
            passing_after=len(new.passed) if new else passed_before,
            edits=changes.edits if ok else (),
            test_edits=refused,
            diff=patch_of(changes.edits) if ok else "",
            explanation=said,
            proof=tuple(proof.lines()) if proof else ("the model changed nothing that could be tested",),
            warning="; ".join(self._warnings(changes, refused)),
            cost=f"{session.spent()} {self.provider.model.currency}" if session.spent() else "",
            reasons=len(task.found.reasons),
            suspicious=tuple(f"{place.path}:{place.line}" for place in task.evidence.places),
            first_bad=str(task.culprit) if task.culprit else "",
            not_run=proof.not_run if proof else "",
        )

    def _imitation(self, changes: Changes) -> str:
        value = imitation(changes.edits, self.task.found.cases, self.task.lab.original.scratch)
        words = f"the patch decides by {value}, a value of the test itself: it may only imitate the test"
        return words if value else ""

    def _warnings(self, changes: Changes, refused: tuple[FileEdit, ...]) -> list[str]:
        found: list[str] = []
        if changes.binary:
            found.append(f"files that are no text changed too and are left out: {', '.join(changes.binary)}")
        if refused:
            names = ", ".join(edit.path for edit in refused)
            found.append(f"the model also changed test files, which is refused: {names}")
        if doubt := self._imitation(changes):
            found.append(doubt)
        if self.task.allow_test_changes and (weaker := weakened(changes.edits)):
            found.append(f"the patch weakens tests: {'; '.join(weaker)}")
        if set_up := set_up_changed(changes.edits):
            found.append(f"the patch changes how the tests are run: {', '.join(set_up)}")
        return found


def _beginning(evidence: Evidence, number: int) -> Evidence:
    """The same places, in another order for each attempt: who reads begins at the first."""
    if number < 2 or len(evidence.places) < 2:
        return evidence
    at = (number - 1) % len(evidence.places)
    return replace(evidence, places=evidence.places[at:] + evidence.places[:at])


def _warmer(settings: Settings, number: int) -> Settings:
    """Attempts at the same question answer alike where a model is cool: each but the first is warmer, unless
    the user has set how warm. Models that take no temperature are sent none."""
    if number < 2 or settings.provider.temperature is not None:
        return settings
    degree = min(1.0, _USUAL_DEGREE + _WARMER * (number - 1))
    provider = settings.provider.model_copy(update={"temperature": degree})
    return settings.model_copy(update={"provider": provider})


def nothing_fails(found: Failing, aim: Aim) -> RepairResult:
    """The tests that were asked for pass: a result of its own."""
    report = found.report
    others = found.others
    more = f" {len(others)} other tests fail: {', '.join(others[:3])}." if others else ""
    if flaky := [case.id for case in report.flaky]:
        more = f" {', '.join(flaky[:3])} failed once and passed when it was run again: it is flaky.{more}"
    what = "the tests of the log pass here" if aim.log else f"{aim.told!r} passes"
    what = "the tests pass" if aim.told == "whatever fails" else what
    return RepairResult(
        "nothing_fails",
        f"Nothing fails: {what} ({headline(report)}).{more}",
        passing_before=report.passed,
        passing_after=report.passed,
    )


def _again(proof: Proof, after: TestReport, doubt: str) -> str:
    """What the proof found; ``doubt`` is why a patch that passes is not accepted yet."""
    report = f"{doubt}; repair it for every input" if doubt else summarise(after, _REPORT_LIMIT)
    found = "\n".join([*proof.lines(), report])
    return load_prompt("fix/again").replace("{report}", found)


def _why_not(named: str, proof: Proof | None, changes: Changes) -> str:
    if proof is None or not changes.edits:
        return f"No patch was found that passes {named}."
    if proof.unsteady:
        return f"No patch was found that passes {named} every time."
    if proof.broken and not proof.still_failing:
        return f"No patch was found that passes {named} and breaks no other test."
    return f"No patch was found that passes {named}."


async def _closed(session: Session, account: Callable[[UsageEntry], None] | None) -> None:
    """What the repair's own session cost goes to ``account``; its journal stays where nobody takes it."""
    for entry in session.ledger if account else ():
        if isinstance(entry, UsageEntry) and account:
            account(entry)
    await session.files.close()
    await session.map.close()
    await session.problems.close()
    if session.context.background is not None:
        await session.context.background.close()
    if session.context.scratch is not None:
        await asyncio.to_thread(remove, session.context.scratch)
    session.journal.close()
    if account:
        session.journal.path.unlink(missing_ok=True)
