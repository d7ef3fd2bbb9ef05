"""What ``kcode doctor`` looks at around the model: the provider, its key, the network, the embedded
runtime, the sandbox. Only :func:`online` asks anybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kcode.cli.door import with_tilde
from kcode.cli.examine import Finding
from kcode.i18n import _, from_below

if TYPE_CHECKING:
    from kcode.config.settings import Settings

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


def provider(settings: Settings) -> Iterator[Finding]:
    from kcode.cli.start import endpoint_of

    endpoint = endpoint_of(settings)
    at = _(" at {host}").format(host=endpoint.host) if endpoint.host else ""
    key = (
        _("; key from {source}").format(source=from_below(endpoint.key_source)) if endpoint.key_source else ""
    )
    model = endpoint.model
    if model.status == "retired" and endpoint.own_address:
        says = (
            _("{id} was retired on {date}: {other} replaces it")
            if model.replaced_by
            else _("{id} was retired on {date}")
        ).format(id=model.id, date=model.retired_on, other=model.replaced_by)
        fix = f"kcode config set provider.model {model.replaced_by}" if model.replaced_by else "kcode models"
        yield Finding("provider", False, says, fix)
        return
    says = _("{name}{at}, model {model}; {why}{key}").format(
        name=endpoint.profile.name,
        at=at,
        model=model.id or _("from its list"),
        why=from_below(endpoint.why),
        key=key,
    )
    yield Finding("provider", True, says)


def keys(settings: Settings) -> Iterator[Finding]:
    """Every key that is found, and where; never the key."""
    from kcode.config.credentials import keyring_name, stored_accounts
    from kcode.providers.profiles import PROFILES

    found = [name for p in PROFILES.values() for name in p.key_variables if os.environ.get(name, "").strip()]
    found += [name for name in ("KCODE_API_KEY",) if os.environ.get(name, "").strip()]
    places = [f"{account} ({place})" for account, place in stored_accounts().items()]
    keyring = keyring_name()
    kept = (
        _("keyring: {name}").format(name=keyring)
        if keyring
        else _("no keyring here: a file of yours keeps keys")
    )
    if found or places:
        yield Finding("keys", True, "; ".join([", ".join([*dict.fromkeys(found), *places]), kept]))
    else:
        fix = _("kcode login stores one; the embedded model and servers of yours need none")
        yield Finding("keys", None, _("none is stored or set; {kept}").format(kept=kept), fix)


def proxies() -> Iterator[Finding]:
    """What the environment says about the way out; passwords in it are left out."""
    said = []
    for name in _PROXIES:
        value = os.environ.get(name) or os.environ.get(name.lower())
        if value:
            scheme, mark, rest = value.rpartition("://")
            shown = f"{scheme}{mark}{rest.rpartition('@')[2]}" if name.endswith("Y") else value
            said.append(f"{name}={shown}")
    yield Finding("network", True, "; ".join(said) or _("no proxy is set; --online asks the provider"))


def online(settings: Settings) -> Iterator[Finding]:
    """The smallest real call: the provider's list of models."""
    import time

    from kcode.cli.login import listed
    from kcode.cli.start import endpoint_of
    from kcode.errors import KcodeError

    endpoint = endpoint_of(settings)
    if endpoint.profile.embedded:
        yield Finding("online", True, _("the embedded model needs no network"))
        return
    began = time.monotonic()
    try:
        ids = listed(endpoint)
    except KcodeError as error:
        yield Finding(
            "online", False, f"{endpoint.label}: {from_below(error.message)}", from_below(error.remedy)
        )
        return
    took = time.monotonic() - began
    says = _("{host} answers in {seconds:.1f} s and lists {count} models")
    yield Finding("online", True, says.format(host=endpoint.host, seconds=took, count=len(ids)))


def embedded(settings: Settings) -> Iterator[Finding]:
    """The embedded runtime and model matter where they are the provider; elsewhere they may be missing."""
    import importlib.util

    from kcode.cli.start import endpoint_of
    from kcode.errors import KcodeError
    from kcode.providers.base import EmbeddedUnavailable
    from kcode.providers.embedded.store import locate

    try:
        needed = endpoint_of(settings).profile.embedded
    except KcodeError:
        needed = False
    missing: bool | None = False if needed else None
    runtime = next((name for name in ("xllamacpp", "llama_cpp") if importlib.util.find_spec(name)), "")
    if runtime:
        yield Finding("runtime", True, f"{runtime} (llama.cpp)")
    else:
        fix = _("install it with kcode's own Python: pip install 'kcode[embedded]'")
        yield Finding("runtime", missing, _("no llama.cpp runtime is installed"), fix)
    chosen = settings.provider.model if needed and settings.provider.model else settings.embedded.model
    try:
        path = locate(settings.embedded.model_copy(update={"model": chosen}))
    except EmbeddedUnavailable as error:
        yield Finding("model", missing, from_below(error.message), from_below(error.remedy))
        return
    yield Finding("model", True, f"{chosen} ({with_tilde(path)})")


def sandbox(settings: Settings) -> Iterator[Finding]:
    if settings.safety.sandbox == "off":
        says = _("off by the settings but in auto mode: commands run unconfined")
        yield Finding("sandbox", None, says, "kcode config unset safety.sandbox")
        return
    from kcode.safety.sandbox import status, way_out

    found = status()
    fix = "" if found.holds else _("install bubblewrap, or allow it (docs/permissions.md)")
    if found.kind == "landlock":
        fix = _("bubblewrap also guards modes, times and git's settings: apt or dnf install bubblewrap")
    yield Finding("sandbox", True if found.holds else None, from_below(found.detail), fix)
    if found.holds:
        yield Finding("network", None if not way_out() else True, _ways()[way_out()])


def _ways() -> dict[str, str]:
    return {
        "room": _("confined commands have a loopback of their own, and reach the hosts you allow"),
        "one port": _("confined commands reach the hosts you allow; servers on localhost do not work"),
        "": _("confined commands reach no host: what needs one is run outside, if you say so"),
    }
