"""The code map of one workspace, kept up to date beside the session: the building runs in another process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from kcode.codemap import store
from kcode.errors import KcodeError
from kcode.safety.process import child_environment, run

BUILD_S = 1_800.0  # longest time for one update
FRESH_S = 2.0  # an update that ended this long ago still counts
_OUTPUT = 64_000  # bytes


class CodeMap:
    """Asks the index of ``root``. Not for use from several event loops."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.problem = ""  # why the last update failed, in words
        self._updating: asyncio.Task[None] | None = None
        self._updated = float("-inf")

    @property
    def updating(self) -> bool:
        return self._updating is not None and not self._updating.done()

    def start(self) -> None:
        """Begin an update in the background, unless one runs or has just ended. Needs a running loop."""
        if not self.updating and time.monotonic() - self._updated > FRESH_S:
            self._updating = asyncio.get_running_loop().create_task(self._update())

    async def refresh(self, wait_s: float) -> bool:
        """Bring the index up to date, waiting at most ``wait_s`` seconds; whether it is."""
        self.start()
        if self._updating is not None:
            await asyncio.wait({self._updating}, timeout=wait_s)
        return not self.updating and not self.problem

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """The index as it is on disk now, or None where there is none yet."""
        connection = store.open_for_reading(store.index_path(self.root))
        try:
            yield connection
        finally:
            if connection is not None:
                connection.close()

    async def close(self) -> None:
        """Stop an update that still runs; what it has recorded stays."""
        if self._updating is not None and not self._updating.done():
            self._updating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._updating

    async def _update(self) -> None:
        try:
            done = await run(
                [sys.executable, "-m", "kcode.codemap.build", str(self.root)],
                cwd=self.root,
                env=child_environment({"PYTHONSAFEPATH": "1"}),  # the workspace is no place to import from
                timeout_s=BUILD_S,
                max_output=_OUTPUT,
            )
        except KcodeError as error:
            self.problem = error.message
        else:
            self.problem = _problem(done.code, done.stdout)
        self._updated = time.monotonic()


def _problem(code: int, output: str) -> str:
    if code == 0:
        return ""
    with contextlib.suppress(ValueError, IndexError):
        return str(json.loads(output.strip().splitlines()[-1])["error"])
    return f"the indexer ended with exit code {code}"
