from __future__ import annotations

from decimal import Decimal

import pytest

from kcode.config.keys import check
from kcode.config.money import Sum, parse_sum
from kcode.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("5", "5", ""),
        ("0.50", "0.50", ""),
        (".5", "0.5", ""),
        ("¥5", "5", "CNY"),
        ("￥5", "5", "CNY"),
        ("5元", "5", "CNY"),
        ("5 CNY", "5", "CNY"),
        ("5 rmb", "5", "CNY"),
        ("cny 5", "5", "CNY"),
        ("$2", "2", "USD"),
        ("2 USD", "2", "USD"),
        ("US$2.5", "2.5", "USD"),
        (" $ 2 ", "2", "USD"),
    ],
)
def test_sums_are_read_as_people_write_them(text: str, amount: str, currency: str) -> None:
    assert parse_sum(text) == Sum(Decimal(amount), currency)


@pytest.mark.parametrize(
    "text", ["", "¥", "five", "-5", "¥-5", "5 EUR", "€5", "1,000", "1e3", "nan", "inf", "$5 USD", "5 5"]
)
def test_what_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a sum"):
        parse_sum(text)


@pytest.mark.parametrize(
    ("value", "kept"),
    [(5, "5"), (0.5, "0.5"), ("¥5", "5 CNY"), ("$2.50", "2.50 USD"), (0, "0"), (1e-5, "0.00001")],
)
def test_a_limit_in_a_file_may_be_a_number_or_a_sum_with_its_currency(value: object, kept: str) -> None:
    assert check("agent.max_cost", value, "file:1") == kept


@pytest.mark.parametrize("value", [True, -1, "5 EUR", []])
def test_a_limit_that_cannot_be_read_says_what_it_may_be(value: object) -> None:
    with pytest.raises(ConfigError, match=r"agent\.max_cost_day must be a sum such as 5"):
        check("agent.max_cost_day", value, "file:1")
