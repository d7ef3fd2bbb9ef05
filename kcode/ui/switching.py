"""Going on with another provider or model: opened first, so that the present one stays where that fails."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from kcode.errors import ConfigError, KcodeError
from kcode.i18n import _

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.config.settings import Settings
    from kcode.providers.base import Provider
    from kcode.ui.sitting import Sitting


_LISTED: WeakKeyDictionary[Provider, tuple[str, ...]] = WeakKeyDictionary()  # as they were shown


def opened(settings: Settings) -> Provider:
    """The provider that these settings mean; may take seconds. Raises what opening raises, and UsageError for
    a limit in another currency."""
    from kcode.agent.allowance import limits
    from kcode.providers.registry import open_provider, resolve

    endpoint = resolve(settings, os.environ)
    limits(settings.agent, endpoint.model)
    return open_provider(endpoint, settings)


def with_model(settings: Settings, name: str) -> Settings:
    return settings.model_copy(update={"provider": settings.provider.model_copy(update={"model": name})})


def with_provider(sitting: Sitting, session: Session, name: str, address: str = "") -> Settings:
    """The settings for the profile ``name``. Address, model and key that were given for another profile are
    not carried over to it; those the sitting began with come back with their own profile.

    Raises ConfigError for a profile that is not there.
    """
    from kcode.providers.profiles import PROFILES

    if name not in PROFILES:
        from difflib import get_close_matches

        near = get_close_matches(name, PROFILES, 1, 0.4)
        hint = _("did you mean /provider {name}?").format(name=near[0]) if near else ""
        raise ConfigError(
            _("there is no provider {name!r}").format(name=name), hint or _("/provider lists them")
        )
    wanted = session.settings.provider
    if address or name != profile_of(session.settings):
        update = {"name": name, "model": "", "base_url": address, "api_key": ""}
        wanted = wanted.model_copy(update=update)
        if not address and name == profile_of(sitting.settings):
            wanted = sitting.settings.provider
    return session.settings.model_copy(update={"provider": wanted})


def profile_of(settings: Settings) -> str:
    """The name of the profile that the settings mean; ``""`` where they mean none that can be used."""
    from kcode.providers.registry import resolve

    try:
        return resolve(settings, os.environ).profile.name
    except KcodeError:
        return ""


def listed_models(sitting: Sitting) -> list[str]:
    """The models of the provider in use, as far as they are known without asking: its list as it was shown,
    or as it was kept on disk, or the catalogue's. Also before the session is open."""
    from kcode.providers import account_list, catalog
    from kcode.providers.registry import resolve

    session = sitting.session
    if session is not None and session.provider in _LISTED:
        return list(_LISTED[session.provider])
    try:
        settings = sitting.settings if session is None else session.settings
        endpoint = resolve(settings, os.environ)
    except KcodeError:
        return []
    listing = account_list.kept(endpoint) if endpoint.profile.lists_models else None
    if listing is not None and listing.ids:
        return listing.ids
    return [model.id for model in catalog.live_models(endpoint.profile.name)]


async def list_models(session: Session) -> list[str]:
    """The models as the provider lists them now; empty where it gives no list."""
    from kcode.providers.base import ProviderError

    try:
        listed = await session.provider.list_models()
    except ProviderError:
        return []
    _LISTED[session.provider] = tuple(listed)
    return listed


async def switch(session: Session, settings: Settings) -> None:
    """Go on with the provider of ``settings``: the conversation is kept, the epoch is recorded, the old
    provider is closed. Where anything fails the session is as it was, and what was opened is closed."""
    new = await asyncio.to_thread(opened, settings)
    old = session.provider
    try:
        session.switch(new, settings)
    except BaseException:
        await new.close()
        raise
    await old.close()
