from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from kcode.codemap.service import CodeMap, build_now
from kcode.tools import grep_engines
from kcode.tools.base import ToolRefused
from kcode.tools.grep_engines import Found, Query
from kcode.workspace.workspace import Workspace
from tests.tools.conftest import Bench

Engine = Callable[[Workspace, Query], Coroutine[Any, Any, Found | None]]
ENGINES: dict[str, Engine] = {
    "ripgrep": grep_engines.with_ripgrep,
    "git grep": grep_engines.with_git,
    "python": grep_engines.with_python,
}


@pytest.fixture
def tree(bench: Bench) -> Bench:
    bench.write(".gitignore", "*.log\n/build\n")
    bench.write("a.py", "import os\n\ndef total(items):\n    return sum(items)  # total\n")
    bench.write("src/b.py", "total = 1\r\nTOTAL = 2\r\n")
    bench.write("src/x y/c.txt", "中文 total: 3\nlast total")
    bench.write("src/x y/d.bin", b"total\0\1")
    bench.write("noise.log", "total\n")
    bench.write("build/e.py", "total\n")
    bench.write(".hidden/f.py", "a.b total\naxb\n")
    bench.git("add", "a.py")
    return bench


def query(pattern: str, path: str = ".", glob: str = "", **flags: bool) -> Query:
    return Query(pattern, path, glob, flags.get("ignore_case", False), flags.get("fixed", False), 100)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            query("total"),
            ["a.py:3", "a.py:4", ".hidden/f.py:1", "src/b.py:1", "src/x y/c.txt:1", "src/x y/c.txt:2"],
        ),
        (
            query("TOTAL", ignore_case=True, path="src"),
            ["src/b.py:1", "src/b.py:2", "src/x y/c.txt:1", "src/x y/c.txt:2"],
        ),
        (query("a.b"), [".hidden/f.py:1", ".hidden/f.py:2"]),
        (query("a.b", fixed=True), [".hidden/f.py:1"]),
        (query(r"\btotal\b.*\d$"), ["src/b.py:1", "src/x y/c.txt:1"]),
        (query("total", glob="*.py"), ["a.py:3", "a.py:4", ".hidden/f.py:1", "src/b.py:1"]),
        (query("total", glob="*.{txt,md}"), ["src/x y/c.txt:1", "src/x y/c.txt:2"]),
        (query("total", glob="src/**/*.txt"), ["src/x y/c.txt:1", "src/x y/c.txt:2"]),
        (query("total", path="src", glob="x y/*.txt"), ["src/x y/c.txt:1", "src/x y/c.txt:2"]),
        (query("中文"), ["src/x y/c.txt:1"]),
        (query("-nothing"), []),
        (query("zzz"), []),
    ],
)
def test_all_engines_find_the_same(tree: Bench, engine: str, asked: Query, expected: list[str]) -> None:
    if engine == "ripgrep" and not grep_engines.ripgrep():
        pytest.skip("no ripgrep here")
    found = asyncio.run(ENGINES[engine](tree.workspace, asked))
    assert found is not None
    assert sorted(f"{match.path}:{match.line}" for match in found.matches) == sorted(expected)
    assert all("\r" not in match.text for match in found.matches)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_tracked_file_is_searched_although_git_ignores_it(tree: Bench, engine: str) -> None:
    if engine == "ripgrep" and not grep_engines.ripgrep():
        pytest.skip("no ripgrep here")
    tree.git("add", "-f", "noise.log")
    found = asyncio.run(ENGINES[engine](tree.workspace, query("^total$")))
    assert found is not None
    assert [(match.path, match.line) for match in found.matches] == [("noise.log", 1)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_pattern_is_explained(tree: Bench, engine: str) -> None:
    if engine == "ripgrep" and not grep_engines.ripgrep():
        pytest.skip("no ripgrep here")
    with pytest.raises(ToolRefused, match="pattern is not accepted"):
        asyncio.run(ENGINES[engine](tree.workspace, query("total(")))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_common_word_is_stopped_at_the_limit(tree: Bench, engine: str) -> None:
    if engine == "ripgrep" and not grep_engines.ripgrep():
        pytest.skip("no ripgrep here")
    tree.write("many.txt", "needle\n" * 200_000)
    found = asyncio.run(ENGINES[engine](tree.workspace, query("needle")))
    assert found is not None
    assert found.more
    assert len(found.matches) >= 100
    assert [match.line for match in found.matches[:3]] == [1, 2, 3]


def test_a_pattern_that_explodes_is_stopped(tree: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grep_engines, "TIMEOUT_S", 1.0)
    tree.write("a.txt", "a" * 60 + "!\n")
    found = asyncio.run(grep_engines.with_python(tree.workspace, query(r"^(a+)+$", glob="a.txt")))
    assert found.timed_out


def test_results_say_path_line_and_text(tree: Bench) -> None:
    assert asyncio.run(tree.call("grep", pattern="def")).text == "a.py:3:def total(items):"


def test_lines_around_a_match_are_shown_apart(tree: Bench) -> None:
    text = asyncio.run(tree.call("grep", pattern="import|return", path="a.py", context=1)).text
    assert (
        text == "a.py:1:import os\na.py-2-\na.py-3-def total(items):\na.py:4:    return sum(items)  # total"
    )


def test_the_limit_is_told_and_an_empty_result_too(tree: Bench) -> None:
    outcome = asyncio.run(tree.call("grep", pattern="total", max_results=2))
    assert outcome.text.count(":") >= 2
    assert "the first 2 matches; there are more" in outcome.text
    assert "there are more, 6 in 4 files" in outcome.text
    assert outcome.brief == "2 of 6 matches in 4 files"
    assert "no match" in asyncio.run(tree.call("grep", pattern="zzz")).text


def test_sensitive_files_are_counted_but_not_shown(tree: Bench) -> None:
    tree.write(".env", "TOKEN=total-secret\n")
    text = asyncio.run(tree.call("grep", pattern="total-secret")).text
    assert "TOKEN" not in text
    assert "1 match in sensitive files" in text


def test_an_ignored_file_is_searched_when_it_is_named(tree: Bench) -> None:
    assert asyncio.run(tree.call("grep", pattern="total", path="noise.log")).text == "noise.log:1:total"


def test_a_folder_without_git_is_searched_too(bare: Bench) -> None:
    bare.write("a/b.txt", "needle\n")
    assert asyncio.run(bare.call("grep", pattern="needle")).text == "a/b.txt:1:needle"


def test_a_path_outside_or_missing_is_refused(tree: Bench) -> None:
    assert "outside" in asyncio.run(tree.refusal("grep", pattern="x", path="../.."))
    assert "does not exist" in asyncio.run(tree.refusal("grep", pattern="x", path="nowhere"))


def test_very_long_lines_are_cut(tree: Bench) -> None:
    tree.write("min.js", "x" * 50_000 + "needle" + "y" * 50_000 + "\n")
    text = asyncio.run(tree.call("grep", pattern="needle", path="min.js")).text
    assert len(text) < 1_000
    assert "line cut" in text


def test_a_cut_line_shows_where_the_match_is(tree: Bench) -> None:
    tree.write("min.js", "x" * 50_000 + "needle" + "y" * 50_000 + "\n")
    text = asyncio.run(tree.call("grep", pattern="needle")).text
    assert "xneedley" in text
    assert "it has 100,006 characters" in text


def test_more_matches_than_are_counted_are_told_as_more(tree: Bench) -> None:
    tree.write("many.txt", "needle\n" * 10_000)
    text = asyncio.run(tree.call("grep", pattern="needle", max_results=3)).text
    assert text.startswith("many.txt:1:needle\nmany.txt:2:needle\nmany.txt:3:needle\n[")
    counted = int(text.partition("there are more than ")[2].partition(":")[0].replace(",", ""))
    assert 2_000 <= counted < 10_000


def test_what_was_read_before_comes_first_and_the_order_is_told(tree: Bench) -> None:
    tree.write("z/last.py", "total\ntotal\n")
    tree.git("add", ".")
    tree.git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "all")
    assert asyncio.run(tree.call("grep", pattern="total", max_results=1)).text.startswith(".hidden/f.py")
    asyncio.run(tree.call("read_file", path="z/last.py"))
    tree.write("a.py", "total\n")  # git has it as changed
    outcomes = [asyncio.run(tree.call("grep", pattern="total", max_results=4)).text for _ in range(2)]
    assert outcomes[0] == outcomes[1]
    lines = outcomes[0].split("\n")
    assert lines[:4] == ["z/last.py:1:total", "z/last.py:2:total", "a.py:1:total", ".hidden/f.py:1:a.b total"]
    assert "first come files that you have read or that git has as changed" in outcomes[0]
    assert asyncio.run(tree.call("grep", pattern="total")).text.startswith(".hidden/f.py")  # all: by path


