"""Looking for options among the words of a command, as loosely as programs take them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from kcode.safety.findings import Effect, leads_away
from kcode.safety.shell_words import Word


def has(words: Iterable[Word], wanted: frozenset[str], *, clusters: bool = True) -> str:
    """The first option of ``words`` that is one of ``wanted``, or "".

    A long option counts by any beginning of it. A single letter counts anywhere in a word of letters
    (``clusters``), which takes some harmless words for harmful ones, never the other way round; without,
    at the beginning of a word only, for programs whose options are words with one dash.
    """
    for word in words:
        text = word.text
        name = text.partition("=")[0]
        if name in wanted or text in wanted:
            return name
        if text.startswith("--") and len(name) > 2 and any(long.startswith(name) for long in wanted):
            return name
        if text == "--":
            return ""
        if not text.startswith("-") or text.startswith("--"):
            continue
        short = [option for option in wanted if len(option) == 2]
        for option in short:
            if option[1] in (text[1:] if clusters else text[1:2]):
                return option
    return ""


def options_of(words: Sequence[Word], wanted: tuple[str, ...]) -> list[str]:
    """The values of options, written behind them or after ``=``."""
    found = []
    for place, word in enumerate(words):
        name, equals, value = word.text.partition("=")
        if word.text in wanted and place + 1 < len(words):
            found.append(words[place + 1].text)
        elif equals and name in wanted:
            found.append(value)
        elif word.text[:2] in wanted and not word.text.startswith("--") and len(word.text) > 2:
            found.append(word.text[2:])
        elif word.text.startswith("-") and not word.text.startswith("--") and place + 1 < len(words):
            last = f"-{word.text[-1]}"
            if last in wanted:
                found.append(words[place + 1].text)
    return found


def positionals(words: Sequence[Word], valued: tuple[str, ...] = ()) -> list[str]:
    """The words that are no options and no values of the options ``valued``."""
    found, skip, ended = [], False, False
    for word in words:
        text = word.text
        if skip:
            skip = False
        elif text == "--" and not ended:
            ended = True
        elif not ended and text.startswith("-") and text != "-":
            skip = text in valued or (
                not text.startswith("--") and f"-{text[-1]}" in valued and len(text) > 2
            )
            skip = skip and not (text[:2] in valued and len(text) > 2)
        else:
            found.append(text)
    return found


def plain_words(words: tuple[Word, ...]) -> tuple[Effect, str] | None:
    """What speaks against words that are names of files and options: unknown, or outside the workspace."""
    if any(not word.known for word in words):
        return "write", "what the words stand for cannot be seen"
    if any(word.globs and re.match(r"[\[?]", word.text) for word in words):
        return "write", "a pattern may stand for an option"
    away = next((word.text for word in words if leads_away(word.text)), "")
    return ("write", f"{away} is outside the workspace") if away else None
