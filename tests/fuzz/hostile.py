"""Texts as hostile or broken programs write them, and how hard to try.

``KCODE_TEST_FUZZ=5000`` tries so many of each, drawn anew at every run; CI tries a few, always the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

MANY = int(os.environ.get("KCODE_TEST_FUZZ") or 0)
_Test = TypeVar("_Test", bound=Callable[..., object])
_SLOW_IS_FINE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]


def fuzz(examples: int = 100) -> Callable[[_Test], _Test]:
    """How a law is tried: ``examples`` in CI (0.3 to 2 seconds each law), ``KCODE_TEST_FUZZ`` where asked."""

    def tried(test: _Test) -> _Test:
        return settings(
            max_examples=MANY or examples,
            derandomize=not MANY,
            database=None,
            deadline=None,
            suppress_health_check=_SLOW_IS_FINE,
        )(test)

    return tried


JUNK = (
    "9" * 5_000,  # Python reads no number of more than 4,300 digits
    "-1",
    "0",
    "1e999",
    "NaN",
    "-Infinity",
    "18446744073709551616",
    "٣",
    "null",
    "true",
    "{}",
    "[]",
    '""',
    "\\u0000",
    "\x00",
    "\x1b[2J",
    "\x1b]0;t\x07",
    "\u202e",
    "\u200b",
    "\ufeff",
    "\u2028",
    "\x85",
    "\r",
    "\r\n",
    "\n\n",
    "\t",
    "<",
    ">",
    "&",
    "&amp;",
    "<![CDATA[",
    "]]>",
    "'",
    '"',
    "\\",
    "\\777",
    "%",
    "$",
    "`",
    "../",
    "/",
    "//",
    "C:\\",
    "~",
    ":",
    ":1",
    ":1:",
    "(1,2)",
    "@@",
    "---",
    "+++",
    "[" * 2_000,
    "{" * 2_000,
    '{"a":' * 2_000,
    "(" * 500,
    "é",
    "中",
    "\U0001f600",
    "A" * 3_000,
)
junk = st.one_of(st.sampled_from(JUNK), st.text(max_size=12))
text = st.lists(junk, max_size=12).map("".join)
lone = st.sampled_from(["\ud800", "\udcff"])  # what undecodable bytes become on their way


def texts(words: Sequence[str], most: int = 24) -> st.SearchStrategy[str]:
    """Words of a language, and junk, in any order."""
    return st.lists(
        st.one_of(st.sampled_from(list(words)), st.sampled_from(list(words)), junk), max_size=most
    ).map("".join)


@st.composite
def damaged(draw: st.DrawFn, samples: Sequence[str], most: int = 6) -> str:
    """A sample with parts cut out, said twice, moved, and junk between."""
    whole = draw(st.sampled_from(list(samples)))
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, len(whole)))
        to = min(len(whole), at + draw(st.integers(0, 40)))
        what = draw(st.sampled_from(["cut", "junk", "twice", "swap", "digits"]))
        if what == "cut":
            whole = whole[:at] + whole[to:]
        elif what == "junk":
            whole = whole[:at] + draw(junk) + whole[to:]
        elif what == "twice":
            whole = whole[:to] + whole[at:]
        elif what == "swap":
            whole = whole[to:] + whole[:at]
        else:
            whole = whole[:at] + "".join("9" * 5_000 if c.isdigit() else c for c in whole[at:to]) + whole[to:]
    return whole


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(JUNK) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


def objects(
    names: Sequence[str], values: st.SearchStrategy[object] = json_value
) -> st.SearchStrategy[dict[str, object]]:
    """Objects with some of these names, each with any value."""
    keys = st.one_of(st.sampled_from(list(names)), st.text(max_size=4))
    return st.dictionaries(keys, values, max_size=8)


def nested(names: Sequence[str]) -> st.SearchStrategy[object]:
    """Like :func:`objects`, with objects and lists of such objects in them."""
    return st.recursive(
        json_value, lambda inner: st.lists(inner, max_size=3) | objects(names, inner), max_leaves=12
    )
