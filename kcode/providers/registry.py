"""Which provider a session uses, decided from the settings and the environment without any network.

``auto`` takes, in this order: the profile whose address ``base_url`` is; the profile of the first key found
in the environment (KCODE_API_KEY, MOONSHOT_API_KEY, KIMI_API_KEY, ARK_API_KEY); ``openai-compatible`` where
a base URL is set; the first profile that ``kcode login`` stored a key for; the owner of ``provider.api_key``
in the settings; the embedded model. A KIMI_API_KEY is a Kimi Code key where it begins with ``sk-kimi-`` and a
key of Moonshot's open platform otherwise (kimi-cli reads it for either).
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kcode.config.credentials import ENVIRONMENT, account_of, find_key, stored_accounts
from kcode.config.settings import ProviderSettings, Settings
from kcode.errors import ConfigError
from kcode.providers import catalog
from kcode.providers.base import AuthError, ModelNotFound, Provider, ProviderError
from kcode.providers.catalog import Model
from kcode.providers.dialect import DIALECTS
from kcode.providers.endpoint import Endpoint, dialect_for
from kcode.providers.profiles import PROFILES, Profile
from kcode.providers.wishes import read_wishes

_KEY_PROFILES = (
    ("MOONSHOT_API_KEY", "moonshot"),
    ("KIMI_API_KEY", "moonshot"),
    ("ARK_API_KEY", "ark"),
)
_WIRES = {
    "chat": ("kcode.providers.chat", "ChatProvider"),
    "responses": ("kcode.providers.responses", "ResponsesProvider"),
    "messages": ("kcode.providers.messages", "MessagesProvider"),
    "completions": ("kcode.providers.completions", "CompletionsProvider"),
}
_WITHOUT_KEY = "Without any key: `--provider embedded`."


def resolve(settings: Settings, environ: Mapping[str, str]) -> Endpoint:
    """The endpoint these settings mean.

    Raises ConfigError for an unknown profile, a bad address or a setting that the model does not take, and
    AuthError for a missing key. Touches no network: whether a hosted service serves the model, and which it
    is where none is named, is found out by :func:`open_provider`.
    """
    wanted = settings.provider
    profile, why = _profile(wanted, environ)
    if profile.embedded:
        model = _embedded_model(settings)
        return Endpoint(profile, model, dialect_for(profile, model), "", "", why)
    base_url = _address(wanted.base_url, profile) if wanted.base_url else profile.base_url
    if not base_url:
        raise ConfigError(
            f"The provider `{profile.name}` needs an address.",
            "Give it with KCODE_BASE_URL or provider.base_url, such as http://127.0.0.1:8000/v1.",
        )
    own = base_url == profile.base_url
    model = _model(profile, wanted, own)
    wishes = read_wishes(wanted)
    chosen_later = profile.remote and not wanted.model.strip()
    fitting = wishes.for_any_model() if chosen_later else wishes
    dialect, model = fitting.applied(dialect_for(profile, model), model)
    if dialect.name == "moonshot" and (wanted.temperature or 0) > 1:
        raise ConfigError(
            f"provider.temperature is {wanted.temperature}; Moonshot takes 0 to 1.", "0.6 is its own advice."
        )
    if dialect.wire == "messages":
        from kcode.providers.messages_form import check_temperature

        check_temperature(wanted.temperature, model, dialect)
    key, key_source = _key(profile, wanted, environ, base_url)
    return Endpoint(
        profile,
        model,
        dialect,
        base_url,
        key,
        why,
        ask_server=not model.id
        or (not wanted.context and (not profile.remote or model.notes == catalog.UNLISTED)),
        named=bool(wanted.model.strip()),
        window=wanted.context,
        wishes=wishes,
        key_source=key_source,
    )


def open_provider(endpoint: Endpoint, settings: Settings) -> Provider:
    """A provider for the endpoint; a hosted service is connected to at the first request.

    Asked for its model list (blocking, a few seconds at most) are a server of the user's whose model or
    window is not known, and a hosted service where the user named no model or an unknown one and its list
    was not asked before (:mod:`kcode.providers.choice`). Raises EmbeddedUnavailable where the embedded
    model's file or runtime is not there, ModelNotFound for a model that is not served, and ProviderError
    where no model is configured and the server names none.
    """
    if endpoint.profile.embedded:
        from kcode.providers.embedded.provider import EmbeddedProvider
        from kcode.providers.embedded.store import locate

        chosen = settings.provider.model or settings.embedded.model
        embedded = settings.embedded.model_copy(update={"model": chosen})
        return EmbeddedProvider(locate(embedded), endpoint.model, embedded)
    from kcode.providers.retry import RetryPolicy

    wanted = settings.provider
    if endpoint.profile.remote:
        from kcode.providers.choice import settled

        endpoint = settled(endpoint)
    elif endpoint.ask_server:
        endpoint = _asked(endpoint)
    provider: Provider = wire_class(endpoint)(
        endpoint, timeout_s=wanted.timeout_s, policy=RetryPolicy(wanted.retries)
    )
    return provider


def wire_class(endpoint: Endpoint) -> Any:
    """The class that speaks the endpoint's wire; only that one is imported."""
    module, name = _WIRES[endpoint.dialect.wire]
    return getattr(importlib.import_module(module), name)


