"""The project's files as completion offers them: read behind the prompt, kept fresh, never waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kcode.ui.completing.fuzzy import Haystack

FRESH_S = 3.0  # how long what was read is believed while it is used
_COST_FACTOR = 20  # a slow reading is repeated this many times less often than it takes
_WALKED = 100_000  # files of a folder that is no repository
_FIRST = 2_000  # files after which a slow walk shows what it has
_CHANGED, _MENTIONED = 1, 2  # boosts; what was named in messages is wanted again


class FileIndex:
    """Files and folders below ``root`` and in the folders that ``added`` names, as something to search.

    Names are relative with forward slashes, folders end in one; those of added folders are absolute.
    Reading happens in a thread of its own; the latest result is always at hand. ``git``: whether git is
    asked, which falls back to a walk by ``.gitignore`` rules.
    """

    def __init__(
        self, root: Path, *, git: bool = True, added: Callable[[], Sequence[Path]] = lambda: ()
    ) -> None:
        self.root = root
        self.changed: frozenset[str] = frozenset()
        self.version = 0  # counts what was found different
        self._git = git
        self._added = added
        self._haystack: Haystack | None = None
        self._mentioned: dict[str, int] = {}
        self._reading: threading.Thread | None = None
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._cost = 0.0
        self._stale = False
        self._digest: object = None  # of what was read last

    def start(self) -> None:
        """Begin to read, if that was not begun. Returns at once."""
        with self._lock:
            if self._reading is None or not self._reading.is_alive():
                self._stale = False
                self._reading = threading.Thread(target=self._read, name="file index", daemon=True)
                self._reading.start()

    def refresh(self) -> None:
        """Files may have changed: what is at hand stays so until it was read again."""
        self._stale = True
        self.start()

    def mention(self, paths: Iterable[str]) -> None:
        """Offer these before others: they were named in a message."""
        self._mentioned.update(dict.fromkeys(paths, _MENTIONED))
        with self._lock:
            if self._haystack is not None:
                self._haystack = self._haystack.boosted(self._boosts())
                self.version += 1

    @property
    def reading(self) -> bool:
        return self._reading is not None and self._reading.is_alive()

    def current(self) -> Haystack | None:
        """What is known now, None before the first result. Has it read again where it may be out of date."""
        age = time.monotonic() - self._read_at
        if self._stale or age > max(FRESH_S, _COST_FACTOR * self._cost):
            self.start()
        return self._haystack

    # --- in the thread -------------------------------------------------------------------------

    def _read(self) -> None:
        began = time.monotonic()
        if not (self._git and self._from_git()):
            self._from_walk()
        self._cost = time.monotonic() - began
        self._read_at = time.monotonic()

    def _from_git(self) -> bool:
        from kcode.workspace.census import differences, tracked

        files = tracked(self.root)
        if files is None:
            return False
        if self._haystack is None:
            self._publish(files)
        found = differences(self.root)
        if found is None:
            return True
        self.changed = found.changed
        self._publish([*(file for file in files if file not in found.gone), *found.new])
        return True

    def _from_walk(self) -> None:
        from itertools import islice

        from kcode.workspace.ignore import walk

        found: list[str] = []
        walking = walk(self.root, _WALKED)
        if self._haystack is None:
            found += islice(walking, _FIRST)
            self._publish(found)
        found += walking
        self._publish(found)

    def _publish(self, files: Sequence[str]) -> None:
        from kcode.ui.completing.fuzzy import Haystack
        from kcode.workspace.ignore import SEARCH, Rules, kept_out, walk

        everything = kept_out(self.root).visible(Rules(self.root, SEARCH).visible(files))
        for folder in self._added():
            everything.append(f"{folder.as_posix().rstrip('/')}/")
            everything += (f"{folder.as_posix().rstrip('/')}/{file}" for file in walk(folder, _WALKED))
        boosts = self._boosts()
        digest = (len(everything), hash(tuple(everything)), tuple(sorted(boosts)))
        if digest == self._digest:
            return
        usable = [path for path in everything if "\n" not in path]  # a mention is on one line
        haystack = Haystack([*usable, *folders_of(usable)], boosts)
        haystack.search("warm up", 1)  # imports what searching needs, before a key waits for it
        with self._lock:
            self._haystack, self._digest = haystack, digest
            self.version += 1

    def _boosts(self) -> Mapping[str, int]:
        return {**dict.fromkeys(self.changed, _CHANGED), **self._mentioned}


def folders_of(paths: Iterable[str]) -> set[str]:
    """The folders that relative ``paths`` lie in, each with a slash at its end."""
    found: set[str] = set()
    for folder in {path[: path.rfind("/") + 1] for path in paths}:
        while folder.strip("/") and folder not in found:
            found.add(folder)
            folder = folder[: folder.rfind("/", 0, -1) + 1]
    return found
