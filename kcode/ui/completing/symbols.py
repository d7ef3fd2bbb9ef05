"""The symbols that completion offers: what the project's files define, as the code map knows it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from kcode.codemap.names import Names
    from kcode.ui.completing.fuzzy import Haystack

FRESH_S = 5.0
BOOSTED = 200  # of the most used names: among equals they come first
BUILD_S = 600.0


@dataclass(frozen=True, slots=True)
class Symbol:
    """``name`` has its classes and functions before it: ``Prompt.ask``. Lines count from 1, both included."""

    name: str
    kind: str
    path: str
    line: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """``missing`` says in words what was not looked at, "" where everything was."""

    definitions: tuple[Symbol, ...]
    missing: str = ""


class SymbolSource(Protocol):
    """Whoever knows what is defined where. Called from a thread; answers at once with what it has."""

    @property
    def version(self) -> int:
        """Another number where another answer is to be expected."""
        ...

    @property
    def reading(self) -> bool:
        """Whether more may be known soon."""
        ...

    def search(self, text: str, most: int) -> Found: ...


class SymbolIndex:
    """Definitions in the files of ``root``, from the code map's index: what it holds is offered at once,
    while a process of its own brings it up to date."""

    def __init__(self, root: Path) -> None:
        self.version = 0
        self._root = root
        self._loaded: tuple[Haystack, Names] | None = None
        self._missing = ""
        self._seen: object = None
        self._updated_at = 0.0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def search(self, text: str, most: int) -> Found:
        """The best ``most`` for ``text``, where ``Prompt.ask`` means an ``ask`` in a ``Prompt``."""
        self._begin()
        loaded = self._loaded
        if loaded is None:
            return Found((), self._missing)
        haystack, names = loaded
        names_found = haystack.search(text.replace(".", "/"), most)
        with _index(self._root) as index:
            if index is None:
                return Found((), self._missing)
            found = [
                Symbol(each.full, each.kind, path, each.line, each.end)
                for full in names_found
                for path, each in names.places(index, full)
            ]
        return Found(tuple(found[:most]), self._missing)

    @property
    def reading(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _begin(self) -> None:
        with self._lock:
            if self.reading or (time.monotonic() - self._updated_at < FRESH_S and self._updated_at):
                return
            self._thread = threading.Thread(target=self._update, name="symbols", daemon=True)
            self._thread.start()

    # --- in the thread -------------------------------------------------------------------------

    def _update(self) -> None:
        from kcode.codemap.service import build_now
        from kcode.errors import KcodeError

        if self._loaded is None:
            self._load()
        with contextlib.suppress(KcodeError):  # whoever asks the map says so; what was known is still offered
            self._missing = build_now(self._root, BUILD_S).files_cut
        self._load()
        self._updated_at = time.monotonic()

    def _load(self) -> None:
        from kcode.codemap.names import load, ranked_at
        from kcode.ui.completing.fuzzy import Haystack

        with _index(self._root) as index:
            if index is None or (seen := ranked_at(index)) == self._seen:
                return
            names = load(index)
        boosts = {name: BOOSTED - at for at, name in enumerate(names.full[:BOOSTED])}
        self._loaded = Haystack(names.full, boosts), names
        self._seen = seen
        self.version += 1


@contextlib.contextmanager
def _index(root: Path) -> Iterator[sqlite3.Connection | None]:
    from kcode.codemap import store

    connection = store.open_for_reading(store.index_path(root))
    try:
        yield connection
    finally:
        if connection is not None:
            connection.close()
