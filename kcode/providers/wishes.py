"""What the user's settings change about how a server is spoken to: wire, dialect, effort, thinking."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

from kcode.config.jsontext import read_json
from kcode.config.settings import ProviderSettings
from kcode.errors import ConfigError
from kcode.providers import catalog
from kcode.providers.catalog import Model
from kcode.providers.dialect import Dialect

_OWN = ("model", "messages", "tools", "stream", "stream_options", "input")
"""Body fields that are kcode's own business."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The settings read and checked. ``fields`` are the dialect's, by name; nothing wished is falsy."""

    wire: str = ""
    fields: tuple[tuple[str, Any], ...] = ()
    effort: str = ""
    thinking_off: bool = False

    def for_any_model(self) -> Wishes:
        """What does not depend on the model, where that is still to be chosen."""
        return replace(self, effort="", thinking_off=False)

    def applied(self, dialect: Dialect, model: Model) -> tuple[Dialect, Model]:
        """The dialect and the model as wished. Raises ConfigError for what the model does not take."""
        extra: list[tuple[str, object]] = []
        if self.thinking_off:
            model, fields = _without_thinking(model, dialect)
            dialect = replace(dialect, reasoning_required=False)
            extra += fields
        if self.effort:
            extra.append(("reasoning_effort", _effort(self.effort, model)))
        dialect = replace(dialect, extra_body=(*dialect.extra_body, *extra))
        if self.wire:
            dialect = replace(dialect, wire=self.wire)  # type: ignore[arg-type]  # the settings check it
        for name, value in self.fields:
            more = (*dialect.extra_body, *value) if name == "extra_body" else value
            changed: dict[str, Any] = {name: more}
            dialect = replace(dialect, **changed)
        return dialect, model


NO_WISHES = Wishes()


def read_wishes(wanted: ProviderSettings) -> Wishes:
    """Raises ConfigError naming what is wrong in ``provider.dialect`` and what is allowed there."""
    return Wishes(
        wire="" if wanted.wire == "auto" else wanted.wire,
        fields=dialect_fields(wanted.dialect),
        effort=wanted.reasoning_effort,
        thinking_off=wanted.thinking == "off",
    )


# --- reasoning ---------------------------------------------------------------------------------


def _effort(effort: str, model: Model) -> str:
    if effort in model.efforts or model.notes == catalog.UNLISTED:
        return effort
    if model.efforts:
        raise ConfigError(
            f"provider.reasoning_effort is {effort}; `{model.id}` takes {', '.join(model.efforts)}."
        )
    takers = sorted({m.id for m in catalog.models() if m.efforts and m.status != "retired"})
    raise ConfigError(
        f"provider.reasoning_effort is set, and `{model.id}` has no such setting.",
        f"It belongs to {', '.join(takers)}: `kcode config unset provider.reasoning_effort`.",
    )


def _without_thinking(model: Model, dialect: Dialect) -> tuple[Model, tuple[tuple[str, object], ...]]:
    if model.thinking == "no":
        return model, ()
    if model.thinking == "forced":
        raise ConfigError(
            f"provider.thinking is off, and `{model.id}` always thinks.",
            "Take a model whose thinking can be switched off, such as kimi-k2.6 (`kcode models`).",
        )
    if not dialect.thinking_off:
        raise ConfigError(
            f"provider.thinking is off, and kcode knows no way to tell this server so ({dialect.name}).",
            "If it has one: provider.dialect with extra_body='{…}' adds a field to every request.",
        )
    return replace(model, thinking="no"), dialect.thinking_off


# --- provider.dialect --------------------------------------------------------------------------


def dialect_fields(text: str) -> tuple[tuple[str, Any], ...]:
    """``heal=false partial=continue`` as typed fields of :class:`Dialect`, in the order given.

    Values with spaces are quoted as in a shell; ``none`` is None; ``extra_body`` takes a JSON object whose
    fields are added to every request's body.
    """
    try:
        words = shlex.split(text)
    except ValueError as problem:
        raise ConfigError(f"provider.dialect cannot be read: {problem}.", _EXAMPLE) from None
    given: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(
                f"provider.dialect has `{word}`, which is not of the form field=value.", _EXAMPLE
            )
        given[name] = _typed(name, value)
    return tuple(given.items())


_EXAMPLE = "Such as: heal=false partial=continue"


@cache
def _hints() -> dict[str, Any]:
    hints = get_type_hints(Dialect)
    lists = {name for name, hint in hints.items() if get_origin(hint) is tuple} - {"extra_body"}
    return {name: hint for name, hint in hints.items() if name not in {"name", "wire", *lists}}


def _typed(name: str, value: str) -> Any:
    hints = _hints()
    if name == "wire":
        raise ConfigError("provider.dialect does not set the wire.", "That is provider.wire.")
    if name not in hints:
        near = difflib.get_close_matches(name, hints, 1)
        hint = f"Did you mean `{near[0]}`? " if near else ""
        raise ConfigError(
            f"provider.dialect: there is no field `{name}`.", f"{hint}There are: {', '.join(hints)}."
        )
    if name == "extra_body":
        return _extra_body(value)
    kinds = get_args(hints[name]) if get_origin(hints[name]) is not None else (hints[name],)
    if get_origin(hints[name]) is Literal:
        return _one_of(name, value, {str(choice): choice for choice in kinds})
    words = {"none": None} if type(None) in kinds else {}
    if bool in kinds:
        return _one_of(name, value, {"true": True, "false": False, **words})
    if value in words:
        return None
    if float in kinds:
        try:
            return float(value)
        except ValueError:
            raise ConfigError(f"provider.dialect: `{name}` is a number, not `{value}`.") from None
    return value


def _one_of(name: str, value: str, allowed: dict[str, Any]) -> Any:
    if value in allowed:
        return allowed[value]
    near = difflib.get_close_matches(value, allowed, 1)
    hint = f"Did you mean `{near[0]}`? " if near else ""
    spelled = ", ".join(word or "nothing" for word in allowed)
    raise ConfigError(f"provider.dialect: `{name}` cannot be `{value}`.", f"{hint}It is one of: {spelled}.")


def _extra_body(value: str) -> tuple[tuple[str, object], ...]:
    try:
        fields = read_json(value)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise ConfigError(
            "provider.dialect: `extra_body` is a JSON object.", """Such as: extra_body='{"top_k": 40}'"""
        )
    for name in _OWN:
        if name in fields:
            raise ConfigError(f"provider.dialect: `extra_body` must not set `{name}`, which is kcode's own.")
    return tuple(fields.items())
