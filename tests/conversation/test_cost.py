from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest

from kcode.conversation.cost import Bill, SessionCost, bill, free, plain
from kcode.conversation.ledger import Fee, UsageEntry
from kcode.providers import catalog
from kcode.providers.catalog import Model, PriceStep


class Case(NamedTuple):
    """One request, and what it costs by hand: ``expected`` in the row's currency."""

    model: str
    provider: str
    prompt: int
    cached: int
    completion: int
    expected: str
    currency: str = "CNY"


# prompt - cached at the input price, cached at the hit price, completion at the output price; facts A.1, A.2
BY_HAND = [
    # (100,000 - 98,304) * 4 + 98,304 * 1 + 2,000 * 16 = 6,784 + 98,304 + 32,000 = 137,088 per million
    Case("kimi-k2-0905-preview", "moonshot", 100_000, 98_304, 2_000, "0.137088"),
    Case("kimi-k2-0711-preview", "moonshot", 100_000, 98_304, 2_000, "0.137088"),
    # 1,696 * 8 + 98,304 * 1 + 2,000 * 58 = 13,568 + 98,304 + 116,000
    Case("kimi-k2-turbo-preview", "moonshot", 100_000, 98_304, 2_000, "0.227872"),
    Case("kimi-k2-thinking", "moonshot", 100_000, 98_304, 2_000, "0.137088"),
    Case("kimi-k2-thinking-turbo", "moonshot", 100_000, 98_304, 2_000, "0.227872"),
    # steps by the request's context: 8,192 is the last token of the first step, 32,768 of the second
    Case("kimi-latest", "moonshot", 8_192, 7_936, 500, "0.013448"),  # 256*2 + 7,936 + 500*10
    Case("kimi-latest", "moonshot", 8_193, 7_936, 500, "0.019221"),  # 257*5 + 7,936 + 500*20
    Case("kimi-latest", "moonshot", 32_768, 0, 500, "0.17384"),  # 32,768*5 + 500*20
    Case("kimi-latest", "moonshot", 32_769, 0, 500, "0.34269"),  # 32,769*10 + 500*30
    Case("kimi-latest", "moonshot", 131_072, 130_816, 1, "0.133406"),  # 256*10 + 130,816 + 30
    # no price for cached input: it is input
    Case("moonshot-v1-8k", "moonshot", 8_000, 7_936, 100, "0.017"),  # 8,000*2 + 100*10
    Case("moonshot-v1-32k", "moonshot", 32_000, 0, 100, "0.162"),
    Case("moonshot-v1-128k", "moonshot", 128_000, 0, 100, "1.283"),
    # 1,696 * 4 + 98,304 * 0.8 + 2,000 * 16 = 6,784 + 78,643.2 + 32,000
    Case("kimi-k2-250905", "ark", 100_000, 98_304, 2_000, "0.1174272"),
    Case("kimi-k2-thinking-251104", "ark", 100_000, 98_304, 2_000, "0.1174272"),
    # 1,696 * 0.95 + 98,304 * 0.16 + 2,000 * 4 = 1,611.2 + 15,728.64 + 8,000
    Case("kimi-k2.6", "moonshot-intl", 100_000, 98_304, 2_000, "0.02533984", "USD"),
    # 100,000 * 6.5 + 2,000 * 27 where no hit price is known
    Case("kimi-k2.7-code", "moonshot", 100_000, 0, 2_000, "0.704"),
    Case("kimi-k2.7-code", "moonshot-intl", 100_000, 0, 2_000, "0.103", "USD"),
    # 1,696 * 20 + 98,304 * 2 + 2,000 * 100 = 33,920 + 196,608 + 200,000
    Case("kimi-k3", "moonshot", 100_000, 98_304, 2_000, "0.430528"),
    # 1,696 * 3 + 98,304 * 0.3 + 2,000 * 15 = 5,088 + 29,491.2 + 30,000
    Case("kimi-k3", "moonshot-intl", 100_000, 98_304, 2_000, "0.0645792", "USD"),
    # 1,696 * 2 + 98,304 * 0.2 + 2,000 * 10 = 3,392 + 19,660.8 + 20,000
    Case("kimi-k3.1-pro", "moonshot-intl", 100_000, 98_304, 2_000, "0.0430528", "USD"),
    Case("kimi-k3.1-pro-highspeed", "moonshot-intl", 100_000, 98_304, 2_000, "0.0664448", "USD"),
]


@pytest.mark.parametrize("case", BY_HAND, ids=lambda c: f"{c.provider}-{c.model}-{c.prompt}")
def test_a_request_costs_what_was_computed_by_hand(case: Case) -> None:
    model = catalog.find(case.model, case.provider)
    assert model is not None
    assert model.currency == case.currency
    bought = bill(model, prompt=case.prompt, cached=case.cached, completion=case.completion)
    assert bought is not None
    assert bought.total == Decimal(case.expected)


ROWS = catalog.models()
PROMPTS = (1, 256, 8_191, 8_192, 8_193, 32_768, 32_769, 131_072, 262_144, 1_048_576)


