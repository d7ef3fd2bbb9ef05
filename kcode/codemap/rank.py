"""Which files matter: personalised PageRank over "a file uses a name that a file defines". Pure Python.

The graph is file → name → file and sparse; a name that many files define says little and is left out.
Sums are taken in the order of sorted paths, so that every run on every machine gives the same ranks.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from math import sqrt

DAMPING = 0.85
DEFINERS = 12  # a name defined in more files than this connects nothing
EDGES = 60  # of one file, the strongest ones
ROUNDS = 30
CLOSE_ENOUGH = 1e-7
UNRANKED = frozenset({"key", "heading", "id", "rule", "variable", "prototype", "table", "property"})
"""Kinds whose names connect no files: they are too common, or are defined elsewhere."""

SHORTEST = 3  # letters of a name that connects files: `T` and `id` are everywhere
_PRECISION = 12  # digits that are kept: what follows them is rounding


def edges(
    uses: Sequence[tuple[Sequence[int], Sequence[int]]], definers: Mapping[int, Sequence[int]]
) -> list[list[tuple[int, float]]]:
    """For each file the files it leans on, with shares that sum to 1.

    ``uses`` are per file the numbers of the names it uses and how often; ``definers`` tells for a name's
    number the files that define it, ascending.
    """
    found = []
    for file, (names, counts) in enumerate(uses):
        weights: dict[int, float] = {}
        for name, count in zip(names, counts, strict=True):
            at = definers.get(name)
            if at is None or len(at) > DEFINERS or file in at:  # its own name is meant first
                continue
            share = sqrt(count) / len(at)
            for target in at:
                weights[target] = weights.get(target, 0.0) + share
        strongest = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))[:EDGES]
        total = sum(weight for _, weight in strongest)
        found.append([(target, weight / total) for target, weight in sorted(strongest)])
    return found


def neighbours(graph: Sequence[Sequence[tuple[int, float]]]) -> list[list[tuple[int, float]]]:
    """For each file those it leans on and, at half the weight, those that lean on it: the strongest ones."""
    around: list[dict[int, float]] = [dict(out) for out in graph]
    for file, out in enumerate(graph):
        for target, share in out:
            around[target][file] = around[target].get(file, 0.0) + share / 2
    return [sorted(sorted(near.items(), key=lambda pair: (-pair[1], pair[0]))[:EDGES]) for near in around]


def ranks(
    graph: Sequence[Sequence[tuple[int, float]]], seeds: Mapping[int, float] | None = None
) -> list[float]:
    """The rank of each file, the highest being 1. ``seeds`` are files that matter from the start."""
    count = len(graph)
    if not count:
        return []
    total = sum(seeds.values()) if seeds else 0.0
    base = [0.0] * count if total else [1.0 / count] * count
    if seeds and total:
        for file, weight in sorted(seeds.items()):
            base[file] = weight / total
    rank = array("d", base)
    for _ in range(ROUNDS):
        flowing, kept = array("d", bytes(8 * count)), 0.0
        for file, value in enumerate(rank):
            out = graph[file]
            if not out:
                kept += value
            elif value:
                value *= DAMPING
                for target, share in out:
                    flowing[target] += value * share
        rest = (1.0 - DAMPING) + DAMPING * kept
        moved = 0.0
        for file in range(count):
            new = flowing[file] + rest * base[file]
            moved += abs(new - rank[file])
            rank[file] = new
        if moved < CLOSE_ENOUGH:
            break
    highest = max(rank) or 1.0
    return [float(f"{value / highest:.{_PRECISION}g}") for value in rank]
