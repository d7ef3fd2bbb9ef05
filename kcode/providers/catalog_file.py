"""Reading a ``catalog.toml``: every field checked, every mistake named with its file and record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from kcode.errors import ConfigError
from kcode.providers.catalog import Model, PriceStep, Tier

Known = Mapping[tuple[str, str], Model]
"""Models by (provider, id)."""


def read_models(path: Path, known: Known) -> dict[tuple[str, str], Model]:
    """``known`` with the file's records added, and with its fields over those of records known already.

    A record with ``like`` takes every field that it leaves out from the model of that id (the same
    provider's where it has one), except what says that the model is retired. Raises ConfigError.
    """
    found = dict(known)
    for record in _records(path):
        place = (str(record["provider"]), str(record["id"]))
        base = found.get(place)
        if "like" in record:
            base = _like(record, found, f"{path}, model {record['id']}")
        found[place] = _model({k: v for k, v in record.items() if k != "like"}, path, base)
    return found


def read_tiers(path: Path) -> tuple[Tier, ...]:
    """The ``[[tier]]`` tables of the shipped file."""
    return tuple(Tier(**table) for table in _tables(path).get("tier", []))


# --- the records -------------------------------------------------------------------------------


def _tables(path: Path) -> dict[str, Any]:
    import tomllib  # 14 ms: only when the catalogue is really read

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as problem:
        raise ConfigError(f"{path} cannot be read: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} is not valid TOML: {problem}", "Correct it, or move it away.") from None
    unknown = sorted(set(data) - {"model", "tier"})
    if unknown or not isinstance(data.get("model", []), list):
        what = f"has the unknown key `{unknown[0]}`" if unknown else "has `model`, which is not a list"
        raise ConfigError(f"{path} {what}.", "A catalogue is a list of [[model]] tables.")
    return data


def _records(path: Path) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for number, table in enumerate(_tables(path).get("model", []), 1):
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


def _like(record: Mapping[str, Any], known: Known, where: str) -> Model:
    wanted = record["like"]
    if not isinstance(wanted, str):
        raise ConfigError(f"{where}: `like` must be the id of another model.")
    base = known.get((record["provider"], wanted))
    base = base or next((m for (_, model_id), m in known.items() if model_id == wanted), None)
    if base is None:
        near = _nearest(wanted, {model_id for _, model_id in known})
        raise ConfigError(f"{where}: `like` names `{wanted}`, which the catalogue does not know.", near)
    return replace(base, status="live", retired_on="", replaced_by="", notes=f"like {wanted}")


def _model(record: Mapping[str, Any], path: Path, base: Model | None) -> Model:
    where = f"{path}, model {record['id']}"
    values: dict[str, Any] = {key: _value(key, value, where) for key, value in record.items()}
    if base is None and "context" not in values:
        raise ConfigError(
            f"{where}: `context` is missing (the window, in tokens).",
            "Or `like` with the id of a model whose fields it takes.",
        )
    context = values.get("context", base.context if base else 0)
    values.setdefault("max_output", min(base.max_output, context) if base else context)
    room = values["max_output"]
    values.setdefault("default_output", min(base.default_output if base else 8192, room))
    if not values["default_output"] <= room <= context:
        raise ConfigError(
            f"{where}: an answer must fit its limits.",
            f"`default_output` {values['default_output']}, `max_output` {room}, `context` {context}: none of"
            " them may be larger than the next.",
        )
    if base is not None:
        return replace(base, **values)
    values.setdefault("temperature", None)
    return Model(**values)


# --- the fields --------------------------------------------------------------------------------

_HINTS = get_type_hints(Model)
_POSITIVE = ("context", "default_output", "max_output")
_CHOICES = {name: get_args(hint) for name, hint in _HINTS.items() if get_origin(hint) is Literal}
_PRICES = tuple(field.name for field in fields(PriceStep) if field.name != "upto")
_NEEDED = {field.name for field in fields(PriceStep) if field.default is MISSING}


def _value(key: str, value: object, where: str) -> object:
    """The field's value in its own type. Raises ConfigError."""
    if key not in _HINTS:
        raise ConfigError(f"{where}: unknown key `{key}`.", _nearest(key, set(_HINTS) | {"like"}))
    if key in ("prices", "batch_prices"):
        if not isinstance(value, list):
            raise ConfigError(f"{where}: `{key}` must be a list of tables.")
        return tuple(_price(step, where) for step in value)
    if key == "efforts":
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"{where}: `efforts` must be a list of texts.")
        return tuple(value)
    if key in _POSITIVE and not (type(value) is int and value > 0):
        raise ConfigError(f"{where}: `{key}` must be a number of tokens above 0.")
    hint = _HINTS[key]
    if hint is str or hint is bool or hint is int:
        if type(value) is not hint:
            raise ConfigError(f"{where}: `{key}` must be {_KINDS[hint]}.")
        if type(value) is int and key != "coding_rank" and value < 0:
            raise ConfigError(f"{where}: `{key}` must be 0 or above.")
        return value
    if key in ("temperature", "cache_storage"):
        if type(value) not in (int, Decimal) or value < 0:  # type: ignore[operator]
            raise ConfigError(f"{where}: `{key}` must be a number, 0 or above.")
        return _NUMBERS[key](value)
    if value not in _CHOICES[key]:
        raise ConfigError(f"{where}: `{key}` must be one of {', '.join(_CHOICES[key])}.")
    return value


_KINDS: dict[object, str] = {str: "text", bool: "true or false", int: "a whole number"}
_NUMBERS: dict[str, Callable[[Any], object]] = {"temperature": float, "cache_storage": Decimal}


def _price(step: object, where: str) -> PriceStep:
    if not isinstance(step, dict) or not _NEEDED <= set(step) <= {*_PRICES, "upto"}:
        optional = "`cached`, `write` (to the cache) and `upto` (tokens of the prompt)"
        raise ConfigError(f"{where}: a price has `input`, `output` and perhaps {optional}.")
    if any(type(v) not in (int, Decimal) or v < 0 for v in step.values()):
        raise ConfigError(f"{where}: prices are numbers per 1M tokens, 0 or above.")
    if type(step.get("upto", 0)) is not int:
        raise ConfigError(f"{where}: `upto` of a price is a whole number of tokens.")
    sums: dict[str, Any] = {name: Decimal(step[name]) for name in _PRICES if name in step}
    return PriceStep(**sums, upto=step.get("upto"))


def _nearest(word: str, words: set[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, sorted(words), 1)
    return f"Did you mean `{near[0]}`?" if near else ""
