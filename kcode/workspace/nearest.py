"""What is there instead: the lines of a text nearest to some other text, and names nearest to a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_LINES_COMPARED = 20_000  # a refusal must come at once, even in a large file
_LINES_SHOWN = 14


def nearest_lines(text: str, wanted: str) -> tuple[int, list[str]]:
    """The window of ``text`` most like ``wanted``: its first line number (from 1) and its lines.

    No lines where nothing is at all like it.
    """
    lines = [line.rstrip("\r") for line in text.split("\n")[:_LINES_COMPARED]]
    goal = [line for line in wanted.splitlines() if line.strip()]
    if not lines or not goal:
        return 1, []
    anchor = max(goal[:50], key=lambda line: len(line.strip()))
    offset = wanted.splitlines().index(anchor)
    at = _most_like(lines, anchor)
    if at is None:
        return 1, []
    height = min(max(len(wanted.splitlines()), 1) + 2, _LINES_SHOWN)
    start = max(0, at - min(offset, height // 2) - 1)
    shown = lines[start : start + height]
    return start + 1, shown[:-1] if shown[-1] == "" else shown


def _most_like(lines: Sequence[str], anchor: str) -> int | None:
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(anchor.strip()[:300])
    best, best_ratio = None, 0.5
    for number, line in enumerate(lines):
        stripped = line.strip()[:300]
        if not stripped:
            continue
        matcher.set_seq1(stripped)
        if matcher.real_quick_ratio() <= best_ratio or matcher.quick_ratio() <= best_ratio:
            continue
        ratio = matcher.ratio()
        if ratio > best_ratio:
            best, best_ratio = number, ratio
    return best


def nearest_names(wanted: str, names: Iterable[str], count: int = 3) -> list[str]:
    """Paths most like ``wanted``: the same file name elsewhere first, then similar spellings."""
    names = list(names)
    base = wanted.rsplit("/", 1)[-1].casefold()
    same = [name for name in names if name.rsplit("/", 1)[-1].casefold() == base]
    if len(same) < count:
        by_base: dict[str, str] = {}
        for name in names[:50_000]:
            by_base.setdefault(name.rsplit("/", 1)[-1], name)
        close = difflib.get_close_matches(wanted.rsplit("/", 1)[-1], by_base, count, 0.6)
        same += [by_base[name] for name in close if by_base[name] not in same]
    return same[:count]


def numbered(start: int, lines: Sequence[str]) -> str:
    """Lines as ``read_file`` shows them: number, tab, text."""
    return "\n".join(f"{start + index}\t{line}" for index, line in enumerate(lines))
