"""Source code as coloured lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kcode.safety.sanitize import reveal
from kcode.ui.look.terminal import Look
from kcode.ui.look.theme import syntax_theme, theme_of

if TYPE_CHECKING:
    from rich.text import Text

SIZE_LIMIT = 400_000  # characters: larger files are shown without colour


def language_of(path: str) -> str:
    """The lexer's alias for a file name, ``""`` where none is known."""
    from rich.syntax import Syntax

    alias = Syntax.guess_lexer(path)
    return "" if alias in ("default", "text") else alias


def highlight_lines(code: str, language: str, look: Look) -> list[Text]:
    """One text per line of ``code`` (without line ends), coloured for ``language`` (``""``: not)."""
    from rich.syntax import Syntax
    from rich.text import Text

    shown = reveal(code)
    lines = shown.removesuffix("\n").split("\n")
    if not language or look.plain or len(shown) > SIZE_LIMIT:
        return [Text(line) for line in lines]
    theme = syntax_theme(theme_of(look))
    coloured = Syntax(shown, language, theme=theme, background_color="default").highlight(shown)
    found = list(coloured.split("\n", allow_blank=True))
    return (found + [Text("")] * len(lines))[: len(lines)]
