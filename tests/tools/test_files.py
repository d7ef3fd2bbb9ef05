from __future__ import annotations

import asyncio
import base64
import json
import os
from typing import Any

import pytest

from kcode.tools.base import FileEdit, ToolRefused
from kcode.tools.bounds import bounded
from kcode.tools.registry import parse_call
from tests.tools.conftest import Bench


def test_read_file_numbers_lines_and_says_how_to_go_on(bench: Bench) -> None:
    bench.write("a.txt", "".join(f"line {n}\n" for n in range(1, 1001)))
    text = asyncio.run(bench.call("read_file", path="a.txt")).text
    assert text.startswith("1\tline 1\n2\tline 2\n")
    assert text.endswith("[lines 1-400 of 1,000; continue with start_line=401]")
    text = asyncio.run(bench.call("read_file", path="a.txt", start_line=999, line_count=50)).text
    assert text == "999\tline 999\n1000\tline 1000\n[lines 999-1000 of 1,000]"
    assert "only 1,000 lines" in asyncio.run(bench.refusal("read_file", path="a.txt", start_line=1001))


def test_read_file_is_bounded_whatever_the_lines_are(bench: Bench) -> None:
    bench.write("wide.txt", ("x" * 100_000 + "\n") * 50)
    assert len(asyncio.run(bench.call("read_file", path="wide.txt")).text) < 30_000


def test_read_file_tells_what_lines_do_not_show(bench: Bench) -> None:
    bench.write("a", "中文文件\r\n写在这里".encode("gb18030"))
    text = asyncio.run(bench.call("read_file", path="a")).text
    assert text == (
        "1\t中文文件\n2\t写在这里\n"
        "[encoding gb18030; CRLF line endings, kept when you edit; no newline at the end]"
    )
    bench.write("empty", "")
    assert asyncio.run(bench.call("read_file", path="empty")).text == "[the file is empty]"


def test_read_file_refuses_what_is_not_text(bench: Bench) -> None:
    bench.write("b.bin", b"\0\1\2")
    bench.write("src/parser.py", "x\n")
    with (bench.root / "huge.log").open("wb") as stream:
        stream.truncate(200_000_000)
    assert "binary" in asyncio.run(bench.refusal("read_file", path="b.bin"))
    assert "folder" in asyncio.run(bench.refusal("read_file", path="src"))
    assert "src/parser.py" in asyncio.run(bench.refusal("read_file", path="parser.py"))
    assert "outside" in asyncio.run(bench.refusal("read_file", path="../../etc/passwd"))
    problem = asyncio.run(bench.refusal("read_file", path="huge.log"))
    assert "200 MB" in problem
    assert "start_line" in problem


def test_read_file_pages_through_a_file_too_large_to_be_read_whole(bench: Bench) -> None:
    bench.write("big.log", "".join(f"entry {n:06} {'x' * 40}\n" for n in range(1, 300_001)))
    text = asyncio.run(bench.call("read_file", path="big.log", start_line=250_000, line_count=2)).text
    assert text.startswith("250000\tentry 250000")
    assert text.endswith("continue with start_line=250002]")


def test_reading_a_sensitive_file_is_planned_as_such(bench: Bench) -> None:
    bench.write(".env", "X=1\n")
    asyncio.run(bench.call("read_file", path=".env"))
    assert bench.intent.kind == "read"
    assert bench.intent.sensitive


def test_read_file_shows_the_end_of_a_file(bench: Bench) -> None:
    bench.write("a.txt", "".join(f"line {n}\n" for n in range(1, 1001)))
    text = asyncio.run(bench.call("read_file", path="a.txt", start_line=-2)).text
    assert text == "999\tline 999\n1000\tline 1000\n[lines 999-1000 of 1,000]"
    text = asyncio.run(bench.call("read_file", path="a.txt", start_line=-5000, line_count=1)).text
    assert text.startswith("1\tline 1\n")
    bench.write("big.log", "".join(f"entry {n:06} {'x' * 40}\n" for n in range(1, 300_001)))
    text = asyncio.run(bench.call("read_file", path="big.log", start_line=-2)).text
    assert text.startswith("299999\tentry 299999")
    assert text.endswith("[lines 299999-300000 of a very large file; this is the end of the file]")


