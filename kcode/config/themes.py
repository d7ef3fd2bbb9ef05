"""The themes by name: the ones kcode brings along and the user's files ``themes/NAME.toml``."""

from __future__ import annotations

import re
from pathlib import Path

from kcode.config.paths import config_dir

BUILT_IN = ("dark", "light", "high-contrast", "none")
NAMES = "auto, dark, light, high-contrast, none or a theme of yours"
_FORM = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}", re.IGNORECASE)


def themes_dir() -> Path:
    """Where the user's themes are: one file each."""
    return config_dir() / "themes"


def theme_file(name: str) -> Path:
    return themes_dir() / f"{name}.toml"


def user_themes() -> list[str]:
    """The names of the user's theme files, sorted; a folder that cannot be read has none."""
    try:
        found = [path.stem for path in themes_dir().glob("*.toml") if _FORM.fullmatch(path.stem)]
    except OSError:
        return []
    return sorted(name for name in found if name not in ("auto", *BUILT_IN))


def checked(value: object) -> object:
    """The setting's value where it names a theme that is there. Raises ValueError for any other."""
    if not isinstance(value, str):
        raise ValueError(f"a theme is a name: {NAMES}")  # noqa: TRY004  # pydantic reads ValueError
    if value == "auto" or value in BUILT_IN or (_FORM.fullmatch(value) and theme_file(value).is_file()):
        return value
    raise ValueError(f"there is no theme {value!r}")


def hint(value: object) -> str:
    """The theme that was probably meant, else all there are."""
    from difflib import get_close_matches

    names = ["auto", *BUILT_IN, *user_themes()]
    near = get_close_matches(str(value).lower(), names, 1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
