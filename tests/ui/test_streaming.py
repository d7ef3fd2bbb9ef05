from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcode.agent.events import AnswerText, RequestStarted, TurnStarted
from kcode.safety.sanitize import clean
from kcode.ui.look.terminal import CONTROL_SEQUENCE, Look
from kcode.ui.look.widths import columns
from kcode.ui.output.markdown import Drawer, MarkdownStream
from kcode.ui.output.render import LiveRenderer
from kcode.ui.stage.live import FRAME_BEGIN
from tests.ui.screen import Terminal

PIECES = (
    *(
        "plain words ",
        "中文字符宽度 ",
        "👨‍👩‍👧‍👦 ",
        "❤️ ",
        "👍🏽",
        "🇨🇳🇫🇷 ",
        "e\u0301e\u0301 ",
        "नमस्ते ",
        "שלום ",
        "مرحبا ",
    ),
    *("\t", "https://example.com/" + "very/long/path/" * 9, "`code` ", "**bold** ", "*em", "\n", "\n\n"),
    *("- item\n", "  - nested\n", "    - deeper\n", "1. one\n", "   2. under\n", "> quote\n", "# head\n"),
    *("```py\n", "```\n", "~~~\n", "    indented\n", "---\n", "===\n", "<div>", "| a | 宽 | c |\n"),
    *("|---|:-:|--:|\n", "| 1 | 二 | 👨‍👩‍👧 |\n", "| " + "cell " * 20 + "| b | c |\n", "\\", "|", "\u202e"),
)
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
LONG_TABLE = "| name | 说明 | n |\n|---|---|--:|\n" + "".join(
    f"| `row_{n}` | 第{n}行 {'words ' * (n % 5)}| {n} |\n" for n in range(40)
)


def streamed(text: str, sizes: list[int], width: int) -> list[str]:
    stream = MarkdownStream(Drawer(Look(plain=False)))
    lines: list[str] = []
    at = turn = 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        stream.feed(text[at : at + size])
        lines += stream.take(width)
        stream.pending(width)
        at, turn = at + size, turn + 1
    return lines + stream.finish(width)


@settings(deadline=None, max_examples=25)
@given(TEXTS, st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(20, 200))
def test_how_the_text_was_cut_does_not_show(text: str, sizes: list[int], width: int) -> None:
    assert streamed(text, sizes, width) == streamed(text, [10_000], width)


@settings(deadline=None, max_examples=25)
@given(TEXTS, st.lists(st.integers(1, 60), min_size=1, max_size=5), st.integers(20, 200))
def test_no_line_is_wider_than_any_terminal_would_show_it(text: str, sizes: list[int], width: int) -> None:
    stream = MarkdownStream(Drawer(Look(plain=False)))
    at = turn = 0
    while at < len(text):
        stream.feed(text[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
        for line in [*stream.take(width), *stream.pending(width)]:
            shown = CONTROL_SEQUENCE.sub("", line)
            assert "\t" not in shown
            assert columns(shown) < width


@settings(deadline=None, max_examples=10)
@given(TEXTS, st.integers(1, 40), st.integers(20, 200), st.integers(6, 30), st.sampled_from((True, False)))
def test_what_has_scrolled_away_is_never_painted_again(
    text: str, size: int, width: int, rows: int, colour: bool
) -> None:
    terminal = Terminal(width, rows)
    now = 0.0
    renderer = LiveRenderer(terminal, Look(plain=False, colour=colour), size=terminal.size, clock=lambda: now)
    seen: list[str] = []
    for event in [TurnStarted("go"), RequestStarted(1, 1)]:
        renderer.handle(event)
    for at in range(0, len(text), size):
        renderer.handle(AnswerText(text[at : at + size]))
        now += 1.0
        renderer.paint()
        scrolled = terminal.scrollback()
        assert scrolled[: len(seen)] == seen
        seen = scrolled
    renderer.close()
    assert terminal.scrollback()[: len(seen)] == seen
    assert all(frame.count(FRAME_BEGIN) == 1 for frame in terminal.raw)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.sampled_from(("语", "word", "é", "🎉", "שלום")), min_size=1, max_size=60),
    st.integers(20, 200),
)
def test_every_word_of_a_paragraph_arrives_once(words: list[str], width: int) -> None:
    shown = "".join(streamed(" ".join(words), [7], width))
    assert "".join(CONTROL_SEQUENCE.sub("", shown).split()) == clean("".join(words))


