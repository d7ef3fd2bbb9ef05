from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest

from kcode.config.paths import config_dir
from kcode.errors import ConfigError
from kcode.providers import catalog
from kcode.providers.profiles import PROFILES


def write(text: str) -> None:
    config_dir().mkdir(parents=True, exist_ok=True)
    (config_dir() / "catalog.toml").write_text(text)


def test_the_seed_models_are_known_with_their_prices():
    model = catalog.find("kimi-k2-0905-preview", "moonshot")
    assert model is not None
    assert (model.context, model.temperature, model.currency) == (262144, 0.6, "CNY")
    assert model.prices == (catalog.PriceStep(Decimal(4), Decimal(16), Decimal(1)),)
    assert (model.status, model.replaced_by) == ("retired", "kimi-k2.7-code")


STEPS = ((8192, "2", "10"), (32768, "5", "20"), (131072, "10", "30"))
SEED_MODELS = [
    # provider, id, window, unset / largest output, (in, out, cached), storage, thinking, temperature,
    # strict and json_schema, rpm, tpm, retired on
    ("moonshot", "kimi-k2-0905-preview", 262144, 1024, 262144, ("4", "16", "1"), None, "no", 0.6, True, 0, 0,
     "2026-05-25"),
    ("moonshot", "kimi-k2-0711-preview", 131072, 1024, 131072, ("4", "16", "1"), None, "no", 0.6, True, 0, 0,
     "2026-05-25"),
    ("moonshot", "kimi-k2-turbo-preview", 262144, 1024, 262144, ("8", "58", "1"), None, "no", 0.6, True, 0, 0,
     "2026-05-25"),
    ("moonshot", "kimi-k2-thinking", 262144, 1024, 262144, ("4", "16", "1"), None, "forced", 1.0, True, 0, 0,
     "2026-05-25"),
    ("moonshot", "kimi-k2-thinking-turbo", 262144, 1024, 262144, ("8", "58", "1"), None, "forced", 1.0, True,
     0, 0, "2026-05-25"),
    ("moonshot", "kimi-latest", 131072, 0, 131072, ("2", "10", "1"), None, "no", 0.6, False, 0, 0,
     "2026-01-28"),
    ("moonshot", "moonshot-v1-8k", 8192, 0, 8192, ("2", "10", None), None, "no", 0.6, False, 0, 0,
     "2026-08-31"),
    ("moonshot", "moonshot-v1-32k", 32768, 0, 32768, ("5", "20", None), None, "no", 0.6, False, 0, 0,
     "2026-08-31"),
    ("moonshot", "moonshot-v1-128k", 131072, 0, 131072, ("10", "30", None), None, "no", 0.6, False, 0, 0,
     "2026-08-31"),
    ("moonshot", "moonshot-v1-8k-vision-preview", 8192, 0, 8192, ("2", "10", None), None, "no", 0.6, False,
     0, 0, "2026-08-31"),
    ("moonshot", "moonshot-v1-32k-vision-preview", 32768, 0, 32768, ("5", "20", None), None, "no", 0.6,
     False, 0, 0, "2026-08-31"),
    ("moonshot", "moonshot-v1-128k-vision-preview", 131072, 0, 131072, ("10", "30", None), None, "no", 0.6,
     False, 0, 0, "2026-08-31"),
    ("ark", "kimi-k2-250905", 256000, 4096, 32768, ("4", "16", "0.80"), "0.017", "no", 0.6, False,
     5000, 500000, ""),
    ("ark", "kimi-k2-thinking-251104", 256000, 4096, 32768, ("4", "16", "0.80"), "0.017", "forced", 1.0, True,
     5000, 500000, ""),
]  # fmt: skip


