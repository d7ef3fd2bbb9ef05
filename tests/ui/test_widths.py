from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from wcwidth import wcswidth, wcwidth

from kcode.ui.look.figures import cut
from kcode.ui.look.terminal import CONTROL_SEQUENCE
from kcode.ui.look.widths import columns, fold, head

TEXTS = st.lists(
    st.sampled_from(
        ("a", "宽", "e\u0301", "👨‍👩‍👧", "❤️", "👍🏽", "🇨🇳", "…", "·", "“", "שלום", " ", "नि", "한")
    )
).map("".join)


def test_no_character_is_wider_than_counted() -> None:
    for code in range(0x20, 0x20000):
        character = chr(code)
        if unicodedata.category(character) in ("Cn", "Cs", "Cc"):
            continue
        assert columns(character) >= max(wcwidth(character), cell_len(character)), f"U+{code:04X}"


def test_letters_and_ideographs_have_the_width_that_everybody_gives_them() -> None:
    for text in (
        "abc",
        "中文字符",
        "é",
        "日本語テキスト",
        "한국어",
        "Ελλάδα",
        "“—…·",
        "\uff21\uff22",
        "│─●✓✻",
    ):
        assert columns(text) == cell_len(text) == wcswidth(text)


@pytest.mark.parametrize(("text", "most"), [("👨‍👩‍👧", 6), ("❤️", 2), ("🇨🇳", 4), ("👍🏽", 4), ("☑️", 2)])
def test_emoji_are_counted_as_the_terminal_that_knows_least_shows_them(text: str, most: int) -> None:
    assert columns(text) == most


@given(TEXTS, st.integers(0, 30))
def test_what_is_cut_fits_and_is_a_beginning(text: str, room: int) -> None:
    short = cut(text, room)
    assert columns(short) <= room
    assert short == text or text.startswith(short.removesuffix("…"))
    assert columns(head(text, room)) <= room


@given(TEXTS, st.integers(8, 30))
def test_folding_loses_nothing_and_keeps_the_styles(text: str, width: int) -> None:
    rows = fold(f"\x1b[2m{text}\x1b[0m{text}", width)
    assert "".join(CONTROL_SEQUENCE.sub("", row) for row in rows) == text + text
    assert all(columns(CONTROL_SEQUENCE.sub("", row)) <= width for row in rows)
    inside = len(text)
    for row in rows:
        shown = CONTROL_SEQUENCE.sub("", row)
        assert row.startswith("\x1b[2m") or inside <= 0 or not shown
        inside -= len(shown)
