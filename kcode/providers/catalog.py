"""The model catalogue: data in ``catalog.toml``, typed here. Prices are per 1M tokens.

The file is read on first use. ``catalog.toml`` in :func:`kcode.config.paths.config_dir` adds records
and overrides fields of the shipped ones (:mod:`kcode.providers.catalog_file`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Literal

from kcode.config.paths import config_dir
from kcode.errors import ConfigError


@dataclass(frozen=True, slots=True)
class PriceStep:
    """Prices per 1M tokens for requests of up to ``upto`` prompt tokens (None: any).

    ``write`` is what writing a token to the cache costs beside its input price.
    """

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    upto: int | None = None
    write: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider profile. Token counts; ``""`` and None where nothing is known.

    ``default_output`` is what kcode asks for; ``unset_output`` is what the server gives an answer whose
    request names no limit (0: not stated). ``efforts`` are the values of ``reasoning_effort`` it takes.
    """

    id: str
    provider: str
    context: int
    default_output: int
    max_output: int
    currency: str = "CNY"
    prices: tuple[PriceStep, ...] = ()
    batch_prices: tuple[PriceStep, ...] = ()
    cache_storage: Decimal | None = None  # per 1M tokens and hour
    thinking: Literal["no", "forced", "toggle"] = "no"
    temperature: float | None = 0.6  # None: the model refuses sampling fields
    status: Literal["live", "retired", "unknown"] = "live"
    retired_on: str = ""
    replaced_by: str = ""
    coding_rank: int = 0  # higher is preferred when the account's list offers several
    reasoning_history: Literal["loop", "always", "keep"] = "loop"  # whose reasoning the template renders
    strict: bool = False  # function.strict is supported
    json_schema: bool = False  # response_format json_schema is supported
    vision: bool = False
    search_while_thinking: bool = True  # Moonshot's `$web_search` and thinking go together (facts B.6)
    rpm: int = 0  # requests a minute that the provider states for the model, 0 for not stated
    tpm: int = 0  # tokens a minute, prompt and reserved answer together
    speed: str = ""  # as the provider states it
    notes: str = ""
    unset_output: int = 0
    efforts: tuple[str, ...] = ()

    def with_window(self, context: int) -> Model:
        """The same model where the window has ``context`` tokens: answers must fit it."""
        return replace(
            self,
            context=context,
            max_output=min(self.max_output, context),
            default_output=min(self.default_output, max(context // 4, 256)),
        )


@dataclass(frozen=True, slots=True)
class Tier:
    """An account's limits by what was ever recharged, shared by all keys and models (facts A.4).

    ``recharge_cny`` and ``recharge_usd`` are the least sums; ``concurrency`` requests at a time; ``rpm``,
    ``tpm`` and ``tpd`` a minute and a day, None for no limit stated. ``as_of`` dates the table (year-month).
    """

    level: int
    as_of: str
    recharge_cny: int
    recharge_usd: int
    concurrency: int
    rpm: int
    tpm: int
    tpd: int | None = None


UNLISTED = "not in the catalogue"
_MOONSHOTS = ("moonshot", "moonshot-intl", "kimi-code", "anthropic-compatible")


def find(model_id: str, provider: str | None = None) -> Model | None:
    """The model with this id; with ``provider`` only that profile's. Live ones come first."""
    matches = [m for m in models() if m.id == model_id and provider in (None, m.provider)]
    return min(matches, key=lambda m: m.status != "live", default=None)


def live_models(provider: str) -> list[Model]:
    """The models of a profile that are not known to be retired, best for coding first.

    Models of unknown status come after the live ones.
    """
    mine = [m for m in models() if m.provider == provider and m.status != "retired"]
    return sorted(mine, key=lambda m: (m.status != "live", -m.coding_rank, m.id))


def tiers(as_of: str = "") -> list[Tier]:
    """Moonshot's tiers, lowest first, of the newest table that is not after ``as_of`` (year-month).

    A newer table says nothing of a tier that it leaves out; the last one that does is taken.
    """
    newest: dict[int, Tier] = {}
    for tier in sorted(_shipped_tiers(), key=lambda t: t.as_of):
        if not as_of or tier.as_of <= as_of:
            newest[tier.level] = tier
    return [newest[level] for level in sorted(newest)]


def unknown_model(model_id: str, provider: str, context: int = 0) -> Model:
    """Safe assumptions for a model that no catalogue names. ``context`` in tokens, 0 for not known.

    On Moonshot's own services it is newer than the catalogue: those think and refuse sampling fields, and
    no window there is below 131,072 tokens. An ``ep-…`` id is an Ark endpoint of the user's: every Kimi
    model on Ark had 128k at least and gives at most 32,768 tokens. Elsewhere 32,768 is what every server of
    a coding model offers, and ids that speak of thinking get the thinking models' temperature and room.
    Prices are not known.
    """
    newer = provider in _MOONSHOTS
    endpoint = model_id.startswith("ep-")
    thinks = newer or "thinking" in model_id.lower()
    window = context or (131072 if newer or endpoint else 32768)
    limit = min(window, 32768) if endpoint else window
    return Model(
        id=model_id,
        provider=provider,
        context=window,
        default_output=min(16384 if thinks or endpoint else 8192, max(window // 4, 256)),
        max_output=limit,
        currency="",
        thinking="toggle" if newer else "forced" if thinks else "no",
        temperature=None if newer else 1.0 if thinks else 0.6,
        status="unknown",
        reasoning_history="always" if newer else "loop",
        notes=UNLISTED,
    )


def models() -> tuple[Model, ...]:
    """Every known model, the user's own file included. Raises ConfigError naming a bad file."""
    user = config_dir() / "catalog.toml"
    try:
        stamp = user.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return tuple(_shipped().values())
    except OSError as problem:
        raise ConfigError(f"{user} cannot be read: {problem.strerror}") from None
    return _merged(user, stamp)


@lru_cache(maxsize=1)
def _shipped() -> Mapping[tuple[str, str], Model]:
    from kcode.providers.catalog_file import read_models

    return read_models(_shipped_file(), {})


@lru_cache(maxsize=1)
def _shipped_tiers() -> tuple[Tier, ...]:
    from kcode.providers.catalog_file import read_tiers

    return read_tiers(_shipped_file())


@lru_cache(maxsize=4)
def _merged(user: Path, _stamp: int) -> tuple[Model, ...]:
    from kcode.providers.catalog_file import read_models

    return tuple(read_models(user, _shipped()).values())


def _shipped_file() -> Path:
    return Path(__file__).with_name("catalog.toml")
