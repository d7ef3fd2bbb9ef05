"""The parts of a shell command: words and what is known of them, redirects, simple commands, a script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MOST = 64  # words one pair of braces may become
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a word. Not ``known``: ``text`` is a guess or empty; ``name`` is its variable."""

    text: str
    known: bool = True
    quoted: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    parts: tuple[Part, ...] = ()

    @property
    def known(self) -> bool:
        return all(part.known for part in self.parts)

    @property
    def text(self) -> str:
        """What the word will be; a piece that is not known shows as ``$NAME`` or ``$…``."""
        return "".join(
            part.text if part.known else f"${part.name or '…'}" if not part.text else part.text
            for part in self.parts
        )

    @property
    def globs(self) -> bool:
        """The shell may put names of files in its place."""
        return any(part.known and not part.quoted and re.search(r"[*?\[]", part.text) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Redirect:
    """``operator`` is the sign alone (``>``, ``>>``, ``<``, ``>&`` …), ``target`` the file or descriptor."""

    operator: str
    target: Word

    @property
    def writes(self) -> bool:
        return ">" in self.operator


@dataclass(frozen=True, slots=True)
class Simple:
    """One simple command. ``words`` is empty for a bare assignment or redirect.

    ``fed`` tells that its input is a pipe or a file, ``text`` is the input where it is written down,
    ``source`` the one simple command whose output it is.
    """

    words: tuple[Word, ...]
    assignments: tuple[tuple[str, Word], ...] = ()
    redirects: tuple[Redirect, ...] = ()
    fed: bool = False
    text: str | None = None
    background: bool = False
    source: tuple[Word, ...] = ()

    @property
    def shown(self) -> str:
        """The command with its quotes taken away, for rules and for people."""
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True)
class Script:
    commands: tuple[Simple, ...]
    functions: frozenset[str]
    problems: tuple[str, ...]


def names(text: str) -> frozenset[str]:
    """The words of ``text`` as a set: how tables of names are written here."""
    return frozenset(text.split())


def literal(text: str) -> Word:
    return Word((Part(text, quoted=True),))


def unescaped(text: str) -> Iterator[Part]:
    """An unquoted word: a backslash keeps the next character as it is, and is gone."""
    for found in re.finditer(r"\\(\n|.)|[^\\]+|\\", text, re.DOTALL):
        if found[1] is None:
            yield Part(found[0])
        elif found[1] != "\n":
            yield Part(found[1], quoted=True)


def in_quotes(text: str) -> str:
    """The inside of a double-quoted string without its backslashes."""
    return re.sub(r'\\([$`"\\]|\n)', lambda found: found[1].strip("\n"), text)


def ansi_c(text: str) -> Part:
    """The inside of ``$'…'``. Escapes that are not known leave the word unknown."""
    known = True

    def one(found: re.Match[str]) -> str:
        nonlocal known
        escape = found[1]
        if escape[0] == "x" and len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape[0] in "uU" and len(escape) > 1 and int(escape[1:], 16) < 0xD800:
            return chr(int(escape[1:], 16))
        if escape[0] in "01234567":
            return chr(int(escape, 8) & 0xFF)
        if escape in ("\\", "'", '"', "?"):
            return escape
        if escape not in _ESCAPES:
            known = False
        return _ESCAPES.get(escape, escape)

    pattern = r"\\(x[0-9a-fA-F]{1,2}|u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|[0-7]{1,3}|.)"
    return Part(re.sub(pattern, one, text, flags=re.DOTALL), known=known, quoted=True)


def braces(word: Word) -> Iterator[Word]:
    """The words that ``a{b,c}`` becomes; one word that is not known where that is too many or ranges."""
    signs = [
        (number, place)
        for number, part in enumerate(word.parts)
        if part.known and not part.quoted
        for place, sign in enumerate(part.text)
        if sign in "{}"
    ]
    if len(signs) < 2:
        yield word
        return
    flat = [
        Part(sign, part.known, part.quoted, part.name) for part in word.parts for sign in part.text or [""]
    ]
    found = _expanded(flat)
    if found is None:
        yield Word((*word.parts, Part("", known=False)))
        return
    for parts in found:
        yield Word(tuple(parts))


def _expanded(flat: list[Part]) -> list[list[Part]] | None:
    """None: cannot be told, or too many."""

    def sign(place: int) -> str:
        return flat[place].text if flat[place].known and not flat[place].quoted else ""

    for begin in range(len(flat)):
        if sign(begin) != "{":
            continue
        depth, commas = 0, [begin]
        for end in range(begin, len(flat)):
            depth += (sign(end) == "{") - (sign(end) == "}")
            if sign(end) == "," and depth == 1:
                commas.append(end)
            if depth == 0:
                break
        else:
            return None
        if len(commas) == 1:
            inside = "".join(part.text for part in flat[begin + 1 : end])
            if ".." in inside:
                return None
            continue
        tails = _expanded(flat[end + 1 :])
        if tails is None:
            return None
        results: list[list[Part]] = []
        for left, right in zip(commas, [*commas[1:], end], strict=True):
            middles = _expanded(flat[left + 1 : right])
            if middles is None or len(results) + len(middles) * len(tails) > _MOST:
                return None
            results.extend([*flat[:begin], *middle, *tail] for middle in middles for tail in tails)
        return results
    return [flat]
