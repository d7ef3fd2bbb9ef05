"""What ranking the whole graph leaves in the index, and how it is read: packed arrays, in a few rows."""

from __future__ import annotations

import re
import sqlite3
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from kcode.codemap import names, store
from kcode.codemap.pack import floats, numbers, packed, packed_floats
from kcode.codemap.rank import Graph, definers_of, edges, ranks, turned
from kcode.codemap.tags import number

_TEST_FOLDER = re.compile(
    r"(?:^|/)(?:tests?|__tests__|specs?|testdata|test[-_]?fixtures|fixtures|testing|examples?|samples?|bench\w*)/"
    r"|[a-z]Test/",
)
_TEST_FILE = re.compile(
    r"(?:test_.*|conftest|.*[._-](?:test|spec)s?|.*(?:Test|Tests|TestCase|Spec))\.\w+",
)
_MADE_FOLDER = re.compile(
    r"(?:^|/)(?:vendor|third[-_]?party|node_modules|dist|generated|gen|migrations|bower_components)/",
    re.IGNORECASE,
)
_MADE_FILE = re.compile(
    r".*(?:\.min\.\w+|[._]pb2?(?:_grpc)?\.\w+|\.g\.\w+|\.generated\.\w+|_generated\.\w+|\.designer\.cs)",
    re.IGNORECASE,
)
TEST, MADE = 0.15, 0.05  # how much a test and a generated or foreign file count


@dataclass(frozen=True, slots=True)
class Ranking:
    """Files by their numbers in the index, in the order of their paths, with scores of 0 to 1."""

    files: array[int]
    scores: array[float]

    def by_file(self) -> dict[int, float]:
        return dict(zip(self.files, self.scores, strict=True))

    def best(self) -> Iterator[int]:
        """The files, the highest rank first, then by path."""
        scores = self.scores
        for at in sorted(range(len(scores)), key=lambda n: -scores[n]):  # stable: equal ones stay by path
            yield self.files[at]


@dataclass(frozen=True, slots=True)
class UseCounts:
    """How many files use the names that are defined."""

    names: array[int]
    counts: array[int]

    def of(self, name: str) -> int:
        wanted = number(name)
        at = bisect_left(self.names, wanted)
        return self.counts[at] if at < len(self.names) and self.names[at] == wanted else 0


@dataclass(frozen=True, slots=True)
class Around:
    """Whom each file leans on, and who leans on it, by positions in :attr:`Ranking.files`."""

    out: Graph
    into: Graph

    def neighbours(self, file: int) -> dict[int, float]:
        """With weights, those that lean on it at half of theirs; ascending."""
        found: dict[int, float] = {}
        for graph, factor in ((self.out, 1.0), (self.into, 0.5)):
            for other, share in graph.of(file):
                found[other] = found.get(other, 0.0) + share * factor
        return dict(sorted(found.items()))


def ranking(connection: sqlite3.Connection) -> Ranking:
    return Ranking(numbers(store.part(connection, "files")), floats(store.part(connection, "scores")))


def use_counts(connection: sqlite3.Connection) -> UseCounts:
    return UseCounts(
        numbers(store.part(connection, "used_names")), numbers(store.part(connection, "used_counts"))
    )


def around(connection: sqlite3.Connection) -> Around:
    out, into = (
        Graph(
            numbers(store.part(connection, f"{side}_starts")),
            numbers(store.part(connection, f"{side}_files")),
            floats(store.part(connection, f"{side}_shares")),
        )
        for side in ("out", "into")
    )
    return Around(out, into)


def rank_files(connection: sqlite3.Connection) -> None:
    """Rank every file, from the whole graph. To be called within a transaction."""
    rows = connection.execute("SELECT id, path, content FROM files ORDER BY path").fetchall()
    linked = _numbers(connection, "n.linking")
    definers = definers_of((at, numbers(row[0])) for at, row in enumerate(linked))
    counts: Counter[int] = Counter()
    graph = edges(_uses(connection, counts), definers)
    into = turned(graph)
    worth = [_worth(row[1]) for row in rows]
    scores = [score * each for score, each in zip(ranks(into, worth), worth, strict=True)]
    highest = max(scores, default=0.0) or 1.0
    scores = [float(f"{score / highest:.9g}") for score in scores]
    store.put_part(connection, "files", packed(row[0] for row in rows))
    store.put_part(connection, "scores", packed_floats(scores))
    for side, each in (("out", graph), ("into", into)):
        store.put_part(connection, f"{side}_starts", packed(each.starts))
        store.put_part(connection, f"{side}_files", packed(each.files))
        store.put_part(connection, f"{side}_shares", packed_floats(each.shares))
    _put_counts(connection, counts)
    files: dict[int, list[int]] = {}  # of each content, by rank
    for at in sorted(range(len(rows)), key=lambda at: -scores[at]):
        files.setdefault(rows[at][2], []).append(rows[at][0])
    names.keep(connection, counts, files)
    store.put_fact(connection, "ranked_at", str(int(store.fact(connection, "ranked_at") or 0) + 1))


def _numbers(connection: sqlite3.Connection, columns: str) -> Iterator[tuple[bytes, ...]]:
    """Of every file, by path."""
    yield from connection.execute(
        f"SELECT {columns} FROM files f JOIN numbers n ON n.content = f.content ORDER BY f.path"  # noqa: S608 - names of our own columns
    )


def _uses(connection: sqlite3.Connection, counts: Counter[int]) -> Iterator[tuple[array[int], bytes]]:
    for packed_names, often in _numbers(connection, "n.names, n.counts"):
        used = numbers(packed_names)
        counts.update(used)
        yield used, often


def _put_counts(connection: sqlite3.Connection, counts: Counter[int]) -> None:
    defined: set[int] = set()
    for (data,) in connection.execute("SELECT defined FROM numbers"):
        defined.update(numbers(data))
    kept = array("I", sorted(defined & counts.keys()))
    store.put_part(connection, "used_names", packed(kept))
    store.put_part(connection, "used_counts", packed(map(counts.__getitem__, kept)))


def _worth(path: str) -> float:
    folder, slash, name = path.rpartition("/")
    of_folder = _folder_worth(folder + slash)
    if of_folder == MADE or _MADE_FILE.fullmatch(name):
        return MADE
    return TEST if of_folder == TEST or _TEST_FILE.fullmatch(name) else 1.0


@lru_cache(maxsize=64)
def _folder_worth(folder: str) -> float:
    """``folder`` has a slash at its end, or is empty. Asked by sorted paths, so few need to be kept."""
    if _MADE_FOLDER.search(folder):
        return MADE
    return TEST if _TEST_FOLDER.search(folder) else 1.0


def positions(ranked: Ranking, files: Iterable[int]) -> list[int]:
    """Where files stand in the ranking; those that have no rank yet are left out."""
    at = {file: position for position, file in enumerate(ranked.files)}
    return [at[file] for file in files if file in at]


def in_order(ranked: Ranking, files: Sequence[tuple[int, str]]) -> list[str]:
    """Paths by rank, then by path; those without a rank last."""
    scores = ranked.by_file()
    return [path for _, path in sorted(files, key=lambda pair: (-scores.get(pair[0], 0.0), pair[1]))]
