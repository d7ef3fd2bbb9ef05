"""Changes as text: git's diffs, patches of models and mails, edits, conflicts, plans, what git prints."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kcode.errors import KcodeError
from kcode.githooks.push import read_pushed
from kcode.githooks.staged import parse as parse_staged
from kcode.tools.edit import EditFileArguments
from kcode.tools.edit_shapes import as_list
from kcode.workspace import conflictmarks, diff, unidiff
from kcode.workspace.edits import Replacement, apply_edits
from kcode.workspace.errors import BadPatch
from kcode.workspace.patchfile import diff_in
from kcode.workspace.patchtext import as_text, is_patch, read_patch
from tests.fuzz.hostile import damaged, fuzz, json_value, junk, texts

GIT = (
    "diff --git a/x.py b/x.py\nindex 1..2 100644\n--- a/x.py\n"
    "+++ b/x.py\n@@ -1,3 +1,4 @@ def f():\n a\n-b\n+c\n+d\n e\n",
    'diff --git "a/\\303\\244.txt" "b/\\303\\244.txt"\nnew file mode 100644\n'
    '--- /dev/null\n+++ "b/\\303\\244.txt"\n@@ -0,0 +1 @@\n+x\n',
    "diff --git a/a b/b\nsimilarity index 90%\nrename from a\nrename to b\nBinary files a/a and b/b differ\n",
)
LINES = (
    "diff --git a/x b/x\n",
    "--- a/x\n",
    "+++ b/x\n",
    "--- /dev/null\n",
    "@@ -1,3 +1,4 @@\n",
    "@@ -1 +1 @@ f\n",
    " a\n",
    "-a\n",
    "+b\n",
    "\\ No newline at end of file\n",
    "\n",
    "rename from x\n",
    "rename to y\n",
    "Binary files differ\n",
    '+++ "b/\\777"\n',
    '"\\',
    "GIT binary patch\n",
    "From 1 Mon\n",
    "Subject: x\n",
    "-- \n2.40\n",
)
PATCH = (
    "*** Begin Patch\n",
    "*** Update File: a.py\n",
    "*** Add File: b.py\n",
    "*** Delete File: c.py\n",
    "*** Move to: d.py\n",
    "@@ def f\n",
    "@@\n",
    " a\n",
    "-a\n",
    "+b\n",
    "*** End of File\n",
    "*** End Patch\n",
    "<<<<<<< SEARCH\n",
    "=======\n",
    ">>>>>>> REPLACE\n",
    "```diff\n",
    "```\n",
    "a.py\n",
    "apply_patch <<'EOF'\n",
    "EOF\n",
)


@fuzz(200)
@given(st.one_of(damaged(GIT), texts(LINES)))
@example('diff --git a/x b/x\n+++ "b/\\777\\ud800"\n')
@example("diff --git a/x b/x\n@@ -" + "9" * 5_000 + " +1 @@\n+x\n")
def test_a_diff_of_any_kind_is_files_and_lines(said: str) -> None:
    files = unidiff.parse(said)
    lines = [line for file in files for hunk in file.hunks for line in hunk.lines]
    assert len(lines) <= said.count("\n") + 1
    assert all(line.text in said for line in lines)
    parse_staged(said)
    assert len(diff_in(said)) <= 3 * len(said) + 300


@fuzz()
@given(st.lists(st.text("ab \t", max_size=4), max_size=8), st.lists(st.text("ab \t", max_size=4), max_size=8))
def test_a_diff_that_is_written_is_read_back(before: list[str], after: list[str]) -> None:
    old, new = ("".join(f"{line}\n" for line in lines) for lines in (before, after))
    said = "diff --git a/x b/x\n" + diff.unified(old, new, "x")
    signed = [
        (line.sign, line.text) for file in unidiff.parse(said) for hunk in file.hunks for line in hunk.lines
    ]
    kept, added, removed = ([text for s, text in signed if s == sign] for sign in " +-")
    assert len(kept) + len(removed) <= len(before)
    assert (len(added), len(removed)) == diff.counts(old, new)


@fuzz()
@given(st.one_of(junk, st.text(max_size=10), st.just("\ud800")))
@example("\\777")
def test_a_quoted_path_is_read(name: str) -> None:
    unidiff.unquoted(f'"{name}"')
    plain = name.encode("utf-8", "replace").decode()
    if '"' not in plain and "\\" not in plain:
        assert unidiff.unquoted(f'"{plain}"') == plain


@fuzz(200)
@given(st.one_of(texts([*PATCH, *LINES], most=30), damaged(GIT)))
@example("*** Begin Patch\n*** Update File: a\n@@ -1 +" + "9" * 5_000 + " @@\n-a\n+b\n*** End Patch")
@example("[" * 100_000)
@example("@@ " + " @@" * 20_000)
def test_a_patch_is_changes_or_a_bad_patch(said: str) -> None:
    is_patch(said)
    as_text(said)
    with contextlib.suppress(BadPatch):
        changes = read_patch(said)
        assert changes
        assert all(change.path for change in changes)


@fuzz()
@given(json_value)
def test_a_patch_of_any_shape_is_looked_at(value: object) -> None:
    as_text(value)
    with contextlib.suppress(ValueError):
        as_list(value)
    with contextlib.suppress(ValueError):
        EditFileArguments.model_validate({"path": "a.py", "edits": value})


@fuzz()
@given(
    texts(["def f():\n", "    return 1\n", "x = 1\n", "\n", "# ...\n", "a b\n"], most=10),
    st.lists(
        st.tuples(
            texts(["def f():\n", "    return 1\n", "# ...\n", "1\tx\n", "x = 1\n"], most=4),
            texts(["x = 2\n", "# ... existing\n"], most=3),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_an_edit_of_any_text_applies_or_is_refused(content: str, edits: list[tuple[str, str]]) -> None:
    with contextlib.suppress(KcodeError):
        apply_edits(content, [Replacement(old, new) for old, new in edits])


CONFLICT = b"a\n<<<<<<< HEAD\nb\n||||||| base\nc\n=======\nd\n>>>>>>> other\ne\n"


@fuzz(200)
@given(
    st.lists(
        st.sampled_from(
            [
                b"<<<<<<< x\n",
                b"=======\n",
                b">>>>>>> y\n",
                b"||||||| z\n",
                b"a\n",
                b"\r\n",
                b"\xff",
                b"<" * 50,
            ]
        ),
        max_size=20,
    ).map(b"".join),
    st.integers(1, 9),
)
@example(CONFLICT * 500, 7)
@example(b"<<<<<<< x\n" * 5_000, 7)
def test_conflicts_put_together_are_the_file(data: bytes, size: int) -> None:
    parts = conflictmarks.pieces(data, size)
    assert b"".join(part if isinstance(part, bytes) else part.raw for part in parts) == data
    assert conflictmarks.together(parts, {}) == data
    conflictmarks.stray(parts, size)


@fuzz()
@given(texts(["refs/heads/main", " ", "0" * 40, "a" * 40, "\n", "(delete)"]))
def test_what_git_says_of_a_push_is_read(said: str) -> None:
    assert len(read_pushed(said)) <= said.count("\n") + 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "line",
    ["-a\n", "+a\n", "@@ -1 +1 @@\n", "*** Update File: a\n", "<<<<<<< SEARCH\n", "--- a/x\n+++ b/x\n"],
)
def test_long_changes_are_read(line: str) -> None:
    for said in (GIT[0] + line * 30_000, line * 30_000):
        unidiff.parse(said)
        diff_in(said)
        with contextlib.suppress(BadPatch):
            read_patch(said, "a")
