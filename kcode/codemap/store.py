"""The index on disk: one SQLite file per workspace in the cache, keyed by content.

``files`` says which content each path has now. What a content defines and uses is kept by its digest, so
that a switched branch or a moved file costs no parsing, and as few rows as can be: ``definitions`` has the
text of all definitions of a content, ``numbers`` packed arrays of 32-bit numbers of names, small enough to
be looked through whole for a name. ``parts`` is what ranking the whole graph leaves: packed arrays too.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.codemap.pack import Entry, numbers, packed, unpacked_definitions
from kcode.codemap.tags import Definition, number
from kcode.config.paths import cache_dir
from kcode.config.project import workspace_key

VERSION = 6  # of the tables, the queries and the tags: another one is built anew
_TABLES = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE contents (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, used INTEGER NOT NULL);
CREATE TABLE definitions (
  content INTEGER PRIMARY KEY, text TEXT NOT NULL, offered TEXT NOT NULL, offered_numbers BLOB NOT NULL
);
CREATE TABLE numbers (
  content INTEGER PRIMARY KEY, defined BLOB NOT NULL, linking BLOB NOT NULL, names BLOB NOT NULL,
  counts BLOB NOT NULL
);
CREATE TABLE files (
  id INTEGER PRIMARY KEY, path TEXT UNIQUE, size INTEGER, mtime_ns INTEGER, content INTEGER NOT NULL
);
CREATE INDEX files_content ON files (content);
CREATE TABLE parts (name TEXT PRIMARY KEY, data BLOB NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What the index knows a file by: its size in bytes, its time in ns and its content."""

    size: int
    mtime_ns: int
    content: int


@dataclass(frozen=True, slots=True)
class Place:
    """A definition and the file it stands in."""

    path: str
    definition: Definition


def index_path(root: Path) -> Path:
    return cache_dir() / "codemap" / f"{workspace_key(root.resolve())}.sqlite"


def open_for_reading(path: Path) -> sqlite3.Connection | None:
    """The index, or None where there is none that this version can read."""
    if not path.is_file():
        return None
    connection = None
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)
        if fact(connection, "version") == str(VERSION):
            return connection
    except sqlite3.Error:
        pass
    if connection is not None:
        connection.close()
    return None


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The index; made, or made anew where it is damaged or of another version.

    Raises sqlite3.Error and OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and (old := open_for_reading(path)) is None:
        forget(path)
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


def forget(path: Path) -> None:
    """Remove an index, so that it is built anew."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # a full disk has rolled back already
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


def part(connection: sqlite3.Connection, name: str) -> bytes:
    row = connection.execute("SELECT data FROM parts WHERE name = ?", (name,)).fetchone()
    return bytes(row[0]) if row else b""


def put_part(connection: sqlite3.Connection, name: str, data: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", (name, data))


# --- writing ---------------------------------------------------------------------------------------


def known_files(connection: sqlite3.Connection) -> dict[str, Known]:
    rows = connection.execute("SELECT path, size, mtime_ns, content FROM files")
    return {path: Known(size, mtime_ns, content) for path, size, mtime_ns, content in rows}


def known_among(connection: sqlite3.Connection, paths: Iterable[str]) -> dict[str, Known]:
    found = {}
    for path in paths:
        row = connection.execute(
            "SELECT size, mtime_ns, content FROM files WHERE path = ?", (path,)
        ).fetchone()
        if row:
            found[path] = Known(*row)
    return found


def content_of(connection: sqlite3.Connection, digest: bytes) -> int | None:
    row = connection.execute("SELECT id FROM contents WHERE digest = ?", (digest,)).fetchone()
    return int(row[0]) if row else None


def contents(connection: sqlite3.Connection) -> dict[bytes, int]:
    """The contents that are known, by digest."""
    return dict(connection.execute("SELECT digest, id FROM contents"))


def put_contents(
    connection: sqlite3.Connection, rows: Sequence[tuple[int, bytes, Entry]], now_s: int
) -> None:
    """Contents by new ids and digests."""
    connection.executemany(
        "INSERT INTO contents VALUES (?, ?, ?)", [(content, digest, now_s) for content, digest, _ in rows]
    )
    connection.executemany(
        "INSERT INTO definitions VALUES (?, ?, ?, ?)",
        [(content, *entry[:3]) for content, _, entry in rows if entry[0]],
    )
    connection.executemany(
        "INSERT INTO numbers VALUES (?, ?, ?, ?, ?)", [(content, *entry[3:]) for content, _, entry in rows]
    )


def put_files(connection: sqlite3.Connection, files: Iterable[tuple[str, int, int, int]]) -> None:
    """Files by path, size in bytes, time in ns and content."""
    connection.executemany(
        "INSERT INTO files (path, size, mtime_ns, content) VALUES (?, ?, ?, ?) ON CONFLICT (path) DO UPDATE"
        " SET size = excluded.size, mtime_ns = excluded.mtime_ns, content = excluded.content",
        files,
    )


def remove_files(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    connection.executemany("DELETE FROM files WHERE path = ?", [(path,) for path in paths])


def drop_unused(connection: sqlite3.Connection, older_than_s: int) -> None:
    """Forget contents that no file has and that were last seen before that moment."""
    unused = (
        "SELECT id FROM contents WHERE used < ?"
        " AND NOT EXISTS (SELECT 1 FROM files WHERE content = contents.id)"
    )
    for table in ("definitions", "numbers"):
        connection.execute(f"DELETE FROM {table} WHERE content IN ({unused})", (older_than_s,))  # noqa: S608 - our own words
    connection.execute(f"DELETE FROM contents WHERE id IN ({unused})", (older_than_s,))  # noqa: S608 - our own words


# --- reading ---------------------------------------------------------------------------------------


def count_files(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM files").fetchone()[0])


def progress(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many files are recorded, and how many the last update found to be there."""
    return count_files(connection), int(fact(connection, "present") or 0)


def definitions_in(connection: sqlite3.Connection, path: str) -> tuple[Definition, ...]:
    row = connection.execute(
        "SELECT d.text FROM definitions d JOIN files f ON f.content = d.content WHERE f.path = ?", (path,)
    ).fetchone()
    return tuple(unpacked_definitions(row[0])) if row else ()


def definers(connection: sqlite3.Connection, name: str) -> list[tuple[int, str, str]]:
    """The files that define ``name``: number, path and the text of their definitions."""
    ids = _with_number(connection, "defined", number(name))
    found = []
    for content in ids:
        found += connection.execute(
            "SELECT f.id, f.path, d.text FROM files f JOIN definitions d ON d.content = f.content"
            " WHERE f.content = ?",
            (content,),
        ).fetchall()
    return found


def users_of(connection: sqlite3.Connection, name: str) -> list[tuple[int, str]]:
    """The files that may use ``name``, number and path: whoever needs certainty looks into them."""
    found = []
    for content in _with_number(connection, "names", number(name)):
        found += connection.execute("SELECT id, path FROM files WHERE content = ?", (content,)).fetchall()
    return found


def _with_number(connection: sqlite3.Connection, column: str, wanted: int) -> list[int]:
    rows = connection.execute(
        f"SELECT content, {column} FROM numbers WHERE instr({column}, ?) > 0",  # noqa: S608 - our own columns
        (packed([wanted]),),
    )
    return [
        content for content, data in rows if wanted in numbers(data)
    ]  # bytes may agree between two numbers
