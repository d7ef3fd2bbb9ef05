"""The model catalogue: data in ``catalog.toml``, typed here. Prices are per 1M tokens.

The file is read on first use. ``catalog.toml`` in :func:`kcode.config.paths.config_dir` adds records
and overrides fields of the shipped ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

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
    """One model of one provider profile. Token counts; ``""`` and None where nothing is known."""

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
    rpm: int = 0  # requests a minute that the provider states for the model, 0 for not stated
    tpm: int = 0  # tokens a minute, prompt and reserved answer together
    speed: str = ""  # as the provider states it
    notes: str = ""


UNLISTED = "not in the catalogue"
_MOONSHOTS = ("moonshot", "moonshot-intl", "kimi-code")


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


def unknown_model(model_id: str, provider: str, context: int = 0) -> Model:
    """Safe assumptions for a model that no catalogue names. ``context`` in tokens, 0 for not known.

    On Moonshot's own services it is newer than the catalogue: those think and refuse sampling fields, and
    no window there is below 131,072 tokens. Elsewhere 32,768 is what every server of a coding model offers,
    and ids that speak of thinking get the thinking models' temperature and room. Prices are not known.
    """
    newer = provider in _MOONSHOTS
    thinks = newer or "thinking" in model_id.lower()
    window = context or (131072 if newer else 32768)
    return Model(
        id=model_id,
        provider=provider,
        context=window,
        default_output=min(16384 if thinks else 8192, max(window // 4, 256)),
        max_output=window,
        currency="",
        thinking="toggle" if newer else "forced" if thinks else "no",
        temperature=None if newer else 1.0 if thinks else 0.6,
        status="unknown",
        notes=UNLISTED,
    )


def models() -> tuple[Model, ...]:
    """Every known model, the user's own file included. Raises ConfigError naming a bad file."""
    user = config_dir() / "catalog.toml"
    try:
        stamp = user.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return _shipped()
    except OSError as problem:
        raise ConfigError(f"{user} cannot be read: {problem.strerror}") from None
    return _merged(user, stamp)


@lru_cache(maxsize=1)
def _shipped() -> tuple[Model, ...]:
    path = Path(__file__).with_name("catalog.toml")
    return tuple(_model(record, path) for record in _records(path))


@lru_cache(maxsize=4)
def _merged(user: Path, _stamp: int) -> tuple[Model, ...]:
    known = {(m.provider, m.id): m for m in _shipped()}
    for record in _records(user):
        place = (str(record["provider"]), str(record["id"]))
        known[place] = _model(record, user, known.get(place))
    return tuple(known.values())


# --- reading the file ------------------------------------------------------------------------

_FIELDS = {field.name for field in fields(Model)}
_COUNTS = ("context", "default_output", "max_output")
_CHOICES = {"thinking": ("no", "forced", "toggle"), "status": ("live", "retired", "unknown")}
_TEXTS = ("currency", "retired_on", "replaced_by", "notes")


def _records(path: Path) -> list[dict[str, Any]]:
    import tomllib  # 14 ms: only when the catalogue is really read

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as problem:
        raise ConfigError(f"{path} cannot be read: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} is not valid TOML: {problem}", "Correct it, or move it away.") from None
    unknown = sorted(set(data) - {"model"})
    tables = data.get("model", [])
    if unknown or not isinstance(tables, list):
        what = f"has the unknown key `{unknown[0]}`" if unknown else "has `model`, which is not a list"
        raise ConfigError(f"{path} {what}.", "A catalogue is a list of [[model]] tables.")
    records: list[dict[str, Any]] = []
    for number, table in enumerate(tables, 1):
        records.extend(_per_provider(table, path, number))
    return records


def _per_provider(table: object, path: Path, number: int) -> list[dict[str, Any]]:
    where = f"{path}, model {number}"
    if not isinstance(table, dict) or not isinstance(table.get("id"), str) or not table["id"]:
        raise ConfigError(f"{where}: `id` is missing.")
    rest = {key: value for key, value in table.items() if key != "providers"}
    providers = table.get("providers", [table.get("provider")])
    if (
        not isinstance(providers, list)
        or not providers
        or not all(p and isinstance(p, str) for p in providers)
    ):
        raise ConfigError(f"{where} ({table['id']}): `provider` is missing; it names a provider profile.")
    return [{**rest, "provider": provider} for provider in providers]


def _model(record: Mapping[str, Any], path: Path, base: Model | None = None) -> Model:
    where = f"{path}, model {record['id']}"
    for key, value in record.items():
        _check(key, value, where)
    values = dict(record)
    if "prices" in values:
        values["prices"] = tuple(_price(step, where) for step in values["prices"])
    if "cache_storage" in values:
        values["cache_storage"] = Decimal(values["cache_storage"])
    if values.get("temperature") is not None:
        values["temperature"] = float(values["temperature"])
    if base is not None:
        return replace(base, **values)
    missing = [key for key in _COUNTS if key not in values]
    if "context" in missing:
        raise ConfigError(f"{where}: `context` is missing (the window, in tokens).")
    values.setdefault("max_output", values["context"])
    values.setdefault("default_output", min(8192, values["max_output"]))
    values.setdefault("temperature", None)
    return Model(**values)


def _check(key: str, value: object, where: str) -> None:
    if key not in _FIELDS:
        import difflib

        near = difflib.get_close_matches(key, _FIELDS, 1)
        raise ConfigError(f"{where}: unknown key `{key}`.", f"Did you mean `{near[0]}`?" if near else "")
    if key in _COUNTS and not (type(value) is int and value > 0):
        raise ConfigError(f"{where}: `{key}` must be a number of tokens above 0.")
    if key in _CHOICES and value not in _CHOICES[key]:
        raise ConfigError(f"{where}: `{key}` must be one of {', '.join(_CHOICES[key])}.")
    if key in _TEXTS and not isinstance(value, str):
        raise ConfigError(f"{where}: `{key}` must be text.")
    if key in ("temperature", "cache_storage") and (type(value) not in (int, Decimal) or value < 0):  # type: ignore[operator]
        raise ConfigError(f"{where}: `{key}` must be a number, 0 or above.")
    if key == "coding_rank" and type(value) is not int:
        raise ConfigError(f"{where}: `coding_rank` must be a whole number.")
    if key == "prices" and not isinstance(value, list):
        raise ConfigError(f"{where}: `prices` must be a list of tables.")


def _price(step: object, where: str) -> PriceStep:
    allowed = {"input", "output", "cached", "upto"}
    if not isinstance(step, dict) or not {"input", "output"} <= set(step) <= allowed:
        raise ConfigError(f"{where}: a price has `input`, `output` and perhaps `cached` and `upto`.")
    if any(type(v) not in (int, Decimal) or v < 0 for v in step.values()):
        raise ConfigError(f"{where}: prices are numbers per 1M tokens, 0 or above.")
    cached = step.get("cached")
    return PriceStep(
        input=Decimal(step["input"]),
        output=Decimal(step["output"]),
        cached=None if cached is None else Decimal(cached),
        upto=int(step["upto"]) if "upto" in step else None,
    )
