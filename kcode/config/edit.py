"""Changing a settings file: one key, comments kept, checked before it is written, atomic, mode 600."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from kcode.config import keys, layers, tomlfile
from kcode.config.paths import make_private
from kcode.errors import ConfigError, EnvironmentProblem


def set_value(path: Path, key: str, text: str, *, project: bool) -> Any:
    """Set ``key`` in the file to ``text`` read as the setting's type; returns the value.

    The file is created where it is missing. Nothing is written when the value, or anything else in the
    file, is wrong. Raises :class:`ConfigError`, :class:`EnvironmentProblem`.
    """
    import tomlkit

    value = keys.check(key, text, "config set", as_text=True)
    if project:
        layers.refuse_in_project(key, value, "config set --project")
    if value is None:
        return unset(path, key, project=project)
    before = _checked_text(path, project=project)
    document = tomlkit.parse(before)
    section, _, name = key.partition(".")
    if section not in document:
        if document.as_string().strip():
            document.add(tomlkit.nl())
        document.add(section, tomlkit.table())
    table: Any = document[section]
    old = table.get(name)
    item = tomlkit.item(value)
    if old is not None and hasattr(old, "trivia"):
        item.trivia.comment_ws, item.trivia.comment = old.trivia.comment_ws, old.trivia.comment
    table[name] = item
    _write_checked(path, document.as_string(), project=project)
    return value


def unset(path: Path, key: str, *, project: bool) -> None:
    """Remove ``key`` from the file, so that the layer below shows again. Missing is fine."""
    import tomlkit

    keys.field_of(key)
    document = tomlkit.parse(_checked_text(path, project=project))
    section, _, name = key.partition(".")
    table: Any = document.get(section)
    if table is None or name not in table:
        return
    table.remove(name)
    if not table:
        document.remove(section)
    _write_checked(path, document.as_string(), project=project)


def check_text(text: str, path: Path, *, project: bool) -> None:
    """Raises :class:`ConfigError` where ``text`` is not a right settings file."""
    for _ in layers.table_values(tomlfile.parse(text, path), text, path, project=project):
        pass


def write_atomically(path: Path, text: str) -> None:
    """Through a temporary file beside it; a symlink keeps pointing where it points. Mode 600."""
    target = path.resolve()
    try:
        make_private(target.parent)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise EnvironmentProblem(
            f"{path}: cannot be written ({reason})", "check the folder's permissions and the disk"
        ) from None


def _checked_text(path: Path, *, project: bool) -> str:
    _, text = tomlfile.read(path)
    check_text(text, path, project=project)
    return text


def _write_checked(path: Path, text: str, *, project: bool) -> None:
    try:
        check_text(text, path, project=project)
    except ConfigError as error:
        raise ConfigError(f"not written: {error.message}", error.remedy) from None
    write_atomically(path, text)
