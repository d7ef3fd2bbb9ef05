"""A theme of the user's: ``themes/NAME.toml`` beside the settings file.

``inherits`` names the built-in theme that holds where the file says nothing, ``code`` a Pygments style for
source code, and every other key is a style of :class:`~kcode.ui.look.theme.Theme`.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from kcode.config import tomlfile
from kcode.config.themes import BUILT_IN
from kcode.errors import ConfigError
from kcode.ui.look.theme import STYLES, Theme, named, parse

KEYS = ("inherits", "code", *STYLES)


def read_theme(path: Path, *, dark: bool, depth: str) -> Theme:
    """The theme in ``path``. Raises ConfigError as ``file:line: …`` with the nearest right name."""
    if not path.is_file():
        raise ConfigError(
            f"there is no theme {path.stem!r}", f"{path} is not there; docs/themes.md tells how"
        )
    table, text = tomlfile.read(path)
    base = table.get("inherits", "auto")
    if base not in ("auto", *BUILT_IN):
        known = ", ".join(("auto", *BUILT_IN))
        hint = _near(str(base), BUILT_IN) or f"a theme builds on one of {known}"
        raise ConfigError(f"{_at(path, text, 'inherits')}: there is no built-in theme {base!r}", hint)
    changed: dict[str, str] = {}
    for key, value in table.items():
        at = _at(path, text, key)
        if key not in KEYS:
            raise ConfigError(
                f"{at}: a theme has no {key!r}", _near(key, KEYS) or f"it has: {', '.join(KEYS)}"
            )
        if not isinstance(value, str):
            raise ConfigError(f"{at}: {key} is text in quotes", 'such as "bold #5fc9f8"')
        if key == "code":
            _check_code(value, at)
        elif key != "inherits":
            _check_style(key, value, at)
        if key != "inherits":
            changed[key] = value
    return replace(named(str(base), dark=dark, depth=depth), name=path.stem, **changed)


def _check_style(key: str, value: str, at: str) -> None:
    try:
        parse(value)
    except ConfigError as error:
        raise ConfigError(f"{at}: {key}: {error.message}", error.remedy) from None


def _check_code(value: str, at: str) -> None:
    from pygments.styles import get_all_styles  # type: ignore[import-untyped]

    known = sorted(get_all_styles())
    if value and value not in known:
        hint = _near(value, known) or f"there are: {', '.join(known)}"
        raise ConfigError(f"{at}: there is no Pygments style {value!r}", hint)


def _near(word: str, known: tuple[str, ...] | list[str]) -> str:
    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _at(path: Path, text: str, key: str) -> str:
    return f"{path}:{tomlfile.line_of(text, key)}"
