from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.ui.completing.fuzzy import Haystack, Query, fold, rank
from tests.bench.completion import made_up_paths

NAMES = st.text(st.sampled_from("abAB_.-1订é"), min_size=1, max_size=8).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
QUERIES = st.text(st.sampled_from("abAB_./1订é"), min_size=1, max_size=5)


def in_order(letters: str, text: str) -> bool:
    rest = iter(text)
    return all(letter in rest for letter in letters)


@given(st.sets(PATHS, max_size=30), QUERIES)
def test_every_result_has_the_letters_in_order(paths: set[str], query: str) -> None:
    for found in Haystack(paths).search(query, 50):
        assert in_order(fold(query), fold(found))
        capitals = [letter for letter in query if letter.isupper()]
        assert in_order("".join(capitals), found)


@given(st.sets(PATHS, max_size=30), PATHS, st.dictionaries(PATHS, st.integers(1, 9), max_size=5))
def test_an_exact_name_is_first(paths: set[str], wanted: str, boosts: dict[str, int]) -> None:
    name = wanted.rpartition("/")[2]
    best = Haystack({*paths, wanted, *boosts}, boosts).search(name, 10)[0]
    assert fold(best.rpartition("/")[2]) == fold(name)


@given(
    st.sets(PATHS, max_size=40),
    QUERIES,
    st.integers(1, 20),
    st.dictionaries(PATHS, st.integers(1, 9), max_size=5),
)
def test_the_fast_search_finds_what_ranking_everything_finds(
    paths: set[str], query: str, most: int, boosts: dict[str, int]
) -> None:
    everything = {*paths, *boosts}
    ranks = [rank(Query(query), path, fold(path), boosts.get(path, 0)) for path in everything]
    best = [found[-1] for found in sorted(found for found in ranks if found is not None)]
    assert Haystack(everything, boosts).search(query, most) == best[:most]


@given(st.lists(PATHS, max_size=30), st.randoms(), QUERIES)
def test_the_order_in_which_paths_are_listed_does_not_matter(
    paths: list[str], chance: object, query: str
) -> None:
    shuffled = [*paths]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Haystack(paths).search(query, 10) == Haystack(shuffled).search(query, 10)


@given(st.sets(PATHS, max_size=30), st.sets(PATHS, max_size=10), QUERIES)
def test_files_that_do_not_match_change_nothing(paths: set[str], others: set[str], query: str) -> None:
    strangers = {other for other in others if not in_order(fold(query), fold(other))}
    assert Haystack(paths).search(query, 50) == Haystack(paths | strangers).search(query, 50)


@given(st.sets(PATHS, max_size=30), st.text(st.sampled_from("abAB_./1"), min_size=2, max_size=6))
def test_typing_letter_by_letter_ends_where_the_whole_query_does(paths: set[str], query: str) -> None:
    slowly = Haystack(paths)
    for length in range(1, len(query)):
        slowly.search(query[:length], 10)
    assert slowly.search(query, 10) == Haystack(paths).search(query, 10)


@pytest.mark.parametrize(
    ("query", "best", "others"),
    [
        (
            "session",
            "kcode/agent/session.py",
            ["tests/test_session.py", "session_notes/a.py", "s/e/s/s/i/o/n.py"],
        ),
        ("prompt.py", "kcode/ui/stage/prompt.py", ["kcode/ui/prompt.pyi", "old_prompt.py"]),
        ("fin", "kcode/ui/file_index.py", ["faixn.py", "f/i/n.py"]),
        ("gcl", "src/GitCommandLine.java", ["src/gxcxl.java", "g/c/l.java", "legacyglobe.java"]),
        ("ui/pro", "kcode/ui/stage/prompt.py", ["kcode/ui/xpro.py", "gui/apro.py"]),
        ("kcode/ui/", "kcode/ui/", ["kcode/ui/a.py", "kcode/ui/commands/b.py"]),
        ("README", "README.md", ["readme.txt", "docs/README.md"]),
        ("订单", "src/订单.py", ["src/旧订单.py"]),
        ("hs", "lib/HTTPServer.py", ["lib/hxs.py"]),
    ],
)
def test_what_people_mean_comes_first(query: str, best: str, others: list[str]) -> None:
    assert Haystack([*others, best]).search(query, 5)[0] == best


def test_among_equals_what_was_worked_on_comes_first() -> None:
    paths = ["a/util.py", "longer/path/util.py"]
    assert Haystack(paths).search("util", 2) == ["a/util.py", "longer/path/util.py"]
    assert Haystack(paths, {"longer/path/util.py": 1}).search("util", 2)[0] == "longer/path/util.py"


def test_a_capital_means_itself_and_a_small_letter_either() -> None:
    paths = ["readme.md", "README.md", "Readme/x.py"]
    assert Haystack(paths).search("README", 5) == ["README.md"]
    assert set(Haystack(paths).search("readme", 5)) == set(paths)


def test_without_letters_what_was_worked_on_and_then_the_top_is_shown() -> None:
    haystack = Haystack(["src/", "src/a.py", "src/deep/b.py", "z.py"], {"src/deep/b.py": 2})
    assert haystack.search("", 10) == ["src/deep/b.py", "src/", "z.py"]


def test_in_a_large_repository_an_exact_name_is_first_too() -> None:
    haystack = Haystack([*made_up_paths(20_000, seed=1), "a/very/long/way/down/to/e", "x/Zebra/Sess.py"])
    assert haystack.search("e", 5)[0] == "a/very/long/way/down/to/e"
    assert haystack.search("Sess.py", 5)[0] == "x/Zebra/Sess.py"
    for query in ("e", "se", "sespro", "core/te"):
        found = haystack.search(query, 50)
        assert found and all(in_order(query, fold(path)) for path in found)


def test_any_letter_of_any_alphabet_can_be_typed() -> None:
    paths = ["straße/İstanbul.py", "e\u0301te\u0301.py", "bad\udce9name.txt", *string.ascii_letters]
    haystack = Haystack(paths)
    assert haystack.search("\u00e9t\u00e9", 3) == ["e\u0301te\u0301.py"]
    assert haystack.search("İst", 3) == ["straße/İstanbul.py"]
    assert haystack.search("badname", 3) == ["bad\udce9name.txt"]
