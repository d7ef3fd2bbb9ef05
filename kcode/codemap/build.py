"""Brings the index up to date. Runs as a process of its own, so that no prompt waits for it.

``python -m kcode.codemap.build FOLDER [--workers N] [--apart]`` prints one JSON object: files, parsed,
removed, seconds, asked_s, cut, unread. ``--apart``: no file is parsed in this process: a grammar may crash.
Two at once in one workspace: the second waits for the first.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.codemap import store
from kcode.codemap.files import changed_files, listing
from kcode.codemap.ranking import rank_files
from kcode.codemap.worker import Result, known_digests, read_in_time

if TYPE_CHECKING:
    from filelock import BaseFileLock

    from kcode.codemap.standby import Standby

FEW = 60  # files: fewer are parsed right here, where starting a process would take longer
AT_ONCE, AT_ONCE_S = 2_000, 0.5  # files that are recorded at once, and how long they wait for it, in seconds
KEPT_DAYS = 14  # how long contents of other branches are kept


@dataclass(frozen=True, slots=True)
class Built:
    """What an update did; ``seconds`` in all, ``asked_s`` until questions could be answered, without ranks.

    ``cut``: why the map does not hold every file, empty where it does; ``unread``: the languages whose files
    it does not hold for want of their grammars.
    """

    files: int
    parsed: int
    removed: int
    seconds: float
    asked_s: float
    cut: str = ""
    unread: tuple[str, ...] = ()


def build(root: Path, *, workers: int = 0, apart: bool = False) -> Built:
    """Bring the index of ``root`` up to date. Raises OSError and sqlite3.Error where the cache fails."""
    started = time.monotonic()
    path = store.index_path(root)
    with _lock(path):
        try:
            return _build(path, root, workers, started, apart)
        except sqlite3.DatabaseError as problem:
            if isinstance(problem, sqlite3.OperationalError):  # a full disk, a cache that is read-only
                raise
            store.forget(path)  # it is damaged further inside
            return _build(path, root, workers, started, apart)


def update_few(root: Path, paths: Sequence[str], standby: Standby) -> bool:
    """Read these files again, which may be gone; whether the ranks are still of the graph.

    Raises OSError and sqlite3.Error.
    """
    path = store.index_path(root)
    with _lock(path):
        connection = store.open_for_writing(path)
        try:
            known = store.known_among(connection, paths)
            changed, gone = changed_files(root, paths, known)
            if not changed and not gone:
                return store.fact(connection, "ranked") == "yes"
            results = standby.read(root, changed)
            with store.transaction(connection):
                same = _connects(connection, known.values()) == _new_connections(results) and not gone
                _Recorder(connection).take(results)
                store.remove_files(connection, gone)
                if not same:
                    store.put_fact(connection, "ranked", "no")
            return store.fact(connection, "ranked") == "yes"
        finally:
            connection.close()


def _lock(path: Path) -> BaseFileLock:
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return FileLock(path.with_suffix(".lock"))


def _build(path: Path, root: Path, workers: int, started: float, apart: bool) -> Built:
    connection = store.open_for_writing(path)
    try:
        known = store.known_files(connection)
        present, cut, unread = listing(root)
        changed, gone = changed_files(root, present, known)
        removed = [*gone, *sorted(known.keys() - set(present))]
        with store.transaction(connection):  # whoever asks meanwhile is told how far it is
            store.put_fact(connection, "present", str(len(present)))
        parsed = _record(connection, path, root, changed, workers or os.cpu_count() or 1, apart)
        with store.transaction(connection):
            store.remove_files(connection, removed)
            store.put_fact(connection, "cut", cut)
            if changed or removed:
                store.put_fact(connection, "ranked", "no")
        asked_s = time.monotonic() - started
        if store.fact(connection, "ranked") != "yes":
            with store.transaction(connection):
                rank_files(connection)
                store.drop_unused(connection, int(time.time()) - KEPT_DAYS * 86_400)
                store.put_fact(connection, "ranked", "yes")
    finally:
        connection.close()
    seconds = time.monotonic() - started
    return Built(len(present), parsed, len(removed), round(seconds, 3), round(asked_s, 3), cut, unread)


def _record(
    connection: sqlite3.Connection,
    path: Path,
    root: Path,
    changed: Sequence[str],
    workers: int,
    apart: bool,
) -> int:
    if not changed:
        return 0
    recorder = _Recorder(connection, all_known=len(changed) > FEW)
    if len(changed) <= FEW and not apart:
        known = known_digests(path)
        found = [result for each in changed if (result := read_in_time(str(root), each, known)) is not None]
        with store.transaction(connection):
            recorder.take(found)
        return recorder.new
    from kcode.codemap.crew import results

    for found in _gathered(results(path, root, changed, workers)):
        with store.transaction(connection):
            recorder.take(found)
    return recorder.new


def _gathered(parts: Iterable[list[Result]]) -> Iterator[list[Result]]:
    """The parts in larger ones: a transaction costs as much as a hundred files."""
    together: list[Result] = []
    since = time.monotonic()
    for part in parts:
        together += part
        if len(together) >= AT_ONCE or time.monotonic() - since > AT_ONCE_S:
            yield together
            together, since = [], time.monotonic()
    if together:
        yield together


class _Recorder:
    """Records what workers found. Contents get ascending ids; one that is known is not recorded twice.

    ``all_known``: so much is to be recorded that all known contents are read first.
    """

    def __init__(self, connection: sqlite3.Connection, *, all_known: bool = False) -> None:
        self.new = 0
        self._connection = connection
        self._now = int(time.time())
        row = connection.execute("SELECT coalesce(max(id), 0) FROM contents").fetchone()
        self._last = int(row[0])
        self._known = store.contents(connection) if all_known else None

    def take(self, results: Iterable[Result]) -> None:
        files, contents = [], []
        here: dict[bytes, int] = {}
        for path, size, mtime_ns, digest, entry in results:
            content = here.get(digest) or self._content_of(digest)
            if content is None and entry is not None:
                self._last += 1
                content = self._last
                contents.append((content, digest, entry))
            if content is not None:
                here[digest] = content
                files.append((path, size, mtime_ns, content))
        store.put_contents(self._connection, contents, self._now)
        store.put_files(self._connection, files)
        self.new += len(contents)
        if self._known is not None:
            self._known.update(here)

    def _content_of(self, digest: bytes) -> int | None:
        return store.content_of(self._connection, digest) if self._known is None else self._known.get(digest)


def _connects(connection: sqlite3.Connection, known: Iterable[store.Known]) -> list[tuple[bytes, bytes]]:
    """What the contents of files define and use, whichever file it is that does."""
    return sorted(_connections_of(connection, (each.content for each in known)))


def _connections_of(connection: sqlite3.Connection, contents: Iterable[int]) -> Iterator[tuple[bytes, bytes]]:
    for content in contents:
        yield from connection.execute("SELECT linking, names FROM numbers WHERE content = ?", (content,))


def _new_connections(results: Iterable[Result]) -> list[tuple[bytes, bytes]]:
    return sorted((entry[4], entry[5]) for *_, entry in results if entry is not None)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--apart", action="store_true")
    asked = parser.parse_args(arguments)
    try:
        built = build(asked.root, workers=asked.workers, apart=asked.apart)
    except (OSError, sqlite3.Error) as problem:
        print(json.dumps({"error": str(problem)}))
        return 9
    print(json.dumps(asdict(built)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
