from __future__ import annotations

import asyncio
import json
import os
import sys
import tracemalloc
from typing import Any

import pytest

from kcode.tools.base import FileEdit, ToolRefused
from kcode.tools.registry import parse_call
from kcode.workspace import grammars
from kcode.workspace.grammars import source_of
from kcode.workspace.syntax import newly_broken
from tests.tools.conftest import Bench

TEXT = "def f():\n    return 1\n\n\ndef g():\n    return 2\n"


def run(bench: Bench, name: str, **arguments: Any) -> str:
    return asyncio.run(bench.call(name, **arguments)).text


def refusal(bench: Bench, name: str, **arguments: Any) -> str:
    return asyncio.run(bench.refusal(name, **arguments))


def test_one_call_changes_several_files_or_none(bench: Bench) -> None:
    one, two = bench.write("a.py", TEXT), bench.write("b.py", TEXT)
    edits = [
        {"old_text": "return 1", "new_text": "return 10"},
        {"path": "b.py", "old_text": "return 2", "new_text": "return 20"},
    ]
    text = run(bench, "edit_file", path="a.py", edits=edits)
    assert "Edited a.py" in text
    assert "Edited b.py" in text
    assert "return 10" in one.read_text()
    assert "return 20" in two.read_text()
    edits = [
        {"old_text": "return 10", "new_text": "return 11"},
        {"path": "b.py", "old_text": "nowhere", "new_text": "x"},
    ]
    problem = refusal(bench, "edit_file", path="a.py", edits=edits)
    assert "b.py was not changed" in problem
    assert "a.py would match; no file was changed" in problem
    assert "return 10" in one.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        {"old_text": "return 1", "new_text": "return 9"},
        {"old_string": "return 1", "new_string": "return 9"},
        {"old_str": "return 1", "new_str": "return 9"},
        {"edits": {"old_text": "return 1", "new_text": "return 9"}},
        {"edits": json.dumps([{"search": "return 1", "replace": "return 9"}])},
        {"edits": "<<<<<<< SEARCH\n    return 1\n=======\n    return 9\n>>>>>>> REPLACE\n"},
        {
            "edits": [
                {"old_text": "", "new_text": "@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 9\n"}
            ]
        },
        {"patch": "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 9\n"},
        {"edits": [{"start_line": 2, "end_line": 2, "new_text": "    return 9"}]},
        {"edits": [{"start_line": 2, "old_text": "    return 1\n", "new_text": "    return 9\n"}]},
    ],
)
def test_the_forms_that_models_know_from_elsewhere_are_taken(bench: Bench, arguments: dict[str, Any]) -> None:
    path = bench.write("a.py", TEXT)
    run(bench, "read_file", path="a.py")
    run(bench, "edit_file", path="a.py", **arguments)
    assert path.read_text() == TEXT.replace("return 1", "return 9")


def test_lines_can_be_inserted_by_number(bench: Bench) -> None:
    path = bench.write("a.py", "one\ntwo\n")
    run(bench, "read_file", path="a.py")
    run(bench, "edit_file", path="a.py", edits=[{"insert_line": 1, "new_text": "1.5"}])
    assert path.read_text() == "one\n1.5\ntwo\n"


def test_line_numbers_of_a_file_that_changed_meanwhile_are_refused_and_the_change_is_shown(
    bench: Bench,
) -> None:
    path = bench.write("a.py", TEXT)
    run(bench, "read_file", path="a.py")
    path.write_text("# mine\n" + TEXT)
    edits = [{"start_line": 2, "end_line": 2, "new_text": "    return 9"}]
    problem = refusal(bench, "edit_file", path="a.py", edits=edits)
    assert "changed on disk" in problem
    assert "+# mine" in problem
    assert path.read_text() == "# mine\n" + TEXT
    edits[0] |= {"start_line": 3, "end_line": 3}
    run(bench, "edit_file", path="a.py", edits=edits)  # it has seen the change now
    assert path.read_text() == "# mine\n" + TEXT.replace("return 1", "return 9")


def test_line_numbers_of_a_file_never_read_are_refused(bench: Bench) -> None:
    bench.write("a.py", TEXT)
    edits = [{"start_line": 2, "end_line": 2, "new_text": "x"}]
    assert "read it first" in refusal(bench, "edit_file", path="a.py", edits=edits)


