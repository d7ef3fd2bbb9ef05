"""The interface's words in the user's language: gettext catalogues for what ``ui``, ``cli`` and hooks say.

English is the source; the catalogues are in ``kcode/locale``. Only the outer layers import this module
(an import contract checks it): what is sent to a model, written to a journal or printed as JSON stays
English whatever the locale. What lower layers say to people (errors, briefs) is English too; the outer
layers translate it where it is shown, by :func:`from_below`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gettext import NullTranslations

    from kcode.below import Below

DOMAIN = "kcode"
VARIABLE = "KCODE_UI__LANGUAGE"
Language = Literal["en", "zh"]

_chosen: Language | None = None
_pinned = False
_found: Language | None = None
_catalogue: NullTranslations | None = None
_below: Below | None = None


def language_of(environ: Mapping[str, str]) -> Language:
    """The interface's language by the locale's variables, in POSIX order; ``zh*`` is Simplified Chinese."""
    for name in (VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environ.get(name, "")
        if value and value != "auto":
            return "zh" if value.casefold().startswith("zh") else "en"
    return "en"


def choose(language: str | None) -> None:
    """Use ``language`` (``en`` or ``zh``) from now on; None and ``auto``: what the locale says."""
    global _chosen, _found
    if _pinned:
        return
    _chosen = "zh" if language == "zh" else "en" if language == "en" else None
    if language == "auto":
        _found = _showable(language_of(os.environ))
    elif language is None:
        _found = None


def for_programs() -> None:
    """English from now on, whatever is chosen later: what is printed is read by programs (``--json``)."""
    global _chosen, _pinned
    _chosen, _pinned = "en", True


def language() -> Language:
    """The language in use: the one chosen, or the one of the user's settings file, or the locale's.
    English where the output cannot carry Chinese."""
    global _found
    if _chosen is not None:
        return _chosen
    if _found is None:
        _found = _showable(_of_settings() or language_of(os.environ))
    return _found


def _(text: str) -> str:
    """``text`` in the interface's language. Literal texts only, with ``{named}`` places for values:
    ``_("{count} files").format(count=3)``."""
    return text if not text or language() == "en" else _translations().gettext(text)


def n_(singular: str, plural: str, count: int) -> str:
    """The form for ``count``, still with its ``{places}``."""
    if language() == "en":
        return singular if count == 1 else plural
    return _translations().ngettext(singular, plural, count)


def from_below(text: str) -> str:
    """What a lower layer said in English, in the interface's language where the catalogue has it, as a whole
    or as a template with the text's own values in its places."""
    if not text or language() == "en":
        return text
    return _templates().translated(text)


def _translations() -> NullTranslations:
    global _catalogue
    if _catalogue is None:
        import gettext
        from pathlib import Path

        folder = Path(__file__).parent / "locale"
        _catalogue = gettext.translation(DOMAIN, folder, ["zh_CN"], fallback=True)
    return _catalogue


def _templates() -> Below:
    global _below
    if _below is None:
        from kcode.below import Below

        context = "below\x04"
        entries: dict[object, str] = getattr(_translations(), "_catalog", {})
        found = [
            (k[len(context) :], v) for k, v in entries.items() if isinstance(k, str) and k[:6] == context
        ]
        _below = Below(found, _)
    return _below


def _of_settings() -> Language | None:
    """The language of the user's settings file, also for what is said before the settings are read; a file
    that cannot be read says nothing here: reading the settings tells of it."""
    if os.environ.get(VARIABLE, "auto") != "auto":
        return None
    from kcode.config.paths import user_config_file

    try:
        text = user_config_file().read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    if "language" not in text:
        return None
    import tomllib

    try:
        said = tomllib.loads(text).get("ui", {}).get("language")
    except (ValueError, AttributeError):
        return None
    return said if said in ("en", "zh") else None


def _showable(language: Language) -> Language:
    try:
        "中文".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return "en"
    return language
