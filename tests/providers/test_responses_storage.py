"""How long a response is stored: the cost model by itself."""

from __future__ import annotations

import math
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from kcode.providers import catalog
from kcode.providers.ark_storage import (
    MAX_HOURS,
    REMEMBERED_GAPS,
    CachePrices,
    break_even_gap_s,
    hours_to_store,
    mean_gap_s,
    prices_of,
)

MONEY = st.decimals("0", "50", places=3)
PRICES = st.builds(CachePrices, MONEY, MONEY, MONEY)
GAPS = st.floats(0, 30 * 24 * 3600)
KIMI = CachePrices(Decimal(4), Decimal("0.80"), Decimal("0.017"))


@given(PRICES, GAPS, st.integers(1, 168))
@example(KIMI, 5e-324, 72)
def test_never_below_an_hour_and_never_above_the_maximum(prices, gap, most):
    assert 1 <= hours_to_store(prices, gap, most) <= most


@given(PRICES, MONEY, GAPS)
def test_dearer_storage_is_never_longer(prices, more, gap):
    dearer = CachePrices(prices.input, prices.cached, prices.storage + more)
    assert hours_to_store(dearer, gap) <= hours_to_store(prices, gap)


@given(PRICES, GAPS, GAPS)
def test_longer_gaps_are_never_stored_for_less_up_to_the_break_even(prices, one, other):
    short, long = sorted((one, other))
    if long <= 0.99 * break_even_gap_s(prices):
        assert hours_to_store(prices, short) <= hours_to_store(prices, long)


@given(PRICES, GAPS)
def test_what_saves_nothing_is_kept_for_the_least_time(prices, gap):
    if prices.cached >= prices.input:
        assert hours_to_store(prices, gap) == 1


@given(st.floats(0.1, 60 * 24 * 3600), st.integers(1, MAX_HOURS))
def test_no_other_whole_time_is_cheaper_by_more_than_an_hours_rent(gap, other):
    def price(hours: int) -> float:
        late = math.exp(-hours * 3600 / gap)
        return float(KIMI.storage) * hours + float(KIMI.input - KIMI.cached) * late

    assert price(hours_to_store(KIMI, gap)) <= price(other) + float(KIMI.storage)


def test_a_tool_loop_is_stored_for_an_hour_and_a_day_apart_for_days():
    assert hours_to_store(KIMI, 5.0) == 1
    assert hours_to_store(KIMI, 600.0) == 2
    assert hours_to_store(KIMI, 3600.0) == 6
    assert hours_to_store(KIMI, 24 * 3600.0) == 50
    assert hours_to_store(KIMI, 60 * 24 * 3600.0) == 1


def test_unknown_prices_are_kept_short():
    assert hours_to_store(None, 3600.0) == 1
    assert prices_of(catalog.unknown_model("ep-20260101-abcde", "ark")) is None


def test_the_catalogues_kimi_has_all_three_prices():
    model = catalog.find("kimi-k2-thinking-251104", "ark")
    assert model is not None
    assert prices_of(model) == KIMI


def test_one_long_pause_decides_less_than_a_habit_of_them():
    usual = mean_gap_s([])
    assert usual == 600
    assert mean_gap_s([1.0] * 30) < mean_gap_s([1.0] * 29 + [7200.0]) < mean_gap_s([7200.0] * 30)
    assert mean_gap_s([10**9, *[1.0] * REMEMBERED_GAPS]) < usual
