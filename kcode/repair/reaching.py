"""Which test files a change of a source file can reach, by who imports whom."""

from __future__ import annotations

import asyncio
from pathlib import Path

from kcode.testrun.importgraph import importers
from kcode.workspace.workspace import Workspace


class Reaching:
    """Answers for one project; the imports are read once for each changed file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, frozenset[str]] = {}

    async def tests(self, path: str) -> frozenset[str]:
        """The files that import ``path``, directly or through others; tests are among them."""
        if path not in self._known:
            self._known[path] = await asyncio.to_thread(self._importers, path)
        return self._known[path]

    def _importers(self, path: str) -> frozenset[str]:
        files = [one for one in Workspace.open(self._root).list_files() if one.endswith(".py")]
        return frozenset(importers(self._root, files, [path]))