@pytest.mark.parametrize("row", SEED_MODELS, ids=lambda row: row[1])
def test_every_row_of_the_seed_pages_is_there_as_they_say(row):
    provider, model_id, context, unset, largest, price, storage, thinking, degree, strict, rpm, tpm, end = row
    model = catalog.find(model_id, provider)
    assert model is not None
    assert (model.context, model.unset_output, model.max_output) == (context, unset, largest)
    step = model.prices[0]
    assert (step.input, step.output, step.cached) == tuple(p and Decimal(p) for p in price)
    assert model.cache_storage == (storage and Decimal(storage))
    assert (model.currency, model.thinking, model.temperature) == ("CNY", thinking, degree)
    assert (model.strict, model.json_schema) == (strict, strict)
    assert (model.rpm, model.tpm, model.retired_on) == (rpm, tpm, end)
    assert model.vision is (model_id == "kimi-latest" or "vision" in model_id)
    assert model.reasoning_history == "loop"
    if thinking == "forced":
        assert model.default_output >= 16000


def test_arks_batch_input_is_half_price_but_its_cached_input_is_not_discounted_further():
    for model_id in ("kimi-k2-250905", "kimi-k2-thinking-251104"):
        model = catalog.find(model_id, "ark")
        assert model is not None
        assert model.batch_prices == (catalog.PriceStep(Decimal(2), Decimal(8), Decimal("0.80")),)


BEYOND_THE_SEEDS = [
    ("moonshot", "kimi-k2.6", 262144, "toggle", "keep", "USD", ("0.95", "4", "0.16", None)),
    ("moonshot", "kimi-k2.7-code", 262144, "forced", "always", "CNY", ("6.50", "27", None, None)),
    ("moonshot-intl", "kimi-k2.7-code", 262144, "forced", "always", "USD", ("0.95", "4", None, None)),
    ("moonshot", "kimi-k2.7-code-highspeed", 262144, "forced", "always", "CNY", None),
    ("moonshot", "kimi-k3", 1048576, "forced", "always", "CNY", ("20", "100", "2", None)),
    ("moonshot-intl", "kimi-k3", 1048576, "forced", "always", "USD", ("3", "15", "0.30", None)),
    ("moonshot", "kimi-k3.1-pro", 1048576, "forced", "always", "USD", ("2", "10", "0.20", "2")),
    ("moonshot", "kimi-k3.1-pro-highspeed", 1048576, "forced", "always", "USD", ("4", "20", "0.20", "4")),
    ("ark-coding", "kimi-k2.7-code", 256000, "forced", "always", "CNY", None),
    ("ark-agent", "kimi-k3", 1024000, "forced", "always", "CNY", None),
    ("kimi-code", "kimi-for-coding", 262144, "toggle", "always", "CNY", None),
]


@pytest.mark.parametrize("row", BEYOND_THE_SEEDS, ids=lambda row: f"{row[0]}/{row[1]}")
def test_the_live_models_after_k2_are_there(row):
    provider, model_id, context, thinking, history, currency, price = row
    model = catalog.find(model_id, provider)
    assert model is not None
    assert (model.status, model.context, model.thinking) == ("live", context, thinking)
    assert (model.reasoning_history, model.currency) == (history, currency)
    assert model.temperature is None
    found = [(s.input, s.output, s.cached, s.write) for s in model.prices]
    assert found == ([tuple(p and Decimal(p) for p in price)] if price else [])
    if price and provider.startswith("moonshot") and model_id != "kimi-k3":
        assert "second-hand" in model.notes
    assert model.efforts == (("low", "high", "max") if "k3" in model_id and provider != "ark-agent" else ())


@pytest.mark.parametrize(
    ("level", "old", "newer"),
    [
        (0, (1, 3, 500_000, 1_500_000), None),
        (1, (50, 200, 2_000_000, None), (15, 100, 2_000_000, None)),
        (2, (100, 500, 3_000_000, None), (40, 100, 3_000_000, None)),
        (3, (200, 5_000, 3_000_000, None), (50, 200, 3_000_000, None)),
        (4, (400, 5_000, 4_000_000, None), (60, 200, 4_000_000, None)),
        (5, (1_000, 10_000, 5_000_000, None), (100, 300, 5_000_000, None)),
    ],
)
def test_moonshots_tiers_are_known_in_both_versions(level, old, newer):
    def limits(as_of):
        tier = catalog.tiers(as_of)[level]
        return tier.concurrency, tier.rpm, tier.tpm, tier.tpd

    assert limits("2026-01") == old
    assert limits("") == (newer or old)
    sums = (catalog.tiers()[level].recharge_cny, catalog.tiers()[level].recharge_usd)
    assert sums == [(0, 1), (50, 10), (100, 20), (500, 100), (5_000, 1_000), (20_000, 3_000)][level]


