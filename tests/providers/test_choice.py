from __future__ import annotations

import asyncio
import json
import stat
import sys
import threading
import time

import pytest

from kcode.config.paths import cache_dir, config_dir
from kcode.errors import ConfigError
from kcode.providers import account_list
from kcode.providers.base import ModelNotFound
from kcode.providers.registry import open_provider, resolve
from tests.k2sim import say
from tests.k2sim.models import LIVE_ON_MOONSHOT

from .support import KEY, ask, make_settings


def opened(sim, name="moonshot", **provider):
    settings = make_settings(**{"name": name, "base_url": sim.base_url, "api_key": KEY, **provider})
    return open_provider(resolve(settings, {}), settings)


def lists(sim):
    return [r for r in sim.requests if r.path.endswith("/models")]


def cache_files():
    return list((cache_dir() / "accounts").glob("*.json"))


def test_without_a_named_model_the_best_the_account_lists_is_taken_and_said(k2sim):
    sim = k2sim(model_ids=["kimi-k2.6", "kimi-k3", "moonshot-v1-8k"])
    provider = opened(sim)
    assert provider.model.id == "kimi-k3"
    assert "kimi-k3: the best for coding that Moonshot" in provider.endpoint.notice
    assert "kimi-k3" in provider.endpoint.why
    assert opened(k2sim(model_ids=LIVE_ON_MOONSHOT)).model.id == "kimi-k2.7-code"


def test_at_an_address_of_the_users_the_first_listed_will_do_where_none_is_known(k2sim):
    provider = opened(k2sim(model_ids=["house-coder", "house-chat"]))
    assert provider.model.id == "house-coder"
    assert "the first that Moonshot" in provider.endpoint.notice


def test_a_named_model_of_the_catalogue_costs_no_request_and_no_words(k2sim):
    sim = k2sim()
    provider = opened(sim, model="kimi-k2.6")
    assert (provider.model.id, provider.endpoint.notice) == ("kimi-k2.6", "")
    assert not sim.requests


def test_a_fresh_list_is_not_asked_for_again(k2sim):
    sim = k2sim(model_ids=["kimi-k2.6"])
    assert opened(sim).model.id == opened(sim).model.id == "kimi-k2.6"
    assert len(lists(sim)) == 1


def test_another_key_or_address_has_a_list_of_its_own(k2sim):
    sim, other = k2sim(api_key=None, model_ids=["kimi-k2.6"]), k2sim(model_ids=["kimi-k3"])
    opened(sim)
    opened(sim, api_key="sk-test-another-key")
    assert len(lists(sim)) == 2
    assert opened(other).model.id == "kimi-k3"


def test_the_kept_list_is_the_users_alone_and_holds_no_key(k2sim):
    opened(k2sim(model_ids=["kimi-k2.6"]))
    (file,) = cache_files()
    assert KEY not in file.read_text() + file.name
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_stale_list_is_used_and_renewed_for_the_next_opening(k2sim):
    sim = k2sim(model_ids=["kimi-k2.6"])
    opened(sim)
    (file,) = cache_files()
    file.write_text(json.dumps({**json.loads(file.read_text()), "asked_at": time.time() - 2 * 86400}))
    sim.models["kimi-k3"] = type(sim.models["kimi-k2.6"])("kimi-k3")
    assert opened(sim).model.id == "kimi-k2.6"
    for thread in threading.enumerate():
        if thread.name == "kcode-models":
            thread.join(30)
    assert len(lists(sim)) == 2
    assert opened(sim).model.id == "kimi-k3"
    assert len(lists(sim)) == 2


def test_a_damaged_kept_list_is_asked_for_anew(k2sim):
    sim = k2sim(model_ids=["kimi-k2.6"])
    opened(sim)
    for damaged in ("{", "[]", '{"rows": 3}', '{"rows": [], "asked_at": "x", "absent": false, "probes": {}}'):
        cache_files()[0].write_text(damaged)
        assert opened(sim).model.id == "kimi-k2.6"


def test_without_a_network_the_profiles_usual_model_is_taken_and_that_is_said():
    settings = make_settings(name="moonshot", base_url="http://127.0.0.1:9/v1", api_key=KEY)
    provider = open_provider(resolve(settings, {}), settings)
    assert provider.model.id == "kimi-k2.7-code"
    assert "could not be asked" in provider.endpoint.notice
    assert not cache_files()


def test_a_model_on_its_way_out_is_not_chosen(k2sim):
    sim = k2sim(model_ids=LIVE_ON_MOONSHOT)
    sim.shutting_down.add("kimi-k2.7-code")
    assert opened(sim).model.id == "kimi-k3.1-pro"


