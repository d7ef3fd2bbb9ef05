"""What this terminal can show, decided once from the stream and the environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;:?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Look:
    """``plain``: text only, no styles and no cursor movement. ``dark``: the background, best guess.

    ``unicode``: the stream's encoding can carry the symbols used beside ASCII.
    """

    plain: bool
    dark: bool = True
    unicode: bool = True


def look_at(stream: TextIO, environ: Mapping[str, str] | None = None, theme: str = "auto") -> Look:
    """Judge ``stream``: not a terminal, ``TERM=dumb``, ``NO_COLOR`` or theme ``none`` mean plain text."""
    env = os.environ if environ is None else environ
    terminal = stream.isatty() and env.get("TERM", "") not in ("", "dumb", "unknown")
    plain = not terminal or bool(env.get("NO_COLOR")) or theme == "none"
    dark = theme == "dark" or (theme != "light" and not _light_background(env))
    return Look(plain, dark, _carries_symbols(stream))


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

    accent = "cyan" if look.dark else "blue"
    return Console(
        file=stream,
        width=width or size_of(stream)[0],
        force_terminal=not look.plain,
        no_color=look.plain,
        color_system=None if look.plain else "auto",
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
        theme=Theme(
            {
                "accent": accent,
                "good": "green",
                "bad": "red",
                "warn": "yellow",
                "markdown.code": accent,
                "markdown.item.bullet": accent,
                "markdown.item.number": accent,
                "markdown.block_quote": "dim",
                "markdown.h1": "bold underline",
                "markdown.h2": "bold",
                "markdown.h3": "bold",
                "markdown.h4": "bold dim",
                "markdown.link_url": "underline",
                "markdown.table.header": "bold",
                "markdown.table.border": "dim",
            }
        ),
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
