"""The copies of the project that a repair works in: one as it was, and one for each attempt.

Every copy has the repository's history (for the git tools), what its runner needs, the project's interpreter,
and imports that lead to the copy even where the project is installed in editable mode. The first copy borrows
the objects of the user's repository, the others are worktrees of the first: nothing is written to the user's
repository, and nothing is left when the one folder that holds them all is removed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import stat
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.repair.scratch import copied, remove, scratch_folder
from kcode.repair.sharing import is_build_output, prepare_builds
from kcode.safety.process import Finished, child_environment, run
from kcode.testrun.adapter import Runner, Surroundings
from kcode.testrun.interpreter import NoInterpreter, find_interpreter
from kcode.testrun.pytest_runner import PytestRunner
from kcode.testrun.report import TestProgress, TestReport
from kcode.testrun.run import run_tests
from kcode.testrun.suite_runner import SuiteRunner
from kcode.testrun.suites import Chosen, choose
from kcode.tools.base import FileEdit
from kcode.workspace.errors import WorkspaceError
from kcode.workspace.files import read_text
from kcode.workspace.workspace import Workspace

_GIT_S = 120.0
_EXECUTABLE = stat.S_IXUSR
_MADE = frozenset({"node_modules", "__pycache__", ".pytest_cache"})
_PYTHONS = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "pytest.ini", "tox.ini")
# Where an interpreter finds modules under a folder: its path entries and the tables of editable finders.
_WHERE = """
import json, os, sys
root = sys.argv[1]
found = [p for p in sys.path if p]
for finder in sys.meta_path:
    module = sys.modules.get(getattr(finder, "__module__", "") or "")
    found += [os.path.dirname(p) for p in (getattr(module, "MAPPING", None) or {}).values()]
print(json.dumps([p for p in found if p == root or p.startswith(root + os.sep)]))
"""


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from the user's tree. ``binary`` names changed files that are no text."""

    edits: tuple[FileEdit, ...] = ()
    binary: tuple[str, ...] = ()

    def without(self, paths: set[str]) -> Changes:
        kept = tuple(edit for edit in self.edits if edit.path not in paths)
        return Changes(kept, tuple(path for path in self.binary if path not in paths))


@dataclass
class ProjectCopy:
    """One copy. ``settings`` are the user's with the test interpreter pinned to the project's own, ``env``
    the variables that its tests get."""

    original: Path  # the copy as it was, which nobody edits
    scratch: Path
    settings: Settings
    env: Mapping[str, str] = field(default_factory=dict)
    _before: dict[str, str] = field(default_factory=dict)

    async def run_tests(
        self,
        targets: Sequence[str] = (),
        timeout_s: float = 0.0,
        on_progress: Callable[[TestProgress], None] | None = None,
        rerun: bool | None = None,
    ) -> TestReport:
        """Run ``targets`` (none: all) here."""
        around = Surroundings(env=dict(self.env))
        return await run_tests(
            self.scratch,
            self.settings,
            list(targets) or None,
            timeout_s,
            on_progress,
            around=around,
            rerun=rerun,
        )

    async def changes(self) -> Changes:
        """The files that differ from what was copied, whoever changed them."""
        return await asyncio.to_thread(self._changes)

    async def put_back(self, paths: Sequence[str]) -> None:
        """Undo what was done to ``paths`` in the copy."""
        for path in paths:
            if path in self._before:
                self._make_room(self.scratch / path)
                shutil.copy2(self.original / path, self.scratch / path)
            else:
                (self.scratch / path).unlink(missing_ok=True)

    def _make_room(self, place: Path) -> None:
        """A file can be written at ``place`` then, whatever became of its folder."""
        for above in reversed(place.relative_to(self.scratch).parents):
            if not (folder := self.scratch / above).is_dir():
                folder.unlink(missing_ok=True)
                folder.mkdir()
        if place.is_dir() and not place.is_symlink():
            remove(place)

    def remember(self) -> None:
        """Take the files as they are now for what was copied."""
        self._before = self._digests()

    def changed_paths(self) -> set[str]:
        now = self._digests()
        return {path for path in {*now, *self._before} if now.get(path) != self._before.get(path)}

    def _changes(self) -> Changes:
        edits: list[FileEdit] = []
        binary: list[str] = []
        for path in sorted(self.changed_paths()):
            file = self.scratch / path
            try:
                before = read_text(self.original / path, path).text if path in self._before else None
                after = read_text(file, path).text if file.is_file() else None
            except WorkspaceError:
                binary.append(path)
                continue
            edits.append(FileEdit(path, before, after, mode=self._new_mode(path, after)))
        return Changes(tuple(edits), tuple(binary))

    def _new_mode(self, path: str, after: str | None) -> int | None:
        """The permission bits of a file that has become executable, or is none any more; else None."""
        if after is None:
            return None
        now = stat.S_IMODE((self.scratch / path).stat().st_mode)
        was = (self.original / path).stat().st_mode if path in self._before else 0
        return now if (now ^ was) & _EXECUTABLE else None

    def _digests(self) -> dict[str, str]:
        """Files that git would not ignore, and no compiler made, with the hash of their content, and whether
        they can be executed: git keeps that too."""
        found: dict[str, str] = {}
        built: dict[Path, bool] = {}
        for path in Workspace.open(self.scratch).list_files():
            file = self.scratch / path
            if file.is_file() and not self._is_built(file.parent, built):
                runs = "+x" if file.stat().st_mode & _EXECUTABLE else ""
                found[path] = hashlib.sha256(file.read_bytes()).hexdigest() + runs
        return found

    def _is_built(self, folder: Path, known: dict[Path, bool]) -> bool:
        """Whether ``folder`` lies in one that is made by building: a project may not ignore it."""
        if folder not in known:
            inside = folder != self.scratch
            known[folder] = inside and (
                folder.name in _MADE or is_build_output(folder) or self._is_built(folder.parent, known)
            )
        return known[folder]


