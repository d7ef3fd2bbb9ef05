"""The dialogue of ``/resolve`` and ``kcode resolve``: hunk by hunk, then the tests, then the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kcode.errors import NotAchieved
from kcode.i18n import _, from_below, n_
from kcode.safety.sanitize import clean
from kcode.ui import conflictview
from kcode.ui.desk import Desk
from kcode.ui.look import figures
from kcode.ui.resolvefile import FileDialogue, FileOutcome, Opened, Stopped

if TYPE_CHECKING:
    from kcode.config.settings import Settings
    from kcode.testrun.report import TestReport
    from kcode.workspace.conflicts import Conflict, Settled
    from kcode.workspace.unfinished import Operation
    from kcode.workspace.workspace import Workspace

_FAILURES = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """``paths`` are from the root. ``yes``: what is certain and what the model proposes, without asking.
    ``tests``: check before adding. ``go_on``: let git continue when nothing is left."""

    paths: tuple[str, ...] = ()
    yes: bool = False
    dry_run: bool = False
    tests: bool = True
    go_on: bool = False


@dataclass(slots=True)
class Outcome:
    """``tests`` is a line about the run, ``""`` for none; ``tests_ok`` None where nothing was learned.
    ``failed_before`` are failing tests that failed on a side of the merge already: they do not count."""

    operation: str = ""
    files: list[FileOutcome] = field(default_factory=list)
    tests: str = ""
    tests_ok: bool | None = None
    failed_before: list[str] = field(default_factory=list)
    continued: bool = False
    dry_run: bool = False

    @property
    def left(self) -> list[str]:
        """The paths that are still in conflict (with ``dry_run``: that would be)."""
        done = ("added", "resolved") if self.dry_run else ("added",)
        return [each.path for each in self.files if each.state not in done]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``; stable keys."""
        return {
            "operation": self.operation,
            "files": [each.as_json() for each in self.files],
            "tests": self.tests,
            "tests_ok": self.tests_ok,
            "failed_before": self.failed_before,
            "left": self.left,
            "continued": self.continued,
        }


async def resolve(
    desk: Desk, workspace: Workspace, settings: Settings, opened: Opened, wanted: Wanted
) -> Outcome:
    """Resolve what is in conflict. With nobody to ask and no ``yes`` the conflicts are only shown.

    Raises UsageError outside a repository and for paths without conflict, NotAchieved where git does not go
    on, ProviderError.
    """
    from kcode.ui.committing import no_repository
    from kcode.workspace.conflicts import conflicts
    from kcode.workspace.repo import check_repository
    from kcode.workspace.unfinished import operation, resume

    if not workspace.is_git:
        raise no_repository(workspace.root)
    check_repository(workspace.root)
    while True:
        found = operation(workspace.root)
        around = _Round(desk, workspace, settings, opened, wanted, found)
        outcome = await around.run(conflicts(workspace, wanted.paths))
        if not wanted.go_on or wanted.dry_run or outcome.left or conflicts(workspace):
            return outcome
        if not found.resume:
            desk.say(_("no merge, rebase, cherry-pick or revert is under way: nothing to go on with"), "dim")
            return outcome
        done = await desk.during(_("git goes on…"), resume(workspace.root, found))
        if done is None:
            return outcome
        if done.stdout.strip():
            desk.say(clean(done.stdout.rstrip()))
        if done.code == 0:
            outcome.continued = True
            return outcome
        if not conflicts(workspace):
            raise NotAchieved(_("git did not go on (exit code {code})").format(code=done.code), "git status")
        wanted = replace(wanted, paths=())