def test_read_file_reads_several_files_and_says_which_could_not_be(bench: Bench) -> None:
    bench.write("a", "one\n")
    bench.write("b", "two\n")
    outcome = asyncio.run(bench.call("read_file", path="a", more_paths=["b", "missing", "a"]))
    assert outcome.text.startswith("=== a\n1\tone\n=== b\n1\ttwo\n=== missing\nError: missing does not exist")
    assert outcome.brief == "2 files, 1 could not be read"
    bench.write(".env", "X=1\n")
    asyncio.run(bench.call("read_file", path="a", more_paths=[".env"]))
    assert bench.intent.sensitive
    wide = [bench.write(f"w{n}", "x" * 1000 + "\n" + "y" * 50_000).name for n in range(8)]
    text = asyncio.run(bench.call("read_file", path="a", more_paths=wide)).text
    assert len(text) < 40_000


def test_read_file_shows_a_notebook_as_its_cells(bench: Bench) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {
            "cell_type": "code",
            "execution_count": 3,
            "source": "print(1)",
            "outputs": [
                {"output_type": "stream", "text": ["1\n"]},
                {"output_type": "display_data", "data": {"image/png": "x" * 9000, "text/plain": "<Figure>"}},
                {"output_type": "stream", "text": "z" * 10_000},
            ],
        },
    ]
    bench.write("n.ipynb", json.dumps({"cells": cells, "metadata": {}}))
    text = asyncio.run(bench.call("read_file", path="n.ipynb")).text
    assert text.startswith(
        "--- cell 1 (markdown)\n# Title\ntext\n--- cell 2 (code, run as [3])\nprint(1)\n"
        "--- output of cell 2\n1\n<Figure>\n[image/png not shown]\nzzz"
    )
    assert "characters more]" in text
    assert len(text) < 3_000
    assert '"cells"' in asyncio.run(bench.call("read_file", path="n.ipynb", start_line=1)).text
    bench.write("broken.ipynb", "{")
    assert asyncio.run(bench.call("read_file", path="broken.ipynb")).text.startswith("1\t{")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        (
            "a.png",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2\0\0\0\1\0",
            "a PNG image of 512 by 256 pixels (24 bytes); no images are shown here",
        ),
        ("a.pdf", b"%PDF-1.7\n\0\1", "a PDF document; extract its text"),
        ("a.docx", b"PK\3\4\0\0", "a Word document"),
        ("a.zip", b"PK\3\4\0\0", "a ZIP archive; list it"),
        ("a.db", b"SQLite format 3\0", "a SQLite database"),
        ("a", b"\x7fELF\2\1\0", "an ELF program"),
        ("b", b"\0\1\2", "a binary file (3 bytes)"),
    ],
)
def test_read_file_says_what_a_file_is_that_it_does_not_show(
    bench: Bench, name: str, data: bytes, words: str
) -> None:
    bench.write(name, data)
    assert words in asyncio.run(bench.refusal("read_file", path=name))


def test_read_file_refuses_what_kcodeignore_keeps_out(bench: Bench) -> None:
    bench.write(".kcodeignore", "private/\n")
    bench.write("private/a.txt", "x\n")
    assert "kept out by .kcodeignore:1" in asyncio.run(bench.refusal("read_file", path="private/a.txt"))
    assert "kept out" in asyncio.run(bench.refusal("list_dir", path="private"))
    edits = [{"old_text": "x", "new_text": "y"}]
    assert "kept out" in asyncio.run(bench.refusal("edit_file", path="private/a.txt", edits=edits))
    assert "private" not in asyncio.run(bench.call("find_files", pattern="*.txt")).text


def test_list_dir_counts_what_is_deeper_and_names_what_it_leaves_out(bench: Bench) -> None:
    bench.write(".gitignore", "*.log\n")
    for number in range(8):
        bench.write(f"{number}.log", "")
    bench.write("src/a/b/c.py", "")
    bench.write("src/a/d.py", "")
    text = asyncio.run(bench.call("list_dir", depth=1)).text
    assert "src/  2 files" in text
    assert "[0.log, 1.log, 2.log, 3.log, 4.log, 3 more not shown: ignored]" in text