@pytest.mark.parametrize("model", ROWS, ids=lambda m: f"{m.provider}-{m.id}")
@pytest.mark.parametrize("batch", [False, True], ids=["online", "batch"])
def test_every_row_of_the_catalogue_is_billed_exactly(model: Model, batch: bool) -> None:
    steps = model.batch_prices if batch else model.prices
    for prompt in (p for p in PROMPTS if p <= model.context):
        for cached in {0, prompt // 256 * 256, prompt // 2}:
            got = bill(
                model, prompt=prompt, cached=cached, completion=4_097, cache_write=1_023,
                stored=prompt, stored_hours=3, batch=batch,
            )  # fmt: skip
            if not steps:
                assert got is None
                continue
            step = next(s for s in steps if s.upto is None or prompt <= s.upto)
            hit = Fraction(step.input if step.cached is None else step.cached)
            exact = (
                (prompt - cached) * Fraction(step.input)
                + cached * hit
                + 4_097 * Fraction(step.output)
                + 1_023 * Fraction(step.write or 0)
                + prompt * 3 * Fraction(model.cache_storage or 0)
            ) / 1_000_000
            assert got is not None
            assert Fraction(got.total) == exact
            assert Fraction(got.saved) == cached * (Fraction(step.input) - hit) / 1_000_000
            assert sum(map(Decimal, [v for k, v in got.fields().items() if k not in ("cost", "saved")])) == (
                Decimal(got.fields()["cost"])
            )


def test_every_live_model_with_prices_has_a_currency_they_are_in() -> None:
    assert all(model.currency in ("CNY", "USD") for model in ROWS if model.prices or model.batch_prices)


ARK = Model(
    "kimi-k2-250905", "ark", 256_000, 16_384, 32_768,
    prices=(PriceStep(Decimal(4), Decimal(16), Decimal("0.80")),),
    batch_prices=(PriceStep(Decimal(2), Decimal(8), Decimal("0.80")),),
    cache_storage=Decimal("0.017"),
)  # fmt: skip
PRO = Model(
    "kimi-k3.1-pro", "moonshot-intl", 1_048_576, 131_072, 1_048_576, currency="USD",
    prices=(PriceStep(Decimal(2), Decimal(10), Decimal("0.20"), write=Decimal(2)),),
)  # fmt: skip


def test_cache_storage_is_billed_by_token_and_hour() -> None:
    got = bill(ARK, prompt=50_000, completion=0, stored=50_000, stored_hours=72)
    assert got is not None
    assert got.storage == Decimal("0.0612")  # 50,000 * 72 * 0.017 per million
    assert got.total == Decimal("0.2612")


def test_a_batch_has_prices_of_its_own_and_no_further_discount_on_cached_input() -> None:
    got = bill(ARK, prompt=10_000, cached=5_000, completion=1_000, batch=True)
    assert got is not None
    assert got.total == Decimal("0.022")  # 5,000*2 + 5,000*0.8 + 1,000*8 per million
    assert bill(PRO, prompt=10, completion=1, batch=True) is None


def test_cache_writes_are_billed_beside_the_input() -> None:
    got = bill(PRO, prompt=20_000, cached=10_000, completion=500, cache_write=9_984)
    assert got == Bill(
        input=Decimal("0.02"), cached=Decimal("0.002"), output=Decimal("0.005"),
        write=Decimal("0.019968"), storage=Decimal(0), saved=Decimal("0.018"),
    )  # fmt: skip
    assert got.total == Decimal("0.046968")


def test_without_a_price_the_cost_is_unknown_and_the_model_is_named() -> None:
    nothing = Model("m", "moonshot", 262_144, 8_192, 32_768)
    assert bill(nothing, prompt=5, completion=5) is None
    total = SessionCost.of([UsageEntry("m", 5, 0, 5), UsageEntry("m", 5, 0, 5)])
    assert total.text() == "price unknown"
    assert (total.unpriced, total.unpriced_by_model) == (2, {"m": 2})


def test_only_what_is_never_billed_is_free() -> None:
    embedded = catalog.find("qwen2.5-coder-1.5b", "embedded")
    assert embedded is not None
    assert free(embedded)
    assert not free(ARK)
    assert not free(Model("m", "vllm", 131_072, 8_192, 32_768))
    assert SessionCost.of([UsageEntry("q", 5, 0, 5, cost="0", currency="CNY")]).text() == "free"


def test_currencies_are_not_added_up() -> None:
    entries = [
        UsageEntry("a", 100, 50, 1, cost="0.01", currency="CNY"),
        UsageEntry("b", 100, 0, 1, cost="0.02", currency="USD"),
    ]
    total = SessionCost.of(entries)
    assert total.money == {"CNY": Decimal("0.01"), "USD": Decimal("0.02")}
    assert total.hit_rate == 0.25
    assert total.text() == "¥0.0100 + $0.0200"


def test_fees_are_part_of_the_total_and_told_apart() -> None:
    usage = UsageEntry("a", 100, 0, 1, cost="0.5", currency="CNY", input_cost="0.4", output_cost="0.1")
    fees = [Fee("$web_search", "0.03", "CNY"), Fee("$web_search", "0.03", "CNY"), Fee("fetch", "", "CNY")]
    total = SessionCost.of([usage, *fees])
    money = total.by_currency["CNY"]
    assert (money.total, money.fees, money.itemised) == (Decimal("0.56"), Decimal("0.06"), money.total)
    assert total.fees == {"$web_search": 2, "fetch": 1}
    assert total.spent("CNY") == Decimal("0.56")
    assert total.spent("USD") == 0


@pytest.mark.parametrize(
    ("amount", "spelled"),
    [("0E-9", "0"), ("1E+2", "100"), ("0.0250", "0.025"), ("1E-7", "0.0000001")],
)
def test_amounts_are_kept_without_exponents(amount: str, spelled: str) -> None:
    assert plain(Decimal(amount)) == spelled
