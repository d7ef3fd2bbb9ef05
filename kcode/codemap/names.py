"""The names of definitions that completion searches: the most used ones, with the files they stand in."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import nsmallest
from itertools import groupby
from operator import itemgetter

from kcode.codemap import store
from kcode.codemap.pack import numbers, packed, unpacked_definitions
from kcode.codemap.tags import Definition, number

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
    contents = list(files)
    found = nsmallest(MOST, _offered(connection, counts, {each: at for at, each in enumerate(contents)}))
    text, starts, chosen = [], array("I", [0]), array("I")
    for (_, name), same in groupby(found, key=itemgetter(0, 1)):
        chosen.extend([file for *_, at in same for file in files[contents[at]]][:FILES])
        starts.append(len(chosen))
        text.append(name.replace(".", "/"))
    store.put_part(connection, "names", "\n".join(text).encode("utf-8", "replace"))
    store.put_part(connection, "names_starts", packed(starts))
    store.put_part(connection, "names_files", packed(chosen))


def _offered(
    connection: sqlite3.Connection, counts: Mapping[int, int], order: Mapping[int, int]
) -> Iterator[tuple[int, str, int]]:
    """Of every definition: less how often its name is used, its full name, the rank of its content."""
    for content, offered in connection.execute("SELECT content, offered FROM definitions"):
        at = order.get(content)
        if at is None or not offered:  # of another branch
            continue
        for full in offered.split("\n"):
            if "/" not in full:
                yield -counts.get(number(full.rpartition(".")[2]), 0), full, at


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
