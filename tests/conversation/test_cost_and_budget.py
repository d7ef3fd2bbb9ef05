from __future__ import annotations

import json
from decimal import Decimal

import pytest

from kcode.conversation.budget import Budget
from kcode.conversation.cost import SessionCost, price
from kcode.conversation.ledger import UsageEntry
from kcode.conversation.projection import Projection
from kcode.providers.catalog import Model, PriceStep


def model(*steps: PriceStep) -> Model:
    return Model("m", "moonshot", 262_144, 8_192, 32_768, prices=steps)


K2 = model(PriceStep(Decimal(4), Decimal(16), Decimal(1)))
LATEST = model(
    PriceStep(Decimal(2), Decimal(10), Decimal(1), 8_192),
    PriceStep(Decimal(5), Decimal(20), Decimal(1), 32_768),
    PriceStep(Decimal(10), Decimal(30), Decimal(1), None),
)


@pytest.mark.parametrize(
    ("which", "prompt", "cached", "completion", "expected"),
    [
        (K2, 1_000_000, 0, 0, "4"),
        (K2, 1_000_000, 1_000_000, 0, "1"),
        (K2, 10_000, 7_936, 500, "0.024192"),  # 2064*4 + 7936*1 + 500*16 = 24192 per million
        (LATEST, 8_192, 0, 100, "0.017384"),
        (LATEST, 8_193, 0, 100, "0.042965"),
        (LATEST, 32_769, 256, 100, "0.328386"),
    ],
)
def test_a_request_costs_what_the_catalogue_says(
    which: Model, prompt: int, cached: int, completion: int, expected: str
) -> None:
    assert price(which, prompt=prompt, cached=cached, completion=completion) == Decimal(expected)


def test_without_a_price_the_cost_is_unknown_and_said() -> None:
    assert price(model(), prompt=5, cached=0, completion=5) is None
    total = SessionCost()
    total.add(UsageEntry("m", 5, 0, 5))
    assert total.text() == "price unknown"


def test_currencies_are_not_added_up() -> None:
    entries = [
        UsageEntry("a", 100, 50, 1, cost="0.01", currency="CNY"),
        UsageEntry("b", 100, 0, 1, cost="0.02", currency="USD"),
    ]
    total = SessionCost.of(entries)
    assert total.money == {"CNY": Decimal("0.01"), "USD": Decimal("0.02")}
    assert total.hit_rate == 0.25


def spelled(text: str) -> bytes:
    return json.dumps({"role": "user", "content": text}, ensure_ascii=False).encode()


def test_after_a_report_only_the_new_tail_is_estimated() -> None:
    budget = Budget(window=10_000)
    first = Projection(b"", (spelled("hello " * 200),))
    budget.calibrate(first, 1_000)
    assert budget.estimate(first) == 1_000
    grown = Projection(b"", (*first.messages, spelled("hello " * 200)))
    assert budget.estimate(grown) == pytest.approx(2_000, rel=0.02)


def test_room_for_output_shrinks_with_the_prompt_and_keeps_a_margin() -> None:
    budget = Budget(window=2_000)
    small = Projection(b"", (spelled("hi"),))
    assert budget.room_for_output(small, 500) == 500
    budget.calibrate(small, 1_700)
    assert budget.room_for_output(small, 500) == 2_000 - 1_700 - 256


def test_chinese_counts_more_tokens_a_character_than_english() -> None:
    chinese = Budget(1).estimate(Projection(b"", (spelled("修复测试" * 100),)))
    english = Budget(1).estimate(Projection(b"", (spelled("test" * 100),)))
    assert chinese > english * 1.5
