from __future__ import annotations

import dataclasses

import pytest

from kcode.errors import ConfigError, KcodeError
from kcode.providers.base import AuthError, ModelNotFound
from kcode.providers.profiles import PROFILES
from kcode.providers.registry import resolve

from .support import KEY, make_settings


def found(environ=None, **provider):
    return resolve(make_settings(**provider), environ or {})


@pytest.mark.parametrize(
    ("environ", "provider", "profile"),
    [
        ({}, {}, "embedded"),
        ({"MOONSHOT_API_KEY": KEY}, {}, "moonshot"),
        ({"MOONSHOT_API_KEY": "  "}, {}, "embedded"),
        ({"MOONSHOT_API_KEY": KEY, "KIMI_API_KEY": "sk-kimi-x", "ARK_API_KEY": "a"}, {}, "moonshot"),
        ({"KIMI_API_KEY": "sk-kimi-not-real", "ARK_API_KEY": "a"}, {}, "kimi-code"),
        ({"KIMI_API_KEY": KEY}, {}, "moonshot"),
        ({"ARK_API_KEY": "a"}, {}, "ark"),
        ({}, {"api_key": KEY}, "moonshot"),
        ({}, {"api_key": "sk-kimi-not-real"}, "kimi-code"),
        ({}, {"api_key": "01234567-89ab-cdef-0123-456789abcdef"}, "ark"),
        ({}, {"base_url": "http://127.0.0.1:9/v1"}, "openai-compatible"),
        ({}, {"base_url": "http://127.0.0.1:9/v1", "api_key": KEY}, "openai-compatible"),
        ({"MOONSHOT_API_KEY": KEY}, {"base_url": "https://api.moonshot.ai/v1"}, "moonshot-intl"),
        ({"ARK_API_KEY": "a"}, {"base_url": "https://ark.cn-beijing.volces.com/api/coding/v3"}, "ark-coding"),
        ({"MOONSHOT_API_KEY": KEY}, {"name": "embedded"}, "embedded"),
    ],
)
def test_auto_takes_the_first_key_then_the_address_then_the_embedded_model(environ, provider, profile):
    endpoint = found(environ, **provider)
    assert endpoint.profile.name == profile
    assert endpoint.why


def test_a_named_profile_without_a_key_says_which_variables_and_how_to_go_on():
    with pytest.raises(AuthError) as caught:
        found(name="moonshot")
    assert "MOONSHOT_API_KEY or KIMI_API_KEY" in caught.value.remedy
    assert "--provider embedded" in caught.value.remedy


def test_an_address_of_the_users_needs_no_key():
    assert found(name="moonshot", base_url="http://127.0.0.1:9/v1").api_key == ""


def test_a_kimi_model_without_any_key_is_not_quietly_replaced_by_the_embedded_one():
    with pytest.raises(AuthError, match=r"kimi-k2\.6"):
        found(model="kimi-k2.6")


def test_an_unknown_profile_gets_the_nearest_right_one():
    with pytest.raises(ConfigError) as caught:
        found(name="moonshoot")
    assert "`moonshot`" in caught.value.remedy


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1"),
        ("http://127.0.0.1:9/v1/chat/completions", "http://127.0.0.1:9/v1"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/v1"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9/v1"),
        ("http://127.0.0.1:9/custom", "http://127.0.0.1:9/custom"),
        (" https://x.invalid/api/v3 ", "https://x.invalid/api/v3"),
    ],
)
def test_addresses_are_brought_into_one_form(given, used):
    assert found(name="openai-compatible", base_url=given).base_url == used


@pytest.mark.parametrize(
    "given", ["127.0.0.1:9/v1", "ftp://x/v1", "http://", "http://x:port/v1", "http://x/v1?k=1"]
)
def test_what_is_not_an_address_is_refused(given):
    with pytest.raises(ConfigError, match="base_url"):
        found(name="openai-compatible", base_url=given)


def test_a_compatible_server_without_an_address_is_asked_for_it():
    with pytest.raises(ConfigError, match="address"):
        found(name="openai-compatible")


def test_a_retired_model_at_another_address_is_someone_elses_business():
    endpoint = found(name="moonshot", base_url="http://127.0.0.1:9/v1", model="kimi-k2-0905-preview")
    assert endpoint.model.context == 262144
    assert endpoint.model.temperature == 0.6


def test_a_model_newer_than_the_catalogue_is_let_through():
    endpoint = found({"MOONSHOT_API_KEY": KEY}, model="kimi-k9")
    assert endpoint.model.status == "unknown"
    assert endpoint.model.temperature is None
    assert endpoint.ask_server
    assert not found({"MOONSHOT_API_KEY": KEY}, model="kimi-k2.6").ask_server


def test_the_window_can_be_set_by_hand():
    model = found(name="vllm", model="moonshotai/Kimi-K2-Instruct", context=30000).model
    assert (model.context, model.max_output) == (30000, 30000)
    assert model.default_output < 30000


def test_a_kimi_model_behind_any_server_gets_k2_call_ids():
    def ids(name, model):
        return found(name=name, base_url="http://127.0.0.1:9", model=model).dialect.call_ids

    assert ids("openai-compatible", "moonshotai/Kimi-K2-Instruct") == "k2"
    assert ids("openai-compatible", "another-model") == "keep"
    assert ids("vllm", "kimi-k2") == "k2"
    assert ids("moonshot", "kimi-k2-0905-preview") == "keep"


def test_prices_of_moonshot_are_not_claimed_for_other_servers():
    endpoint = found(name="openai-compatible", base_url="http://127.0.0.1:9", model="kimi-k2.7-code")
    assert endpoint.model.prices == ()


def test_a_temperature_moonshot_would_refuse_is_refused_here():
    with pytest.raises(ConfigError, match="0 to 1"):
        found({"MOONSHOT_API_KEY": KEY}, temperature=1.5)


@pytest.mark.parametrize("key", ["sk-a b", "sk-a\nb", "“sk-a”"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key):
    with pytest.raises(ConfigError) as caught:
        found({"MOONSHOT_API_KEY": key})
    assert key not in caught.value.message + caught.value.remedy


def test_a_key_is_not_part_of_the_endpoints_repr():
    assert KEY not in repr(found({"MOONSHOT_API_KEY": KEY}))


def test_an_embedded_model_is_found_by_name_or_file(tmp_path):
    assert found(name="embedded", model="qwen2.5-coder-0.5b").model.context == 32768
    weights = tmp_path / "mine.gguf"
    weights.write_bytes(b"GGUF")
    mine = found(model=str(weights)).model
    assert (mine.id, mine.provider) == ("mine", "embedded")
    assert mine.prices[0].input == 0
    with pytest.raises(ModelNotFound) as caught:
        found(name="embedded", model="qwen2.5-coder-1.5")
    assert "qwen2.5-coder-1.5b" in caught.value.remedy


@pytest.mark.parametrize("profile", [p for p in PROFILES.values() if p.base_url], ids=lambda p: p.name)
def test_every_profile_resolves_with_a_key_and_its_own_defaults(profile):
    endpoint = found(name=profile.name, api_key=KEY)
    assert endpoint.base_url == profile.base_url
    assert endpoint.model.id == profile.default_model
    assert endpoint.model.status != "retired"


def test_errors_of_resolving_are_all_told_with_a_remedy():
    for provider in ({"name": "nope"}, {"name": "ark"}, {"name": "openai-compatible"}):
        with pytest.raises(KcodeError) as caught:
            found(**provider)
        assert caught.value.remedy
    assert dataclasses.is_dataclass(found())
