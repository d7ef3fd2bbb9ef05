"""The language servers of a session: started with the first file that is theirs, given up when they fail."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from kcode.config.settings import Settings
from kcode.diagnostics.checkers import program_of
from kcode.diagnostics.lsp.found import FoundByServers
from kcode.diagnostics.lsp.known import ServerCommand, configured
from kcode.diagnostics.lsp.link import ServerError, ServerGone
from kcode.diagnostics.lsp.renaming import NotRenamed, Renamed, renamed
from kcode.diagnostics.lsp.server import Server
from kcode.diagnostics.problem import Problem, changed_lines, in_changed_lines, new_ones
from kcode.diagnostics.room import Room
from kcode.errors import EnvironmentProblem, KcodeError
from kcode.workspace.workspace import Workspace

T = TypeVar("T")
_STARTS = 2  # of one server in a session: one crash is forgiven


@dataclass(slots=True)
class _Seat:
    """One server's place, taken by one question at a time. ``why``: why it is not asked any more; ``last``:
    what went wrong the last time."""

    command: ServerCommand
    server: Server | None = None
    starting: asyncio.Task[None] | None = None
    starts: int = 0
    why: str = ""
    last: str = ""
    told: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Servers:
    """Raises :class:`kcode.errors.UsageError` where the setting names what is no server."""

    def __init__(self, workspace: Workspace, settings: Settings) -> None:
        self._room = Room(workspace, settings)
        self._workspace = workspace
        self._limit = settings.diagnostics.timeout_s
        self._seats = [_Seat(command) for command in configured(settings.diagnostics.servers)]

    async def check(self, before: Mapping[str, str | None]) -> FoundByServers:
        """New problems of the files named by ``before``, which holds their former texts (None: not there)."""
        old = {name: text for path, text in before.items() if (name := self._name(path)) is not None}
        results = await asyncio.gather(*(self._checked(seat, old) for seat in self._seats))
        news = [seat for seat in self._seats if seat.why and not seat.told]
        for seat in news:
            seat.told = True
        return FoundByServers(
            tuple(sorted({problem for result in results for problem in result or ()})),
            tuple(seat.why for seat in news),
            tuple(
                seat.command.name
                for seat, result in zip(self._seats, results, strict=True)
                if result is not None
            ),
        )

    async def rename(self, path: str, places: Sequence[int], new: str) -> Renamed:
        """What giving the name at these places of a file another one comes to; ``places`` are indices in
        its text, all of which must mean the same. Raises :class:`NotRenamed`."""
        name = self._name(path)
        text = self._text(path) if name is not None else None
        if name is None or text is None:
            raise NotRenamed(f"{path} is no text file of the workspace")
        seats = [seat for seat in self._seats if seat.command.speaks_of(name)]
        reasons = [] if seats else [f"no language server is configured for files like {path}"]
        for seat in seats:
            found = await self._with(seat, lambda server: self._renamed(server, name, text, places, new))
            if isinstance(found, Renamed):
                return found
            reasons.append(found or seat.why or f"{seat.command.name}: {seat.last}")
        raise NotRenamed("; ".join(reasons))

    async def close(self) -> None:
        """End them; the next question would start them again."""
        await asyncio.gather(*(self._end(seat) for seat in self._seats))

    # --- one question --------------------------------------------------------------------------

    async def _checked(self, seat: _Seat, before: Mapping[str, str | None]) -> list[Problem] | None:
        """None where it was not asked, or could not say."""
        mine = {path: text for path, text in before.items() if seat.command.speaks_of(path)}
        return await self._with(seat, lambda server: self._new(server, mine)) if mine else None

    async def _new(self, server: Server, before: Mapping[str, str | None]) -> list[Problem]:
        now = {path: self._text(path) for path in before}
        unknown = server.refresh(self._text, before)
        earlier = {path: text for path, text in before.items() if text is not None}
        unknown += [path for path, text in earlier.items() if server.put(path, text)]
        steady = not unknown or await server.settled(unknown, self._limit)
        old = server.problems()
        for path, text in now.items():
            if text is None:
                server.forget(path)
            else:
                server.put(path, text)
        server.written(before, now)
        await server.settled([path for path, text in now.items() if text is not None], self._limit)
        lines = {path: changed_lines(before[path], now[path]) for path in before}
        if not steady:  # what was there before is not known: it was still loading the project
            return in_changed_lines(server.problems(), lines)
        return new_ones(old, server.problems(), lines)

    async def _renamed(
        self, server: Server, name: str, text: str, places: Sequence[int], new: str
    ) -> Renamed | str:
        """The change, or why there is none."""
        if not server.renames:
            return f"{server.name} does not rename"
        unknown = server.refresh(self._text, [name])
        if server.put(name, text) or unknown:
            await server.settled([*unknown, name], self._limit)
        try:
            return await renamed(server, self._workspace, name, places, new)
        except ServerError as error:
            return f"{server.name} refuses: {error}"

    async def _with(self, seat: _Seat, work: Callable[[Server], Awaitable[T]]) -> T | None:
        """What ``work`` gives; None where the server cannot be used, or failed at it."""
        async with seat.turn:
            if seat.why:
                return None
            name = seat.command.name
            try:
                server = await self._started(seat)
                if server is None:
                    return None
                async with asyncio.timeout(3 * self._limit):
                    return await work(server)
            except TimeoutError:
                why, again = f"took longer than {self._limit:g} s", False
            except ServerGone as gone:
                why, again = str(gone), seat.starts < _STARTS
            except ServerError as error:
                why, again = f"answered: {error}", False
            except EnvironmentProblem as problem:
                why, again = problem.message, False
            await self._end(seat)
            seat.last = why
            if not again:
                seat.why = f"{name} is not asked any more: {why}"
            return None

    async def _started(self, seat: _Seat) -> Server | None:
        if seat.server is None:
            root = self._workspace.root
            name = seat.command.words[0]
            program = await asyncio.to_thread(program_of, name, root, root, os.environ)
            if not program:
                seat.why = f"{seat.command.name} is not asked: it was not found"
                return None
            if why := await self._room.refusal(seat.command.name, program, runs_code=True):
                seat.why = why
                return None
            python = await asyncio.to_thread(program_of, "python", root, root, os.environ)
            seat.starts += 1
            seat.server = Server(seat.command, program, self._room, python)
            seat.starting = asyncio.create_task(seat.server.start())
        if seat.starting is not None:
            async with asyncio.timeout(self._limit):  # an edit that comes meanwhile does not end the start
                await asyncio.shield(seat.starting)
            seat.starting = None
        return seat.server

    async def _end(self, seat: _Seat) -> None:
        starting, seat.starting = seat.starting, None
        server, seat.server = seat.server, None
        if starting is not None:
            starting.cancel()
            with suppress(asyncio.CancelledError, ServerGone, ServerError, EnvironmentProblem):
                await starting
        if server is not None:
            await server.close()

    # --- files ---------------------------------------------------------------------------------

    def _name(self, path: str) -> str | None:
        """The path as a server is told it; None for one outside the workspace's own root."""
        try:
            real = self._workspace.resolve(path)
        except KcodeError:
            return None
        root = self._workspace.root
        return real.relative_to(root).as_posix() if real.is_relative_to(root) else None

    def _text(self, path: str) -> str | None:
        try:
            return self._workspace.read(path).text
        except KcodeError:
            return None
