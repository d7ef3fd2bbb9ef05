"""What was typed in a project before, shared by the sessions that run there at the same time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from prompt_toolkit.history import History, InMemoryHistory

from kcode.config.paths import make_private, state_dir

LARGEST = 4_000_000  # bytes of a project's file
KEPT = 1_500_000  # bytes of the newest entries that stay when it grows larger
LARGEST_ENTRY = 1_000_000  # characters: what is larger is not worth keeping in every project's file


class ProjectHistory(History):
    """Entries in a file: a line ``# `` and then the entry's lines, each behind a ``+``.

    Each entry is appended in one write under a lock, so that several sessions can share the file; what
    others added is there as soon as ``refresh`` was asked. ``shown`` turns an entry into what the input
    gets.
    """

    def __init__(self, path: Path, shown: Callable[[str], str] = str) -> None:
        super().__init__()
        self._path = path
        self._shown = shown
        self._seen = (0, 0)

    def refresh(self) -> bool:
        """Whether the file has changed since it was read; if so, the next ``load`` reads it again."""
        if self._stamp() == self._seen:
            return False
        self._loaded = False
        return True

    def load_history_strings(self) -> Iterable[str]:
        """The entries, newest first."""
        self._seen = self._stamp()
        with contextlib.suppress(OSError):
            return [self._shown(text) for text in reversed(_entries(self._path.read_bytes()))]
        return []

    def append_string(self, string: str) -> None:
        """Add an entry as it was sent. The same text twice in a row is one entry."""
        shown = self._shown(string)
        if self._loaded_strings[:1] == [shown]:
            return
        self._loaded_strings.insert(0, shown)
        self.store_string(string)

    def store_string(self, string: str) -> None:
        """Append to the file; nothing where the disk does not allow it: history is a comfort."""
        if len(string) > LARGEST_ENTRY:
            return
        lines = "".join(f"+{line}\n" for line in string.split("\n"))
        before = self._stamp()
        with contextlib.suppress(OSError), _locked(self._path) as file:
            file.write(f"\n# \n{lines}".encode("utf-8", "replace"))
            file.flush()
            if file.tell() > LARGEST:
                _shorten(self._path, file)
        if before == self._seen:  # nobody else wrote meanwhile
            self._seen = self._stamp()

    def _stamp(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return 0, 0
        return status.st_size, status.st_mtime_ns


def open_history(root: Path, shown: Callable[[str], str] = str) -> History:
    """The project's history, for its owner's eyes only; in memory where the disk does not allow a file."""
    folder = state_dir() / "history"
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    path = folder / f"{root.name or 'root'}-{name}"
    try:
        make_private(folder)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except OSError:
        return InMemoryHistory()
    return ProjectHistory(path, shown)


def _entries(data: bytes) -> list[str]:
    entries: list[str] = []
    lines: list[str] = []
    for line in [*data.decode("utf-8", "replace").split("\n"), ""]:
        if line.startswith("+"):
            lines.append(line[1:])
        elif lines:
            entries.append("\n".join(lines))
            lines = []
    return entries


def _shorten(path: Path, file: BinaryIO) -> None:
    """Keep the newest entries. The file stays the same file: others hold it open, waiting for the lock."""
    data = path.read_bytes()[-KEPT:]
    start = data.find(b"\n# ")
    file.truncate(0)
    file.write(data[max(0, start) :])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    with path.open("ab") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