def mapped(tree: Bench) -> None:
    """A project in which ``shop/price.py`` is what much leans on, with its code map built."""
    tree.write("shop/price.py", "def price_of(item):\n    return item  # marker\n")
    for name in ("cart", "till", "zoo"):
        body = f"def {name}_total(items):\n    return price_of(items)  # marker\n"
        tree.write(f"shop/{name}.py", f"from shop.price import price_of\n\n\n{body}")
    tree.write("a_notes.txt", "marker\n" * 3)
    tree.write("b_alone.py", "def alone():\n    pass  # marker\n")
    tree.git("add", ".")
    tree.git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "-qm", "all")
    build_now(tree.root, 60.0)
    tree.context.map = CodeMap(tree.root)


def first_files(tree: Bench, question: str, limit: int = 2) -> tuple[list[str], str]:
    tree.context.question = question
    text = asyncio.run(tree.call("grep", pattern="marker", max_results=limit)).text
    *lines, note = text.split("\n")
    return [line.partition(":")[0] for line in lines], note


def test_what_the_users_question_names_comes_first(tree: Bench) -> None:
    mapped(tree)
    files, note = first_files(tree, "why is zoo_total() wrong?")
    assert files[0] == "shop/zoo.py"
    assert "first come files that your question names" in note
    assert first_files(tree, "look at ./shop/till.py, please")[0][0] == "shop/till.py"
    assert first_files(tree, "what does the zoo.zoo_total lean on")[0] == ["shop/zoo.py", "shop/price.py"]