@dataclass
class Lab:
    """The copies of one repair. ``original`` stays as the user's tree was when the repair began: what a test
    run leaves there, it leaves everywhere. ``chosen`` is how the tests are run."""

    root: Path
    folder: Path
    settings: Settings
    chosen: Chosen
    original: ProjectCopy
    _python: str = ""  # of the project, where its runner is Python's
    _copies: int = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, root: Path, settings: Settings, target: str = "") -> AsyncIterator[Lab]:
        """Copy ``root``; all copies are removed at the end. Raises EnvironmentProblem where no runner starts
        or there is no room."""
        chosen = await choose(root, settings, target=target)
        python = await _python_of(root, settings, chosen.runner)
        if python and not settings.tests.python and not settings.tests.command:
            pinned = settings.tests.model_copy(update={"python": python})
            settings = settings.model_copy(update={"tests": pinned})
        async with scratch_folder() as folder:
            scratch = folder / "as-it-was" / (root.name or "project")
            await copied(root, scratch)
            await prepare_builds(root, scratch)
            await _give_history(root, scratch)
            env = await _environment(root, scratch, python)
            original = ProjectCopy(scratch, scratch, settings, env)
            await asyncio.to_thread(original.remember)
            yield cls(root, folder, settings, chosen, original, python)

    @property
    def has_history(self) -> bool:
        return (self.original.scratch / ".git").exists()

    async def another(self, name: str = "") -> ProjectCopy:
        """A copy to work in, as the project was when the repair began: a git worktree where there is git."""
        self._copies += 1
        scratch = self.folder / (name or f"attempt-{self._copies}") / (self.root.name or "project")
        if self.has_history:
            add = ["worktree", "add", "-q", "--detach", "--no-checkout", str(scratch)]
            await git(self.original.scratch, *add)
        # A link into the first copy has to lead into this one; all others lead where they led.
        await copied(self.original.scratch, scratch)
        await prepare_builds(self.root, scratch)
        if (scratch / ".git").exists():
            await git(scratch, "reset", "-q")
        elif self.has_history:
            await git(scratch, "init", "-q")
        env = await _environment(self.root, scratch, self._python)
        copy = ProjectCopy(self.original.scratch, scratch, self.settings, env)
        await asyncio.to_thread(copy.remember)
        return copy


async def git(folder: Path, *arguments: str, timeout_s: float = _GIT_S) -> Finished:
    """git in a copy: nothing is asked, nothing big is fetched, no hook of the user's runs."""
    more = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_LFS_SKIP_SMUDGE": "1"}
    argv = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0"]
    argv += ["-c", "core.quotePath=false", "-c", "advice.detachedHead=false", *arguments]
    env = child_environment({**more, "LC_ALL": "C.UTF-8"})
    return await run(argv, cwd=folder, env=env, timeout_s=timeout_s, max_output=4_000_000)


def with_command(settings: Settings, command: str) -> Settings:
    """``settings`` whose tests are run by ``command``."""
    return settings.model_copy(update={"tests": settings.tests.model_copy(update={"command": command})})


async def _give_history(root: Path, scratch: Path) -> None:
    """Objects are shared with the user's repository, never written to it; without git there is no history."""
    clone = scratch.parent / "history"
    try:
        if os.path.lexists(root / ".git"):  # noqa: ASYNC240
            share = ["clone", "-q", "--shared", "--no-checkout", "--no-tags", str(root), str(clone)]
            if (await git(scratch, *share)).code == 0:
                (clone / ".git").rename(scratch / ".git")
                await git(scratch, "reset", "-q")
                return
        await git(scratch, "init", "-q")
    except EnvironmentProblem:  # no git on this machine: the git tools say so themselves
        return


async def _python_of(root: Path, settings: Settings, runner: Runner) -> str:
    """The project's Python, where its tests are run by one; empty elsewhere."""
    if isinstance(runner, PytestRunner):
        return str(runner.interpreter.python)
    if isinstance(runner, SuiteRunner):
        return runner.tools.program[0] if runner.adapter.name in ("unittest", "django") else ""
    if not any((root / name).exists() for name in _PYTHONS):
        return ""
    try:
        return str((await find_interpreter(root, settings, os.environ, needs="")).python)
    except NoInterpreter:
        return ""


async def _environment(root: Path, scratch: Path, python: str) -> dict[str, str]:
    """With an editable installation: the way of imports to the copy."""
    if not python:
        return {}
    folders: dict[str, None] = {}
    try:
        where = await run([python, "-c", _WHERE, str(root)], cwd=scratch, timeout_s=20)
        folders = dict.fromkeys(path for path in json.loads(where.stdout) if "site-packages" not in path)
    except (ValueError, EnvironmentProblem):
        return {}
    if not folders:
        return {}
    moved = [str(scratch) + path[len(str(root)) :] for path in folders]
    before = os.environ.get("PYTHONPATH", "")
    return {
        "PYTHONPATH": os.pathsep.join([*moved, *([before] if before else [])]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