def test_the_window_the_list_states_is_believed_and_the_configured_one_more(k2sim):
    sim = k2sim(model_ids=["kimi-k2.6"], context={"kimi-k2.6": 50_000})
    assert opened(sim).model.context == 50_000
    assert opened(sim, context=20_000).model.context == 20_000


# --- what is not there is refused before money is spent ---


def test_a_retired_model_is_refused_with_its_successor_and_the_live_ids(k2sim):
    sim = k2sim(model_ids=LIVE_ON_MOONSHOT)
    with pytest.raises(ModelNotFound) as caught:
        opened(sim, model="kimi-k2-0905-preview")
    assert "`kimi-k2.7-code`" in caught.value.remedy
    assert all(name in caught.value.remedy for name in LIVE_ON_MOONSHOT)
    assert not sim.chats


def test_a_retired_model_that_this_account_still_has_is_let_through(k2sim):
    sim = k2sim(model_ids=["kimi-k2-0905-preview", "kimi-k2.6"])
    model = opened(sim, model="kimi-k2-0905-preview").model
    assert (model.id, model.temperature) == ("kimi-k2-0905-preview", 0.6)


def test_a_slip_of_the_pen_gets_the_nearest_live_id(k2sim):
    sim = k2sim(model_ids=LIVE_ON_MOONSHOT)
    with pytest.raises(ModelNotFound) as caught:
        opened(sim, model="kimi-k2.7-cod")
    assert "Did you mean `kimi-k2.7-code`?" in caught.value.remedy
    assert not sim.chats


def test_a_model_newer_than_the_catalogue_is_taken_where_the_account_lists_it(k2sim):
    sim = k2sim(model_ids=["kimi-k9"], context={"kimi-k9": 500_000})
    model = opened(sim, model="kimi-k9").model
    assert (model.context, model.temperature) == (500_000, None)


def test_a_new_model_is_found_though_the_kept_list_is_old(k2sim):
    sim = k2sim(model_ids=["kimi-k2.6"])
    opened(sim)
    sim.models["kimi-k9"] = type(sim.models["kimi-k2.6"])("kimi-k9")
    (file,) = cache_files()
    file.write_text(json.dumps({**json.loads(file.read_text()), "asked_at": 0}))
    assert opened(sim, model="kimi-k9").model.id == "kimi-k9"


def test_a_record_of_the_users_has_an_unlisted_id_sent(k2sim):
    config_dir().mkdir(parents=True, exist_ok=True)
    (config_dir() / "catalog.toml").write_text(
        '[[model]]\nid = "secret-k2"\nprovider = "moonshot"\nlike = "kimi-k2.6"\n'
    )
    sim = k2sim(model_ids=["kimi-k2.6"])
    assert opened(sim, model="secret-k2").model.context == 262144
    assert not sim.requests