def _asked(endpoint: Endpoint) -> Endpoint:
    """The endpoint as its server describes it; as it is where the server has no list and none is needed.

    In a thread and an event loop of its own: the caller may have a loop running, and a client belongs to
    the loop that opened it.
    """
    from concurrent.futures import ThreadPoolExecutor

    from kcode.providers.service import ask_server

    with ThreadPoolExecutor(1) as thread:
        try:
            return thread.submit(ask_server, wire_class(endpoint), endpoint).result()
        except ProviderError:
            if endpoint.model.id:
                return endpoint
            raise


# --- the profile -------------------------------------------------------------------------------


def _profile(wanted: ProviderSettings, environ: Mapping[str, str]) -> tuple[Profile, str]:
    name = wanted.name.strip().lower()
    if name in PROFILES:
        return PROFILES[name], f"provider.name is {name}"
    if name not in ("auto", ""):
        near = difflib.get_close_matches(name, PROFILES, 1, 0.4)
        hint = f"Did you mean `{near[0]}`? " if near else ""
        raise ConfigError(
            f"There is no provider `{wanted.name}`.", f"{hint}There are: {', '.join(PROFILES)}."
        )
    return _automatic(wanted, environ)


def _automatic(wanted: ProviderSettings, environ: Mapping[str, str]) -> tuple[Profile, str]:
    host = urlsplit(wanted.base_url).hostname if wanted.base_url else None
    for profile in sorted(PROFILES.values(), key=lambda p: -len(p.base_url)):
        theirs = urlsplit(profile.base_url)
        if (
            profile.remote
            and host == theirs.hostname
            and urlsplit(wanted.base_url).path.startswith(theirs.path)
        ):
            return profile, f"provider.base_url is an address of {profile.title}"
    if re.search(r"/anthropic(/v1(/messages)?)?/?$", wanted.base_url.strip()):
        return PROFILES["anthropic-compatible"], "provider.base_url ends in /anthropic"
    given = wanted.api_key.strip()
    if given and not wanted.base_url and given in (environ.get(v, "").strip() for v in ENVIRONMENT):
        return PROFILES[owner_of(given)], "a key is in the environment"
    for variable, name in _KEY_PROFILES:
        key = environ.get(variable, "").strip()
        if key:
            chosen = "kimi-code" if key.startswith("sk-kimi-") and variable == "KIMI_API_KEY" else name
            return PROFILES[chosen], f"{variable} is set"
    if wanted.base_url:
        return PROFILES["openai-compatible"], "provider.base_url is set"
    stored = stored_accounts()
    for profile in PROFILES.values():
        if profile.name in stored:
            return profile, "its key is stored"
    if given:
        return PROFILES[owner_of(given)], "provider.api_key is set"
    model = wanted.model
    if model and not _is_embedded(model):
        raise AuthError(
            f"The model `{model}` is not an embedded one, and no key is set for another provider.",
            "`kcode login` stores a key; or set MOONSHOT_API_KEY, KIMI_API_KEY or ARK_API_KEY, or"
            f" KCODE_BASE_URL. {_WITHOUT_KEY}",
        )
    return PROFILES["embedded"], "no key and no base URL is set"


