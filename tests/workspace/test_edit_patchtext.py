from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.workspace.diff import unified
from kcode.workspace.edits import apply_edits
from kcode.workspace.errors import BadPatch
from kcode.workspace.patchtext import is_patch, read_patch

LINES = st.lists(st.sampled_from(["a", "b", "", "-x", "+y", "    a", "--- c", "@@ d"]), max_size=12)


@given(LINES, LINES, st.booleans(), st.booleans())
def test_every_diff_of_ours_gives_the_new_text_back(
    before: list[str], after: list[str], ended: bool, ends: bool
) -> None:
    old = "\n".join(before) + ("\n" if ended and before else "")
    new = "\n".join(after) + ("\n" if ends and after else "")
    patch = unified(old, new, "f.txt")
    if not patch:
        return
    (change,) = read_patch(patch)
    assert change.path == "f.txt"
    outcome = apply_edits(old, change.replacements)
    assert not outcome.ok or outcome.text == new


def test_a_git_diff_of_real_files_applies(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    old = "".join(f"line {n}\n" for n in range(40))
    new = old.replace("line 3\n", "three\n").replace("line 30\n", "").replace("line 39\n", "line 39\nend\n")
    for name, text in (("a b.txt", old), ("gone.txt", "x\n"), ("same.txt", old)):
        (tmp_path / name).write_text(text)
    git("add", ".")
    git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x")
    (tmp_path / "a b.txt").write_text(new)
    (tmp_path / "gone.txt").unlink()
    (tmp_path / "same.txt").rename(tmp_path / "moved.txt")
    (tmp_path / "new.txt").write_text("1\n2\n")
    git("add", "-A")
    changes = {change.path: change for change in read_patch(git("diff", "--cached", "-M"))}
    assert apply_edits(old, changes["a b.txt"].replacements).text == new
    assert changes["gone.txt"].kind == "delete"
    assert changes["same.txt"].to == "moved.txt"
    assert (changes["new.txt"].kind, changes["new.txt"].content) == ("add", "1\n2\n")


BEGIN = """*** Begin Patch
*** Update File: src/a.py
@@ class A:
@@     def f(self):
-        return 1
+        return 2
*** Add File: docs/new.md
+# New
+
+text
*** Delete File: old.txt
*** Update File: b.py
*** Move to: c.py
 x = 1
-y = 2
+y = 3
*** End Patch
"""


def test_the_envelope_form_says_all_that_happens() -> None:
    update, add, delete, move = read_patch(BEGIN)
    assert update.replacements[0][:2] == ("        return 1\n", "        return 2\n")
    assert update.replacements[0].after == ("class A:", "    def f(self):")
    assert (add.kind, add.content) == ("add", "# New\n\ntext\n")
    assert (delete.kind, delete.path) == ("delete", "old.txt")
    assert (move.path, move.to) == ("b.py", "c.py")


def test_the_lines_named_before_a_hunk_choose_among_equal_places() -> None:
    text = "class B:\n    def f(self):\n        return 1\n\nclass A:\n    def f(self):\n        return 1\n"
    change = read_patch(BEGIN)[0]
    assert apply_edits(text, change.replacements).text == text[: text.index("class A")] + text[
        text.index("class A") :
    ].replace("1", "2")


@pytest.mark.parametrize(
    "wrap",
    ["{}", "```diff\n{}\n```", "\n\n{}\n\n", "apply_patch <<'EOF'\n{}\nEOF"],
)
def test_a_fence_or_a_shell_around_a_patch_is_taken_off(wrap: str) -> None:
    assert len(read_patch(wrap.format(BEGIN))) == 4


def test_wrong_counts_and_missing_blanks_of_context_do_not_matter() -> None:
    patch = "--- a/f\n+++ b/f\n@@ -1,9 +1,7 @@\n one\n\n-two\n+2\nthree\n"
    (change,) = read_patch(patch)
    assert apply_edits("one\n\ntwo\nthree\n", change.replacements).text == "one\n\n2\nthree\n"


def test_equal_places_are_told_apart_by_the_line_of_the_hunk() -> None:
    text = "x\na\ny\n" * 3
    patch = "--- a/f\n+++ b/f\n@@ -4,3 +4,3 @@\n x\n-a\n+b\n y\n"
    assert apply_edits(text, read_patch(patch)[0].replacements).text == "x\na\ny\nx\nb\ny\nx\na\ny\n"
    nowhere = patch.replace("-4,3 +4,3", "-5,3 +5,3")
    assert not apply_edits(text, read_patch(nowhere)[0].replacements).ok


def test_search_replace_blocks_are_read_with_their_file_names() -> None:
    block = "src/a.py\n```python\n<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n```\n"
    (change,) = read_patch(block)
    assert (change.path, change.replacements[0][:2]) == ("src/a.py", ("old\n", "new\n"))


@pytest.mark.parametrize(
    "text",
    ["", "just words", "*** Begin Patch\n*** End Patch", "<<<<<<< SEARCH\nx\n", "@@ -1 +1 @@\n-a\n+b\n"],
)
def test_what_is_no_patch_or_names_no_file_is_refused_with_the_right_form(text: str) -> None:
    with pytest.raises(BadPatch) as caught:
        read_patch(text)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "patch"),
    [
        (BEGIN, True),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", True),
        ("x = 1\n", False),
        ("--- a title ---\n\ntext\n", False),
        ("# how to write a patch\n", False),
    ],
)
def test_a_patch_is_told_from_the_text_of_a_file(text: str, patch: bool) -> None:
    assert is_patch(text) is patch