def test_the_price_steps_of_kimi_latest_follow_the_context():
    model = catalog.find("kimi-latest", "moonshot")
    assert model is not None
    assert [(s.upto, str(s.input), str(s.output)) for s in model.prices] == list(STEPS)
    assert all(step.cached == 1 for step in model.prices)


def test_arks_cache_storage_is_exact():
    model = catalog.find("kimi-k2-250905", "ark")
    assert model is not None
    assert model.cache_storage == Decimal("0.017")
    assert model.prices[0].cached == Decimal("0.80")
    assert model.max_output == 32768


def test_the_platforms_bill_in_their_own_currencies():
    at_home = catalog.find("kimi-k3", "moonshot")
    abroad = catalog.find("kimi-k3", "moonshot-intl")
    assert at_home and abroad
    assert (at_home.currency, at_home.prices[0].input) == ("CNY", 20)
    assert (abroad.currency, abroad.prices[0].cached) == ("USD", Decimal("0.30"))


def test_records_are_consistent():
    seen = set()
    for model in catalog.models():
        assert (model.provider, model.id) not in seen
        seen.add((model.provider, model.id))
        assert model.provider in PROFILES
        assert 0 < model.default_output <= model.max_output <= model.context
        assert all(step.cached is None or step.cached <= step.input for step in model.prices)
        if model.status == "retired":
            successor = catalog.find(model.replaced_by, model.provider)
            assert successor is not None
            assert successor.status == "live"


def test_live_models_come_best_first_and_without_retired_ones():
    ids = [m.id for m in catalog.live_models("moonshot")]
    assert ids[0] == "kimi-k2.7-code"
    assert "kimi-k3" in ids
    assert "kimi-k2-0905-preview" not in ids


def test_every_default_model_is_in_the_catalogue():
    for profile in PROFILES.values():
        if profile.default_model:
            assert catalog.find(profile.default_model, profile.name) is not None


def test_embedded_models_cost_nothing():
    for model in catalog.live_models("embedded"):
        assert model.prices[0] == catalog.PriceStep(Decimal(0), Decimal(0), Decimal(0))


def test_an_unknown_model_gets_safe_assumptions():
    model = catalog.unknown_model("mystery", "vllm", 8192)
    assert (model.context, model.prices, model.currency) == (8192, (), "")
    assert model.default_output <= 8192 // 4
    assert catalog.unknown_model("Kimi-K2-Thinking", "vllm", 100000).temperature == 1.0


def test_the_users_file_adds_models_and_overrides_fields():
    write(
        '[[model]]\nid = "kimi-k2.6"\nprovider = "moonshot"\ncurrency = "CNY"\n'
        "prices = [{ input = 7.00, output = 28, cached = 1.1 }]\n"
        '[[model]]\nid = "mine"\nproviders = ["vllm", "sglang"]\ncontext = 65536\n'
    )
    changed = catalog.find("kimi-k2.6", "moonshot")
    assert changed is not None
    assert changed.prices[0].input == Decimal("7.00")
    assert changed.context == 262144
    assert catalog.find("kimi-k2.6", "moonshot-intl").currency == "USD"  # type: ignore[union-attr]
    mine = catalog.find("mine", "sglang")
    assert mine is not None
    assert mine.max_output == 65536


