from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.styles import Style as PromptStyle
from rich.style import Style

from kcode.config.themes import themes_dir
from kcode.errors import ConfigError
from kcode.ui.look import theme as themes
from kcode.ui.look.paint import nearest_256, painted, sgr
from kcode.ui.look.terminal import Look, depth_of, make_console
from kcode.ui.look.theme import (
    STYLES,
    Theme,
    for_prompt,
    list_themes,
    markdown_styles,
    parse,
    prompt_rules,
    theme_of,
)

TRUE = Look(plain=False, depth="true")


def made(name: str, dark: bool = True, depth: str = "true") -> Theme:
    return theme_of(Look(plain=False, dark=dark, depth=depth, theme=name))  # type: ignore[arg-type]


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2, from 1 to 21."""
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize(
    ("name", "dark", "least"),
    [("dark", True, 4.5), ("light", False, 4.5), ("high-contrast", True, 7), ("high-contrast", False, 7)],
)
def test_every_text_can_be_read_on_its_background(name: str, dark: bool, least: float) -> None:
    theme = made(name, dark)
    ground = "#000000" if dark else "#ffffff"
    foreground = "#d0d0d0" if dark else "#303030"  # a terminal's own text, not at its strongest
    grounds = [ground, *(parse(getattr(theme, n)).background for n in ("added", "removed"))]
    words = [parse(getattr(theme, n)).background for n in ("added_word", "removed_word")]
    for style in STYLES:
        paint = parse(getattr(theme, style))
        text = paint.colour or foreground
        if paint.background:
            assert contrast(text, paint.background) >= least, style
        elif style.startswith("code_"):
            assert min(contrast(text, at) for at in grounds) >= least, style
            assert min(contrast(text, at) for at in words) >= (4.5 if least == 7 else 3), style
        else:
            assert contrast(text, ground) >= least, style


@pytest.mark.parametrize(("name", "ground"), [("dark", "#282a36"), ("light", "#fdf6e3")])
def test_the_usual_off_black_and_off_white_backgrounds_are_readable_too(name: str, ground: str) -> None:
    theme = made(name, name == "dark")
    for style in ("dim", "accent", "good", "bad", "warn", "status", "code_comment", "code_keyword"):
        assert contrast(parse(getattr(theme, style)).colour, ground) >= 4, style


@pytest.mark.parametrize("name", ["dark", "light", "high-contrast", "none"])
@pytest.mark.parametrize("depth", ["16", "256", "true"])
@pytest.mark.parametrize("dark", [True, False])
def test_changed_words_differ_from_their_line(name: str, depth: str, dark: bool) -> None:
    theme = made(name, dark, depth)
    assert theme.added_word not in ("", theme.added)
    assert theme.removed_word not in ("", theme.removed)
    assert theme.added_sign
    assert theme.removed_sign


@pytest.mark.parametrize("name", ["auto", "dark", "light", "high-contrast", "none"])
@pytest.mark.parametrize("depth", ["16", "256", "true"])
@pytest.mark.parametrize("dark", [True, False])
def test_rich_and_prompt_toolkit_read_every_style(name: str, depth: str, dark: bool) -> None:
    theme = made(name, dark, depth)
    for style in STYLES:
        Style.parse(getattr(theme, style))
    for style in markdown_styles(theme).values():
        Style.parse(style)
    PromptStyle(prompt_rules(theme))
    themes.syntax_theme(theme)


def test_auto_follows_the_background_and_a_named_theme_does_not() -> None:
    assert made("auto", dark=True) == made("dark", dark=False)
    assert made("auto", dark=False) == made("light", dark=True)
    assert made("high-contrast", dark=True) != made("high-contrast", dark=False)


def test_sixteen_colours_are_named_and_never_guessed_from_others() -> None:
    for name in ("dark", "light", "high-contrast"):
        for dark in (True, False):
            theme = made(name, dark, "16")
            assert not any("#" in getattr(theme, style) for style in STYLES)
            assert theme.accent
            assert theme.added != theme.removed


def test_without_colour_the_theme_has_attributes_only_and_a_plain_look_has_nothing() -> None:
    for look in (Look(plain=False, colour=False), Look(plain=False, theme="none")):
        theme = theme_of(look)
        assert theme.menu_chosen == "reverse"
        assert not any(parse(getattr(theme, s)).colour or parse(getattr(theme, s)).background for s in STYLES)
    assert not any(getattr(theme_of(Look(plain=True)), style) for style in STYLES)


@pytest.mark.parametrize(
    ("style", "prompt"),
    [
        ("bold #5fc9f8 on #303030", "bold #5fc9f8 bg:#303030"),
        ("underline red", "underline ansired"),
        ("white on bright_black", "ansigray bg:ansibrightblack"),
        ("bright_white on bright_red", "ansiwhite bg:ansibrightred"),
        ("dim", "dim"),
        ("", ""),
    ],
)
def test_one_spelling_becomes_the_prompts(style: str, prompt: str) -> None:
    assert for_prompt(style) == prompt
    PromptStyle([("x", prompt)])


@pytest.mark.parametrize(
    ("depth", "codes"),
    [
        ("true", "1;38;2;95;201;248;48;2;48;48;48"),
        ("256", "1;38;5;81;48;5;236"),
        ("16", "1;36;40"),
        (None, "1"),
    ],
)
def test_colours_are_taken_down_to_what_the_terminal_has(depth: Any, codes: str) -> None:
    assert sgr("bold #5fc9f8 on #303030", depth) == codes


def test_every_colour_of_the_cube_and_the_ramp_is_its_own_nearest() -> None:
    from rich.color import EIGHT_BIT_PALETTE

    for number in range(16, 256):
        red, green, blue = EIGHT_BIT_PALETTE[number]
        assert EIGHT_BIT_PALETTE[nearest_256(red, green, blue)] == (red, green, blue)


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "tmux-256color", "COLORTERM": "truecolor"}, "true"),
        ({"TERM": "xterm-256color", "COLORTERM": "24bit"}, "true"),
        ({"TERM": "xterm-kitty"}, "true"),
        ({"TERM": "xterm-direct"}, "true"),
        ({"TERM": "screen-256color", "COLORTERM": "truecolor", "STY": "1.pts"}, "256"),
        ({"TERM": "screen", "STY": "1.pts"}, "16"),
    ],
)
def test_the_number_of_colours_is_what_the_variables_promise(environ: dict[str, str], depth: str) -> None:
    assert depth_of(environ) == depth


@pytest.mark.parametrize(("depth", "starts"), [("true", "38;2;"), ("256", "38;5;"), ("16", "3")])
def test_rich_writes_as_many_colours_as_there_are(depth: Any, starts: str) -> None:
    stream = io.StringIO()
    look = Look(plain=False, depth=depth, theme="dark")
    # rich keeps what it made of a style, whatever the depth: each takes one that nobody else draws
    apart = {"true": "blink", "256": "encircle", "16": "frame"}[depth]
    make_console(stream, look, width=80).print("x", style=f"{theme_of(look).accent} {apart}")
    assert re.match(rf"\x1b\[\d+;{starts}", stream.getvalue())


def test_paint_is_left_out_where_it_cannot_be_shown() -> None:
    assert painted("x", "bold red", Look(plain=True)) == "x"
    assert painted("x", "bold red", Look(plain=False, colour=False)) == "\x1b[1mx\x1b[0m"
    assert painted("x", "red", Look(plain=False, colour=False)) == "x"


# --- themes of the user's ------------------------------------------------------------------------


@pytest.fixture
def write(own_home: Path) -> Any:
    def write_theme(text: str, name: str = "mine") -> Path:
        themes.named.cache_clear()
        themes_dir().mkdir(parents=True, exist_ok=True)
        path = themes_dir() / f"{name}.toml"
        path.write_text(text)
        return path

    return write_theme


def test_a_users_theme_changes_what_it_names_and_inherits_the_rest(write: Any) -> None:
    write('inherits = "light"\naccent = "bold #AA00AA"\ncode = "friendly"\n')
    theme = made("mine")
    assert (theme.name, theme.accent, theme.code) == ("mine", "bold #AA00AA", "friendly")
    assert theme.good == made("light").good
    assert "mine" in list_themes()
    themes.syntax_theme(theme)


def test_a_theme_that_inherits_nothing_follows_the_background(write: Any) -> None:
    write('warn = "yellow"\n')
    assert made("mine", dark=True).good == made("dark").good
    assert made("mine", dark=False).good == made("light").good


@pytest.mark.parametrize(
    ("text", "line", "says", "remedy"),
    [
        ('inherits = "drak"\n', 1, "no built-in theme 'drak'", "did you mean 'dark'?"),
        ('\n# my own\nacent = "red"\n', 3, "has no 'acent'", "did you mean 'accent'?"),
        (
            'accent = "red"\nbad = "bright-red"\n',
            2,
            "bad: 'bright-red' is neither",
            "did you mean 'bright_red'?",
        ),
        ('accent = "#ff00"\n', 1, "'#ff00' is neither", "#5fc9f8"),
        ('accent = "red on"\n', 1, "ends where a background colour should be", "on blue"),
        ("accent = 5\n", 1, "accent is text in quotes", "bold"),
        ('code = "monokay"\n', 1, "no Pygments style 'monokay'", "did you mean 'monokai'?"),
        ("accent = red\n", 1, "not valid TOML", "mend that line"),
    ],
)
def test_a_wrong_theme_is_told_with_its_line_and_the_nearest_name(
    write: Any, text: str, line: int, says: str, remedy: str
) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        made("mine")
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert says in caught.value.message
    assert remedy in caught.value.remedy


def test_a_theme_that_is_not_there_is_told(own_home: Path) -> None:
    themes.named.cache_clear()
    with pytest.raises(ConfigError, match="there is no theme 'gone'"):
        made("gone")


def test_names_that_are_no_file_names_are_not_listed(write: Any) -> None:
    write("", "a b")
    write("", "dark")
    write("", "solarised")
    assert list_themes() == ["auto", "dark", "light", "high-contrast", "none", "solarised"]


def test_the_page_about_themes_names_every_style_and_every_theme() -> None:
    page = (Path(__file__).parents[2] / "docs" / "themes.md").read_text()
    for name in (*STYLES, "auto", "dark", "light", "high-contrast", "none"):
        assert f"`{name}`" in page
