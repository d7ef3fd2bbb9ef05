"""Which files matter: personalised PageRank over "a file uses a name that a file defines". Pure Python.

The graph is file → name → file and sparse; a name that many files define says little and is left out.
Files are numbered in the order of their paths, so that every run on every machine gives the same ranks.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from operator import itemgetter, mul, neg

DAMPING = 0.85
DEFINERS = 12  # a name defined in more files than this connects nothing
EDGES = 40  # of one file, the strongest ones
ROUNDS = 25
CLOSE_ENOUGH = 1e-4  # of the ranks' sum
UNRANKED = frozenset(
    {"key", "heading", "id", "rule", "variable", "prototype", "table", "property", "impl", "module"}
)
"""Kinds whose names connect no files: they are too common, or are defined elsewhere."""

TYPES = frozenset({"class", "interface", "struct", "enum", "trait", "type"})
SHORTEST = 3  # letters of a name that connects files: `T` and `id` are everywhere
SHORTEST_WORD = 5  # of a function's that is one plain word: `get` and `run` are everywhere too
_PRECISION = 9  # digits that are kept: what follows them is rounding
Definers = Mapping[int, Sequence[int]]
_ROOTS = [count**0.5 for count in range(256)]


@dataclass(frozen=True, slots=True)
class Graph:
    """Edges by the file they begin at: packed, for a large repository has millions."""

    starts: array[int]  # one more than there are files
    files: array[int]
    shares: array[float]

    def of(self, file: int) -> Iterable[tuple[int, float]]:
        here = slice(self.starts[file], self.starts[file + 1])
        return zip(self.files[here], self.shares[here], strict=True)


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


def edges(uses: Iterable[tuple[Sequence[int], Sequence[int]]], definers: Definers) -> Graph:
    """For each file the files it leans on, ascending, with shares that sum to 1.

    ``uses`` are per file the numbers of the names it uses and how often.
    """
    graph = Graph(array("I", [0]), array("I"), array("d"))
    for file, (names, counts) in enumerate(uses):
        weights: dict[int, float] = {}
        for count, at in zip(counts, map(definers.get, names), strict=True):
            if at is None or file in at:  # its own name is meant first
                continue
            share = _ROOTS[count] / len(at)
            for target in at:
                weights[target] = weights.get(target, 0.0) + share
        strongest: Iterable[int] = weights
        if len(weights) > EDGES:
            ordered = sorted(zip(map(neg, weights.values()), weights, strict=True))
            strongest = [at for _, at in ordered[:EDGES]]
        chosen = sorted(strongest)
        total = sum([weights[at] for at in chosen])
        graph.files.extend(chosen)
        graph.shares.extend([weights[at] / total for at in chosen])
        graph.starts.append(len(graph.files))
    return graph


def turned(graph: Graph) -> Graph:
    """The same edges by the file they lead to: for each file those that lean on it, ascending."""
    size = len(graph.starts) - 1
    many = Counter(graph.files)
    starts = array("I", accumulate((many[file] for file in range(size)), initial=0))
    into = Graph(starts, array("I", bytes(4 * len(graph.files))), array("d", bytes(8 * len(graph.files))))
    free = array("I", starts)
    for file in range(size):
        for target, share in graph.of(file):
            at = free[target]
            into.files[at], into.shares[at] = file, share
            free[target] = at + 1
    return into


def ranks(into: Graph, weights: Sequence[float] = ()) -> list[float]:
    """The rank of each file, the highest being 1, all above 0, from the edges as :func:`turned` gives them.
    ``weights``: how much each file matters by itself.

    Solves x = b + d·Pᵀx by Gauss and Seidel's rounds: up to a factor that is PageRank in which files
    without edges lead to all files by ``weights``.
    """
    count = len(into.starts) - 1
    base = list(weights) or [1.0] * count
    rank = list(base)
    starts, sources = into.starts, into.files
    flows = array("d", map(mul, into.shares, repeat(DAMPING)))
    reached = []
    for file in range(count):
        here = slice(starts[file], starts[file + 1])
        if here.start < here.stop:
            reached.append((file, base[file], _picker(sources[here]), tuple(flows[here])))
    for _ in range(ROUNDS):
        moved = 0.0
        for file, own, pick, shares in reached:
            new = own + sum(map(mul, pick(rank), shares))
            moved += abs(new - rank[file])
            rank[file] = new
        if moved <= CLOSE_ENOUGH * sum(rank):
            break
    highest = max(rank, default=0.0) or 1.0
    return [float(f"{value / highest:.{_PRECISION}g}") for value in rank]


def _picker(places: Sequence[int]) -> Callable[[list[float]], tuple[float, ...]]:
    """Takes the values at ``places``, one or more."""
    if len(places) == 1:
        (only,) = places
        return lambda values: (values[only],)
    return itemgetter(*places)
