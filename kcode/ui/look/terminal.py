"""What this terminal can show, decided once from the stream and the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from rich.console import Console

CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")


Depth = Literal["16", "256", "true"]
_COLOUR_SYSTEMS: dict[Depth, Literal["standard", "256", "truecolor"]] = {
    "16": "standard",
    "256": "256",
    "true": "truecolor",
}
_TRUE_TERMS = ("direct", "kitty", "alacritty", "ghostty", "wezterm", "foot", "contour", "truecolor")


@dataclass(frozen=True, slots=True)
class Look:
    """``plain``: the cursor cannot be moved (no terminal, or one that knows no control sequences).

    ``dark``: the background, best guess. ``unicode``: the stream's encoding can carry the symbols used
    beside ASCII. ``colour``: colours are wanted and possible; without them bold, dim and underlined text
    remain on a terminal. ``depth``: how many colours. ``theme``: the settings' ``ui.theme``; what it looks
    like is :func:`kcode.ui.look.theme.theme_of`.
    """

    plain: bool
    dark: bool = True
    unicode: bool = True
    colour: bool = True
    depth: Depth = "256"
    theme: str = "auto"

    def __post_init__(self) -> None:
        if self.plain:
            object.__setattr__(self, "colour", False)


def look_at(stream: TextIO, environ: Mapping[str, str] | None = None, theme: str = "auto") -> Look:
    """Judge ``stream``: not a terminal or ``TERM=dumb`` means plain text, ``NO_COLOR`` or theme ``none``
    no colours."""
    env = os.environ if environ is None else environ
    return Look(
        plain=not stream.isatty() or env.get("TERM", "") in ("", "dumb", "unknown"),
        dark=theme == "dark" or (theme != "light" and not _light_background(env)),
        unicode=_carries_symbols(stream),
        colour=not env.get("NO_COLOR") and theme != "none",
        depth=depth_of(env),
        theme=theme,
    )


def depth_of(env: Mapping[str, str]) -> Depth:
    """The number of colours that the variables promise."""
    term = env.get("TERM", "").lower()
    many = env.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "WT_SESSION" in env
    if (many or any(name in term for name in _TRUE_TERMS)) and not env.get("STY"):
        return "true"  # GNU screen passes COLORTERM on, but takes 256 colours at most
    return "256" if "256" in term or many or sys.platform == "win32" else "16"


def _light_background(env: Mapping[str, str]) -> bool:
    """``COLORFGBG`` ends with the background's palette index: 7 and 9-15 are light."""
    background = env.get("COLORFGBG", "").rpartition(";")[2]
    return background.isdigit() and (int(background) == 7 or 9 <= int(background) <= 15)


def _carries_symbols(stream: TextIO) -> bool:
    try:
        "✓⠋❯·…¥".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def size_of(stream: TextIO, environ: Mapping[str, str] | None = None) -> tuple[int, int]:
    """Columns and rows of the terminal behind ``stream``; 80 x 24 where there is none."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    env = os.environ if environ is None else environ
    if columns <= 0:
        named = env.get("COLUMNS", "")
        columns = int(named) if named.isdigit() and int(named) > 0 else 80
    return columns, rows if rows > 0 else 24


def make_console(stream: TextIO, look: Look, *, width: int | None = None) -> Console:
    """A rich console that writes to ``stream`` as ``look`` allows. Model text is never read as markup."""
    from rich.console import Console
    from rich.theme import Theme

    from kcode.ui.look.theme import markdown_styles, theme_of

    return Console(
        file=stream,
        width=width or size_of(stream)[0],
        force_terminal=not look.plain,
        no_color=not look.colour,
        color_system=None if look.plain else _COLOUR_SYSTEMS[look.depth],
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        theme=Theme(markdown_styles(theme_of(look))),
    )


def tolerate(stream: TextIO) -> None:
    """Let ``stream`` replace what its encoding cannot carry instead of failing in the middle of an answer."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def person_present() -> bool:
    """Whether somebody can be asked: keys come from a terminal and the question can be seen on one."""
    return _is_tty(sys.stdin) and (_is_tty(sys.stdout) or _is_tty(sys.stderr))


def _is_tty(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False
