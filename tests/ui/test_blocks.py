from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kcode.ui.output.blocks import split_all, split_finished

MARKDOWN = st.lists(
    st.sampled_from(
        (
            *(
                "text",
                "\n",
                "\n\n",
                "- item",
                "1. one",
                "```py\n",
                "```\n",
                "# head",
                "> quote",
                "| a | b |\n",
            ),
            *("|---|---|\n", "  ", "**bold", "---\n", "===\n", "<div>", "中文", "    code\n", "\t", "\u2028"),
        )
    ),
    max_size=30,
).map("".join)


@given(MARKDOWN)
def test_nothing_is_lost_or_moved_by_cutting(text: str) -> None:
    finished, rest = split_finished(text)
    assert "".join(finished) + rest == text


@given(MARKDOWN, MARKDOWN)
def test_what_is_finished_stays_finished_whatever_follows(text: str, more: str) -> None:
    finished, _ = split_finished(text)
    later, _ = split_finished(text + more)
    assert later[: len(finished)] == finished


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("one\n\ntwo\n", ["one\n\n", "two\n"]),
        ("- a\n- b\n  more\n- c\n", ["- a\n", "- b\n  more\n", "- c\n"]),
        ("1. a\n\n   still a\n2. b\n", ["1. a\n\n   still a\n", "2. b\n"]),
        ("title\n===\ntext\n", ["title\n===\n", "text\n"]),
        ("```\na\n\nb\n```\ntext\n", ["```\na\n\nb\n```\n", "text\n"]),
    ],
)
def test_blocks_are_those_of_markdown(text: str, blocks: list[str]) -> None:
    assert split_all(text) == blocks