def test_what_the_question_names_is_shown_even_where_there_are_too_many_matches_to_count(tree: Bench) -> None:
    mapped(tree)
    tree.write("a_notes.txt", "marker\n" * 10_000)
    files, note = first_files(tree, "why is zoo_total() wrong?")
    assert files[0] == "shop/zoo.py"
    assert "there are more than" in note


def test_else_files_come_by_their_rank_in_the_code_map(tree: Bench) -> None:
    mapped(tree)
    files, note = first_files(tree, "find the markers", 1)
    assert files == ["shop/price.py"]
    assert "first come files that matter most in the code map" in note
    tree.context.map = None
    assert first_files(tree, "find the markers", 1) == (
        ["a_notes.txt"],
        "[the first 1 matches; there are more, 8 in 6 files: narrow the search or raise max_results]",
    )


def test_without_an_index_yet_nothing_is_waited_for(tree: Bench) -> None:
    mapped(tree)
    tree.context.map = CodeMap(tree.root / "shop")  # which has none
    assert first_files(tree, "why is zoo_total() wrong?")[0] == ["a_notes.txt", "a_notes.txt"]


def test_files_and_counts_alone(tree: Bench) -> None:
    assert asyncio.run(tree.call("grep", pattern="total", show="files", type="py")).text == (
        ".hidden/f.py\na.py\nsrc/b.py\n[3 files]"
    )
    assert asyncio.run(tree.call("grep", pattern="total", show="counts", path="src")).text == (
        "src/b.py:1\nsrc/x y/c.txt:2\n[3 matches in 2 files]"
    )


def test_whole_words_several_globs_and_types(tree: Bench) -> None:
    tree.write("w.py", "totals\n")
    found = asyncio.run(tree.call("grep", pattern="total", word=True, glob="*.py,*.txt,!src/**")).text
    assert (
        found == ".hidden/f.py:1:a.b total\na.py:3:def total(items):\na.py:4:    return sum(items)  # total"
    )
    assert "no file type 'cobol'" in asyncio.run(tree.refusal("grep", pattern="x", type="cobol"))


def test_a_glob_does_not_bring_back_what_is_ignored(tree: Bench) -> None:
    assert "no match" in asyncio.run(tree.call("grep", pattern="total", glob="*.log")).text


def test_a_pattern_with_a_line_end_is_searched_over_lines(tree: Bench) -> None:
    text = asyncio.run(tree.call("grep", pattern=r"import os\n\ndef", glob="*.py")).text
    assert text == "a.py:1:import os\na.py:2:\na.py:3:def total(items):"
    assert asyncio.run(tree.call("grep", pattern=r"(?s)import.os.*?def", glob="*.py")).text == text
    assert "no match" in asyncio.run(tree.call("grep", pattern=r"os\\n", glob="*.py")).text


def test_a_binary_file_that_is_named_is_told_as_such(tree: Bench) -> None:
    assert "binary" in asyncio.run(tree.refusal("grep", pattern="total", path="src/x y/d.bin"))


def test_an_ignored_folder_is_searched_when_it_is_named(tree: Bench) -> None:
    assert asyncio.run(tree.call("grep", pattern="total", path="build")).text == "build/e.py:1:total"


def test_what_kcodeignore_names_is_not_searched_even_when_it_is_named(tree: Bench) -> None:
    tree.write(".kcodeignore", "/src\n")
    assert "src/b.py" not in asyncio.run(tree.call("grep", pattern="total")).text
    assert "kept out by .kcodeignore:1" in asyncio.run(tree.refusal("grep", pattern="total", path="src"))
    assert "kept out" in asyncio.run(tree.refusal("grep", pattern="total", path="src/b.py"))


def test_look_around_is_understood(tree: Bench) -> None:
    text = asyncio.run(tree.call("grep", pattern=r"(?<=def )total", glob="*.py")).text
    assert text == "a.py:3:def total(items):"


@pytest.mark.parametrize("engine", ["ripgrep", "git grep"])
def test_a_pattern_that_explodes_is_stopped_in_the_other_engines_too(
    tree: Bench, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "ripgrep" and not grep_engines.ripgrep():
        pytest.skip("no ripgrep here")
    monkeypatch.setattr(grep_engines, "TIMEOUT_S", 5.0)
    tree.write("a.txt", "a" * 60 + "!\n")
    found = asyncio.run(ENGINES[engine](tree.workspace, query(r"(?=a)^(a|aa|a)+$(?<!b)", glob="a.txt")))
    assert found is not None
    assert found.timed_out
    assert not found.matches
