"""Which removed line became which added one, and which of their words changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

SIMILAR = 0.5  # below this share of equal text two lines are not shown as one that changed
WORDS_LIMIT = 2_000  # characters: longer lines are not compared word by word
PAIRS_LIMIT = 2_500  # removed times added lines that are all compared with each other

Spans = tuple[tuple[int, int], ...]


def pairs(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Similar lines of the two as pairs of positions, in order on both sides; the most alike altogether.

    Blocks too large for that are paired line by line where both have as many, else not at all.
    """
    if len(old) * len(new) > PAIRS_LIMIT:
        return [(n, n) for n in range(len(old))] if len(old) == len(new) else []
    from rapidfuzz.fuzz import ratio

    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    alike = [[_alike(a, b, ratio) for b in new] for a in old]
    for i in range(len(old) - 1, -1, -1):
        for j in range(len(new) - 1, -1, -1):
            together = best[i + 1][j + 1] + alike[i][j] if alike[i][j] else 0.0
            best[i][j] = max(best[i + 1][j], best[i][j + 1], together)
    found = []
    i = j = 0
    while i < len(old) and j < len(new):
        if alike[i][j] and best[i][j] == best[i + 1][j + 1] + alike[i][j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _alike(a: str, b: str, ratio: Callable[[str, str], float]) -> float:
    """The share of equal text, 0 where it is too small to matter or a line is too long to tell."""
    if max(len(a), len(b)) > WORDS_LIMIT:
        return 0.0
    share = ratio(a.strip(), b.strip()) / 100
    return share if share >= SIMILAR else 0.0


def word_marks(old: str, new: str) -> tuple[Spans, Spans]:
    """Character ranges that differ, by words; nothing where the lines have little in common."""
    if max(len(old), len(new)) > WORDS_LIMIT:
        return (), ()
    a, b = re.findall(r"\w+|\s+|[^\w\s]", old), re.findall(r"\w+|\s+|[^\w\s]", new)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < SIMILAR:
        return (), ()
    spans_old: list[tuple[int, int]] = []
    spans_new: list[tuple[int, int]] = []
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag != "equal":
            spans_old += _span(a, a0, a1)
            spans_new += _span(b, b0, b1)
    return tuple(spans_old), tuple(spans_new)


def _span(words: list[str], start: int, end: int) -> list[tuple[int, int]]:
    if start == end:
        return []
    first = sum(map(len, words[:start]))
    return [(first, first + sum(map(len, words[start:end])))]
