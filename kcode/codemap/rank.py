"""Which files matter: personalised PageRank over "a file uses a name that a file defines". Pure Python.

The graph is file → name → file and sparse; a name that many files define says little and is left out.
Files are numbered in the order of their paths, so that every run on every machine gives the same ranks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter, mul

DAMPING = 0.85
DEFINERS = 12  # a name defined in more files than this connects nothing
EDGES = 40  # of one file, the strongest ones
ROUNDS = 25
CLOSE_ENOUGH = 1e-5  # of the ranks' sum
UNRANKED = frozenset(
    {"key", "heading", "id", "rule", "variable", "prototype", "table", "property", "impl", "module"}
)
"""Kinds whose names connect no files: they are too common, or are defined elsewhere."""

SHORTEST = 3  # letters of a name that connects files: `T` and `id` are everywhere
_PRECISION = 9  # digits that are kept: what follows them is rounding
_ROOTS = [count**0.5 for count in range(256)]

Graph = list[list[tuple[int, float]]]


def definers_of(defined: Iterable[tuple[int, Iterable[int]]]) -> dict[int, list[int]]:
    """For a name's number the files that define it, ascending; of at most :data:`DEFINERS` files.

    ``defined`` are a file and the numbers it defines, by ascending file.
    """
    found: dict[int, list[int]] = {}
    for file, names in defined:
        for name in names:
            at = found.get(name)
            if at is None:
                found[name] = [file]
            else:
                at.append(file)
    return {name: at for name, at in found.items() if len(at) <= DEFINERS}


def edges(
    uses: Iterable[tuple[Sequence[int], Sequence[int]]], definers: Mapping[int, Sequence[int]]
) -> Graph:
    """For each file the files it leans on, with shares that sum to 1.

    ``uses`` are per file the numbers of the names it uses and how often.
    """
    found: Graph = []
    for file, (names, counts) in enumerate(uses):
        weights: dict[int, float] = {}
        for name, count, at in zip(names, counts, map(definers.get, names), strict=True):
            if at is None or file in at:  # its own name is meant first
                continue
            share = _ROOTS[count] / len(at)
            for target in at:
                weights[target] = weights.get(target, 0.0) + share
        strongest: Iterable[tuple[int, float]] = weights.items()
        if len(weights) > EDGES:
            strongest = sorted(strongest, key=lambda pair: (-pair[1], pair[0]))[:EDGES]
        chosen = sorted(strongest)
        total = sum(weight for _, weight in chosen)
        found.append([(target, weight / total) for target, weight in chosen])
    return found


def turned(graph: Graph) -> Graph:
    """For each file those that lean on it, ascending."""
    around: Graph = [[] for _ in graph]
    for file, out in enumerate(graph):
        for target, share in out:
            around[target].append((file, share))
    return around


def ranks(graph: Graph, weights: Sequence[float] = ()) -> list[float]:
    """The rank of each file, the highest being 1, all above 0. ``weights``: how much each matters by itself.

    Solves x = b + d·Pᵀx by Gauss and Seidel's rounds: up to a factor that is PageRank in which files
    without edges lead to all files by ``weights``.
    """
    count = len(graph)
    base = list(weights) or [1.0] * count
    rank = list(base)
    into = []
    for file, near in enumerate(turned(graph)):
        if len(near) > 1:
            into.append((file, itemgetter(*(n for n, _ in near)), [DAMPING * share for _, share in near]))
        elif near:
            source, share = near[0]
            into.append((file, itemgetter(source, source), [DAMPING * share, 0.0]))
    for _ in range(ROUNDS):
        moved = 0.0
        for file, sources, shares in into:
            new = base[file] + sum(map(mul, sources(rank), shares))
            moved += abs(new - rank[file])
            rank[file] = new
        if moved <= CLOSE_ENOUGH * sum(rank):
            break
    highest = max(rank, default=0.0) or 1.0
    return [float(f"{value:.{_PRECISION}g}") for value in map(mul, rank, repeat(1.0 / highest))]
