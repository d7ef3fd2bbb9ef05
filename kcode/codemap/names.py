"""The names of definitions that completion searches: the most used ones, with the files they stand in."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain

from kcode.codemap import store
from kcode.codemap.pack import numbers, packed, unpacked_definitions
from kcode.codemap.tags import Definition

MOST = 100_000  # names that are kept
FILES = 4  # of one name, the highest ranked ones


@dataclass(frozen=True)
class Names:
    """``full`` are the names, the most used first, with what they stand within: ``Prompt/ask``."""

    full: list[str]
    starts: array[int]  # where the files of each name begin in ``files``
    files: array[int]

    @cached_property
    def _at(self) -> Mapping[str, int]:
        return {name: at for at, name in enumerate(self.full)}

    def places(self, connection: sqlite3.Connection, name: str) -> Iterator[tuple[str, Definition]]:
        """Path and definition of each that has this name; it may have moved since."""
        at = self._at[name]
        wanted = name.replace("/", ".")
        for file in self.files[self.starts[at] : self.starts[at + 1]]:
            row = connection.execute(
                "SELECT f.path, d.text FROM files f JOIN definitions d ON d.content = f.content"
                " WHERE f.id = ?",
                (file,),
            ).fetchone()
            if row:
                yield from ((row[0], each) for each in unpacked_definitions(row[1]) if each.full == wanted)


def keep(
    connection: sqlite3.Connection, counts: Mapping[int, int], files: Mapping[int, Sequence[int]]
) -> None:
    """Keep the names that completion searches. ``counts`` says how many files use the name of a number,
    ``files`` which files have a content, contents and files by rank."""
    where: dict[str, Sequence[int]] = {}
    used: dict[str, int] = {}
    offered = dict(_offered(connection))
    for content, at in files.items():  # of another branch is what no file has
        if content not in offered:
            continue
        text, last = offered[content]
        for name, number in zip(text.split("\n"), last, strict=True):
            if (known := where.get(name)) is None:
                where[name] = at
                used[name] = counts.get(number, 0)
            elif len(known) < FILES:
                where[name] = [*known, *at]
    kept = [name for name in where if "/" not in name]
    kept.sort(key=used.__getitem__, reverse=True)  # stable: of equally used ones the higher ranked first
    del kept[MOST:]
    chosen = [where[name][:FILES] for name in kept]
    store.put_part(connection, "names", "\n".join(kept).replace(".", "/").encode("utf-8", "replace"))
    store.put_part(connection, "names_starts", packed(accumulate(map(len, chosen), initial=0)))
    store.put_part(connection, "names_files", packed(chain.from_iterable(chosen)))


def _offered(connection: sqlite3.Connection) -> Iterator[tuple[int, tuple[str, array[int]]]]:
    """The names of each content, with the numbers of their last parts."""
    rows = connection.execute("SELECT content, offered, offered_numbers FROM definitions WHERE offered != ''")
    for content, text, last in rows:
        yield content, (text, numbers(last))


def load(connection: sqlite3.Connection) -> Names:
    text = store.part(connection, "names").decode("utf-8")
    return Names(
        text.split("\n") if text else [],
        numbers(store.part(connection, "names_starts")),
        numbers(store.part(connection, "names_files")),
    )


def ranked_at(connection: sqlite3.Connection) -> str:
    """Another text where the names are others."""
    return store.fact(connection, "ranked_at")
