"""Running checkers on changed files, on the text now and on the text before, and telling what is new."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.config.settings import Settings
from kcode.diagnostics.checkers import Checker, Found, applying, chosen
from kcode.diagnostics.lsp.found import NOTHING, FoundByServers
from kcode.diagnostics.mirror import mirror
from kcode.diagnostics.problem import Problem, changed_lines, in_changed_lines, new_ones
from kcode.diagnostics.room import Room
from kcode.errors import EnvironmentProblem
from kcode.safety.process import Finished, run
from kcode.workspace.errors import WorkspaceError
from kcode.workspace.workspace import Workspace

if TYPE_CHECKING:
    from kcode.diagnostics.lsp.pool import Servers

_OUTPUT = 4_000_000  # bytes of a checker's output
_AT_ONCE = 2  # checkers
_LONGER = 10.0  # times the limit, on a busy machine


@dataclass(frozen=True, slots=True)
class Report:
    """``notes`` say which checker could not be used; ``tools`` are those that were."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@dataclass(slots=True)
class Bench:
    """What checking needs and remembers of one session: results of earlier runs, checkers given up."""

    workspace: Workspace
    settings: Settings
    last: dict[tuple[str, Path, str], list[Problem]] = field(default_factory=dict)
    ever: dict[tuple[str, Path, str], set[tuple[str, str, str, str]]] = field(default_factory=dict)
    given_up: dict[str, str] = field(default_factory=dict)
    servers: Servers | None = None
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _room: Room = field(init=False)
    _tidied: bool = False

    def __post_init__(self) -> None:
        self._room = Room(self.workspace, self.settings)

    async def check(self, before: Mapping[str, str | None]) -> Report:
        """New problems of the files named by ``before``, which holds their former texts (None: not there)."""
        if not self._tidied:
            self._tidied = True
            await asyncio.to_thread(self._room.tidy)
        root = self.workspace.root
        given_up = set(self.given_up)
        groups: dict[Found, list[str]] = {}
        checkers = chosen(
            [part.strip() for part in self.settings.diagnostics.commands.split(";") if part.strip()]
        )
        for path in sorted(before):
            if (root / path).is_relative_to(root):  # not of a folder that was added
                for found in await asyncio.to_thread(_found, checkers, root, path):
                    groups.setdefault(found, []).append(path)
        now = {path: self._text(path) for path in before}
        changed = {path: changed_lines(before[path], text) for path, text in now.items()}
        usable = {found: paths for found, paths in groups.items() if await self._may_run(found)}
        asked = asyncio.ensure_future(self._asked(before))
        try:
            results = await asyncio.gather(
                *(self._new(found, paths, before, now, changed) for found, paths in usable.items())
            )
            theirs = await asked
        finally:
            await _ended(asked)
        notes = sorted(note for name, note in self.given_up.items() if name not in given_up)
        problems = {problem for result in results for problem in result}
        problems |= {each for each in theirs.problems if not _is_known(each, problems)}
        tools = dict.fromkeys([*(each.checker.name for each in usable), *theirs.tools])
        return Report(tuple(sorted(problems)), (*notes, *theirs.notes), tuple(tools))

    async def _asked(self, before: Mapping[str, str | None]) -> FoundByServers:
        """What language servers find new."""
        return await self.servers.check(before) if self.servers is not None else NOTHING

    def _text(self, path: str) -> str | None:
        try:
            return self.workspace.read(path).text
        except (WorkspaceError, EnvironmentProblem):
            return None

    async def _may_run(self, found: Found) -> bool:
        name = found.checker.name
        if name in self.given_up:
            return False
        why = await self._room.refusal(name, found.program, found.checker.runs_code)
        if why:
            self.given_up[name] = why
        return not why

    async def _new(
        self,
        found: Found,
        paths: Sequence[str],
        before: Mapping[str, str | None],
        now: Mapping[str, str | None],
        changed: dict[str, set[int]],
    ) -> list[Problem]:
        there = [path for path in paths if now[path] is not None]
        if not there:
            return []
        async with self._turns:
            after = await self._run(found, there, [])
            if after is None:
                return []
            if found.checker.before in ("last", "copy"):
                return await self._since_last(found, there, before, after, changed)
            if not after:
                return []
            earlier = {path: text for path in there if (text := before[path]) is not None}
            old = await self._before(found, earlier) if earlier else []
        return [] if old is None else new_ones(old, after, changed)

    async def _since_last(
        self,
        found: Found,
        paths: Sequence[str],
        before: Mapping[str, str | None],
        after: list[Problem],
        changed: dict[str, set[int]],
    ) -> list[Problem]:
        key = (found.checker.name, found.folder, found.project)
        known, self.last[key] = self.last.get(key), after
        if known is None and after and found.checker.before == "copy":
            known = await self._in_copy(found, paths, before)
        kinds = self.ever.setdefault(key, set())
        kinds.update(problem.kind for problem in known or ())
        new = in_changed_lines(after, changed) if known is None else new_ones(known, after, changed)
        # what an error of syntax hid for a while comes back with its repair, and is not new
        fresh = [each for each in new if each.kind not in kinds or each.line in changed.get(each.path, ())]
        kinds.update(problem.kind for problem in after)
        return fresh

    async def _in_copy(
        self, found: Found, paths: Sequence[str], before: Mapping[str, str | None]
    ) -> list[Problem] | None:
        making = mirror(self.workspace, before, self._room.cache("copy"))
        top = await asyncio.to_thread(making.__enter__)
        try:
            if top is None:
                return None
            folder = top / found.folder.relative_to(self.workspace.root)
            named = [path for path in paths if before[path] is not None or _has_package(found, top / path)]
            whole = {"{files}", "{packages}"}.isdisjoint(found.checker.command)
            if not folder.is_dir() or not (named or whole):
                return []
            return await self._run(found, named, [], at=folder)
        finally:
            await asyncio.to_thread(making.__exit__, None, None, None)

    async def _before(self, found: Found, texts: Mapping[str, str]) -> list[Problem] | None:
        if found.checker.before == "stdin":
            problems: list[Problem] = []
            for path, text in texts.items():
                part = await self._run(found, [path], [], text)
                if part is None:
                    return None
                problems += part
            return problems
        with tempfile.TemporaryDirectory(prefix="kcode-before-", dir=self._room.cache("before")) as folder:
            copies = {}
            for number, (path, text) in enumerate(texts.items()):
                copy = Path(folder) / f"{number}-{Path(path).name}"
                copy.write_text(text, "utf-8", newline="")
                copies[path] = copy
            more = [
                word
                for path, copy in copies.items()
                for word in ("--shadow-file", self._named(found, path), str(copy))
            ]
            return await self._run(found, list(texts), more)

    async def _run(
        self,
        found: Found,
        paths: Sequence[str],
        more: Sequence[str],
        text: str | None = None,
        at: Path | None = None,
    ) -> list[Problem] | None:
        """None where it could not run; then it is given up for this session, with a note why. ``at``: the
        folder's copy in which it runs instead."""
        checker = found.checker
        limit = self.settings.diagnostics.timeout_s
        try:
            done = await run(
                self._words(found, paths, more, text is not None),
                cwd=at or found.folder,
                env=self._room.environment(),
                timeout_s=patience(limit),
                input=None if text is None else text.encode("utf-8", "replace"),
                max_output=_OUTPUT,
                confine=self._room.confinement(),
            )
        except EnvironmentProblem as problem:
            self._give_up(found, f"is not run after edits: {problem.message}", at)
            return None
        if done.timed_out:
            self._give_up(found, f"took longer than {limit:g} s and is not run after edits any more", at)
            return None
        output = f"{done.stdout}\n{done.stderr}" if checker.name == "go" else done.stdout
        parsed = list(checker.parse(output, checker.name))
        if not parsed and done.code != 0:
            self._give_up(found, f"is not run after edits: {_first_words(done)}", at)
            return None
        placed = (self._placed(found, problem, at) for problem in parsed)
        return [problem for problem in placed if problem is not None]

    def _give_up(self, found: Found, why: str, at: Path | None) -> None:
        if at is None:  # in a copy, something may be missing that is there otherwise
            self.given_up[found.checker.name] = f"{found.checker.name} {why}"

    def _words(self, found: Found, paths: Sequence[str], more: Sequence[str], stdin: bool) -> list[str]:
        checker = found.checker
        words = [found.program]
        names = [self._named(found, path) for path in paths]
        for word in checker.command[1:]:
            if word == "{files}":
                words += (
                    [part.replace("{file}", names[0]) for part in checker.stdin] if stdin else [*more, *names]
                )
            elif word == "{packages}":
                words += sorted({f"./{Path(name).parent.as_posix()}" for name in names})
            else:
                word = word.replace("{project}", found.project)
                words.append(
                    word.replace("{cache}", str(self._room.cache(checker.name, "before" if more else "now")))
                )
        return words

    def _named(self, found: Found, path: str) -> str:
        return (self.workspace.root / path).relative_to(found.folder).as_posix()

    def _placed(self, found: Found, problem: Problem, at: Path | None) -> Problem | None:
        """The problem with its path as the workspace names it; None where it is outside."""
        root = Path(os.path.realpath(self.workspace.root))
        real = Path(os.path.realpath((at or found.folder) / problem.path))
        if at is not None:
            depth = len(found.folder.relative_to(self.workspace.root).parts)
            root = [at, *at.parents][depth]
        if not real.is_relative_to(root):
            return None
        path = real.relative_to(root).as_posix()
        return Problem(path, problem.line, problem.column, problem.code, problem.message, problem.tool)