@dataclass(slots=True)
class _Round:
    """The conflicts that there are now; a rebase may bring others."""

    desk: Desk
    workspace: Workspace
    settings: Settings
    opened: Opened
    wanted: Wanted
    found: Operation

    async def run(self, conflicts: Sequence[Conflict]) -> Outcome:
        desk, wanted = self.desk, self.wanted
        outcome = Outcome(self.found.name, dry_run=wanted.dry_run)
        if not conflicts:
            desk.say(_("nothing is in conflict"), "dim")
            return outcome
        conflictview.overview(desk, self.found, list(conflicts))
        alone = wanted.yes or wanted.dry_run
        if not alone and not desk.person:
            outcome.files = [_only_shown(each) for each in conflicts]
            return outcome
        settled, checkpoints = await self._decided(conflicts, outcome, alone)
        if wanted.dry_run:
            self._show(outcome)
            return outcome
        done = {file.path for file in outcome.files if file.state == "resolved"}
        whole = [each for each in settled if each.path in done]
        if alone:
            self._show(outcome)
        if whole and await self._may_be_added(whole, outcome, checkpoints):
            from kcode.workspace.conflicts import mark

            mark(self.workspace.root, whole)
            for file in outcome.files:
                file.state = "added" if file.path in done else file.state
        self._conclude(outcome)
        return outcome

    async def _decided(
        self, conflicts: Sequence[Conflict], outcome: Outcome, alone: bool
    ) -> tuple[list[Settled], list[str]]:
        """Ask about every file and write what was decided; the checkpoints of what was written."""
        from kcode.workspace.conflicts import put

        settled: list[Settled] = []
        checkpoints: list[str] = []
        stopped = False
        for each in conflicts:
            dialogue = FileDialogue(self.desk, self.workspace.root, self.found, each, self.opened, alone)
            outcome.files.append(dialogue.outcome)
            if stopped:
                continue
            try:
                one = await dialogue.run()
            except Stopped:
                stopped, one = True, dialogue.so_far()
            if one is None:
                continue
            settled.append(one)
            if not self.wanted.dry_run:
                identity = put(self.workspace, [one], label=f"kcode resolve {each.path}")
                checkpoints += [identity] if identity else []
        return settled, checkpoints

    # --- the tests ---

    async def _may_be_added(
        self, whole: Sequence[Settled], outcome: Outcome, checkpoints: Sequence[str]
    ) -> bool:
        """Whether the tests, or the person, let the resolved files into the index."""
        from kcode.workspace.conflicts import conflicts, resolved_earlier

        if not self.wanted.tests:
            return True
        open_ = {each.path for each in conflicts(self.workspace)} - {each.path for each in whole}
        if open_:
            outcome.tests = "not run: other files are still in conflict"
            self.desk.say(
                _(
                    "other files are still in conflict: the tests of all of them are run when the "
                    "last one is resolved"
                ),
                "yellow",
            )
            return True
        earlier = resolved_earlier(self.workspace.root)
        paths = list(dict.fromkeys([*(each.path for each in whole), *earlier]))
        report = await self._tested(paths, outcome)
        if report is None or outcome.tests_ok is None or outcome.tests_ok:
            return True
        new = [case for case in report.failing if case.id not in outcome.failed_before]
        for case in new[:_FAILURES]:
            self.desk.say(f"  {figures.one_line(case.id)}: {figures.one_line(case.message, 160)}", "red")
        if self.wanted.yes:
            self._take_back(checkpoints, outcome)
            return False
        ways = [("a", _("add it anyway")), ("k", _("keep the files, add nothing")), ("u", _("undo"))]
        key = await self.desk.key(_("The tests fail."), ways)
        if key == "u":
            self._take_back(checkpoints, outcome)
        return key == "a"

    async def _tested(self, paths: Sequence[str], outcome: Outcome) -> TestReport | None:
        from kcode.testrun.affected import affected
        from kcode.testrun.run import run_tests
        from kcode.testrun.summary import headline

        found = await affected(self.workspace.root, paths)
        if not found.targets and not found.all:
            outcome.tests = f"not run: {found.why}"
            self.desk.say(
                _("no test is known to be affected: {why}").format(why=from_below(found.why)), "dim"
            )
            return None
        work = run_tests(self.workspace.root, self.settings, found.targets)
        report = await self.desk.during(_("running the affected tests…"), work)
        if report is None:
            outcome.tests = "interrupted"
            return None
        outcome.tests = headline(report)
        outcome.tests_ok = None if report.cannot_run else report.ok
        if report.failing:
            await self._compared(report, found.targets, outcome)
        style = "yellow" if outcome.tests_ok is None else "green" if outcome.tests_ok else "red"
        self.desk.say(_("tests: {words}").format(words=from_below(clean(outcome.tests))), style)
        return report

    async def _compared(self, report: TestReport, targets: Sequence[str], outcome: Outcome) -> None:
        """Tests that failed on a side already are no reason against the resolution."""
        from kcode.repair.sides import failed_before

        root, theirs = self.workspace.root, self.found.theirs
        work = failed_before(root, self.settings, report, targets, theirs)
        before = await self.desk.during(_("looking whether they failed before…"), work) or frozenset()
        outcome.failed_before = [case.id for case in report.failing if case.id in before]
        for name in outcome.failed_before[:_FAILURES]:
            self.desk.say(_("  {test} failed before, too").format(test=figures.one_line(name)), "dim")
        only = len(outcome.failed_before) == len(report.failing) == report.failed + report.errors
        if only and not report.timed_out:
            outcome.tests_ok = True

    def _take_back(self, checkpoints: Sequence[str], outcome: Outcome) -> None:
        for identity in reversed(checkpoints):
            self.workspace.undo(identity)
        for file in outcome.files:
            file.state = "left"
        self.desk.say(_("the conflicts are back as they were"), "yellow")

    # --- what is said ---

    def _show(self, outcome: Outcome) -> None:
        """What was decided without asking."""
        for file in outcome.files:
            name = figures.one_line(file.path)
            if not file.hunks:
                how = _hows().get(file.how) or _("left: {why}").format(why=figures.one_line(file.why, 200))
                self.desk.say(f"{name}: {how}")
            for hunk in file.hunks:
                why, how = figures.one_line(from_below(hunk.why), 200), _hows().get(hunk.how, "")
                if not how:
                    self.desk.say(f"{name}:{hunk.line}: " + _("left: {why}").format(why=why), "yellow")
                    continue
                self.desk.say(f"{name}:{hunk.line}: {how}" + (f": {why}" if why else ""))
                for line in hunk.text.split("\n")[:20] if hunk.text else ():
                    self.desk.say(f"    {line}".rstrip(), "green")

    def _conclude(self, outcome: Outcome) -> None:
        added = sum(file.state == "added" for file in outcome.files)
        if added:
            words = n_("{count} file is resolved and added", "{count} files are resolved and added", added)
            self.desk.say(words.format(count=added), "green")
        if outcome.left:
            named = ", ".join(figures.one_line(path) for path in outcome.left[:5])
            more = " …" if len(outcome.left) > 5 else ""
            self.desk.say(_("still in conflict: {files}").format(files=named + more), "yellow")
        elif self.found.resume and not self.wanted.go_on:
            how = "git " + " ".join(self.found.resume)
            self.desk.say(_("nothing is left: {command} goes on").format(command=how), "dim")


def _hows() -> dict[str, str]:
    return {
        "ours": _("ours"),
        "theirs": _("theirs"),
        "both": _("both"),
        "certain": _("certain"),
        "proposal": _("proposal"),
        "edited": _("edited"),
        "deleted": _("deleted"),
    }


def _only_shown(conflict: Conflict) -> FileOutcome:
    from kcode.ui.resolvefile import HunkOutcome
    from kcode.workspace.conflictmarks import hunks

    rows = [HunkOutcome.of(conflict, hunk) for hunk in hunks(conflict.parts)]
    return FileOutcome(conflict.path, conflict.kind, hunks=rows)