def test_a_retired_model_is_refused_without_a_network_too(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    settings = make_settings(name="moonshot", api_key=KEY, model="kimi-k2-0905-preview")
    with pytest.raises(ModelNotFound) as caught:
        open_provider(resolve(settings, {}), settings)
    assert "2026-05-25" in caught.value.message
    assert "kimi-k2.7-code" in caught.value.remedy


def test_a_plans_dropped_model_is_refused():
    settings = make_settings(name="ark-coding", api_key=KEY, model="kimi-k2.5")
    with pytest.raises(ModelNotFound, match="2026-06-08"):
        open_provider(resolve(settings, {}), settings)


# --- Ark: being listed is no proof ---


def test_ark_is_probed_with_one_token_and_the_next_one_taken_where_the_first_is_gone(k2sim):
    sim = k2sim(shape="ark")
    sim.listed_only.add("kimi-k2-thinking-251104")
    assert opened(sim, "ark").model.id == "kimi-k2-250905"
    assert [p.json["model"] for p in sim.probes] == ["kimi-k2-thinking-251104", "kimi-k2-250905"]
    assert all(p.json["max_tokens"] == 1 for p in sim.probes)
    assert opened(sim, "ark").model.id == "kimi-k2-250905"
    assert (len(sim.probes), len(lists(sim))) == (2, 1)


def test_ark_without_a_model_that_answers_says_so_and_names_the_plans(k2sim):
    sim = k2sim(shape="ark")
    sim.listed_only |= set(sim.models)
    with pytest.raises(ModelNotFound) as caught:
        opened(sim, "ark")
    assert "kimi-k2-250905" in caught.value.message
    assert "--provider ark-coding" in caught.value.remedy


def test_an_endpoint_id_is_sent_as_it_is(k2sim):
    sim = k2sim(shape="ark")
    model = opened(sim, "ark", model="ep-20251104-abcde").model
    assert (model.id, model.max_output) == ("ep-20251104-abcde", 32768)
    assert not sim.requests


def test_other_makers_models_on_ark_are_not_chosen(k2sim):
    sim = k2sim(shape="ark", model_ids=["doubao-seed-1-8", "kimi-k2-250905"])
    assert opened(sim, "ark").model.id == "kimi-k2-250905"


def test_a_list_that_proved_wrong_is_forgotten(k2sim):
    sim = k2sim(model_ids=["kimi-k2.6"])
    endpoint = opened(sim).endpoint
    assert account_list.kept(endpoint) is not None
    account_list.forget(endpoint)
    assert account_list.kept(endpoint) is None


# --- provider.wire, provider.dialect, effort, thinking ---


def dialect(**provider):
    return resolve(make_settings(name="moonshot", api_key=KEY, **provider), {}).dialect


def test_the_dialect_can_be_overridden_field_by_field():
    changed = dialect(
        dialect="""heal=true partial=continue reasoning_field=none temperature_scale=0.5"""
        """ strict_tools=none extra_body='{"top_k": 40}'"""
    )
    assert (changed.heal, changed.partial, changed.reasoning_field) == (True, "continue", None)
    assert (changed.temperature_scale, changed.strict_tools) == (0.5, None)
    assert changed.extra_body == (("top_k", 40),)
    assert dialect(wire="completions").wire == "completions"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("heel=true", "Did you mean `heal`?"),
        ("heal=yes", "It is one of: true, false."),
        ("partial=contnue", "Did you mean `continue`?"),
        ("heal", "Such as"),
        ("temperature_scale=hot", ""),
        ("wire=chat", "provider.wire"),
        ("name=x", "There are:"),
        ("extra_body=3", "top_k"),
        ("""extra_body='{"messages": []}'""", ""),
        ("heal='true", "Such as"),
    ],
)
def test_a_wrong_override_is_named_with_what_is_allowed(text, says):
    with pytest.raises(ConfigError) as caught:
        dialect(dialect=text)
    assert "provider.dialect" in caught.value.message
    assert says in caught.value.remedy


def test_overrides_hold_for_a_model_found_in_the_servers_list(k2sim):
    provider = opened(k2sim(model_ids=["kimi-k2.6"]), dialect="heal=true", thinking="off")
    assert provider.dialect.heal
    assert ("thinking", {"type": "disabled"}) in provider.dialect.extra_body
    assert provider.model.thinking == "no"


def test_the_effort_is_sent_for_k3_and_refused_elsewhere():
    assert ("reasoning_effort", "low") in dialect(model="kimi-k3", reasoning_effort="low").extra_body
    assert dialect(model="kimi-k3").extra_body == ()
    with pytest.raises(ConfigError) as caught:
        dialect(model="kimi-k2.6", reasoning_effort="low")
    assert "kimi-k3" in caught.value.remedy


def test_thinking_is_switched_off_where_the_model_can_and_refused_elsewhere():
    off = resolve(make_settings(name="moonshot", api_key=KEY, model="kimi-k2.6", thinking="off"), {})
    assert off.dialect.extra_body == (("thinking", {"type": "disabled"}),)
    assert (off.model.thinking, off.dialect.reasoning_required) == ("no", False)
    assert dialect(model="kimi-k2.6").extra_body == ()
    with pytest.raises(ConfigError, match="always thinks"):
        dialect(model="kimi-k2.7-code", thinking="off")


@pytest.mark.parametrize(
    ("provider", "field", "value"),
    [
        ({"model": "kimi-k2.6", "thinking": "off"}, "thinking", {"type": "disabled"}),
        ({"model": "kimi-k3", "reasoning_effort": "high"}, "reasoning_effort", "high"),
        ({"model": "kimi-k2.6"}, "thinking", None),
        ({"model": "kimi-k3"}, "reasoning_effort", None),
    ],
)
def test_what_is_set_about_thinking_reaches_the_server_and_nothing_else_does(k2sim, provider, field, value):
    sim = k2sim([say("ok")])
    asyncio.run(ask(opened(sim, **provider)))
    assert sim.chats[0].json.get(field) == value
    assert sim.chats[0].status == 200
    assert "temperature" not in sim.chats[0].json
