from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.fuzz.backtracking import Matcher, TooMany, attacks, repeats

GROWTH = 5.5  # twice as long a text may cost four times as many steps (and a few at the ends), not eight
SIZES = (8, 16, 32)  # how often the pump is said


def growth(pattern: str, flags: int = 0, most_attacks: int = 30) -> tuple[float, str]:
    """By how much the steps grow in the worst of the tried texts when it gets twice as long; that text."""
    matcher = Matcher(pattern, flags, limit=60_000)
    worst = (0.0, "")
    if repeats(matcher.tree) < 2:
        return worst
    for begin, pump in attacks(matcher.tree, matcher.flags)[:most_attacks]:
        for end in ("", "\x00"):
            counts = []
            for size in SIZES:
                try:
                    matcher.whole(begin + pump * size + end)
                except TooMany:
                    return 1e9, f"{begin!r} + {pump!r} * {size} + {end!r}"
                counts.append(matcher.steps)
            worst = max(worst, (counts[-1] / max(1, counts[-2]), f"{begin!r} + {pump!r} * n + {end!r}"))
    return worst


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$",
        r"(?:a|ab?)*c",
        r"(?:\w|\d\d)+x",
        r"(?:\\.|(?!').)+'",
        r"(?:[@ +-].*\n?|'.*\n?)+x",
        r"\s*(?:\.{3,})(?:\.{3,})?[. ]*?x",
        r"(.+?)\s*[^:]*:x",
    ],
)
def test_an_expression_that_runs_away_is_caught(pattern: str) -> None:
    assert growth(pattern)[0] > GROWTH


@pytest.mark.parametrize("pattern", [r"a+b+c", r"(?:\\.|[^\\'])+'", r"\s*+(\w++)\s*=", r"^(.*?): (\d+)$"])
def test_an_expression_that_does_not_is_not(pattern: str) -> None:
    assert growth(pattern)[0] <= GROWTH


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a|b)+?c*$",
        r"(?<!x)y{2,3}z",
        r"(?P<q>['\"]).*?(?P=q)\b",
        r"(?i)ab|[^c-f]\d",
        r"(?>a*)a",
        r"(a)?(?(1)b|c)",
    ],
)
def test_the_matcher_agrees_with_re(pattern: str) -> None:
    for text in ("aabcc", "yyyz", "'q'", "\"a'", "AB", "g7", "aaa", "c1", "ab", "c", ""):
        assert Matcher(pattern).whole(text) == (re.fullmatch(pattern, text) is not None)


def test_no_expression_of_kcode_costs_more_than_the_square_of_what_it_reads() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.expressions"], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert len(found) > 450
    slow = []
    for pattern, flags, where in found:
        by, text = growth(pattern, flags)
        if by > GROWTH:
            slow.append(f"{where}: {pattern[:80]!r}: {text}")
    assert slow == []
