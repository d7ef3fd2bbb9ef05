"""``--bisect``: the first commit at which the failing test fails, found by git bisect in a copy.

The user's repository is only read. The test is judged as it is now: its file is put into every commit that is
tried. A commit at which it does not run, or fails for another reason, is skipped.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kcode.errors import UsageError
from kcode.repair.events import Listener, Progress, Stage
from kcode.repair.failing import Failing
from kcode.repair.project_copy import Lab, ProjectCopy, git
from kcode.repair.testfiles import is_test_part
from kcode.testrun.report import TestReport

_FARTHEST = 4_096  # commits back that a good one is looked for
_MOST_STEPS = 60
_STEPS = re.compile(r"\(roughly (?P<steps>\d+) steps?\)")
_FIRST = re.compile(r"^(?P<rev>[0-9a-f]{40}) is the first bad commit", re.M)
_KEPT = ("node_modules", "vendor", ".venv", "venv", "target", "build")

Judged = Literal["good", "bad", "skip"]


@dataclass(frozen=True, slots=True)
class Culprit:
    """``revision`` is the first bad commit (abbreviated), empty where none could be named; then ``why`` says
    it. ``among`` are the commits that are left where some had to be skipped."""

    revision: str = ""
    subject: str = ""
    when: str = ""
    files: tuple[str, ...] = ()
    diff: str = ""
    tried: int = 0
    among: tuple[str, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        if self.revision:
            return f"{self.revision} {self.when} {self.subject}"
        return self.why

    def text(self) -> str:
        """For the model."""
        if not self.revision:
            return f"git bisect: {self.why}"
        head = f"git bisect: the test fails since commit {self}"
        return f"{head}\n\nIts change:\n{self.diff}" if self.diff else head


async def bisect(lab: Lab, found: Failing, good: str, tell: Listener) -> Culprit:
    """``good`` is a revision at which the tests pass; empty: one is looked for, in growing steps back.

    Raises UsageError for a revision that is none.
    """
    with Stage(tell, "bisect", "looking for the first commit that fails") as stage:
        culprit = await _Bisect(lab, found, tell).run(good)
        stage.text = str(culprit)
    return culprit


@dataclass
class _Bisect:
    lab: Lab
    found: Failing
    tell: Listener
    _copy: ProjectCopy | None = None
    _tried: int = 0

    async def run(self, good: str) -> Culprit:
        head = await self._rev("HEAD")
        if not self.lab.has_history or not head:
            return Culprit(why="there is no history to search")
        if good and not await self._rev(good):
            raise UsageError(f"{good!r} is no revision of this repository", "git log --oneline")
        self._copy = await self.lab.another("bisect")
        judged = await self._judge(head)
        if judged == "good":
            return Culprit(
                tried=self._tried,
                why="the last commit passes: the failure comes from changes that are not committed",
            )
        if judged == "skip":
            return Culprit(tried=self._tried, why="the test cannot be judged at the last commit")
        if good:
            start = await self._rev(good)
            if await self._judge(start) != "good":
                return Culprit(tried=self._tried, why=f"the test does not pass at {good}")
        else:
            start = await self._older_good(head)
            if not start:
                return Culprit(tried=self._tried, why=self._no_good())
        return await self._search(head, start)

    async def _older_good(self, head: str) -> str:
        """A commit 1, 2, 4, 8 … back at which the test passes; empty where there is none."""
        count = await git(self._scratch, "rev-list", "--first-parent", "--count", head)
        known = int(count.stdout) if count.stdout.strip().isdigit() else 0
        back = 1
        while back <= _FARTHEST:
            distance = min(back, known - 1)
            if distance < 1:
                return ""
            revision = await self._rev(f"{head}~{distance}")
            if revision and await self._judge(revision) == "good":
                return revision
            if distance == known - 1:
                return ""
            back *= 2
        return ""

    def _no_good(self) -> str:
        shallow = (self._scratch / ".git" / "shallow").exists() or self._is_shallow()
        more = "; the clone is shallow: git fetch --unshallow brings older ones" if shallow else ""
        return f"no commit was found at which the test passes ({self._tried} tried){more}"

    def _is_shallow(self) -> bool:
        return (self.lab.original.scratch / ".git" / "shallow").exists()

    async def _search(self, bad: str, good: str) -> Culprit:
        await self._clean()
        done = await git(self._scratch, "bisect", "start", bad, good)
        for _ in range(_MOST_STEPS):
            if first := _FIRST.search(done.stdout):
                return await self._named(first["rev"])
            if "only 'skip'ped commits left" in done.stdout:
                left = re.findall(r"^[0-9a-f]{40}$", done.stdout, re.M)
                among = tuple(revision[:10] for revision in left)
                named = ", ".join(among[:6])
                why = f"one of {len(among)} commits, of which some cannot be judged: {named}"
                return Culprit(tried=self._tried, among=among, why=why)
            if done.code:
                said = (done.stderr or done.stdout).strip().splitlines()
                return Culprit(
                    tried=self._tried, why=f"git bisect ended: {said[-1] if said else 'no reason'}"
                )
            steps = _STEPS.search(done.stdout)
            judged = await self._judge("", steps["steps"] if steps else "")
            await self._clean()
            done = await git(self._scratch, "bisect", judged)
        return Culprit(tried=self._tried, why="the search did not end")

    async def _named(self, revision: str) -> Culprit:
        show = await git(self._scratch, "log", "-1", "--date=short", "--format=%h%x00%ad%x00%s", revision)
        short, when, subject = [*show.stdout.strip("\n").split("\0"), "", ""][:3]
        names = await git(self._scratch, "show", "--name-only", "--format=", revision)
        diff = await git(self._scratch, "show", "--format=", "--no-ext-diff", "--no-textconv", revision)
        text = diff.stdout.strip()
        return Culprit(
            short,
            subject[:100],
            when,
            tuple(line for line in names.stdout.splitlines() if line)[:50],
            text if len(text) <= 6_000 else f"{text[:6_000]}\n[... the rest of the diff is left out ...]",
            self._tried,
        )

    async def _judge(self, revision: str, steps: str = "") -> Judged:
        """Run the test at ``revision`` (empty: what is checked out)."""
        if revision:
            await self._clean()
            done = await git(self._scratch, "checkout", "-q", "--detach", "--force", revision)
            if done.code:
                return "skip"
        said = await git(self._scratch, "log", "-1", "--format=%h %s")
        left = f", about {steps} more" if steps and steps != "0" else ""
        self.tell(Progress("bisect", f"{said.stdout.strip()[:80]}{left}"))
        self._overlay()
        self._tried += 1
        assert self._copy is not None
        report = await self._copy.run_tests(self.found.targets or self._names(), rerun=False)
        return judge_of(self.found, report)

    def _names(self) -> Sequence[str]:
        """The failing tests alone, where whatever fails was asked for."""
        ids = self.found.ids
        return ids[:20] if all("::" in one for one in ids) else ()

    def _overlay(self) -> None:
        """The failing tests' files as they are now."""
        original = self.lab.original.scratch
        for path in self._test_files():
            target = self._scratch / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(original / path, target)

    def _test_files(self) -> set[str]:
        named = {case.id.partition("::")[0] for case in self.found.cases}
        named |= {target.partition("::")[0] for target in self.found.targets}
        named |= {frame.path for case in self.found.cases for frame in case.frames}
        original = self.lab.original.scratch
        files = {path for path in named if is_test_part(path) and (original / path).is_file()}
        for folder in {Path(path) for path in named if path and (original / path).is_dir()}:
            files |= {
                one.relative_to(original).as_posix()
                for one in sorted((original / folder).iterdir())
                if one.is_file() and is_test_part(one.relative_to(original).as_posix())
            }
        return files

    async def _clean(self) -> None:
        """The commit as it is: without the test's newer file, and with what is ignored."""
        kept = [word for name in _KEPT for word in ("-e", name)]
        await git(self._scratch, "reset", "-q", "--hard")
        await git(self._scratch, "clean", "-fdq", *kept)

    async def _rev(self, name: str) -> str:
        """The commit that ``name`` means in the user's repository, its tags included."""
        if name.startswith("-"):
            return ""
        done = await git(self.lab.root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return done.stdout.strip() if done.code == 0 else ""

    @property
    def _scratch(self) -> Path:
        return self._copy.scratch if self._copy else self.lab.original.scratch


def judge_of(found: Failing, report: TestReport) -> Judged:
    """``bad`` only where a test fails as it fails now; a test that is not there judges nothing."""
    if report.cannot_run or report.timed_out:
        return "skip"
    wanted = {case.id: case for case in found.cases}
    status = {case.id: case for case in report.cases if case.id in wanted}
    failing = [case for case in status.values() if case.failing]
    if any(_kind(case.message) == _kind(wanted[case.id].message) for case in failing):
        return "bad"
    if failing:
        return "skip"
    if status and all(case.status == "passed" for case in status.values()):
        return "good"
    return "good" if report.ok and not status and not found.targets else "skip"


def _kind(message: str) -> str:
    """What an error is called, without its values."""
    word = message.strip().partition(":")[0].partition(" ")[0]
    return "assert" if word.lower().startswith("assert") else word