def test_an_endpoint_of_the_users_takes_its_models_fields():
    write(
        '[[model]]\nid = "ep-20250101-abcde"\nprovider = "ark"\nlike = "kimi-k2-250905"\nrpm = 60\n'
        '[[model]]\nid = "second"\nprovider = "vllm"\nlike = "ep-20250101-abcde"\n'
    )
    mine, origin = catalog.find("ep-20250101-abcde", "ark"), catalog.find("kimi-k2-250905", "ark")
    assert mine is not None
    assert origin is not None
    assert (mine.prices, mine.cache_storage, mine.context) == (origin.prices, origin.cache_storage, 256000)
    assert (mine.status, mine.rpm, mine.provider) == ("live", 60, "ark")
    assert catalog.find("second", "vllm").max_output == 32768  # type: ignore[union-attr]


def test_every_field_can_be_given():
    write(
        '[[model]]\nid = "x"\nprovider = "vllm"\ncontext = 9000\nvision = true\nstrict = true\nrpm = 3\n'
        'reasoning_history = "keep"\nspeed = "quick"\nefforts = ["low"]\nunset_output = 16\n'
        "prices = [{ input = 1, output = 2, cached = 0.5, write = 3, upto = 100 }]\n"
        "batch_prices = [{ input = 0.5, output = 1 }]\n"
    )
    model = catalog.find("x")
    assert model is not None
    assert (model.vision, model.strict, model.rpm, model.reasoning_history) == (True, True, 3, "keep")
    assert model.prices[0] == catalog.PriceStep(Decimal(1), Decimal(2), Decimal("0.5"), 100, Decimal(3))
    assert model.batch_prices == (catalog.PriceStep(Decimal("0.5"), Decimal(1)),)
    assert (model.efforts, model.unset_output) == (("low",), 16)


def test_a_smaller_window_makes_smaller_answers():
    write('[[model]]\nid = "kimi-k2"\nprovider = "vllm"\ncontext = 9000\n')
    model = catalog.find("kimi-k2", "vllm")
    assert model is not None
    assert (model.max_output, model.default_output) == (9000, 9000)


def test_a_changed_users_file_is_read_again():
    write('[[model]]\nid = "mine"\nprovider = "vllm"\ncontext = 1000\n')
    assert catalog.find("mine") is not None
    (config_dir() / "catalog.toml").unlink()
    assert catalog.find("mine") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[model", "not valid TOML"),
        ("[[models]]\nid = 'x'", "`models`"),
        ("model = 3", "not a list"),
        ("[[model]]\nprovider = 'vllm'", "`id` is missing"),
        ("[[model]]\nid = 'x'", "`provider` is missing"),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'", "`context` is missing"),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 'big'", "`context` must be"),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\ncontent = 1", "unknown key `content`"),
        (
            "[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nthinking = 'maybe'",
            "`thinking` must be one of",
        ),
        (
            "[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nprices = [{input = -1, output = 1}]",
            "prices are numbers",
        ),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nprices = [{input = 1}]", "a price has"),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nbatch_prices = 3", "`batch_prices` must be"),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nvision = 'yes'", "`vision` must be true"),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nrpm = -1", "`rpm` must be 0"),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nefforts = 'low'", "`efforts` must be"),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nmax_output = 2", "must fit its limits"),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\nlike = 'kimi-k2-25090'", "does not know"),
        (
            "[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nreasoning_history = 'never'",
            "`reasoning_history` must be one of",
        ),
        (
            "[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\nprices = [{input=1, output=1, upto=1.5}]",
            "whole number of tokens",
        ),
        ("[[model]]\nid = 'x'\nprovider = 'vllm'\ncontext = 1\ntemperature = 'hot'", "`temperature` must be"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(text, says):
    write(text)
    with pytest.raises(ConfigError) as caught:
        catalog.models()
    assert "catalog.toml" in caught.value.message
    assert says in caught.value.message


def test_an_unreadable_file_is_named():
    (config_dir() / "catalog.toml").mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"catalog\.toml cannot be read"):
        catalog.models()


def test_the_file_is_read_only_when_a_model_is_asked_for():
    code = "import sys, kcode.providers.catalog; print('tomllib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