def test_find_files_names_near_ones_and_the_newest_first(bench: Bench) -> None:
    for age, name in enumerate(["src/settings.py", "src/config/setings_old.py", "b/other.py"]):
        os.utime(bench.write(name, ""), (1_000_000 - age, 1_000_000 - age))
    text = asyncio.run(bench.call("find_files", pattern="setings.py")).text
    assert text.startswith("no file matches setings.py")
    assert "Near it: src/settings.py" in text
    assert asyncio.run(bench.call("find_files", pattern="zzzz.py")).text.endswith("looked at)")
    os.utime(bench.root / "b/other.py", (2_000_000, 2_000_000))
    found = asyncio.run(bench.call("find_files", pattern="*.py", newest=True)).text.split("\n")
    assert found == ["b/other.py", "src/settings.py", "src/config/setings_old.py"]
    assert asyncio.run(bench.call("find_files", pattern="*.py,!src/")).text == "b/other.py"


def test_list_dir_shows_a_tree_without_ignored_files(bench: Bench) -> None:
    bench.write(".gitignore", "build/\n")
    bench.write("build/x", "x")
    bench.write("src/a/deep/b.py", "12345")
    bench.write("readme", "123")
    assert asyncio.run(bench.call("list_dir")).text == (
        ".gitignore  7 B\nreadme  3 B\nsrc/\nsrc/a/  1 file\n[build/ not shown: ignored]"
    )
    assert asyncio.run(bench.call("list_dir", path="src", depth=3)).text == "a/\na/deep/\na/deep/b.py  5 B"
    assert asyncio.run(bench.call("list_dir", path="build")).text.startswith("x  1 B\n[ignored")
    assert "read_file" in asyncio.run(bench.refusal("list_dir", path="readme"))


def test_find_files_takes_globs_as_git_does(bench: Bench) -> None:
    for name in ("a.py", "src/b.py", "src/x/c.ts", "src/x/d.tsx", "test/e.py"):
        bench.write(name, "")

    def found(**arguments: Any) -> list[str]:
        return asyncio.run(bench.call("find_files", **arguments)).text.split("\n")

    assert found(pattern="*.py") == ["a.py", "src/b.py", "test/e.py"]
    assert found(pattern="src/**/*.{ts,tsx}") == ["src/x/c.ts", "src/x/d.tsx"]
    assert found(pattern="*.py", path="src") == ["src/b.py"]
    assert found(pattern="src") == ["src/b.py", "src/x/c.ts", "src/x/d.tsx"]
    assert found(pattern="*.go")[0].startswith("no file matches")


def test_a_long_listing_says_how_much_was_left_out(bench: Bench) -> None:
    for number in range(250):
        bench.write(f"f{number:03}.txt", "")
    text = asyncio.run(bench.call("find_files", pattern="*.txt")).text
    assert text.count(".txt") == 200
    assert "50 more of 250" in text


def test_edit_file_plans_the_whole_change_and_makes_it(bench: Bench) -> None:
    path = bench.write("a.py", "x = 1\ny = 2\n")
    asyncio.run(bench.call("read_file", path="a.py"))
    outcome = asyncio.run(
        bench.call("edit_file", path="a.py", edits=[{"old_text": "y = 2", "new_text": "y = 3"}])
    )
    assert bench.intent.edits == (FileEdit("a.py", "x = 1\ny = 2\n", "x = 1\ny = 3\n"),)
    assert path.read_text() == "x = 1\ny = 3\n"
    assert "exact" in outcome.text
    assert "line 2" in outcome.text
    assert outcome.changed == ("a.py",)
    assert outcome.brief == "+1 -1"


def test_text_copied_from_read_file_without_numbers_matches(bench: Bench) -> None:
    bench.write("a.py", "def f():\r\n\treturn '中'\r\n")
    shown = asyncio.run(bench.call("read_file", path="a.py")).text.split("\n[")[0]
    old = "\n".join(line.partition("\t")[2] for line in shown.split("\n"))
    asyncio.run(
        bench.call("edit_file", path="a.py", edits=[{"old_text": old, "new_text": old.replace("中", "文")}])
    )
    assert (bench.root / "a.py").read_bytes() == "def f():\r\n\treturn '文'\r\n".encode()


