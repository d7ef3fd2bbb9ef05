"""A theme: what each part of the interface looks like, in one spelling that every painter reads.

A style is written as rich writes it: any of ``bold dim italic underline reverse strike``, a colour, and
``on`` with a background; colours are ``#rrggbb`` or the terminal's sixteen (``red``, ``bright_red``, …).
:func:`for_prompt` spells the same for prompt_toolkit. No library is imported for a theme.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from kcode.config.themes import BUILT_IN, theme_file, user_themes
from kcode.errors import ConfigError
from kcode.ui.look import palettes

if TYPE_CHECKING:
    from kcode.ui.look.terminal import Look

ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")
BASIC = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
COLOURS = ("default", *BASIC, *(f"bright_{name}" for name in BASIC))
_HEX = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Theme:
    """The styles by name. ``code`` is a Pygments style's name, ``""`` where the ``code_`` styles hold."""

    name: str
    dim: str
    accent: str
    good: str
    bad: str
    warn: str
    added: str  # a line of a diff, with added_word for the words that changed, added_sign for the +
    removed: str
    added_word: str
    removed_word: str
    added_sign: str
    removed_sign: str
    prompt: str
    status: str
    suggestion: str
    menu: str
    menu_chosen: str
    menu_meta: str
    heading: str
    link: str
    inline_code: str
    user: str  # what the user said, in the scrollback
    code_text: str
    code_keyword: str
    code_string: str
    code_comment: str
    code_number: str
    code_name: str
    code_type: str
    code_operator: str
    code: str = ""


STYLES = tuple(field.name for field in fields(Theme) if field.name not in ("name", "code"))


def theme_of(look: Look) -> Theme:
    """The theme for what the terminal can show. Raises ConfigError for a broken file of the user's."""
    if look.plain:
        return _made("none", palettes.NOTHING)
    if not look.colour:
        return _made("none", palettes.NONE)
    return named(look.theme, dark=look.dark, depth=look.depth)


@cache
def named(name: str, *, dark: bool, depth: str) -> Theme:
    """A built-in theme or one of the user's; ``auto`` is dark or light as the background is."""
    if name == "none":
        return _made("none", palettes.NONE)
    if name not in ("auto", *BUILT_IN):
        from kcode.ui.look.usertheme import read_theme

        return read_theme(theme_file(name), dark=dark, depth=depth)
    if name == "auto":
        name = "dark" if dark else "light"
    tables = {
        ("dark", True): (palettes.DARK, palettes.SIXTEEN_DARK),
        ("light", False): (palettes.LIGHT, palettes.SIXTEEN_LIGHT),
        ("high-contrast", True): (palettes.HIGH_DARK, palettes.SIXTEEN_HIGH_DARK),
        ("high-contrast", False): (palettes.HIGH_LIGHT, palettes.SIXTEEN_HIGH_LIGHT),
    }
    many, sixteen = tables[name, dark if name == "high-contrast" else name == "dark"]
    return _made(name, sixteen if depth == "16" else many)


def list_themes() -> list[str]:
    """What ``ui.theme`` can be: ``auto``, the built-in names, then the user's own."""
    return ["auto", *BUILT_IN, *user_themes()]


def _made(name: str, table: Mapping[str, str]) -> Theme:
    return Theme(name=name, **table)


@dataclass(frozen=True, slots=True)
class Paint:
    """A style taken apart. ``""`` is the terminal's own colour."""

    attributes: tuple[str, ...] = ()
    colour: str = ""
    background: str = ""


@cache
def parse(style: str) -> Paint:
    """Raises ConfigError for what is no style, saying which word is wrong."""
    attributes: list[str] = []
    colour = background = ""
    words = iter(style.lower().split())
    for word in words:
        if word in ATTRIBUTES:
            attributes.append(word)
        elif word == "on":
            background = _colour(next(words, ""), style)
        else:
            colour = _colour(word, style)
    return Paint(tuple(attributes), colour, background)


def _colour(word: str, style: str) -> str:
    if word in COLOURS or _HEX.fullmatch(word):
        return word
    from difflib import get_close_matches

    near = get_close_matches(word, (*ATTRIBUTES, *COLOURS), 1)
    known = f"did you mean {near[0]!r}? " if near else ""
    if not word:
        raise ConfigError(f"{style!r} ends where a background colour should be", "'on #rrggbb' or 'on blue'")
    raise ConfigError(
        f"{word!r} is neither a colour nor an attribute",
        f"{known}a style is written like 'bold #5fc9f8' or 'black on bright_yellow'",
    )


