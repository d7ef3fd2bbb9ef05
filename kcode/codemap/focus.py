"""What is near a place in the graph: forward push, which touches only the neighbourhood.

Andersen, Chung and Lang's approximation of personalised PageRank: probability is pushed along edges from
the seeds until what is left at every file is small, so that nothing is computed for the rest of a large
repository. Edges lead both to what a file uses and to who uses it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

from kcode.codemap import store
from kcode.codemap.rank import DAMPING
from kcode.codemap.ranking import Around, around, positions, ranking

LEFT = 4e-4  # probability that may stay unpushed at a file
PUSHES = 1_500  # bounds the work where the seeds are many
SEEDS = 50
GLOBAL = 0.02  # how much the rank in the whole repository counts beside nearness


def near(connection: sqlite3.Connection, focus: Sequence[str]) -> Iterator[int]:
    """All ranked files, by their numbers, those near ``focus`` (paths, folders, names of symbols) first."""
    ranked = ranking(connection)
    seeds = positions(ranked, _seeds(connection, focus))
    scores = _pushed(around(connection), seeds) if seeds else {}
    best = max(scores.values(), default=0.0) or 1.0
    close = sorted(scores, key=lambda at: (-round(scores[at] / best + GLOBAL * ranked.scores[at], 12), at))
    seen = set()
    for at in close:
        seen.add(ranked.files[at])
        yield ranked.files[at]
    yield from (file for file in ranked.best() if file not in seen)


def unknown(connection: sqlite3.Connection, focus: Sequence[str]) -> list[str]:
    """Those of ``focus`` that are no path, folder or symbol of the map."""
    return [each for each in focus if not _seeds(connection, [each])]


def _seeds(connection: sqlite3.Connection, focus: Sequence[str]) -> list[int]:
    found: dict[int, None] = {}
    ranked = ranking(connection)
    scores = ranked.by_file()
    for each in focus:
        path = each.strip().removeprefix("./").rstrip("/")
        below = f"{path}/"
        rows = connection.execute(
            "SELECT id, path FROM files WHERE path = ? OR (path >= ? AND path < ?) OR ? = ''",
            (path, below, f"{path}0", path.removeprefix(".")),
        ).fetchall()
        if not rows:
            name = path.rpartition(".")[2]
            rows = [(file, at) for file, at, _ in store.definers(connection, name)]
        rows.sort(key=lambda row: (-scores.get(row[0], 0.0), row[1]))
        found.update(dict.fromkeys(row[0] for row in rows[:SEEDS]))
    return list(found)[:SEEDS]


def _pushed(graph: Around, seeds: Sequence[int]) -> dict[int, float]:
    left = {file: 1.0 / len(seeds) for file in seeds}
    order = [(-amount, file) for file, amount in sorted(left.items())]
    score: dict[int, float] = {}
    for _ in range(PUSHES):
        if not order:
            break
        _, file = heappop(order)
        amount = left.pop(file, 0.0)
        if not amount:
            continue  # it was pushed with a later, larger entry
        score[file] = score.get(file, 0.0) + (1.0 - DAMPING) * amount
        near_it = graph.neighbours(file)
        total = sum(near_it.values())
        for target, weight in near_it.items():
            before = left.get(target, 0.0)
            now = left[target] = before + DAMPING * amount * weight / total
            if now >= LEFT and now >= 1.5 * before:  # an entry that is somewhat smaller does as well
                heappush(order, (-now, target))
    for file, amount in sorted(left.items()):
        score[file] = score.get(file, 0.0) + (1.0 - DAMPING) * amount
    return score
