"""Laws of the ranking, over random graphs."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from kcode.codemap.languages import language_for
from kcode.codemap.pack import entry_of, numbers
from kcode.codemap.rank import DAMPING, DEFINERS, EDGES, definers_of, edges, ranks, turned
from kcode.codemap.tags import number, tags_of

uses = st.lists(
    st.dictionaries(st.integers(0, 25), st.integers(1, 255), max_size=12), min_size=1, max_size=25
)


def graph_of(files: list[dict[int, int]]):  # type: ignore[no-untyped-def]
    """Name ``n`` is defined by file ``n`` modulo the number of files."""
    definers = definers_of(
        (file, [name for name in range(26) if name % len(files) == file]) for file in range(len(files))
    )
    return edges(((sorted(each), bytes(each[n] for n in sorted(each))) for each in files), definers)


@given(uses)
def test_what_a_file_leans_on_sums_to_one_and_is_never_itself(files: list[dict[int, int]]) -> None:
    graph = graph_of(files)
    for file in range(len(files)):
        out = dict(graph.of(file))
        assert file not in out
        assert len(out) <= EDGES
        assert not out or abs(sum(out.values()) - 1) < 1e-9


@given(uses)
def test_turned_twice_is_the_graph_itself(files: list[dict[int, int]]) -> None:
    graph = graph_of(files)
    assert turned(turned(graph)) == graph


@given(uses)
def test_ranks_are_positive_the_highest_is_one_and_they_solve_their_equation(
    files: list[dict[int, int]],
) -> None:
    into = turned(graph_of(files))
    found = ranks(into)
    assert len(found) == len(files)
    assert max(found) == 1.0
    assert min(found) > 0.0
    base = [
        rank - sum(DAMPING * share * found[n] for n, share in into.of(at)) for at, rank in enumerate(found)
    ]
    assert max(base) - min(base) < 2e-4 * sum(found)  # the same for every file: nobody is preferred


@given(uses)
def test_a_file_that_others_lean_on_never_ranks_below_one_nobody_uses(files: list[dict[int, int]]) -> None:
    into = turned(graph_of(files))
    found = ranks(into)
    unused = [found[at] for at in range(len(files)) if into.starts[at] == into.starts[at + 1]]
    used = [found[at] for at in range(len(files)) if into.starts[at] < into.starts[at + 1]]
    assert not unused or not used or min(used) >= max(unused)


def test_a_name_that_many_files_define_connects_nothing() -> None:
    many = definers_of((file, [7]) for file in range(DEFINERS + 1))
    assert many == {}
    graph = edges([(array("I", [7]), b"\x01")], many)
    assert list(graph.of(0)) == []


def test_nothing_ranked_is_nothing() -> None:
    assert ranks(turned(edges([], {}))) == []


def test_names_that_libraries_have_too_connect_nothing() -> None:
    language = language_for("a.py")
    assert language is not None
    tags = tags_of(
        b"def get(): pass\ndef get_all(): pass\nclass Outer:\n"
        b"    class Inner: pass\n    def parse(self): pass\n    def run(self): pass\n",
        language,
    )
    assert tags is not None
    linking = set(numbers(entry_of(tags)[4]))
    assert linking == {number(name) for name in ("get_all", "Outer", "parse")}