@pytest.mark.parametrize("width", [200, 80, 60, 33, 20])
@pytest.mark.parametrize("size", [3, 64])
def test_a_long_table_is_the_same_however_it_comes(width: int, size: int) -> None:
    text = f"Before\n\n{LONG_TABLE}\nafter **it**\n\n{LONG_TABLE}"
    assert streamed(text, [size], width) == streamed(text, [100_000], width)
    flat = CONTROL_SEQUENCE.sub("", "".join("".join(streamed(text, [size], width)).split()))
    for n in range(40):
        assert flat.count(f"第{n}行") == 2


def test_rows_of_a_long_table_become_scrollback_while_it_still_grows() -> None:
    stream = MarkdownStream(Drawer(Look(plain=True)))
    stream.feed(LONG_TABLE)
    taken = stream.take(80)
    assert sum("row_" in line for line in taken) == 40
    stream.feed("| `row_40` | 半")
    assert stream.take(80) == []
    assert ["row_40" in line for line in stream.pending(80)] == [True]
    stream.feed("行 | 40 |\n")
    assert ["row_40" in line for line in stream.take(80)] == [True]


def test_a_table_too_wide_for_the_pane_becomes_records() -> None:
    head = "| " + " | ".join(f"column {n}" for n in range(8)) + " |\n" + "|---" * 8 + "|\n"
    row = "| " + " | ".join(f"value {n}" for n in range(8)) + " |\n"
    lines = streamed(head + row + row, [5], 40)
    assert [CONTROL_SEQUENCE.sub("", line) for line in lines] == [
        *(f"column {n}: value {n}" for n in range(8)),
        "",
        *(f"column {n}: value {n}" for n in range(8)),
    ]


def test_a_family_of_emoji_wraps_before_the_narrowest_reading_of_it_would_overflow() -> None:
    lines = streamed("👨‍👩‍👧‍👦" * 30, [11], 40)
    assert "".join(CONTROL_SEQUENCE.sub("", line) for line in lines).count("👨‍👩‍👧‍👦") == 30
    assert all(columns(CONTROL_SEQUENCE.sub("", line)) < 40 for line in lines)


NESTED = "1. all of them\n" + "".join(
    f"   - item {n} with `code`\n\n     more of it\n     1. 第{n}层\n" for n in range(30)
)


@pytest.mark.parametrize("width", [120, 60, 20])
@pytest.mark.parametrize("size", [3, 50])
def test_a_long_nested_list_is_the_same_however_it_comes(width: int, size: int) -> None:
    text = f"Before\n\n{NESTED}2. the second\n\nafter\n"
    lines = streamed(text, [size], width)
    assert lines == streamed(text, [100_000], width)
    flat = CONTROL_SEQUENCE.sub("", "".join("".join(lines).split()))
    assert [flat.count(f"第{n}层") for n in range(30)] == [1] * 30


def test_items_of_a_nested_list_become_scrollback_while_it_still_grows() -> None:
    stream = MarkdownStream(Drawer(Look(plain=True)))
    stream.feed("- outer\n  - one\n    - deep\n  - two\n  - thr")
    assert stream.take(60) == [" • outer", "    • one", "       • deep"]
    assert stream.pending(60) == ["    • two", "    • thr"]
    stream.feed("ee\n\n  end of outer\n- next\n")
    stream.feed("\ntext\n")
    rest = [*stream.take(60), *stream.finish(60)]
    assert [line.strip() for line in rest if line] == ["• two", "• three", "end of outer", "• next", "text"]
