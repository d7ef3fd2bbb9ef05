"""Repair by the agent, for models that can read, reason and edit on their own.

The agent works in a scratch copy with the tools it always has, so that nothing is applied before
somebody approved it. kcode itself then runs the tests and compares; the model's word is not the proof.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.agent.approval import Answer, Question
from kcode.agent.events import AnswerText, TurnFinished
from kcode.agent.session import Session
from kcode.config.prompts import load_prompt
from kcode.config.settings import Settings
from kcode.conversation.ledger import UsageEntry
from kcode.errors import KcodeError
from kcode.providers.base import Provider
from kcode.repair.events import AgentSaid, Listener, Progress, Stage, StageName
from kcode.repair.localise import is_test_file
from kcode.repair.project_copy import Changes, ProjectCopy
from kcode.repair.result import RepairResult
from kcode.repair.target import as_path, belongs, matching, names_nothing
from kcode.repair.verify import Proof, Tally, compared
from kcode.testrun.report import TestProgress, TestReport
from kcode.testrun.run import run_tests
from kcode.testrun.summary import headline, summarise
from kcode.tools.base import FileEdit
from kcode.workspace.diff import unified

_ROUNDS = 3  # the first attempt, and how often the proof's findings are handed back
_REPORT_LIMIT = 6_000  # characters of test results shown to the model


async def repair_by_agent(
    root: Path,
    target: str,
    provider: Provider,
    settings: Settings,
    tell: Listener,
    allow_test_changes: bool = False,
    account: Callable[[UsageEntry], None] | None = None,
) -> RepairResult:
    """See :func:`kcode.repair.pipeline.repair`, which calls this for providers that cannot infill."""
    with Stage(tell, "prepare", "a copy of the project"):
        copying = ProjectCopy.make(root, settings)
        project = await copying.__aenter__()
    try:
        work = _Work(project, provider, tell, allow_test_changes)
        try:
            return await work.run(target)
        finally:
            if work.session is not None:
                _hand_over(work.session, account)
    finally:
        await copying.__aexit__(None, None, None)


def _hand_over(session: Session, account: Callable[[UsageEntry], None] | None) -> None:
    """What the repair's own session cost goes to ``account``; its journal stays where nobody takes it."""
    for entry in session.ledger if account else ():
        if isinstance(entry, UsageEntry) and account:
            account(entry)
    session.journal.close()
    if account:
        session.journal.path.unlink(missing_ok=True)


class _OnlyTests:
    """In a repair the model may look, edit the copy and run tests; other commands have nobody to ask."""

    async def ask(self, question: Question) -> Answer:
        return Answer("no", "a repair only edits files and runs tests with run_tests; other commands are off")