def test_a_users_change_is_kept_and_shown_with_the_result(bench: Bench) -> None:
    path = bench.write("a.py", TEXT)
    run(bench, "read_file", path="a.py")
    path.write_text(TEXT + "mine = 3\n")
    text = run(bench, "edit_file", path="a.py", edits=[{"old_text": "return 1", "new_text": "return 9"}])
    assert "had changed on disk" in text
    assert "+mine = 3" in text
    assert path.read_text() == TEXT.replace("return 1", "return 9") + "mine = 3\n"


def test_write_file_shows_what_changed_and_then_may_write(bench: Bench) -> None:
    path = bench.write("a.txt", "one\n")
    run(bench, "read_file", path="a.txt")
    path.write_text("one\nmine\n")
    assert "+mine" in refusal(bench, "write_file", path="a.txt", content="new\n")
    assert path.read_text() == "one\nmine\n"
    run(bench, "write_file", path="a.txt", content="new\nmine\n")
    assert path.read_text() == "new\nmine\n"


def test_write_file_does_not_take_a_content_that_leaves_lines_out(bench: Bench) -> None:
    path = bench.write("a.py", TEXT)
    run(bench, "read_file", path="a.py")
    content = "def f():\n    return 9\n\n# ... rest of the file unchanged ...\n"
    assert "leaves lines out" in refusal(bench, "write_file", path="a.py", content=content)
    assert path.read_text() == TEXT


def test_editing_a_missing_file_from_nothing_creates_it(bench: Bench) -> None:
    run(bench, "edit_file", path="new.py", edits=[{"old_text": "", "new_text": "x = 1\n"}])
    assert (bench.root / "new.py").read_text() == "x = 1\n"
    assert "write_file creates" in refusal(
        bench, "edit_file", path="other.py", edits=[{"old_text": "a", "new_text": "b"}]
    )


PATCH = """*** Begin Patch
*** Update File: a.py
@@ def g():
-    return 2
+    return 20
*** Add File: docs/new file.md
+# New
*** Delete File: gone.txt
*** Update File: run.sh
*** Move to: bin/run.sh
-echo 1
+echo 2
*** End Patch"""


