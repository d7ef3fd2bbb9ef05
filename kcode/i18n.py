"""The interface's words in the user's language: gettext catalogues for what ``ui``, ``cli`` and hooks say.

English is the source; the catalogues are in ``kcode/locale``. Only the outer layers import this module
(an import contract checks it): what is sent to a model, written to a journal or printed as JSON stays
English whatever the locale. What lower layers say to people (errors, briefs) is English too; the outer
layers translate it where it is shown, by :func:`from_below`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gettext import NullTranslations

DOMAIN = "kcode"
Language = Literal["en", "zh"]

_chosen: Language | None = None
_catalogue: NullTranslations | None = None


def language_of(environ: Mapping[str, str]) -> Language:
    """The interface's language by the locale's variables, in POSIX order; ``zh*`` is Simplified Chinese."""
    for name in ("KCODE_UI__LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environ.get(name, "")
        if value and value != "auto":
            return "zh" if value.casefold().startswith("zh") else "en"
    return "en"


def choose(language: Language | None) -> None:
    """Use ``language`` from now on; None: what the environment says."""
    global _chosen, _catalogue
    _chosen, _catalogue = language, None


def language() -> Language:
    """The language in use."""
    return _chosen or language_of(os.environ)


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
    """What a lower layer said in English, in the interface's language where the catalogue has it."""
    return _(text)


def _translations() -> NullTranslations:
    global _catalogue
    if _catalogue is None:
        import gettext
        from pathlib import Path

        folder = Path(__file__).parent / "locale"
        _catalogue = gettext.translation(DOMAIN, folder, ["zh_CN"], fallback=True)
    return _catalogue
