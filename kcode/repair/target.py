"""What the user pointed at: a test id, a file, a folder, or a sentence about a test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_FILLER = frozenset(
    """a an and any are broken case cases do does error errors fail failed failing fails failure failures fix
    for function in is it its make me method my of on one pass please red repair run running still suite test
    tests that testing the then this to unit what when which whatever with""".split()  # noqa: SIM905
)
_STEM = 4  # letters two words must share at their beginning to be the same word


def as_path(root: Path, target: str) -> str | None:
    """``target`` as a pytest target relative to ``root``, or None where it names no file."""
    file, colons, rest = target.strip().partition("::")
    if not file:
        return None
    path = Path(file) if Path(file).is_absolute() else root / file
    try:
        relative = path.resolve().relative_to(root.resolve())
        there = path.exists()
    except (OSError, ValueError):
        return None
    return f"{relative.as_posix()}{colons}{rest}" if there else None


def names_nothing(sentence: str) -> bool:
    """Whether the sentence says only that something fails: "the failing test"."""
    return not _words(sentence)


def matching(sentence: str, ids: Iterable[str]) -> list[str]:
    """The test ids that fit the sentence best, rare words counting more; none where no word fits.

    A test's full name in the sentence decides at once.
    """
    all_ids = list(ids)
    named = set(re.findall(r"\w+", sentence))
    exact = [one for one in all_ids if _function(one) in named]
    if exact:
        return exact
    words = _words(sentence)
    parts = {one: {word.lower() for word in _WORD.findall(one)} for one in all_ids}
    fits = {word: [one for one in all_ids if _fits(word, parts[one])] for word in words}
    score: dict[str, float] = {}
    for found in fits.values():
        for one in found:
            score[one] = score.get(one, 0.0) + 1.0 / len(found) + 1.0
    best = max(score.values(), default=0.0)
    return [one for one in all_ids if score.get(one, 0.0) >= best - 1e-9 and best > 0]


def belongs(test: str, targets: Sequence[str]) -> bool:
    """Whether ``test`` is one of ``targets`` or lies inside one (a class, a file, a folder)."""
    return any(
        test == target or target in ("", ".") or test.startswith((f"{target}::", f"{target}[", f"{target}/"))
        for target in targets
    )


def _function(test: str) -> str:
    return test.rpartition("::")[2].partition("[")[0]


def _words(sentence: str) -> list[str]:
    words = [word.lower() for word in _WORD.findall(sentence)]
    return [word for word in dict.fromkeys(words) if word not in _FILLER]


def _fits(word: str, parts: set[str]) -> bool:
    return word in parts or any(
        len(word) >= _STEM and len(part) >= _STEM and (part.startswith(word) or word.startswith(part))
        for part in parts
    )