def test_a_patch_edits_creates_deletes_and_moves_in_one_step(bench: Bench) -> None:
    bench.write("a.py", TEXT)
    bench.write("gone.txt", "x\n")
    bench.write("run.sh", "echo 1\n").chmod(0o755)
    checkpoints: list[str] = []
    bench.workspace.on_checkpoint = lambda identity, paths: checkpoints.append(identity)
    text = run(bench, "apply_patch", patch=PATCH)
    assert FileEdit("bin/run.sh", None, "echo 2\n") in bench.intent.edits
    assert FileEdit("gone.txt", "x\n", None) in bench.intent.edits
    assert (bench.root / "a.py").read_text() == TEXT.replace("return 2", "return 20")
    assert (bench.root / "docs/new file.md").read_text() == "# New\n"
    assert not (bench.root / "gone.txt").exists()
    assert not (bench.root / "run.sh").exists()
    assert (bench.root / "bin/run.sh").read_text() == "echo 2\n"
    if os.name != "nt":
        assert (bench.root / "bin/run.sh").stat().st_mode & 0o777 == 0o755
    assert "Moved run.sh to bin/run.sh" in text
    for identity in reversed(checkpoints):
        bench.workspace.undo(identity)
    assert (bench.root / "a.py").read_text() == TEXT
    assert (bench.root / "run.sh").read_text() == "echo 1\n"
    assert (bench.root / "gone.txt").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (PATCH.replace("return 2\n", "return 3\n"), "nearest lines"),
        (PATCH.replace("gone.txt", "never.txt"), "does not exist"),
        (PATCH.replace("bin/run.sh", "a.py"), "exists already"),
        (PATCH.replace("docs/new file.md", "../out.md"), "outside"),
        ("nothing", "*** Begin Patch"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing(bench: Bench, wrong: str, words: str) -> None:
    for name, text in (("a.py", TEXT), ("gone.txt", "x\n"), ("run.sh", "echo 1\n")):
        bench.write(name, text)
    assert words in refusal(bench, "apply_patch", patch=wrong)
    assert (bench.root / "a.py").read_text() == TEXT
    assert (bench.root / "gone.txt").exists()
    assert (bench.root / "run.sh").read_text() == "echo 1\n"


def test_a_patch_is_not_made_where_the_disk_changed_after_the_question(bench: Bench) -> None:
    bench.write("a.py", TEXT)
    patch = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 9\n"

    async def go() -> None:
        tool, args, _ = parse_call("apply_patch", json.dumps({"patch": patch}))
        await tool.plan(args, bench.context)
        bench.write("a.py", TEXT + "mine = 3\n")
        await tool.run(args, bench.context)

    with pytest.raises(ToolRefused, match="changed on disk while"):
        asyncio.run(go())
    assert (bench.root / "a.py").read_text() == TEXT + "mine = 3\n"


def test_a_patch_of_a_key_file_is_sensitive(bench: Bench) -> None:
    run(bench, "apply_patch", patch="*** Begin Patch\n*** Add File: .env\n+X=1\n*** End Patch")
    assert bench.intent.sensitive


@pytest.mark.parametrize(
    ("before", "old", "new", "warned"),
    [
        ("x = (1)\n", "(1)", "(1", True),
        ("def f():\n    return 1\n", "    return 1", "  x\n    return 1", True),
        ("x = (1\n", "x =", "y =", False),
        ("x = 1\n", "1", "2", False),
    ],
)
def test_only_newly_broken_syntax_is_warned_about(
    bench: Bench, before: str, old: str, new: str, warned: bool
) -> None:
    bench.write("a.py", before)
    text = run(bench, "edit_file", path="a.py", edits=[{"old_text": old, "new_text": new}])
    assert ("Warning" in text) is warned


def test_a_syntax_error_that_comes_to_others_is_seen_by_the_grammar(bench: Bench) -> None:
    bench.write("a.py", "print 'old python'\nx = [1]\n")  # no Python 3, so only the grammar can tell
    text = run(bench, "edit_file", path="a.py", edits=[{"old_text": "[1]", "new_text": "[1"}])
    assert "Warning: the file no longer parses" in text


@pytest.mark.skipif(sys.platform == "win32", reason="no such bits there")
def test_a_link_is_edited_where_it_leads_and_a_read_only_file_not_at_all(bench: Bench) -> None:
    target = bench.write("real.py", TEXT)
    (bench.root / "link.py").symlink_to("real.py")
    edits = [{"old_text": "return 1", "new_text": "return 9"}]
    run(bench, "edit_file", path="link.py", edits=edits)
    assert (bench.root / "link.py").is_symlink()
    assert "return 9" in target.read_text()
    target.chmod(0o444)
    edits = [{"old_text": "return 9", "new_text": "return 1"}]
    assert "read-only" in refusal(bench, "edit_file", path="real.py", edits=edits)


def test_two_spellings_of_a_path_are_one_file(bench: Bench) -> None:
    path = bench.write("a.py", TEXT)
    edits = [
        {"old_text": "return 1", "new_text": "return 10"},
        {"path": "./a.py", "old_text": "return 2", "new_text": "return 20"},
    ]
    run(bench, "edit_file", path="a.py", edits=edits)
    assert path.read_text() == TEXT.replace("return 1", "return 10").replace("return 2", "return 20")


def test_files_that_differ_in_case_are_two_where_the_file_system_says_so(bench: Bench) -> None:
    bench.write("a.py", TEXT)
    bench.write("A.py", TEXT)
    two = len({"a.py", "A.py"} & {path.name for path in bench.root.iterdir()}) == 2
    edits = [
        {"old_text": "return 1", "new_text": "return 10"},
        {"path": "A.py", "old_text": "return 2", "new_text": "return 20"},
    ]
    run(bench, "edit_file", path="a.py", edits=edits)
    both = TEXT.replace("return 1", "return 10").replace("return 2", "return 20")
    assert (bench.root / "a.py").read_text() == (TEXT.replace("return 1", "return 10") if two else both)
    run(bench, "move_path", path="A.py", to="b.py" if two else "a.py")


def test_huge_and_binary_files_are_not_edited(bench: Bench) -> None:
    bench.write("b.bin", b"\0\1\2")
    with (bench.root / "huge.log").open("wb") as stream:
        stream.truncate(20_000_000)
    edits = [{"old_text": "a", "new_text": "b"}]
    assert "binary" in refusal(bench, "edit_file", path="b.bin", edits=edits)
    assert "20 MB" in refusal(bench, "edit_file", path="huge.log", edits=edits)


BROKEN = [
    ("a.js", "function f(a) { return [a]; }\n", "[a]", "[a"),
    ("a.ts", "function f(a: number): number { return (a); }\n", "(a)", "(a"),
    ("a.go", "package a\n\nfunc f() int { return g(1) }\n", "g(1)", "g(1"),
    ("a.rs", "fn f() -> u8 { g(1) }\n", "g(1)", "g(1"),
    ("A.java", "class A { int f() { return g(1); } }\n", "g(1)", "g(1"),
    ("a.kt", "fun f(): Int { return g(1) }\n", "g(1)", "g(1"),
    ("a.c", "int f(void) { return g(1); }\n", "g(1)", "g(1"),
    ("a.hpp", "namespace a { int f() { return g(1); } }\n", "g(1)", "g(1"),
    ("a.cs", "class A { int F() { return G(1); } }\n", "G(1)", "G(1"),
    ("a.rb", "def f\n  g(1)\nend\n", "end", ""),
    ("a.php", "<?php function f() { return g(1); }\n", "g(1)", "g(1"),
    ("a.swift", "func f() -> Int { return g(1) }\n", "g(1)", "g(1"),
    ("a.scala", "object A { def f: Int = g(1) }\n", "g(1)", "g(1"),
    ("a.lua", "function f() return g(1) end\n", "g(1)", "g(1"),
    ("a.sh", "f() {\n  echo 1\n}\n", "}", ""),
    ("a.toml", "[a]\nb = [1]\n", "[1]", "[1"),
    ("a.css", "a { color: red; }\n", "a {", "a"),
]


@pytest.mark.parametrize(("name", "text", "old", "new"), BROKEN, ids=[name for name, *_ in BROKEN])
def test_what_is_newly_broken_is_told_in_every_language_and_once(
    bench: Bench, name: str, text: str, old: str, new: str
) -> None:
    source = source_of(name)
    if source is None or grammars.parser(source.grammar) is None:
        pytest.skip("its grammar is not installed")
    bench.write(name, text)
    good = run(bench, "edit_file", path=name, edits=[{"old_text": text, "new_text": text + "\n"}])
    assert "Warning" not in good
    told = run(bench, "edit_file", path=name, edits=[{"old_text": old, "new_text": new}])
    assert "Warning: the file no longer parses" in told
    assert not newly_broken(FileEdit(name, text.replace(old, new), text.replace(old, new) + "\n"))


def test_a_macro_that_the_grammar_cannot_know_is_no_broken_syntax(bench: Bench) -> None:
    bench.write("a.c", "int f(void) { return 1; }\n")
    new = '#ifdef X\nextern "C" {\n#endif\nAPI(int) MACRO g(void) { return 2; }\n#ifdef X\n}\n#endif\n'
    edits = [{"old_text": "int f(void) { return 1; }\n", "new_text": "int f(void) { return 1; }\n" + new}]
    assert "Warning" not in run(bench, "edit_file", path="a.c", edits=edits)


def test_an_empty_folder_is_deleted_after_the_question(bench: Bench) -> None:
    (bench.root / "hollow" / "inner").mkdir(parents=True)
    assert "Deleted hollow" in run(bench, "delete_path", path="hollow")
    assert bench.intent.edits[0].note == "empty folder"
    assert not (bench.root / "hollow").exists()


def test_a_text_of_fifty_megabytes_is_refused_without_reading_it_and_one_of_nine_is_edited(
    bench: Bench,
) -> None:
    with (bench.root / "huge.txt").open("wb") as stream:
        for _ in range(50):
            stream.write(b"line of text\n" * 80_000)
    edits = [{"old_text": "nowhere\n  to be found", "new_text": "b"}]
    tracemalloc.start()
    assert "MB" in refusal(bench, "edit_file", path="huge.txt", edits=edits)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    lines = [f"line {number} of a text\n" for number in range(300_000)]
    path = bench.write("large.txt", "".join(lines))
    assert "not in the file" in refusal(bench, "edit_file", path="large.txt", edits=edits)
    wanted = [{"old_text": "line 200000 of a text", "new_text": "changed"}]
    run(bench, "edit_file", path="large.txt", edits=wanted)
    lines[200_000] = "changed\n"
    assert path.read_text() == "".join(lines)


CODE = "def f():\n    return 1\n\n\ndef g():\n    return 2\n"
EDIT = {"old_text": "    return 1\n", "new_text": "    return 10\n"}
ENVELOPE = "*** Begin Patch\n*** Update File: a.py\n@@ def f():\n-    return 1\n+    return 10\n*** End Patch"
DIFF = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 10\n"
FENCE = "```python\ndef f():\n    return {}\n```"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("edit_file", {"edits": [{"path": "a.py", **EDIT}]}),
        ("edit_file", {"edits": [{"file_path": "a.py", **EDIT}]}),
        ("edit_file", {"path": "a.py", "edits": {"edits": [EDIT]}}),
        ("edit_file", {"path": "a.py", "edits": [["    return 1\n", "    return 10\n"]]}),
        ("edit_file", {"path": "a.py", "edits": [json.dumps(EDIT)]}),
        ("edit_file", {"path": "a.py", "edits": repr([EDIT])}),
        ("edit_file", {"path": "a.py", "edits": [{"oldText": "return 1\n", "newText": "return 10\n"}]}),
        ("edit_file", {"filePath": "a.py", "oldString": "return 1\n", "newString": "return 10\n"}),
        ("edit_file", {"path": "a.py", "edits": [{**EDIT, "explanation": "ten is right"}]}),
        ("edit_file", {"path": "a.py", "edits": [EDIT], "description": "ten is right"}),
        ("edit_file", {"path": "a.py", "old_text": ["    return 1"], "new_text": ["    return 10"]}),
        ("edit_file", {"path": "a.py", "start_line": 2, "end_line": 2, "content": "    return 10\n"}),
        ("edit_file", {"path": "a.py", "start_line": 2, "line_count": 1, "new_text": "    return 10"}),
        (
            "edit_file",
            {
                "path": "a.py",
                "edits": [{"old_text": "f():\\n    return 1\\n", "new_text": "f():\\n    return 10\\n"}],
            },
        ),
        ("edit_file", {"path": "a.py", "old_text": FENCE.format(1), "new_text": FENCE.format(10)}),
        ("apply_patch", {"patch": json.dumps(["apply_patch", ENVELOPE])}),
        ("apply_patch", {"patch": ["bash", "-lc", f"apply_patch <<'EOF'\n{ENVELOPE}\nEOF"]}),
        ("apply_patch", {"patch": ENVELOPE.split("\n")}),
        ("apply_patch", {"patch": ENVELOPE.replace("a.py", '"a.py"')}),
        ("apply_patch", {"patch": ENVELOPE.replace("a.py", "a/a.py")}),
        ("apply_patch", {"patch": ENVELOPE.replace("\n", "\\n")}),
        ("apply_patch", {"patch": DIFF + "\\ No newline at end of file\n"}),
        (
            "apply_patch",
            {"patch": DIFF.replace("1\n+", "1\n\\ No newline at end of file\n+")},
        ),
        ("write_file", {"path": "a.py", "content": CODE.replace("return 1", "return 10").split("\n")}),
        ("write_file", {"path": "a.py", "file_text": CODE.replace("return 1", "return 10")}),
        ("write_file", {"path": "a.py", "content": f"```\n{CODE.replace('return 1', 'return 10')}```\n"}),
    ],
)  # fmt: skip
def test_the_slips_of_models_in_the_shape_of_an_edit_are_understood(
    bench: Bench, tool: str, arguments: dict[str, Any]
) -> None:
    bench.write("a.py", CODE)
    asyncio.run(bench.call("read_file", path="a.py"))
    asyncio.run(bench.call(tool, **arguments))
    assert (bench.root / "a.py").read_text() == CODE.replace("return 1", "return 10")


def test_a_fence_stays_where_it_is_the_text_itself(bench: Bench) -> None:
    text = "```sh\nmake\n```\n"
    asyncio.run(bench.call("write_file", path="a.md", content=text))
    assert (bench.root / "a.md").read_text() == text
    asyncio.run(bench.call("write_file", path="b.txt", content=text))
    assert (bench.root / "b.txt").read_text() == text
    two = "```sh\nmake\n```\nand\n```sh\nmake test\n```\n"
    asyncio.run(bench.call("write_file", path="a.py", content=two))
    assert (bench.root / "a.py").read_text() == two
