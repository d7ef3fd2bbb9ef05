from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kcode.workspace.conflictmarks import ConflictHunk, hunks, pieces, side, stray, together, with_bases

MERGE = b"a\n<<<<<<< HEAD\nours\n=======\ntheirs\n>>>>>>> feature\nz\n"
DIFF3 = b"a\n<<<<<<< HEAD\nours\n||||||| 1234\nbase\n=======\ntheirs\n>>>>>>> feature\nz\n"


def test_a_conflict_is_its_sides_and_its_place() -> None:
    (hunk,) = hunks(pieces(DIFF3))
    assert (hunk.ours, hunk.base, hunk.theirs, hunk.line) == (b"ours\n", b"base\n", b"theirs\n", 2)
    assert (hunk.ours_label, hunk.theirs_label) == (b"HEAD", b"feature")
    assert hunks(pieces(MERGE))[0].base is None


def test_what_is_chosen_replaces_the_markers_too() -> None:
    parts = pieces(MERGE + MERGE)
    assert together(parts, {1: b"both\n"}) == MERGE + b"a\nboth\nz\n"
    assert side(parts, lambda hunk: hunk.theirs) == b"a\ntheirs\nz\na\ntheirs\nz\n"


def test_a_heading_underlined_with_seven_signs_is_told_from_the_marker() -> None:
    ours = b"Title\n=======\ntext\n"
    data = b"<<<<<<< HEAD\n" + ours + b"=======\nother\n>>>>>>> x\n"
    (hunk,) = hunks(pieces(data, known=(ours, b"other\n")))
    assert (hunk.ours, hunk.theirs) == (ours, b"other\n")


def test_nested_markers_of_a_base_that_was_itself_in_conflict() -> None:
    base = b"<<<<<<<<< one\nx\n=========\ny\n>>>>>>>>> two\n"
    data = b"<<<<<<< HEAD\nours\n||||||| merged\n" + base + b"=======\ntheirs\n>>>>>>> f\n"
    (hunk,) = hunks(pieces(data))
    assert (hunk.ours, hunk.base, hunk.theirs) == (b"ours\n", base, b"theirs\n")


def test_other_marker_sizes() -> None:
    data = MERGE.replace(b"<" * 7, b"<" * 10).replace(b"=" * 7, b"=" * 10).replace(b">" * 7, b">" * 10)
    assert hunks(pieces(data, 10))[0].ours == b"ours\n"
    assert not hunks(pieces(data))


def test_markers_without_their_others_are_stray() -> None:
    assert stray(pieces(b"a\n<<<<<<< HEAD\nx\n")) == [2]
    assert stray(pieces(MERGE + b">>>>>>> again\n")) == [8]
    assert stray(pieces(MERGE)) == []
    assert stray(pieces(b"Title\n=======\n")) == []


def test_an_opened_conflict_does_not_swallow_the_next() -> None:
    (hunk,) = hunks(pieces(b"<<<<<<< HEAD\nhalf\n" + MERGE))
    assert hunk.ours == b"ours\n"


def test_a_smaller_conflict_gets_its_part_of_the_base() -> None:
    small = pieces(b"<<<<<<< HEAD\nfour\n=======\nIV\n>>>>>>> f\n")
    wide = pieces(
        b"<<<<<<< HEAD\nthree\nfour\nfive\n||||||| b\n3\n4\nfive\n=======\nthree\nIV\nfive\n>>>>>>> f\n"
    )
    (hunk,) = hunks(with_bases(small, wide))
    assert hunk.base is not None
    assert b"4\n" in hunk.base
    assert b"five" not in hunk.base


LINES = st.lists(
    st.sampled_from(
        [b"a\n", b"<<<<<<< HEAD\n", b"||||||| base\n", b"=======\n", b">>>>>>> x\n", b"\xff\r\n", b"last"]
    )
)


@given(LINES)
def test_what_is_not_chosen_comes_back_byte_for_byte(lines: list[bytes]) -> None:
    data = b"".join(lines)
    parts = pieces(data)
    assert together(parts, {}) == data
    assert all(isinstance(part, (bytes, ConflictHunk)) for part in parts)