def patience(limit_s: float) -> float:
    """Seconds on the clock for ``limit_s`` seconds of work: on a machine with more to do than it has
    processors, longer by as much, up to ten times: that is no reason to give a checker up."""
    try:
        waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    except (OSError, AttributeError):  # Windows does not tell
        return limit_s
    return limit_s * min(max(1.0, waiting), _LONGER)


def _has_package(found: Found, file: Path) -> bool:
    """Whether a new file joins a package that is there."""
    return "{packages}" in found.checker.command and file.parent.is_dir()


def _is_known(problem: Problem, others: Iterable[Problem]) -> bool:
    """Whether a checker has told the same: a project may run one program as both."""
    return any(
        (each.path, each.line) == (problem.path, problem.line)
        and (each.message == problem.message or (each.code and each.code == problem.code))
        for each in others
    )


async def _ended(task: asyncio.Future[FoundByServers]) -> None:
    """A check that is cancelled leaves none of its questions behind."""
    task.cancel()
    await asyncio.wait({task})


def _found(checkers: Sequence[Checker], root: Path, path: str) -> list[Found]:
    return list(applying(checkers, root, path, os.environ))


def _first_words(done: Finished) -> str:
    text = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return f"it ended with exit code {done.code}" + (f": {text[-1].strip()[:200]}" if text else "")
