"""The languages the code map reads: which files they are, their grammar, and kcode's own query file.

In a query file a pattern captures a definition as ``@def.KIND`` and its name as ``@name`` (and as ``@outer``
whatever the source names as its owner), or as ``@ref`` a name that is used. Where patterns of several kinds
fit a node, the kind that stands first in the file is meant. Grammars are separate packages and are imported
when a file of theirs is met.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.workspace import grammars

if TYPE_CHECKING:
    from tree_sitter import Parser, Query

QUERIES = Path(__file__).with_name("queries")
_KIND = re.compile(r"@def\.(\w+)")


@dataclass(frozen=True, slots=True)
class Language:
    """``grammar`` is the package's name behind ``tree_sitter_``, with ``:function`` where it has several.

    ``queries`` are files under ``queries/`` without ending, read one behind the other.
    """

    name: str
    grammar: str
    suffixes: tuple[str, ...]
    queries: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


_TYPESCRIPT = ("javascript", "typescript")
_QUERIES = {
    "javascript": ("javascript", "javascript_only"),
    "typescript": _TYPESCRIPT,
    "tsx": _TYPESCRIPT,
    "cpp": ("c", "cpp"),
}
_WITHOUT = ("json",)  # nothing in it has a name that another file uses

LANGUAGES: tuple[Language, ...] = tuple(
    Language(source.name, source.grammar, source.suffixes, _QUERIES.get(source.name, ()), source.files)
    for source in grammars.SOURCES
    if source.name not in _WITHOUT
)

_BY_NAME = {language.name: language for language in LANGUAGES}


def language_for(path: str) -> Language | None:
    """The language of a file by its name; None where the map does not read such files."""
    source = grammars.source_of(path)
    return _BY_NAME.get(source.name) if source else None


@dataclass(frozen=True, slots=True)
class Grammar:
    """``query`` tells definitions and uses in one walk; ``kinds`` are those it defines, in its order.

    ``body`` is the number of the field that holds a definition's body, ``values`` are those of the fields in
    which something that has a body may stand; those that the grammar has.
    """

    parser: Parser
    query: Query
    kinds: tuple[str, ...]
    body: int | None
    values: tuple[int, ...]


@cache
def grammar(language: Language) -> Grammar | None:
    """The parser and the queries of ``language``; None where its package is not installed."""
    from tree_sitter import Parser, Query

    loaded = grammars.load(language.grammar)
    if loaded is None:
        return None
    text = query_text(language)
    body, *values = (loaded.field_id_for_name(name) for name in ("body", "value", "right"))
    return Grammar(
        Parser(loaded),
        Query(loaded, text),
        tuple(dict.fromkeys(_KIND.findall(text))),
        body,
        tuple(each for each in values if each is not None),
    )


def query_text(language: Language) -> str:
    """The patterns of definitions, then those of uses."""
    names = language.queries or (language.name,)
    return "\n".join((QUERIES / f"{name}.scm").read_text("utf-8") for name in names)


def installed(language: Language) -> bool:
    """Whether the grammar's package is there; it is not loaded."""
    return grammars.installed(language.grammar)


def missing() -> list[Language]:
    """The languages whose grammar is not installed, so that the map leaves their files out."""
    return [language for language in LANGUAGES if not installed(language)]


def package(language: Language) -> str:
    """What has to be installed for it."""
    return "tree-sitter-" + language.grammar.partition(":")[0].replace("_", "-")
