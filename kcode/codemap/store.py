"""The index on disk: one SQLite file per workspace in the cache, keyed by content.

``files`` says which content each path has now; ``contents`` and ``definitions`` are kept by the content's
digest, so that a switched branch or a moved file costs no parsing. The uses of a content are two packed
arrays: sorted 32-bit numbers of names, and how often each is used.
"""

from __future__ import annotations

import contextlib
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kcode.codemap.tags import Definition, Tags, number
from kcode.config.paths import cache_dir, make_private
from kcode.config.project import workspace_key

T = TypeVar("T", int, float)
VERSION = 1  # of the tables, the queries and the tags: another one is built anew
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE contents (
  id INTEGER PRIMARY KEY, digest BLOB UNIQUE, names BLOB NOT NULL, counts BLOB NOT NULL, used INTEGER NOT NULL
);
CREATE TABLE files (
  path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, content INTEGER NOT NULL,
  score REAL NOT NULL DEFAULT 0
);
CREATE TABLE definitions (
  content INTEGER, name TEXT, number INTEGER, kind TEXT, line INTEGER, end INTEGER, signature TEXT
);
CREATE TABLE neighbours (file INTEGER PRIMARY KEY, files BLOB NOT NULL, weights BLOB NOT NULL);
CREATE INDEX definitions_content ON definitions (content);
CREATE INDEX definitions_number ON definitions (number);
CREATE INDEX files_content ON files (content);
CREATE INDEX files_score ON files (score DESC, path);
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What the index knows a file by: its size in bytes, its time in ns and its content."""

    size: int
    mtime_ns: int
    content: int


@dataclass(frozen=True, slots=True)
class Place:
    """A definition and the file it stands in. ``score`` is the file's rank, 0 to 1."""

    path: str
    definition: Definition
    score: float


