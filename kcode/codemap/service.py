"""The code map of one workspace, kept up to date beside the session: the building runs in another process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from kcode.errors import EnvironmentProblem, KcodeError
from kcode.safety.process import Finished, child_environment, run, run_sync

if TYPE_CHECKING:  # what an update needs is imported by the update: every session has a map, few ask it
    import sqlite3

    from kcode.codemap.standby import Standby
    from kcode.codemap.watch import Watch

BUILD_S = 1_800.0  # longest time for one update
FRESH_S = 0.05  # an update that ended this long ago still counts: several questions of one step
RANK_EVERY_S = 300.0  # a changed graph is ranked anew at most this often; what is defined is known at once
_OUTPUT = 64_000  # bytes
_SAFE = {"PYTHONSAFEPATH": "1"}  # the workspace is no place to import from


class CodeMap:
    """Asks the index of ``root``. Not for use from several event loops."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problem = ""  # why the last update failed, in words
        self.cut = ""  # why it does not hold every file, in words
        self.unread: tuple[str, ...] = ()  # languages whose files it does not hold for want of their grammars
        self._updating: asyncio.Task[None] | None = None
        self._updated = self._ranked = float("-inf")

    @cached_property
    def _watch(self) -> Watch:
        from kcode.codemap.watch import Watch

        return Watch(self.root)

    @cached_property
    def _standby(self) -> Standby:
        from kcode.codemap.standby import Standby

        return Standby()

    @property
    def updating(self) -> bool:
        return self._updating is not None and not self._updating.done()

    def start(self, fewest: int = 0) -> None:
        """Begin an update in the background, unless one runs or has just ended, or the project has fewer than
        ``fewest`` files. Needs a running loop."""
        if not self.updating and time.monotonic() - self._updated > FRESH_S:
            self._updating = asyncio.get_running_loop().create_task(self._update(fewest))

    async def refresh(self, wait_s: float) -> bool:
        """Bring the index up to date, waiting at most ``wait_s`` seconds; whether it is."""
        self.start()
        if self._updating is not None:
            await asyncio.wait({self._updating}, timeout=wait_s)
        return not self.updating and not self.problem

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """The index as it is on disk now, or None where there is none yet."""
        from kcode.codemap import store

        connection = store.open_for_reading(store.index_path(self.root))
        try:
            yield connection
        finally:
            if connection is not None:
                connection.close()

    async def close(self) -> None:
        """Stop an update that still runs, and the process that stands by; what has been recorded stays."""
        if "_standby" in self.__dict__:
            await asyncio.to_thread(self._standby.close)
        if self._updating is not None and not self._updating.done():
            self._updating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._updating

    async def _update(self, fewest: int) -> None:
        if fewest and await asyncio.to_thread(self._count) < fewest:
            return
        try:
            if not await self._few():
                await self._all()
        finally:
            self._updated = time.monotonic()

    def _count(self) -> int:
        from kcode.codemap.files import listing

        try:
            return len(listing(self.root).paths)
        except (OSError, KcodeError):
            return 0

    async def _few(self) -> bool:
        """Whether what has changed could be read here and now: a look, and a few files."""
        import sqlite3

        from kcode.codemap.build import FEW, update_few

        if not self._watch.ready:
            return False
        paths = await asyncio.to_thread(self._watch.look)
        if paths is None or len(paths) > FEW:
            return False
        try:
            ranked = await asyncio.to_thread(update_few, self.root, paths, self._standby)
        except (OSError, sqlite3.Error):
            return False  # the full update says what is wrong
        self.problem = ""
        return ranked or time.monotonic() - self._ranked < RANK_EVERY_S

    async def _all(self) -> None:
        """A full update in another process, which also ranks."""
        await asyncio.to_thread(self._watch.begin)
        try:
            outcome = _outcome(await self._built())
            self.cut, self.unread = outcome.cut, outcome.unread
        except KcodeError as error:
            self.problem = error.message
            return
        self.problem = ""
        self._watch.updated()
        self._ranked = time.monotonic()

    async def _built(self) -> Finished:
        from kcode.codemap.crew import crashed

        done = await run(**_how(self.root, BUILD_S))
        if crashed(done.code):
            done = await run(**_how(self.root, BUILD_S, apart=True))
        return done


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an update says of itself: why it does not hold every file, and how many it holds then; the
    languages whose files it does not hold for want of their grammars."""

    cut: str
    files_cut: str
    unread: tuple[str, ...] = ()


def build_now(root: Path, timeout_s: float) -> Outcome:
    """A full update, for whoever has no event loop. Raises KcodeError where it fails."""
    from kcode.codemap.crew import crashed

    done = run_sync(**_how(root, timeout_s))
    if crashed(done.code):
        done = run_sync(**_how(root, timeout_s, apart=True))
    return _outcome(done)


class _How(TypedDict):
    argv: list[str]
    cwd: Path
    env: dict[str, str]
    timeout_s: float
    max_output: int


def _how(root: Path, timeout_s: float, apart: bool = False) -> _How:
    """``apart``: after a grammar has crashed, no file is parsed in the process that leads."""
    command = [sys.executable, "-m", "kcode.codemap.build", str(root)]
    return _How(
        argv=[*command, "--apart"] if apart else command,
        cwd=root,
        env=child_environment(_SAFE),
        timeout_s=timeout_s,
        max_output=_OUTPUT,
    )


def _outcome(done: Finished) -> Outcome:
    """Raises EnvironmentProblem where the update failed."""
    answer: dict[str, object] = {}
    with contextlib.suppress(ValueError, IndexError):
        answer = json.loads(done.stdout.strip().splitlines()[-1])
    if done.code:
        raise EnvironmentProblem(str(answer.get("error") or f"the indexer ended with exit code {done.code}"))
    cut = str(answer.get("cut", ""))
    unread = answer.get("unread")
    languages = tuple(map(str, unread)) if isinstance(unread, list) else ()
    return Outcome(cut, str(answer.get("files", "")) if cut else "", languages)
