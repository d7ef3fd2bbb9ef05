"""The symbols that completion offers: what the project's files define, read when first asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kcode.ui.fileindex import FileIndex
    from kcode.ui.fuzzy import Haystack
    from kcode.workspace.definitions import Definition

MOST_FILES = 5_000
MOST_SECONDS = 30.0  # of reading at one go
FRESH_S = 5.0
_SHOWN_EVERY_S = 0.3
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Found:
    """``missing`` says in words what was not looked at, "" where everything was."""

    definitions: tuple[Definition, ...]
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


class SymbolScan:
    """Definitions of the files of ``files``, by their syntax trees, read in a thread and kept in memory.

    A file is read again when its time or size has changed.
    """

    def __init__(self, files: FileIndex, *, most_files: int = MOST_FILES) -> None:
        self.version = 0
        self._files = files
        self._most_files = most_files
        self._known: dict[str, tuple[tuple[int, int], list[Definition]]] = {}  # by path, with time and size
        self._by_name: dict[str, list[Definition]] = {}
        self._haystack: Haystack | None = None
        self._missing = ""
        self._scanned_at = 0.0
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def search(self, text: str, most: int) -> Found:
        """The best ``most`` for ``text``, where ``Prompt.ask`` means an ``ask`` in a ``Prompt``."""
        self._begin()
        haystack, by_name = self._haystack, self._by_name
        if haystack is None:
            return Found((), self._missing)
        names = haystack.search(text.replace(".", "/"), most)
        found = [definition for name in names for definition in by_name.get(name, ())]
        return Found(tuple(found[:most]), self._missing)

    @property
    def reading(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _begin(self) -> None:
        with self._lock:
            if self.reading or time.monotonic() - self._scanned_at < FRESH_S:
                return
            self._thread = threading.Thread(target=self._scan, name="symbols", daemon=True)
            self._thread.start()

    # --- in the thread -------------------------------------------------------------------------

    def _scan(self) -> None:
        version = -1
        while version != self._files.version:
            version = self._files.version
            self._scan_once()
            while self._files.reading:
                time.sleep(_POLL_S)
        self._scanned_at = time.monotonic()

    def _scan_once(self) -> None:
        from kcode.workspace.definitions import readable

        began = shown = time.monotonic()
        paths = [path for path in self._paths() if readable(path)]
        wanted = paths[: self._most_files]
        for path in set(self._known).difference(wanted):
            del self._known[path]
        for done, path in enumerate(wanted):
            now = time.monotonic()
            if now - began > MOST_SECONDS:
                self._show(done, len(paths))
                break
            if now - shown > _SHOWN_EVERY_S and self._scanned_at == 0.0:  # the first time: as they come
                self._show(done, len(paths))
                shown = time.monotonic()
            self._look(path)
        else:
            self._show(len(wanted), len(paths))

    def _paths(self) -> Sequence[str]:
        """The files, as soon as they are known; changed ones first, then those near the top."""
        while (files := self._files.current()) is None and self._files.reading:
            time.sleep(_POLL_S)
        if files is None:
            return ()
        changed = self._files.changed
        return sorted(files.paths, key=lambda path: (path not in changed, path.count("/"), path))

    def _look(self, path: str) -> None:
        from kcode.workspace.definitions import LARGEST, definitions

        file = self._files.root / path
        try:
            info = file.stat()
            stamp = (info.st_mtime_ns, info.st_size)
            if path in self._known and self._known[path][0] == stamp:
                return
            source = file.read_bytes() if info.st_size <= LARGEST else b""
        except (OSError, ValueError):
            self._known.pop(path, None)
            return
        self._known[path] = (stamp, definitions(path, source))

    def _show(self, done: int, of: int) -> None:
        from kcode.ui.fuzzy import Haystack

        by_name: dict[str, list[Definition]] = {}
        for _stamp, found in self._known.values():
            for definition in found:
                by_name.setdefault(definition.name.replace(".", "/"), []).append(definition)
        self._missing = "" if done == of else f"{done:,} / {of:,}"
        self._by_name, self._haystack = by_name, Haystack(by_name)
        self.version += 1