def index_path(root: Path) -> Path:
    return cache_dir() / "codemap" / f"{workspace_key(root.resolve())}.sqlite"


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """The index, or None where there is none that this version can read."""
    if not path.is_file():
        return None
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)
        if fact(connection, "version") == str(VERSION):
            return connection
    except sqlite3.Error:
        return None
    connection.close()
    return None


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The index; made, or made anew where it is damaged or of another version.

    Raises sqlite3.Error and OSError.
    """
    make_private(path.parent)
    if path.exists() and (old := open_for_reading(path)) is None:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    elif path.exists() and old is not None:
        old.close()
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    path.chmod(0o600)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # a cache: what a crash takes is built again
    if fact(connection, "version") != str(VERSION):
        with transaction(connection):
            for statement in filter(str.strip, _TABLES.split(";\n")):
                connection.execute(statement)
            put_fact(connection, "version", str(VERSION))
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def fact(connection: sqlite3.Connection, name: str) -> str:
    try:
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    except sqlite3.OperationalError:  # no such table yet
        return ""
    return str(row[0]) if row else ""


def put_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


# --- writing ---------------------------------------------------------------------------------------


def known_files(connection: sqlite3.Connection) -> dict[str, Known]:
    rows = connection.execute("SELECT path, size, mtime_ns, content FROM files")
    return {path: Known(size, mtime_ns, content) for path, size, mtime_ns, content in rows}


def content_of(connection: sqlite3.Connection, digest: bytes) -> int | None:
    row = connection.execute("SELECT id FROM contents WHERE digest = ?", (digest,)).fetchone()
    return int(row[0]) if row else None


def add_content(connection: sqlite3.Connection, digest: bytes, tags: Tags, now_s: int) -> int:
    names = array("I", [name for name, _ in tags.uses])
    counts = bytes(count for _, count in tags.uses)
    cursor = connection.execute(
        "INSERT INTO contents (digest, names, counts, used) VALUES (?, ?, ?, ?)",
        (digest, _little(names).tobytes(), counts, now_s),
    )
    content = int(cursor.lastrowid or 0)
    connection.executemany(
        "INSERT INTO definitions VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (content, each.name, number(each.name), each.kind, each.line, each.end, each.signature)
            for each in tags.definitions
        ],
    )
    return content


def put_files(connection: sqlite3.Connection, files: Iterable[tuple[str, Known]]) -> None:
    connection.executemany(
        "INSERT INTO files (path, size, mtime_ns, content) VALUES (?, ?, ?, ?) ON CONFLICT (path) DO UPDATE"
        " SET size = excluded.size, mtime_ns = excluded.mtime_ns, content = excluded.content",
        [(path, known.size, known.mtime_ns, known.content) for path, known in files],
    )


def remove_files(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in paths])


def drop_unused(connection: sqlite3.Connection, older_than_s: int) -> None:
    """Forget contents that no file has and that were last seen before that moment."""
    unused = (
        "SELECT id FROM contents WHERE used < ?"
        " AND NOT EXISTS (SELECT 1 FROM files WHERE content = contents.id)"
    )
    connection.execute(f"DELETE FROM definitions WHERE content IN ({unused})", (older_than_s,))
    connection.execute(f"DELETE FROM contents WHERE id IN ({unused})", (older_than_s,))


# --- reading ---------------------------------------------------------------------------------------

_PLACES = (
    "SELECT f.path, d.name, d.kind, d.line, d.end, d.signature, f.score"
    " FROM definitions d JOIN files f ON f.content = d.content"
)


def places(connection: sqlite3.Connection, where: str, values: Sequence[object], limit: int) -> list[Place]:
    """Definitions by rank of their file, then by place; ``where`` speaks of ``d`` and ``f``."""
    rows = connection.execute(
        f"{_PLACES} WHERE {where} ORDER BY f.score DESC, f.path, d.line LIMIT ?", (*values, limit)
    )
    return [Place(row[0], Definition(*row[1:6]), row[6]) for row in rows]


def count_files(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM files").fetchone()[0])


def definitions_in(connection: sqlite3.Connection, path: str) -> tuple[Definition, ...]:
    rows = connection.execute(
        "SELECT d.name, d.kind, d.line, d.end, d.signature FROM definitions d"
        " JOIN files f ON f.content = d.content WHERE f.path = ? ORDER BY d.rowid",
        (path,),
    )
    return tuple(Definition(*row) for row in rows)


def file_numbers(connection: sqlite3.Connection, paths: Iterable[str]) -> list[int]:
    """The numbers that :func:`neighbours` knows files by; unknown paths are left out."""
    found = []
    for path in paths:
        row = connection.execute("SELECT rowid FROM files WHERE path = ?", (path,)).fetchone()
        if row:
            found.append(int(row[0]))
    return found


def neighbours(connection: sqlite3.Connection, file: int) -> dict[int, float]:
    """The files that a file uses or is used by, with weights; in ascending order."""
    row = connection.execute("SELECT files, weights FROM neighbours WHERE file = ?", (file,)).fetchone()
    if row is None:
        return {}
    weights = array("f")
    weights.frombytes(row[1])
    return dict(zip(numbers(row[0]), _little(weights), strict=True))


def put_neighbours(
    connection: sqlite3.Connection, rows: Iterable[tuple[int, Sequence[tuple[int, float]]]]
) -> None:
    """Replace all of them."""
    connection.execute("DELETE FROM neighbours")
    connection.executemany(
        "INSERT INTO neighbours VALUES (?, ?, ?)",
        (
            (
                file,
                _little(array("I", [target for target, _ in near])).tobytes(),
                _little(array("f", [weight for _, weight in near])).tobytes(),
            )
            for file, near in rows
        ),
    )


def users_of(connection: sqlite3.Connection, name: str) -> list[str]:
    """The files that may use ``name``, by rank: whoever needs certainty looks into them."""
    wanted = _little(array("I", [number(name)])).tobytes()
    rows = connection.execute(
        "SELECT f.path, c.names FROM contents c JOIN files f ON f.content = c.id"
        " WHERE instr(c.names, ?) > 0 ORDER BY f.score DESC, f.path",
        (wanted,),
    )
    return [path for path, names in rows if number(name) in numbers(names)]


def numbers(packed: bytes) -> array[int]:
    found = array("I")
    found.frombytes(packed)
    return _little(found)


def _little(values: array[T]) -> array[T]:
    """Little-endian on every machine, so that an index may be moved."""
    import sys

    if sys.byteorder == "big":
        values.byteswap()
    return values
