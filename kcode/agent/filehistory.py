"""When the workspace is recorded: as a turn starts, before its first change, and after it made some.

Snapshots are taken on a thread of their own, in order, while the model is asked; only the first call that
may change something waits for them. Where there can be none, edits still have their own copies: it is said
once, and the turn goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from kcode.agent.events import Event, Notice
from kcode.config.project import branch_of
from kcode.conversation.ledger import Note
from kcode.errors import KcodeError
from kcode.workspace.modes import note_modes
from kcode.workspace.snapshots import Snapshot, SnapshotProblem

if TYPE_CHECKING:
    from kcode.agent.session import Session

# start: before a turn's changes; end: after them; before, restored: around a rewind.
When = Literal["start", "end", "before", "restored"]
NOTE = "snapshot"
COMMANDS = ("run_command", "run_tests")  # may change any file, not only those they name
_NAMED_AT_MOST = 5
_SAID_AFTER_S = 1.5  # of waiting for a snapshot, it is said what is waited for


class FileHistory:
    """The snapshots of one session. Its methods are called on the session's own thread."""

    def __init__(self, session: Session) -> None:
        self.enabled = session.settings.sessions.snapshots
        self._session = session
        self._pool: ThreadPoolExecutor | None = None
        self._start: Future[Snapshot] | None = None
        self._end: Future[tuple[Snapshot, str]] | None = None
        self._wrote = False
        self._ran_commands = False
        self._said: set[str] = set()
        self._emit: Callable[[Event], None] = lambda event: None

    async def settle(self) -> None:
        """Record the snapshot after the turn before, waiting for it where it is still being taken."""
        taken, self._end = self._end, None
        if taken is None:
            return
        with suppress(SnapshotProblem):
            snapshot, modes = await asyncio.wrap_future(taken)
            self._note("end", snapshot, modes)

    def begin(self, emit: Callable[[Event], None]) -> None:
        """A turn starts: begin its snapshot."""
        self._emit, self._wrote, self._ran_commands = emit, False, False
        if self.enabled:
            self._start = self._threads().submit(self._session.workspace.snapshots.take)

    async def before_change(self, tool: str) -> None:
        """Wait until the turn's snapshot is there; called before every tool that is not read-only."""
        await self._record_start()
        if self.enabled and tool in COMMANDS and not self._ran_commands and self._wrote_start:
            # Commands may change permission bits that snapshots do not hold.
            with suppress(KcodeError, OSError):
                name = await asyncio.to_thread(note_modes, self._session.workspace.snapshots)
                self._session.record(Note("modes", "start", {"modes": name}))
            self._ran_commands = True
        self._wrote = True

    def end(self) -> None:
        """A turn has ended: take what it left, where it may have changed something."""
        if self._wrote and self.enabled and self._wrote_start:
            self._end = self._threads().submit(self._after, self._ran_commands)
        self._wrote = False

    async def record_now(self, when: When) -> str:
        """Take and record a snapshot; the commit. Raises SnapshotProblem."""
        await self.settle()
        snapshot = await asyncio.wrap_future(self._threads().submit(self._session.workspace.snapshots.take))
        self._note(when, snapshot, "")
        return snapshot.commit

    async def close(self) -> None:
        """Record what is under way; nothing is taken after it."""
        with suppress(KcodeError):
            await self.settle()
        if self._pool is not None:
            if self._start is not None and not self._start.done():
                self._session.workspace.snapshots.abandon()
            self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def _wrote_start(self) -> bool:
        """Whether the running turn's snapshot is in the ledger."""
        return self._start is None and self.enabled

    async def _record_start(self) -> None:
        if self._start is None:
            return
        taken = self._start
        try:
            snapshot = await self._patiently(taken)
        except SnapshotProblem as problem:
            self._start = None
            self.enabled = False
            self._say(f"{problem.message}; {problem.remedy}")
            return
        self._start = None
        self._note("start", snapshot, "")
        if snapshot.left_out:
            named = ", ".join(sorted(snapshot.left_out)[:_NAMED_AT_MOST])
            more = len(snapshot.left_out) - _NAMED_AT_MOST
            self._say(
                f"too large or unreadable, so a rewind will not cover: {named}"
                + (f" and {more} more" if more > 0 else "")
            )

    async def _patiently(self, taken: Future[Snapshot]) -> Snapshot:
        waiting = asyncio.ensure_future(asyncio.wrap_future(taken))
        await asyncio.wait({waiting}, timeout=_SAID_AFTER_S)
        if not waiting.done():
            self._emit(Notice("info", "recording the files before the first change, once for all of them…"))
        return await waiting

    def _after(self, ran_commands: bool) -> tuple[Snapshot, str]:
        store = self._session.workspace.snapshots
        snapshot = store.take()
        modes = ""
        if ran_commands:
            with suppress(KcodeError, OSError):
                modes = note_modes(store)
        return snapshot, modes

    def _note(self, when: When, snapshot: Snapshot, modes: str) -> None:
        root = self._session.workspace.root
        facts = {"commit": snapshot.commit, "modes": modes, "root": str(root), "branch": branch_of(root)}
        self._session.record(Note(NOTE, when, facts))

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._emit(Notice("warning", text))

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, "snapshots")
        return self._pool