def for_prompt(style: str) -> str:
    """``style`` as prompt_toolkit spells it."""
    paint = parse(style)
    words = list(paint.attributes)
    words += [_prompt_colour(paint.colour)] if paint.colour else []
    words += [f"bg:{_prompt_colour(paint.background)}"] if paint.background else []
    return " ".join(words)


def _prompt_colour(name: str) -> str:
    if name.startswith("#"):
        return name
    # What terminals call white, prompt_toolkit calls gray; its white is their bright one.
    special = {"white": "ansigray", "bright_white": "ansiwhite", "bright_black": "ansibrightblack"}
    return special.get(name, f"ansi{name.replace('_', '')}")


def prompt_rules(theme: Theme) -> list[tuple[str, str]]:
    """The rules of a prompt_toolkit ``Style``: each style as a class (``class:added-word``), and the parts
    that prompt_toolkit paints itself."""
    own = {name.replace("_", "-"): for_prompt(getattr(theme, name)) for name in STYLES}
    # prompt_toolkit's own defaults are switched off: they would show through where a style says nothing.
    bare = "noreverse bg:default fg:default"
    parts = {
        "bottom-toolbar": f"{bare} {own['status']}",
        "bottom-toolbar.text": "",
        "auto-suggestion": f"{bare} {own['suggestion']}",
        "completion-menu": f"{bare} {own['menu']}",
        "completion-menu.completion": f"{bare} {own['menu']}",
        "completion-menu.completion.current": f"{bare} {own['menu-chosen']}",
        "completion-menu.meta.completion": f"{bare} {own['menu-meta']}",
        "completion-menu.meta.completion.current": f"{bare} {own['menu-chosen']}",
        "scrollbar.background": f"{bare} {own['menu']}",
        "scrollbar.button": f"{bare} {own['menu-chosen']}",
    }
    return [*own.items(), *parts.items()]


def markdown_styles(theme: Theme) -> dict[str, str]:
    """What rich's Markdown is painted with, for a rich ``Theme``."""
    return {
        "markdown.code": theme.inline_code,
        "markdown.item.bullet": theme.accent,
        "markdown.item.number": theme.accent,
        "markdown.block_quote": theme.dim,
        "markdown.h1": f"{theme.heading} underline".strip(),
        "markdown.h2": theme.heading,
        "markdown.h3": theme.heading,
        "markdown.h4": theme.heading,
        "markdown.link": theme.link,
        "markdown.link_url": theme.link,
        "markdown.table.header": theme.heading,
        "markdown.table.border": theme.dim,
    }


def syntax_theme(theme: Theme) -> Any:
    """What rich's ``Syntax`` takes as ``theme``: a Pygments style, or the theme's ``code_`` styles."""
    from rich.syntax import ANSISyntaxTheme, PygmentsSyntaxTheme

    if theme.code:
        return PygmentsSyntaxTheme(theme.code)
    from pygments.token import (  # type: ignore[import-untyped]
        Comment,
        Generic,
        Keyword,
        Literal,
        Name,
        Number,
        Operator,
        Punctuation,
        String,
        Token,
    )
    from rich.style import Style

    parts: dict[Any, str] = {
        Token: theme.code_text,
        Comment: theme.code_comment,
        Comment.Preproc: theme.code_keyword,
        Keyword: theme.code_keyword,
        Keyword.Type: theme.code_type,
        Literal: theme.code_number,
        Number: theme.code_number,
        String: theme.code_string,
        String.Escape: theme.code_number,
        Operator: theme.code_operator,
        Operator.Word: theme.code_keyword,
        Punctuation: theme.code_operator,
        Name.Function: theme.code_name,
        Name.Class: theme.code_name,
        Name.Namespace: theme.code_type,
        Name.Decorator: theme.code_name,
        Name.Builtin: theme.code_type,
        Name.Exception: theme.code_type,
        Name.Constant: theme.code_number,
        Name.Tag: theme.code_keyword,
        Name.Attribute: theme.code_name,
        Generic.Heading: theme.heading,
        Generic.Deleted: theme.bad,
        Generic.Inserted: theme.good,
        Generic.Emph: "italic",
        Generic.Strong: "bold",
    }
    return ANSISyntaxTheme({token: Style.parse(style) for token, style in parts.items()})
