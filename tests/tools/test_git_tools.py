from __future__ import annotations

import asyncio

from tests.tools.conftest import Bench


def first(bench: Bench) -> None:
    bench.write("a.py", "one = 1\ntwo = 2\n")
    bench.git("add", ".")
    bench.git("commit", "-qm", "Add numbers")


def test_the_log_is_searched_by_words_and_author(bench: Bench) -> None:
    first(bench)
    bench.git("commit", "-q", "--allow-empty", "-m", "Mend [x] totals", "--author", "Ada <a@example.invalid>")
    assert asyncio.run(bench.call("git_log", search="mend [X]")).text.endswith("Ada: Mend [x] totals")
    assert asyncio.run(bench.call("git_log", search="@ada")).brief == "1 commit"
    assert asyncio.run(bench.call("git_log", search="nowhere")).text == "no commits"


def test_a_large_diff_is_told_by_file_with_the_rest_on_demand(bench: Bench) -> None:
    for number in range(3):
        bench.write(f"f{number}.py", "x\n")
    bench.git("add", ".")
    bench.git("commit", "-qm", "files")
    bench.write("f0.py", "small\n")
    bench.write("f1.py", "".join(f"line {n}\n" for n in range(20_000)))
    bench.write("f2.py", "small too\n")
    text = asyncio.run(bench.call("git_diff")).text
    assert len(text) < 30_000
    assert "+small\n" in text
    assert "+small too" in text
    assert "[1 file left out for length; ask by path: f1.py]" in text
    assert "f1.py | 20001" in text


def test_the_log_of_lines_names_the_commits_that_changed_them(bench: Bench) -> None:
    first(bench)
    bench.write("a.py", "one = 1\ntwo = 3\n")
    bench.git("commit", "-qam", "Change two")
    bench.write("a.py", "one = 9\ntwo = 3\n")
    bench.git("commit", "-qam", "Change one")
    text = asyncio.run(bench.call("git_log", path="a.py", lines="2,2")).text
    assert [line.rpartition(": ")[2] for line in text.split("\n")] == ["Change two", "Add numbers"]
    assert "lines needs the path" in asyncio.run(bench.refusal("git_log", lines="1,2"))
    assert "has only 2 lines" in asyncio.run(bench.refusal("git_log", path="a.py", lines="8,9"))
    assert "lines: " in asyncio.run(bench.refusal("git_log", path="a.py", lines=":--output=x"))


def test_a_diff_can_be_sizes_or_words(bench: Bench) -> None:
    first(bench)
    bench.write("a.py", "one = 1\ntwo = 22\n")
    bench.write("b.py", "new\n")
    bench.git("add", "b.py")
    stat = asyncio.run(bench.call("git_diff", range="HEAD", form="stat"))
    assert "a.py | 2 +-" in stat.text
    assert "create mode 100644 b.py" in stat.text
    assert "two = 22" not in stat.text
    assert stat.brief == "2 files changed, 2 insertions(+), 1 deletion(-)"
    words = asyncio.run(bench.call("git_diff", form="words")).text
    assert "two = [-2-]{+22+}" in words
    assert asyncio.run(bench.call("git_diff", path="b.py", form="stat")).text == "no differences"
