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
from kcode.codemap.tags import number

LEFT = 2e-4  # probability that may stay unpushed at a file
PUSHES = 3_000  # bounds the work where the seeds are many
SEEDS = 50
GLOBAL = 0.02  # how much the rank in the whole repository counts beside nearness


def near(connection: sqlite3.Connection, focus: Sequence[str]) -> Iterator[str]:
    """All files, those near ``focus`` (paths, folders, names of symbols) first."""
    scores = _pushed(connection, store.file_numbers(connection, _seeds(connection, focus)))
    best = max(scores.values(), default=0.0) or 1.0
    rows = connection.execute("SELECT rowid, path, score FROM files").fetchall()
    rows.sort(key=lambda row: (-round(scores.get(row[0], 0.0) / best + GLOBAL * row[2], 12), row[1]))
    for _, path, _ in rows:
        yield path


def _seeds(connection: sqlite3.Connection, focus: Sequence[str]) -> list[str]:
    found: dict[str, None] = {}
    for each in focus:
        path = each.strip().removeprefix("./").rstrip("/")
        below = f"{path}/"
        rows = connection.execute(
            "SELECT path FROM files WHERE path = ? OR substr(path, 1, ?) = ?"
            " ORDER BY score DESC, path LIMIT ?",
            (path, len(below), below, SEEDS),
        ).fetchall()
        if not rows:
            named = store.places(connection, "d.number = ? AND d.name = ?", (number(path), path), SEEDS)
            rows = [(place.path,) for place in named]
        found.update(dict.fromkeys(row[0] for row in rows))
    return list(found)[:SEEDS]


def _pushed(connection: sqlite3.Connection, seeds: Sequence[int]) -> dict[int, float]:
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
        around = store.neighbours(connection, file)
        total = sum(around.values())
        for target, weight in around.items():
            left[target] = left.get(target, 0.0) + DAMPING * amount * weight / total
            if left[target] >= LEFT:
                heappush(order, (-left[target], target))
    for file, amount in sorted(left.items()):
        score[file] = score.get(file, 0.0) + (1.0 - DAMPING) * amount
    return score