def owner_of(key: str) -> str:
    """Whose key it is, by its form: Kimi Code's prefix, Ark's UUIDs, else Moonshot's open platform."""
    if key.startswith("sk-kimi-"):
        return "kimi-code"
    return "ark" if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key) else "moonshot"


# --- the address -------------------------------------------------------------------------------


def _address(given: str, profile: Profile) -> str:
    """The base URL without a trailing slash or an endpoint's path; the usual path where it has none."""
    url = given.strip().rstrip("/")
    url = re.sub(r"/(chat/completions|completions|messages|models)$", "", url).rstrip("/")
    if DIALECTS[profile.dialect].wire == "messages":  # whose endpoints are all below /v1
        url = url.removesuffix("/v1")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"provider.base_url is not a web address: {re.sub(r'//[^/@]*@', '//', given)}",
            "It begins with http:// or https://, such as http://127.0.0.1:8000/v1.",
        )
    if parts.query or parts.fragment:
        raise ConfigError("provider.base_url must not have a query (?…) or a fragment (#…).")
    return url if parts.path else url + profile.path


# --- the key -----------------------------------------------------------------------------------


def _key(
    profile: Profile, wanted: ProviderSettings, environ: Mapping[str, str], base_url: str
) -> tuple[str, str]:
    """The key and where it comes from; both empty where there is none and none is needed."""
    account = account_of(profile.name, base_url, profile.base_url)
    key, source = find_key(account, profile.key_variables, environ, wanted.api_key)
    if not key and profile.needs_key and base_url == profile.base_url:
        names = " or ".join(profile.key_variables)
        raise AuthError(
            f"{profile.title} needs a key, and none is set.",
            f"`kcode login {profile.name}` stores one, or set {names} (keys are made at {profile.console})."
            f" {_WITHOUT_KEY}",
        )
    if key and not re.fullmatch(r"[!-~]+", key):
        raise ConfigError(
            f"The key in {source} has a space, a line break or a letter outside ASCII: no key has.",
            "Copy it again, without anything around it.",
        )
    return key, source


# --- the model ---------------------------------------------------------------------------------


def _model(profile: Profile, wanted: ProviderSettings, own_address: bool) -> Model:
    model_id = wanted.model.strip() or profile.default_model
    known = catalog.find(model_id, profile.name) if model_id else None
    if known is None and model_id and not (profile.remote and own_address):
        elsewhere = catalog.find(model_id)
        if elsewhere is not None:  # the same weights on someone else's server: its prices are not known here
            known = replace(elsewhere, provider=profile.name, currency="", prices=(), cache_storage=None)
    window = wanted.context or profile.window
    model = known or catalog.unknown_model(model_id, profile.name, window)
    return model.with_window(window) if window else model


def _is_embedded(model: str) -> bool:
    return catalog.find(model, "embedded") is not None or model.endswith(".gguf")


def _embedded_model(settings: Settings) -> Model:
    name = settings.provider.model or settings.embedded.model
    known = catalog.find(name, "embedded")
    if known is None and not (_is_embedded(name) or "/" in name or os.sep in name):
        names = [m.id for m in catalog.live_models("embedded")]
        near = difflib.get_close_matches(name, names, 1)
        hint = f"Did you mean `{near[0]}`? " if near else ""
        raise ModelNotFound(
            f"There is no embedded model `{name}`.",
            f"{hint}There are: {', '.join(names)}, or the path of a GGUF file.",
        )
    if known is None:
        free = catalog.PriceStep(*(Decimal(0),) * 3)
        known = replace(catalog.unknown_model(Path(name).stem, "embedded"), prices=(free,), temperature=0.2)
    context = settings.embedded.context
    return replace(known, context=context) if context else known
