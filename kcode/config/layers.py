"""Settings from their layers: defaults, the user's file, the project's file, environment, flags.

The later layer wins, key by key, and each value remembers where it came from. A repository's own file
cannot redirect the user's key, loosen safety or lift a cost limit: see :data:`USER_ONLY`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from kcode.config import keys, tomlfile
from kcode.config.paths import project_config_file, user_config_file
from kcode.config.settings import Settings
from kcode.config.trusted import is_trusted
from kcode.errors import ConfigError

USER_ONLY: dict[str, str] = {
    "provider.base_url": "a repository must not say where your key and code are sent",
    "provider.api_key": "a key does not belong into a repository",
    "provider.dialect": "a repository must not decide how a model's text is read as tool calls",
    "provider.official_tools": "a repository must not decide what you spend",
    "agent.mode": "a repository must not decide what runs without asking you",
    "agent.max_cost": "a repository must not decide what you spend",
    "agent.max_cost_day": "a repository must not decide what you spend",
    "hooks.review_cost": "a repository must not decide what you spend",
    "diagnostics.commands": "a repository must not decide what runs without asking you",
    "diagnostics.servers": "a repository must not decide what runs without asking you",
    "safety": "a repository must not loosen its own confinement",
}
"""Settings (or whole sections) that the project's file must not hold, and why."""

NEEDS_TRUST = ("tests.command", "tests.python", "provider.", "hooks.review")
"""What runs something, or says who is sent the code: a project's file may once the folder is trusted."""

SHORTCUTS: dict[str, str] = {
    "KCODE_PROVIDER": "provider.name",
    "KCODE_MODEL": "provider.model",
    "KCODE_BASE_URL": "provider.base_url",
    "KCODE_API_KEY": "provider.api_key",
}
"""Short variable names; the long form ``KCODE_<SECTION>__<KEY>`` wins where both are set."""


_NO_FLAGS: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True)
class LoadedSettings:
    """The settings, and per dotted key its origin.

    An origin is ``default``, ``user file PATH``, ``project file PATH``, ``environment VARIABLE`` or ``flag``.
    ``ignored`` are the settings of a project's file that wait for the user's trust in the folder.
    """

    settings: Settings
    origins: dict[str, str]
    ignored: tuple[str, ...] = ()


def load_settings(
    root: Path | None,
    overrides: Mapping[str, object] = _NO_FLAGS,
    environ: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Read all layers. ``root`` is the project (None: no project layer); ``overrides`` are the flags.

    Raises :class:`ConfigError` naming the file and line, the variable, or the flag's setting.
    """
    values: dict[str, Any] = {}
    origins = dict.fromkeys(keys.all_keys(), "default")
    ignored: list[str] = []
    for key, value, origin in _layers(root, overrides, os.environ if environ is None else environ, ignored):
        values[key] = value
        origins[key] = origin
    return LoadedSettings(build(values), origins, tuple(ignored))


def build(values: Mapping[str, Any]) -> Settings:
    """Settings from checked values by dotted key; the rest are defaults."""
    table: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        table.setdefault(section, {})[name] = value
    return Settings.model_validate(table)


def file_values(path: Path, *, project: bool) -> Iterator[tuple[str, Any]]:
    """The checked settings of one file. Raises :class:`ConfigError` as ``file:line: …``."""
    table, text = tomlfile.read(path)
    yield from table_values(table, text, path, project=project)


def table_values(
    table: Mapping[str, Any], text: str, path: Path, *, project: bool
) -> Iterator[tuple[str, Any]]:
    """As :func:`file_values`, for a file already read: ``text`` is what ``table`` was parsed from."""
    for section, part in table.items():
        at = f"{path}:{tomlfile.line_of(text, section)}"
        if section not in keys.sections():
            close = keys.nearest(section, keys.sections())
            known = f"did you mean [{close}]?" if close else f"sections: {', '.join(keys.sections())}"
            raise ConfigError(f"{at}: there is no section or setting {section!r}", known)
        if not isinstance(part, dict):
            raise ConfigError(f"{at}: {section!r} is a section, not a setting", f"write it as [{section}]")
        for name, value in part.items():
            key = f"{section}.{name}"
            where = f"{path}:{tomlfile.line_of(text, key)}"
            if key not in keys.all_keys():
                raise keys.unknown_key(key, where)
            if project:
                refuse_in_project(key, value, where)
            yield key, keys.check(key, value, where)


def refuse_in_project(key: str, value: object, where: str) -> None:
    """Raises :class:`ConfigError` for a setting that only the user may make."""
    why = USER_ONLY.get(key) or USER_ONLY.get(key.partition(".")[0], "")
    if key == "embedded.model" and isinstance(value, str) and ("/" in value or "\\" in value or "~" in value):
        why = "a repository must not choose a model file on your disk; a model's name is fine"
    if why:
        raise ConfigError(
            f"{where}: {key} cannot be set in a project's file: {why}",
            f"set it for yourself: kcode config set {key} VALUE",
        )


def _layers(
    root: Path | None, overrides: Mapping[str, object], environ: Mapping[str, str], ignored: list[str]
) -> Iterator[tuple[str, Any, str]]:
    user_file = user_config_file()
    for key, value in file_values(user_file, project=False):
        yield key, value, f"user file {user_file}"
    if root is not None:
        project_file = project_config_file(root)
        if project_file != user_file:
            for key, value in file_values(project_file, project=True):
                if key.startswith(NEEDS_TRUST) and not is_trusted(root):
                    ignored.append(key)
                else:
                    yield key, value, f"project file {project_file}"
    yield from _environment(environ)
    for key, given in overrides.items():
        yield key, keys.check(key, given, "command line", as_text=True), "flag"


def _environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Any, str]]:
    """An empty variable counts as not set, as everywhere on Unix."""
    for variable, key in SHORTCUTS.items():
        if environ.get(variable):
            yield key, keys.check(key, environ[variable], variable, as_text=True), f"environment {variable}"
    by_name = {_variable(key): key for key in keys.all_keys()}
    for variable in sorted(environ):
        if not variable.startswith("KCODE_") or "__" not in variable or not environ[variable]:
            continue
        if variable not in by_name:
            close = keys.nearest(variable, by_name)
            hint = f"did you mean {close}?" if close else "`kcode config list` shows all settings"
            raise ConfigError(f"environment: there is no setting for {variable}", hint)
        key = by_name[variable]
        yield key, keys.check(key, environ[variable], variable, as_text=True), f"environment {variable}"


def _variable(key: str) -> str:
    section, _, name = key.partition(".")
    return f"KCODE_{section.upper()}__{name.upper()}"
