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


def test_the_price_steps_of_kimi_latest_follow_the_context():
    model = catalog.find("kimi-latest", "moonshot")
    assert model is not None
    assert [(s.upto, s.input, s.output) for s in model.prices] == [
        (8192, 2, 10),
        (32768, 5, 20),
        (131072, 10, 30),
    ]


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
