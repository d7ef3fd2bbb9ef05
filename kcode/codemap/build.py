"""Brings the index up to date. Runs as a process of its own, so that no prompt waits for it.

``python -m kcode.codemap.build FOLDER [--workers N]`` prints one JSON object: files, parsed, removed,
seconds. Two at once in one workspace: the second waits for the first.
"""

from __future__ import annotations

import json
import marshal
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from kcode.codemap import store
from kcode.codemap.languages import language_for
from kcode.codemap.rank import SHORTEST, UNRANKED, edges, neighbours, ranks
from kcode.codemap.tags import Definition, Tags
from kcode.codemap.worker import Result, read
from kcode.config.paths import make_private
from kcode.safety.process import child_environment, run_sync

CHUNK = 2_000  # files a worker process is given at a time
FEW = 60  # files: fewer are parsed right here, where starting a process would take longer
WORKER_S = 900.0  # longest time for one chunk
KEPT_DAYS = 14  # how long contents of other branches are kept


@dataclass(frozen=True, slots=True)
class Built:
    """What an update did; times in seconds."""

    files: int
    parsed: int
    removed: int
    seconds: float


def build(root: Path, *, workers: int = 0) -> Built:
    """Bring the index of ``root`` up to date. Raises OSError and sqlite3.Error where the cache fails."""
    from filelock import FileLock

    started = time.monotonic()
    path = store.index_path(root)
    make_private(path.parent)
    with FileLock(path.with_suffix(".lock")):
        connection = store.open_for_writing(path)
        try:
            parsed, removed, files = _update(connection, root, workers or os.cpu_count() or 1)
        finally:
            connection.close()
    return Built(files, parsed, removed, round(time.monotonic() - started, 3))


def files_of(root: Path) -> list[str]:
    """The files the map reads, sorted: not ignored, and of a language it knows."""
    from kcode.workspace.listing import list_files

    return [path for path in list_files(root) if language_for(path) and _spelled(path)]


def _spelled(path: str) -> bool:
    """Whether the name is text: one of other bytes can neither be stored nor told to a model."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _update(connection: sqlite3.Connection, root: Path, workers: int) -> tuple[int, int, int]:
    known = store.known_files(connection)
    present = files_of(root)
    changed = list(_changed(root, present, known))
    removed = known.keys() - set(present)
    parsed = 0
    now = int(time.time())
    for results in _results(connection, root, changed, workers):
        with store.transaction(connection):
            parsed += _take(connection, results, now)
    with store.transaction(connection):
        store.remove_files(connection, removed)
        if changed or removed:
            store.put_fact(connection, "ranked", "no")
    if store.fact(connection, "ranked") != "yes":
        with store.transaction(connection):
            rank_files(connection)
            store.drop_unused(connection, now - KEPT_DAYS * 86_400)
            store.put_fact(connection, "ranked", "yes")
    return parsed, len(removed), len(present)


def _changed(root: Path, paths: Iterable[str], known: dict[str, store.Known]) -> Iterator[str]:
    for path in paths:
        before = known.get(path)
        try:
            info = os.stat(f"{root}/{path}")  # noqa: PTH116 - a Path for each of 50,000 files would double this
        except (OSError, ValueError):
            continue
        if before is None or before.size != info.st_size or before.mtime_ns != info.st_mtime_ns:
            yield path


def _results(
    connection: sqlite3.Connection, root: Path, paths: Sequence[str], workers: int
) -> Iterator[list[Result]]:
    digests = frozenset(digest for (digest,) in connection.execute("SELECT digest FROM contents"))
    if len(paths) <= FEW:
        yield [result for path in paths if (result := read(str(root), path, digests)) is not None]
        return
    size = min(CHUNK, -(-len(paths) // workers))
    chunks = [paths[start : start + size] for start in range(0, len(paths), size)]
    with (
        tempfile.TemporaryDirectory(prefix="kcode-map-") as folder,
        ThreadPoolExecutor(workers) as pool,
    ):
        named = [(root, chunk, digests, Path(folder) / str(n)) for n, chunk in enumerate(chunks)]
        yield from pool.map(lambda task: _in_process(*task), named)


def _in_process(root: Path, paths: Sequence[str], known: frozenset[bytes], out: Path) -> list[Result]:
    task = {"root": str(root), "paths": list(paths), "known": [digest.hex() for digest in known]}
    run_sync(
        [sys.executable, "-m", "kcode.codemap.worker", str(out)],
        cwd=root,
        env=child_environment({"PYTHONSAFEPATH": "1"}),  # the workspace is no place to import from
        timeout_s=WORKER_S,
        input=json.dumps(task).encode("ascii"),
    )
    found: list[Result] = []
    try:
        with out.open("rb") as stream:
            while True:
                found.append(marshal.load(stream))
    except (EOFError, ValueError, TypeError):  # the end, or where a worker was stopped
        return found
    except FileNotFoundError:
        return found
    finally:
        out.unlink(missing_ok=True)


def _take(connection: sqlite3.Connection, results: Iterable[Result], now: int) -> int:
    """Record what workers found; how many contents were new."""
    files, new = [], 0
    for path, size, mtime_ns, digest, tags in results:
        content = store.content_of(connection, digest)
        if content is None and tags is not None:
            definitions, uses = tags
            found = Tags(tuple(Definition(*row) for row in definitions), uses)
            content = store.add_content(connection, digest, found, now)
            new += 1
        if content is not None:
            files.append((path, store.Known(size, mtime_ns, content)))
    store.put_files(connection, files)
    return new


def rank_files(connection: sqlite3.Connection) -> None:
    """Give every file its rank, from the whole graph."""
    rows = connection.execute(
        "SELECT f.path, f.content, c.names, c.counts, f.rowid FROM files f"
        " JOIN contents c ON c.id = f.content ORDER BY f.path"
    ).fetchall()
    by_content: dict[int, list[int]] = {}
    for position, row in enumerate(rows):
        by_content.setdefault(row[1], []).append(position)
    definers: dict[int, set[int]] = {}
    defined = connection.execute("SELECT content, number, kind, length(name) FROM definitions")
    for content, number, kind, length in defined:
        if kind not in UNRANKED and length >= SHORTEST and content in by_content:
            definers.setdefault(number, set()).update(by_content[content])
    uses = [(store.numbers(row[2]), row[3]) for row in rows]
    graph = edges(uses, {key: sorted(files) for key, files in definers.items()})
    scores = ranks(graph)
    around = [[(rows[target][4], weight) for target, weight in near] for near in neighbours(graph)]
    store.put_neighbours(connection, ((rows[n][4], sorted(near)) for n, near in enumerate(around)))
    connection.executemany(
        "UPDATE files SET score = ? WHERE path = ?",
        [(score, row[0]) for score, row in zip(scores, rows, strict=True)],
    )


def main(arguments: Sequence[str]) -> int:
    root = Path(arguments[0])
    workers = int(arguments[2]) if len(arguments) > 2 and arguments[1] == "--workers" else 0
    try:
        built = build(root, workers=workers)
    except (OSError, sqlite3.Error) as problem:
        print(json.dumps({"error": str(problem)}))
        return 9
    print(json.dumps(asdict(built)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