def test_an_inexact_match_is_shown_for_checking(bench: Bench) -> None:
    bench.write("a.py", "class A:\n    def f(self):\n        return 1\n")
    outcome = asyncio.run(
        bench.call(
            "edit_file",
            path="a.py",
            edits=[{"old_text": "def f(self):\n    return 1\n", "new_text": "def f(self):\n    return 2\n"}],
        )
    )
    assert "indentation" in outcome.text
    assert "+        return 2" in outcome.text


def test_a_refused_edit_shows_what_is_there_and_whether_it_changed(bench: Bench) -> None:
    bench.write("a.py", "def total(items):\n    return sum(items)\n")
    edits = [{"old_text": "def totals(item):", "new_text": "def x():"}]
    problem = asyncio.run(bench.refusal("edit_file", path="a.py", edits=edits))
    assert "1\tdef total(items):" in problem
    assert "not read" in problem
    asyncio.run(bench.call("read_file", path="a.py"))
    bench.write("a.py", "def total(items, start):\n    return sum(items, start)\n")
    problem = asyncio.run(bench.refusal("edit_file", path="a.py", edits=edits))
    assert "changed on disk since you read it" in problem


def test_an_edit_that_still_matches_goes_onto_the_users_change(bench: Bench) -> None:
    bench.write("a.py", "a = 1\nb = 2\n")
    asyncio.run(bench.call("read_file", path="a.py"))
    bench.write("a.py", "a = 1\nb = 2\nmine = 3\n")
    asyncio.run(bench.call("edit_file", path="a.py", edits=[{"old_text": "a = 1", "new_text": "a = 9"}]))
    assert (bench.root / "a.py").read_text() == "a = 9\nb = 2\nmine = 3\n"


def test_what_was_approved_is_what_is_done_or_nothing(bench: Bench) -> None:
    bench.write("a.py", "a = 1\nb = 2\n")

    async def go() -> None:
        raw = json.dumps({"path": "a.py", "edits": [{"old_text": "a = 1", "new_text": "a = 9"}]})
        tool, args, _ = parse_call("edit_file", raw)
        await tool.plan(args, bench.context)
        bench.write("a.py", "a = 1\nb = 2\nmine = 3\n")  # while the question was on the screen
        await tool.run(args, bench.context)

    with pytest.raises(ToolRefused, match="changed on disk while"):
        asyncio.run(go())
    assert (bench.root / "a.py").read_text() == "a = 1\nb = 2\nmine = 3\n"


def test_an_edit_that_breaks_python_is_warned_about(bench: Bench) -> None:
    bench.write("a.py", "x = (1)\n")
    outcome = asyncio.run(bench.call("edit_file", path="a.py", edits=[{"old_text": "(1)", "new_text": "(1"}]))
    assert "no longer parses" in outcome.text


def test_write_file_creates_and_keeps_the_style_of_what_it_replaces(bench: Bench) -> None:
    asyncio.run(bench.call("write_file", path="new/deep/a.py", content="x = 1\n"))
    assert (bench.root / "new/deep/a.py").read_text() == "x = 1\n"
    bench.write("dos.txt", "a\r\nb\r\n")
    asyncio.run(bench.call("read_file", path="dos.txt"))
    asyncio.run(bench.call("write_file", path="dos.txt", content="c\nd\n"))
    assert (bench.root / "dos.txt").read_bytes() == b"c\r\nd\r\n"


def test_write_file_does_not_overwrite_what_the_model_has_not_seen(bench: Bench) -> None:
    bench.write("a.txt", "theirs\n")
    assert "not read it" in asyncio.run(bench.refusal("write_file", path="a.txt", content="mine\n"))
    asyncio.run(bench.call("read_file", path="a.txt"))
    bench.write("a.txt", "changed\n")
    assert "changed on disk" in asyncio.run(bench.refusal("write_file", path="a.txt", content="mine\n"))
    bench.write("b.bin", b"\0\1")
    assert "binary" in asyncio.run(bench.refusal("write_file", path="b.bin", content="mine\n"))
    assert (bench.root / "a.txt").read_text() == "changed\n"


def test_write_file_may_follow_its_own_writing(bench: Bench) -> None:
    asyncio.run(bench.call("write_file", path="a.txt", content="1\n"))
    asyncio.run(bench.call("write_file", path="a.txt", content="2\n"))
    assert (bench.root / "a.txt").read_text() == "2\n"
    assert asyncio.run(bench.call("write_file", path="a.txt", content="2\n")).changed == ()


