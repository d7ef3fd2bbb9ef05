from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.ui.approval.hunks import (
    DoesNotApply,
    Hunk,
    as_patch,
    from_patch,
    hunks_of,
    like_before,
    split,
    with_hunks,
)
from kcode.workspace.change import FileEdit
from kcode.workspace.diff import split_lines

BEFORE = "".join(f"line {n}\n" for n in range(1, 31))
AFTER = BEFORE.replace("line 5\n", "five\n").replace("line 9\n", "nine\n").replace("line 25\n", "25\n")
EDIT = FileEdit("a.txt", BEFORE, AFTER)

lines = st.lists(
    st.sampled_from(["a", "b", "c", "", " x", "宽", "same", "- d", "+ e", "# f", "\\ g", "@@ h", "a\rb"])
)
ends = st.sampled_from(["\n", "\r\n"])


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Lines with mixed ends, the last one perhaps without any."""
    text = "".join(line + draw(ends) for line in draw(lines))
    return text.removesuffix("\n") if draw(st.booleans()) else text


@st.composite
def edits(draw: st.DrawFn) -> FileEdit:
    """A text, and the same with some stretches replaced."""
    before = draw(texts())
    rows = split_lines(before)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(rows)))
        rows[at : at + draw(st.integers(0, 3))] = split_lines(draw(texts()))
    glued = "".join(row if row.endswith("\n") else row + "\n" for row in rows[:-1])
    return FileEdit("a.txt", before, glued + "".join(rows[-1:]))


def text_with(edit: FileEdit, hunks: list[Hunk]) -> str | None:
    left = with_hunks(edit, hunks)
    return edit.before if left is None else left.after


@given(edits())
def test_all_hunks_are_the_change_and_none_of_them_is_no_change(edit: FileEdit) -> None:
    hunks = hunks_of(edit)
    assert text_with(edit, list(hunks)) == edit.after
    assert text_with(edit, [part for hunk in hunks for part in split(hunk)]) == edit.after
    assert with_hunks(edit, []) is None


@given(edits(), st.data())
def test_any_choice_keeps_every_byte_outside_the_chosen_hunks(edit: FileEdit, data: st.DataObject) -> None:
    parts = [part for hunk in hunks_of(edit) for part in split(hunk)]
    chosen = [part for part in parts if data.draw(st.booleans())]
    old = split_lines(edit.before or "")
    expected: list[str] = []
    at = 0
    for (block,) in (part.blocks for part in chosen):
        assert list(block.old) == old[block.start : block.end]
        expected += [*old[at : block.start], *block.new]
        at = block.end
    assert text_with(edit, chosen) == "".join([*expected, *old[at:]])
    assert split_lines(text_with(edit, chosen) or "") == [*expected, *old[at:]]


@given(edits(), st.booleans())
def test_a_hunk_that_was_not_touched_in_the_editor_is_the_hunk(edit: FileEdit, parted: bool) -> None:
    hunks = [part for hunk in hunks_of(edit) for part in (split(hunk) if parted else (hunk,))]
    for hunk in hunks:
        text = as_patch(edit, hunk, hunks)
        again = from_patch(edit, hunk, text, hunks)
        assert again is not None
        assert text_with(edit, [again]) == text_with(edit, [hunk])
        emptied = "".join(line.rstrip(" ") for line in text.splitlines(keepends=True) if line != " \n")
        assert " \n" in text or "\r" in text or from_patch(edit, hunk, emptied, hunks) == again


@given(edits())
def test_a_hunk_whose_added_lines_are_deleted_and_removed_lines_kept_is_none(edit: FileEdit) -> None:
    for hunk in hunks_of(edit):
        kept = [line for line in as_patch(edit, hunk).split("\n") if line[:1] not in ("+", "\\")]
        undone = "\n".join(" " + line[1:] if line.startswith("-") else line for line in kept)
        assert from_patch(edit, hunk, undone) is None


def test_changes_near_each_other_are_one_hunk_that_can_be_split() -> None:
    first, second = hunks_of(EDIT)
    assert [block.new for block in first.blocks] == [("five\n",), ("nine\n",)]
    assert len(split(first)) == 2
    assert split(second) == (second,)
    only = with_hunks(EDIT, [split(first)[1]])
    assert only == FileEdit("a.txt", BEFORE, BEFORE.replace("line 9\n", "nine\n"))


def test_a_hunk_reads_as_a_patch() -> None:
    assert as_patch(EDIT, hunks_of(EDIT)[1]) == (
        "@@ -22,7 +22,7 @@\n line 22\n line 23\n line 24\n-line 25\n+25\n line 26\n line 27\n line 28\n"
    )


def test_the_context_of_a_part_ends_where_the_next_part_begins() -> None:
    edit = FileEdit("a", "1\n2\n3\n", "one\n2\nthree\n")
    first, second = split(hunks_of(edit)[0])
    assert as_patch(edit, first, [first, second]) == "@@ -1,2 +1,2 @@\n-1\n+one\n 2\n"
    assert as_patch(edit, second, [first, second]) == "@@ -2,2 +2,2 @@\n 2\n-3\n+three\n"


def test_an_added_line_takes_the_line_ends_of_the_file() -> None:
    edit = FileEdit("a", "1\r\n2\r\n", "1\r\nb\r\n")
    (hunk,) = hunks_of(edit)
    again = from_patch(edit, hunk, as_patch(edit, hunk).replace("+b\n", "+b\n+c\n"))
    assert again is not None
    assert text_with(edit, [again]) == "1\r\nb\r\nc\r\n"


def test_lines_added_behind_a_last_line_without_an_end_stand_on_their_own() -> None:
    edit = FileEdit("a", "1\n2\n3", "one\n2\n3")
    (hunk,) = hunks_of(edit)
    text = as_patch(edit, hunk)
    assert text.endswith(" 3\n\\ No newline at end of file\n")
    again = from_patch(edit, hunk, text + "+4\n")
    assert again is not None
    assert text_with(edit, [again]) == "one\n2\n3\n4\n"
    bare = from_patch(edit, hunk, text + "+4\n\\ No newline at end of file\n")
    assert bare is not None
    assert text_with(edit, [bare]) == "one\n2\n3\n4"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (" line 24\n", "", "does not fit: the file has 'line 24' there"),
        ("-line 25\n", "-line 52\n", "'-line 52' does not fit"),
        (" line 28\n", "", "line 28 of the file is missing"),
        (" line 28\n", " line 28\n line 29\n", "the hunk ends before it"),
        ("+25\n", "25\n", "begins with neither"),
    ],
)
def test_a_hunk_that_does_not_apply_says_where(old: str, new: str, said: str) -> None:
    hunk = hunks_of(EDIT)[1]
    with pytest.raises(DoesNotApply, match=said):
        from_patch(EDIT, hunk, as_patch(EDIT, hunk).replace(old, new))


def test_comments_and_an_emptied_text() -> None:
    hunk = hunks_of(EDIT)[1]
    assert from_patch(EDIT, hunk, "# a word about it\n" + as_patch(EDIT, hunk) + "\n# end\n") == hunk
    assert from_patch(EDIT, hunk, "# nothing\n\n") is None


def test_a_file_that_comes_or_goes_is_one_hunk() -> None:
    created = FileEdit("a", None, "1\n2\n")
    assert len(hunks_of(created)) == 1
    assert with_hunks(created, hunks_of(created)) == created
    assert with_hunks(created, []) is None
    deleted = FileEdit("a", "1\n", None)
    assert with_hunks(deleted, hunks_of(deleted)) == deleted
    empty = FileEdit("a", None, "")
    assert with_hunks(empty, hunks_of(empty)) == empty


def test_a_large_rewrite_is_cut_into_hunks_without_delay() -> None:
    before = "".join(f"{n} {n % 7}\n" for n in range(40_000))
    after = "".join(f"{n} {n % 7}\n" if n % 3 else f"{n} new\n" for n in range(40_000))
    edit = FileEdit("a", before, after)
    assert text_with(edit, list(hunks_of(edit))) == after
    unlike = FileEdit("a", "x\ny\n" * 20_000, "y\nz\n" * 20_000)
    assert text_with(unlike, list(hunks_of(unlike))) == unlike.after


@given(edits())
def test_an_editor_that_makes_every_line_end_its_own_changes_none(edit: FileEdit) -> None:
    text = edit.before or ""
    assert like_before(text, text.replace("\r\n", "\n")) == text


def test_new_lines_from_an_editor_take_the_usual_end() -> None:
    assert like_before("a\r\nb\nc", "a\nnew\nb\nc\n") == "a\r\nnew\r\nb\nc"
    assert like_before("a\nb", "a\nb\nc\n") == "a\nb\nc\n"
    assert like_before("a\nb\n", "a\nb") == "a\nb"
