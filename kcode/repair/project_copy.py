"""A copy of the project for the agent to work in, and what it changed there.

The copy has the repository's history (for the git tools), the project's interpreter, and imports that
lead to the copy even where the project is installed in editable mode.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kcode.config.settings import Settings
from kcode.errors import EnvironmentProblem
from kcode.repair.scratch import scratch_copy
from kcode.safety.process import child_environment, run
from kcode.testrun.pytest_runner import PytestRunner
from kcode.testrun.run import detect
from kcode.tools.base import FileEdit
from kcode.workspace.errors import WorkspaceError
from kcode.workspace.files import read_text
from kcode.workspace.workspace import Workspace

_GIT_S = 60.0
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


@dataclass
class ProjectCopy:
    """``settings`` are the user's with the test interpreter pinned to the project's own."""

    root: Path
    scratch: Path
    settings: Settings
    _before: dict[str, str] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def make(cls, root: Path, settings: Settings) -> AsyncIterator[ProjectCopy]:
        """Copy ``root``; the copy is removed at the end. Raises EnvironmentProblem."""
        runner = await detect(root, settings)
        async with scratch_copy(root) as scratch:
            await _give_history(root, scratch)
            if isinstance(runner, PytestRunner):
                settings = await _pinned(root, scratch, settings, runner)
            copy = cls(root, scratch, settings)
            copy._before = copy._digests()
            yield copy

    async def changes(self) -> Changes:
        """The files that differ from what was copied, whoever changed them."""
        now = self._digests()
        edits: list[FileEdit] = []
        binary: list[str] = []
        for path in sorted({*now, *self._before}):
            if now.get(path) == self._before.get(path):
                continue
            try:
                before = read_text(self.root / path, path).text if path in self._before else None
                after = read_text(self.scratch / path, path).text if path in now else None
            except WorkspaceError:
                binary.append(path)
                continue
            edits.append(FileEdit(path, before, after))
        return Changes(tuple(edits), tuple(binary))

    async def put_back(self, paths: Sequence[str]) -> None:
        """Undo what was done to ``paths`` in the copy."""
        for path in paths:
            if path in self._before:
                shutil.copy2(self.root / path, self.scratch / path)
            else:
                (self.scratch / path).unlink(missing_ok=True)

    def _digests(self) -> dict[str, str]:
        """Files that git would not ignore, with the hash of their content."""
        found: dict[str, str] = {}
        for path in Workspace.open(self.scratch).list_files():
            file = self.scratch / path
            if file.is_file():
                found[path] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found


async def _give_history(root: Path, scratch: Path) -> None:
    """Objects are shared with the user's repository, never written to it; without git there is no history."""
    env = child_environment({"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"})
    bare = scratch.parent / "history"
    try:
        if os.path.lexists(root / ".git"):  # noqa: ASYNC240
            clone = ["git", "clone", "-q", "--shared", "--no-checkout", "--no-tags", str(root), str(bare)]
            done = await run(clone, cwd=scratch, env=env, timeout_s=_GIT_S)
            if done.code == 0:
                (bare / ".git").rename(scratch / ".git")
                await run(["git", "reset", "-q"], cwd=scratch, env=env, timeout_s=_GIT_S)
                return
        await run(["git", "init", "-q"], cwd=scratch, env=env, timeout_s=_GIT_S)
    except EnvironmentProblem:  # no git on this machine: the git tools say so themselves
        return


async def _pinned(root: Path, scratch: Path, settings: Settings, runner: PytestRunner) -> Settings:
    """The project's interpreter; with an editable installation also the way of imports to the copy."""
    python = str(runner.interpreter.python)
    where = await run([python, "-c", _WHERE, str(root)], cwd=scratch, timeout_s=20)
    try:
        folders = dict.fromkeys(path for path in json.loads(where.stdout) if "site-packages" not in path)
    except ValueError:
        folders = {}
    changed: dict[str, str] = {"python": python}
    if folders:
        moved = os.pathsep.join(str(scratch) + path[len(str(root)) :] for path in folders)
        options = "--junitxml={junit} -o junit_family=xunit1 -o junit_logging=out-err --color=no"
        changed["command"] = (
            f"PYTHONPATH={shlex.quote(moved)} PYTHONDONTWRITEBYTECODE=1 {shlex.quote(python)} -m pytest "
            f"--rootdir={shlex.quote(str(scratch))} {options} {{target}}"
        )
    return settings.model_copy(update={"tests": settings.tests.model_copy(update=changed)})
