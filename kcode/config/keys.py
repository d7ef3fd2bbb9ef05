"""The settings as a flat list of dotted keys: what each holds, and how a value given as text is read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from kcode.config import money, patterns, themes
from kcode.config.settings import Settings
from kcode.errors import ConfigError

SECRET_KEYS = frozenset({"provider.api_key"})


@cache
def all_keys() -> dict[str, FieldInfo]:
    """Every setting by its dotted key (``agent.max_turns``), in the order of the settings' declaration."""
    keys: dict[str, FieldInfo] = {}
    for section, section_field in Settings.model_fields.items():
        model = section_field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        for name, field in model.model_fields.items():
            keys[f"{section}.{name}"] = field
    return keys


def sections() -> list[str]:
    return list(Settings.model_fields)


def flatten(settings: Settings) -> dict[str, Any]:
    """The values by dotted key."""
    dumped = settings.model_dump()
    return {f"{section}.{name}": value for section, part in dumped.items() for name, value in part.items()}


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or ``""``. Section and key are compared apart as well."""
    choices = list(known)
    match = difflib.get_close_matches(word, choices, 1, 0.6)
    if match:
        return match[0]
    tail = word.rpartition(".")[2]
    by_tail = [c for c in choices if c.rpartition(".")[2] == tail]
    return by_tail[0] if by_tail else ""


def field_of(key: str) -> FieldInfo:
    """Raises :class:`ConfigError` that names the nearest right key."""
    field = all_keys().get(key)
    if field is None:
        raise unknown_key(key)
    return field


def unknown_key(key: str, where: str = "") -> ConfigError:
    """The error for a key that does not exist. ``where`` is ``file:line`` or the variable's name."""
    at = f"{where}: " if where else ""
    if key in sections():
        names = ", ".join(k for k in all_keys() if k.startswith(f"{key}."))
        return ConfigError(f"{at}{key!r} is a section, not a setting", f"its settings: {names}")
    close = nearest(key, all_keys())
    hint = f"did you mean {close!r}?" if close else "`kcode config list` shows all settings"
    return ConfigError(f"{at}there is no setting {key!r}", hint)


def check(key: str, value: object, where: str, *, as_text: bool = False) -> Any:
    """``value`` as the setting's own type.

    Values from a file keep their type (``"60"`` is no number there); ``as_text`` reads a string from
    the environment or a command line. Raises :class:`ConfigError` naming ``where``.
    """
    field = field_of(key)
    if as_text and value == "" and type(None) in get_args(field.annotation):
        return None
    try:
        return _adapter(key).validate_python(value, strict=not as_text)
    except ValidationError:
        shown = "(hidden)" if key in SECRET_KEYS else repr(value)
        hint = themes.hint(value) if key == "ui.theme" else _about(field)
        raise ConfigError(f"{where}: {key} must be {expected(field)}, not {shown}", hint) from None


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    field = all_keys()[key]
    annotation: Any = field.annotation
    for constraint in field.metadata:
        annotation = _annotated(annotation, constraint)
    return TypeAdapter(annotation)


def _annotated(annotation: Any, constraint: Any) -> Any:
    from typing import Annotated

    return Annotated[annotation, constraint]


def _about(field: FieldInfo) -> str:
    return f"it means: {field.description}" if field.description else ""


_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
}


def expected(field: FieldInfo) -> str:
    """In words what a setting takes: ``a whole number, at least 1``."""
    annotation: Any = field.annotation
    optional = type(None) in get_args(annotation)
    if optional:
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(annotation))
    if any(getattr(rule, "func", None) is money.checked for rule in field.metadata):
        return money.SUM
    if any(getattr(rule, "func", None) is patterns.checked for rule in field.metadata):
        return patterns.WORDS
    if any(getattr(rule, "func", None) is themes.checked for rule in field.metadata):
        return themes.NAMES
    words = [_WORDS.get(annotation, str(annotation))]
    for constraint in field.metadata:
        for attribute, text in (
            ("ge", "at least"),
            ("gt", "more than"),
            ("le", "at most"),
            ("lt", "less than"),
        ):
            bound = getattr(constraint, attribute, None)
            if bound is not None:
                words.append(f"{text} {bound}")
    return ", ".join(words)