def test_edits_of_git_s_own_files_are_sensitive(bench: Bench) -> None:
    asyncio.run(bench.call("write_file", path=".git/hooks/pre-commit", content="#!/bin/sh\n"))
    assert bench.intent.sensitive


def test_move_and_delete_are_planned_as_edits_and_can_be_undone(bench: Bench) -> None:
    bench.write("a/x.txt", "x\n")
    bench.write("a/p.png", b"\x89PNG\0")
    checkpoints: list[str] = []
    bench.workspace.on_checkpoint = lambda identity, paths: checkpoints.append(identity)
    asyncio.run(bench.call("move_path", path="a", to="b"))
    assert {edit.path for edit in bench.intent.edits} == {"a/x.txt", "a/p.png", "b/x.txt", "b/p.png"}
    asyncio.run(bench.call("delete_path", path="b"))
    assert not (bench.root / "b").exists()
    for identity in reversed(checkpoints):
        bench.workspace.undo(identity)
    assert (bench.root / "a/p.png").read_bytes() == b"\x89PNG\0"
    assert "does not exist" in asyncio.run(bench.refusal("delete_path", path="zzz"))
    assert "workspace itself" in asyncio.run(bench.refusal("delete_path", path="."))


def test_moving_into_a_folder_keeps_the_name(bench: Bench) -> None:
    bench.write("a.txt", "x\n")
    bench.write("sub/b.txt", "x\n")
    asyncio.run(bench.call("move_path", path="a.txt", to="sub"))
    assert (bench.root / "sub/a.txt").exists()
    assert bench.intent.edits[1].path == "sub/a.txt"
    assert "exists already" in asyncio.run(bench.refusal("move_path", path="sub/a.txt", to="sub/b.txt"))


@pytest.mark.parametrize("size", [10, 100, 5_000])
def test_bounded_text_keeps_both_ends_and_counts_the_rest(size: int) -> None:
    text = "\n".join(f"line {n}" for n in range(size))
    shown = bounded(text, 500)
    assert len(shown) <= 600
    assert shown.startswith("line 0\n")
    assert shown.endswith(f"line {size - 1}")
    if len(text) > 500:
        kept = len([line for line in shown.split("\n") if line.startswith("line")])
        assert f"{size - kept:,} lines" in shown


def test_what_to_do_with_a_file_too_large_to_edit_is_said(bench: Bench) -> None:
    bench.write("big.sql", b"x\n" * 6_000_000)
    asyncio.run(bench.call("read_file", path="big.sql", start_line=1, line_count=2))
    for tool, arguments in (
        ("edit_file", {"edits": [{"old_text": "x", "new_text": "y"}]}),
        ("write_file", {"content": "y"}),
    ):
        why = asyncio.run(bench.refusal(tool, path="big.sql", **arguments))
        assert "big.sql has 12 MB; up to 10 MB are read whole" in why
        assert "change it with a command" in why
    assert (bench.root / "big.sql").stat().st_size == 12_000_000


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x20" + b"\0" * 20


def test_an_image_is_shown_to_a_model_that_sees_and_refused_with_the_reason_else(bench: Bench) -> None:
    bench.write("logo.png", PNG)
    bench.write("old.bmp", b"BM" + b"\0" * 60)
    bench.write("large.png", PNG + b"\0" * 5_000_000)
    bench.context.unseen = "the model in use, blind-1, does not see images"
    refused = asyncio.run(bench.refusal("read_file", path="logo.png"))
    assert refused == (
        "logo.png is a PNG image of 64 by 32 pixels (44 bytes);"
        " the model in use, blind-1, does not see images"
    )
    bench.context.unseen = ""
    outcome = asyncio.run(bench.call("read_file", path="logo.png"))
    assert outcome.text == "[logo.png is a PNG image of 64 by 32 pixels (44 bytes)]"
    (address,) = outcome.images
    assert base64.b64decode(address.removeprefix("data:image/png;base64,")) == PNG
    both = asyncio.run(bench.call("read_file", path="logo.png", more_paths=["logo.png", "none.txt"]))
    assert both.images == (address,)
    assert "convert it with a command" in asyncio.run(bench.refusal("read_file", path="old.bmp"))
    assert "make a smaller copy" in asyncio.run(bench.refusal("read_file", path="large.png"))