@dataclass
class _Work:
    project: ProjectCopy
    provider: Provider
    tell: Listener
    allow_test_changes: bool
    session: Session | None = None  # once there is something to repair

    async def run(self, target: str) -> RepairResult:
        before, failing = await self._reproduce(target)
        if before.cannot_run:
            return RepairResult("cannot_run", f"The tests cannot run: {before.cannot_run.rstrip('.')}.")
        if not failing:
            return _nothing_fails(before, target)
        session = Session.open(self.project.scratch, self.project.settings, self.provider, errand="fix")
        self.session = session
        session.mode = "edits"
        session.files.enabled = False  # a scratch copy: nobody rewinds it
        session.approver = _OnlyTests()
        report = summarise(before, _REPORT_LIMIT)
        asked = target or "whatever fails"
        prompt = load_prompt("fix/agent").replace("{asked}", asked).replace("{report}", report)
        said, proof, changes = "", None, Changes()
        for _ in range(_ROUNDS):
            said = await self._turn(session, prompt)
            changes = await self.project.changes()
            if not self.allow_test_changes:
                await self.project.put_back([edit.path for edit in changes.edits if is_test_file(edit.path)])
            if not [edit for edit in changes.edits if self._accepted(edit)]:
                break
            proof, after = await self._verify(failing, before)
            if proof.ok:
                break
            found = "\n".join([*proof.lines(), summarise(after, _REPORT_LIMIT)])
            prompt = load_prompt("fix/again").replace("{report}", found)
        return self._result(before, failing, proof, changes, said, session)

    def _accepted(self, edit: FileEdit) -> bool:
        return self.allow_test_changes or not is_test_file(edit.path)

    async def _reproduce(self, target: str) -> tuple[TestReport, tuple[str, ...]]:
        """The whole suite before, and which of its failures were asked for."""
        with Stage(self.tell, "reproduce", target or "whatever fails") as stage:
            path = as_path(self.project.scratch, target)
            report = await self._tests("reproduce")
            failing = tuple(case.id for case in report.failing)
            if path:
                failing = tuple(test for test in failing if belongs(test, [path]))
            elif not names_nothing(target):
                known = [case.id for case in report.cases]
                wanted = set(matching(target, known))
                failing = tuple(test for test in failing if test in wanted)
            stage.text = headline(report)
        return report, failing

    async def _tests(self, stage: StageName) -> TestReport:
        return await run_tests(
            self.project.scratch,
            self.project.settings,
            on_progress=lambda so_far: self.tell(Progress(stage, _counted(so_far))),
        )

    async def _turn(self, session: Session, prompt: str) -> str:
        """One turn of the agent; its final answer. Raises the error that ended it, if one did."""
        text, error = "", None
        with Stage(self.tell, "propose", f"{self.provider.model.id} works on a copy") as stage:
            async for event in session.turn(prompt):
                self.tell(AgentSaid(event))
                if isinstance(event, AnswerText):
                    text += event.text
                elif isinstance(event, TurnFinished):
                    text = event.text or text
                    error = event.error
                    stage.text = f"{event.steps} steps, {len(event.files_changed)} files changed"
        if isinstance(error, KcodeError):
            raise error
        return text.strip()

    async def _verify(self, failing: Sequence[str], before: TestReport) -> tuple[Proof, TestReport]:
        with Stage(self.tell, "verify", "the whole test suite, before and after") as stage:
            after = await self._tests("verify")
            proof = prove(failing, before, after)
            stage.text = proof.lines()[0]
        return proof, after

    def _result(
        self,
        before: TestReport,
        failing: tuple[str, ...],
        proof: Proof | None,
        changes: Changes,
        said: str,
        session: Session,
    ) -> RepairResult:
        accepted = tuple(edit for edit in changes.edits if self._accepted(edit))
        refused = tuple(edit for edit in changes.edits if not self._accepted(edit))
        ok = proof is not None and proof.ok and bool(accepted)
        named = failing[0] if len(failing) == 1 else f"{len(failing)} tests"
        warnings = []
        if changes.binary:
            warnings.append(
                f"files that are no text changed too and are left out: {', '.join(changes.binary)}"
            )
        if refused:
            names = ", ".join(edit.path for edit in refused)
            warnings.append(f"the model also changed test files, which is refused: {names}")
        return RepairResult(
            status="fixed" if ok else "not_fixed",
            message=f"A patch passes {named}." if ok else f"No patch was found that passes {named}.",
            targets=failing,
            failing_before=before.failed + before.errors,
            passing_before=before.passed,
            failing_after=len(proof.after.failed) if ok and proof else before.failed + before.errors,
            passing_after=len(proof.after.passed) if ok and proof else before.passed,
            edits=accepted if ok else (),
            test_edits=refused,
            diff="".join(unified(edit.before, edit.after, edit.path) for edit in accepted) if ok else "",
            explanation=said,
            proof=tuple(proof.lines()) if proof else ("the model changed nothing that could be tested",),
            warning="; ".join(warnings),
            cost=f"{session.spent()} {self.provider.model.currency}" if session.spent() else "",
        )


def prove(failing: Sequence[str], before: TestReport, after: TestReport) -> Proof:
    """Compare two runs of the whole suite; where a runner names no passing tests, its totals count."""
    old, new = _tally(before), _tally(after)
    repaired, still, broken = compared(failing, old, new)
    if not new.passed and after.ok:  # totals only
        repaired, still = tuple(failing), ()
    complete = not after.cannot_run and not after.timed_out
    worse = after.failed + after.errors > before.failed + before.errors - len(repaired)
    return Proof(
        ok=complete and not still and not broken and not worse,
        repaired=repaired,
        still_failing=still,
        broken=broken,
        before=old,
        after=new,
        whole=complete,
    )


def _counted(so_far: TestProgress) -> str:
    ended = so_far.passed + so_far.failed
    return f"{ended} run, {so_far.failed} failed: {so_far.text}" if ended else so_far.text


def _tally(report: TestReport) -> Tally:
    by_status: Mapping[str, str] = {case.id: case.status for case in report.cases}
    return Tally(
        frozenset(test for test, status in by_status.items() if status == "passed"),
        frozenset(test for test, status in by_status.items() if status in ("failed", "error")),
    )


def _nothing_fails(report: TestReport, target: str) -> RepairResult:
    others = [case.id for case in report.failing]
    more = f" {len(others)} other tests fail: {', '.join(others[:3])}." if others else ""
    what = f"{target!r} passes" if target else "the tests pass"
    return RepairResult(
        "nothing_fails",
        f"Nothing fails: {what} ({headline(report)}).{more}",
        passing_before=report.passed,
        passing_after=report.passed,
    )
