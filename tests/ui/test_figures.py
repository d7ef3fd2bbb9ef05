from __future__ import annotations

import pytest

from kcode.ui.look import figures, widths
from kcode.ui.status import Status, line


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1_000, "1.0k"), (99_949, "99.9k"), (262_144, "262k"), (1_048_576, "1.05M")],
)
def test_tokens_are_short(count: int, text: str) -> None:
    assert figures.tokens(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.04, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (59.6, "1m 00s"), (125, "2m 05s"), (7_500, "2h 05m")],
)
def test_seconds_are_short(value: float, text: str) -> None:
    assert figures.seconds(value) == text


def test_money_that_is_not_known_is_not_invented() -> None:
    assert figures.money("", "CNY") == ""
    assert figures.money("0", "CNY") == "free"
    assert figures.money("0.01234", "CNY") == "¥0.0123"
    assert figures.money("1", "EUR") == "EUR 1.0000"


def test_text_is_cut_by_columns_not_by_characters() -> None:
    assert figures.cut("宽宽宽宽", 8) == "宽宽宽宽"
    assert figures.cut("宽宽宽宽", 7) == "宽宽宽…"
    assert figures.cut("宽宽宽宽", 6) == "宽宽…"
    assert figures.cut("abc", 0) == ""


def test_the_status_line_drops_what_does_not_fit_from_the_end() -> None:
    status = Status(model="kimi-k2.6", context="12k/262k (5%)", cached="87% cached", cost="¥0.01")
    assert line(status, "ask", "main", 80) == (
        "ask mode · kimi-k2.6 · 12k/262k (5%) · ¥0.01 · 87% cached · main"
    )
    assert line(status, "ask", "main", 40) == "ask mode · kimi-k2.6 · 12k/262k (5%)"
    assert line(status, "ask", "main", 6) == "ask m…"


def test_a_narrow_pane_drops_the_least_important_part_first() -> None:
    status = Status("kimi-k2.6", "12k/262k (5%)", "87% cached", "¥0.01", background=2, queued=1)
    whole = "ask mode · 1 queued · kimi-k2.6 · 2 tasks running · 12k/262k (5%) · ¥0.01 · 87% cached · main"
    assert line(status, "ask", "main", 100) == whole
    assert line(status, "ask", "main", 85) == whole.replace(" · 87% cached", "")
    assert line(status, "ask", "main", 75) == whole.removesuffix(" · 87% cached · main")
    assert line(status, "ask", "main", 60) == "ask mode · 1 queued · kimi-k2.6 · 2 tasks running"
    assert line(status, "ask", "main", 32) == "ask mode · 1 queued · kimi-k2.6"
    assert line(status, "ask", "main", 20) == "ask mode · 1 queued"


def test_a_long_branch_name_is_cut_before_anything_is_left_out() -> None:
    status = Status(model="kimi-k2.6", context="12k/262k (5%)", cached="87% cached", cost="¥0.01")
    text = line(status, "ask", "功能/状态栏里的分支名字很长很长", 78)
    assert text == "ask mode · kimi-k2.6 · 12k/262k (5%) · ¥0.01 · 87% cached · 功能/状态栏里的…"


@pytest.mark.parametrize("columns", range(1, 121))
def test_the_status_line_is_one_row_at_any_width(columns: int) -> None:
    status = Status("模型-k2.6", "12k/262k (5%)", "87% cached", "¥0.01", background=3, queued=12)
    text = line(status, "ask", "功能/👨‍👩‍👧/分支", columns)
    assert widths.columns(text) <= columns
    assert "\n" not in text
