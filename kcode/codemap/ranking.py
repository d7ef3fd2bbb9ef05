"""What ranking the whole graph leaves in the index, and how it is read: packed arrays, in a few rows."""

from __future__ import annotations

import re
import sqlite3
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from kcode.codemap import store
from kcode.codemap.pack import floats, names_and_kinds, numbers, packed, packed_floats
from kcode.codemap.rank import SHORTEST, UNRANKED, Graph, definers_of, edges, ranks
from kcode.codemap.tags import number

NAMES = 150_000  # names that completion searches: the most used ones
_TESTS = re.compile(
    r"(?:^|/)(?:tests?|__tests__|specs?|testdata|test[-_]?fixtures|fixtures|testing|examples?|samples?|bench\w*)/"
    r"|(?:^|/)(?:test_[^/]*|conftest|[^/]*[._-](?:test|spec)s?|[^/]*(?:Test|Tests|TestCase|Spec))\.\w+$"
    r"|[a-z]Test/",
)
_MADE = re.compile(
    r"(?:^|/)(?:vendor|third[-_]?party|node_modules|dist|generated|gen|migrations|bower_components)/"
    r"|(?:\.min\.\w+|[._]pb2?(?:_grpc)?\.\w+|\.g\.\w+|\.generated\.\w+|_generated\.\w+|\.designer\.cs)$",
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

    out: tuple[array[int], array[int], array[float]]  # where each begins; whom; shares
    into: tuple[array[int], array[int], array[float]]

    def neighbours(self, file: int) -> dict[int, float]:
        """With weights, those that lean on it at half of theirs; ascending."""
        found: dict[int, float] = {}
        for (starts, others, shares), factor in ((self.out, 1.0), (self.into, 0.5)):
            here = slice(starts[file], starts[file + 1])
            for other, share in zip(others[here], shares[here], strict=True):
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
        (
            numbers(store.part(connection, f"{side}_starts")),
            numbers(store.part(connection, f"{side}_files")),
            floats(store.part(connection, f"{side}_shares")),
        )
        for side in ("out", "into")
    )
    return Around(out, into)


def names(connection: sqlite3.Connection) -> list[str]:
    """Names of what is defined, with those they stand within, the most used first."""
    text = store.part(connection, "names").decode("utf-8")
    return text.split("\n") if text else []


def rank_files(connection: sqlite3.Connection) -> None:
    """Rank every file, from the whole graph. To be called within a transaction."""
    rows = connection.execute(
        "SELECT f.id, f.path, f.content, n.names, n.counts FROM files f"
        " JOIN numbers n ON n.content = f.content ORDER BY f.path"
    ).fetchall()
    paths = [row[1] for row in rows]
    used = [numbers(row[3]) for row in rows]
    counts = Counter(chain.from_iterable(used))
    linking, kept_names = _definitions(connection, counts)
    definers = definers_of((at, linking.get(row[2], ())) for at, row in enumerate(rows))
    graph = edges(((names_, row[4]) for names_, row in zip(used, rows, strict=True)), definers)
    worth = [_worth(path) for path in paths]
    scores = [score * each for score, each in zip(ranks(graph, worth), worth, strict=True)]
    highest = max(scores, default=0.0) or 1.0
    _put(connection, "files", packed(row[0] for row in rows))
    _put(connection, "scores", packed_floats(float(f"{score / highest:.9g}") for score in scores))
    _put_graph(connection, graph)
    _put(connection, "names", "\n".join(kept_names).encode("utf-8", "replace"))


def _put(connection: sqlite3.Connection, name: str, data: bytes) -> None:
    store.put_part(connection, name, data)


def _definitions(
    connection: sqlite3.Connection, counts: Counter[int]
) -> tuple[dict[int, list[int]], list[str]]:
    """For each content the numbers that connect files; and the names that completion searches."""
    linking: dict[int, list[int]] = {}
    known: dict[str, int] = {}  # names to numbers: most are met more than once
    full: dict[str, int] = {}
    for content, text in connection.execute("SELECT content, text FROM definitions ORDER BY content"):
        mine = linking[content] = []
        for name, kind, outer in names_and_kinds(text):
            value = known.get(name)
            if value is None:
                value = known[name] = number(name)
            if kind not in UNRANKED and len(name) >= SHORTEST and value not in mine:
                mine.append(value)
            if kind not in _NOT_OFFERED:
                full.setdefault(f"{outer}.{name}" if outer else name, counts[value])
    pairs = sorted((value, counts[value]) for value in set(known.values()) if counts[value])
    _put(connection, "used_names", packed(value for value, _ in pairs))
    _put(connection, "used_counts", packed(count for _, count in pairs))
    best = sorted(full.items(), key=lambda pair: (-pair[1], pair[0]))[:NAMES]
    return linking, [name for name, _ in best]


_NOT_OFFERED = frozenset({"key", "heading", "prototype", "impl", "rule", "id"})


def _put_graph(connection: sqlite3.Connection, graph: Graph) -> None:
    from kcode.codemap.rank import turned

    for side, each in (("out", graph), ("into", turned(graph))):
        starts = [0]
        for near in each:
            starts.append(starts[-1] + len(near))
        _put(connection, f"{side}_starts", packed(starts))
        _put(connection, f"{side}_files", packed(file for near in each for file, _ in near))
        _put(connection, f"{side}_shares", packed_floats(share for near in each for _, share in near))


def _worth(path: str) -> float:
    if _MADE.search(path):
        return MADE
    return TEST if _TESTS.search(path) else 1.0


def positions(ranked: Ranking, files: Iterable[int]) -> list[int]:
    """Where files stand in the ranking; those that have no rank yet are left out."""
    at = {file: position for position, file in enumerate(ranked.files)}
    return [at[file] for file in files if file in at]


def in_order(ranked: Ranking, files: Sequence[tuple[int, str]]) -> list[str]:
    """Paths by rank, then by path; those without a rank last."""
    scores = ranked.by_file()
    return [path for _, path in sorted(files, key=lambda pair: (-scores.get(pair[0], 0.0), pair[1]))]
