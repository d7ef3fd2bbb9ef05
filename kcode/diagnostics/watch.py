"""Checks beside a conversation: begun with each edit, waited for a moment, told with what comes next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kcode.config.settings import Settings
from kcode.diagnostics.running import Bench, Report
from kcode.workspace.change import FileEdit
from kcode.workspace.workspace import Workspace

if TYPE_CHECKING:
    from kcode.diagnostics.lsp.pool import Servers

WAIT_S = 2.0  # how long an edit's result waits for its problems


class Diagnostics:
    """One for a session. An edit that comes while an earlier one is being checked is checked together with
    it: both are compared with the text before the first."""

    def __init__(self, workspace: Workspace, settings: Settings, servers: Servers | None = None) -> None:
        self._settings = settings
        self._bench = Bench(workspace, settings, servers=servers)
        self._before: dict[str, str | None] = {}
        self._task: asyncio.Task[Report] | None = None

    async def after(self, edits: Sequence[FileEdit], wait_s: float | None = None) -> Report | None:
        """What is new since before ``edits``, which have been made; None where that is not known in time:
        :meth:`take` has it later."""
        if self._settings.diagnostics.enabled == "off" or not edits:
            return None
        await self._stop()
        for edit in edits:
            self._before.setdefault(edit.path, edit.before)
        self._task = asyncio.create_task(self._bench.check(dict(self._before)))
        await asyncio.wait({self._task}, timeout=WAIT_S if wait_s is None else wait_s)
        return self.take()

    def take(self) -> Report | None:
        """The result of the check that has ended since, once."""
        task = self._task
        if task is None or not task.done():
            return None
        self._task = None
        self._before = {}
        return None if task.cancelled() else task.result()

    async def wait(self) -> None:
        """Until the check that runs has ended."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def close(self) -> None:
        """End what runs; its result is lost."""
        await self._stop()

    async def _stop(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None
