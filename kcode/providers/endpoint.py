"""The endpoint of a session: which service, which model, which address, whose key."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from kcode.providers.catalog import Model
from kcode.providers.dialect import DIALECTS, Dialect
from kcode.providers.profiles import Profile
from kcode.providers.wishes import NO_WISHES, Wishes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What :func:`kcode.providers.registry.resolve` found. ``why`` says how it was chosen.

    ``model.id`` is empty where the server's own list decides; the provider asks it before the first
    request. ``ask_server`` says that the window is the server's own setting and not configured, so that its
    list is worth asking too. ``named`` says that the user chose the model; where kcode did, ``notice`` is
    what to tell about it. ``window`` is the configured one, 0 for none. ``key_source`` says in words where
    the key is from; the key itself is left out of ``repr``.
    """

    profile: Profile
    model: Model
    dialect: Dialect
    base_url: str
    api_key: str = field(default="", repr=False)
    why: str = ""
    ask_server: bool = False
    named: bool = True
    notice: str = ""
    window: int = 0
    wishes: Wishes = NO_WISHES
    key_source: str = ""

    def serving(self, model: Model) -> Endpoint:
        """The endpoint with another model, spoken to as that model and the settings want it.

        Raises ConfigError where the settings ask for what the model does not take.
        """
        dialect, model = self.wishes.applied(dialect_for(self.profile, model), model)
        return replace(self, model=model, dialect=dialect)

    @property
    def own_address(self) -> bool:
        """Whether the address is the profile's own, not one the user gave."""
        return self.base_url == self.profile.base_url

    @property
    def host(self) -> str:
        """Host and port, without user names or paths: safe to show."""
        parts = urlsplit(self.base_url)
        name = parts.hostname or ""
        return f"{name}:{parts.port}" if parts.port else name

    @property
    def label(self) -> str:
        """How error messages name the other side."""
        if self.profile.embedded:
            return self.profile.title
        return f"{self.profile.title} ({self.host})"


def dialect_for(profile: Profile, model: Model) -> Dialect:
    """How to speak to this model there.

    No server but Moonshot's own renames the ids of earlier tool calls, and K2 needs them in its own form
    (facts E.4): so a Kimi model behind any compatible server gets K2 ids. Moonshot's own thinking models
    refuse a tool call in history whose reasoning is missing (facts B.7), so there it is sent empty.
    A service whose other wire caches is spoken to in that one, for models whose cache has a price and for
    inference endpoints of the user's own (`ep-…`), whose model is not known. A model that sees gets the
    images of tool results where their messages may carry them, which is Moonshot's own wires.
    """
    dialect = DIALECTS[profile.dialect]
    if dialect.name in ("moonshot", "anthropic"):
        dialect = replace(dialect, images=model.vision)
    if dialect.cached_wire and (model.cache_storage is not None or model.id.startswith("ep-")):
        return replace(dialect, wire=dialect.cached_wire)
    if dialect.name == "openai" and "kimi" in model.id.lower():
        return replace(dialect, call_ids="k2")
    if dialect.name in ("moonshot", "anthropic") and model.thinking != "no":
        return replace(dialect, reasoning_required=True)
    return dialect
