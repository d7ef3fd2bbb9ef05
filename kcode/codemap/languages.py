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
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

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

LANGUAGES: tuple[Language, ...] = (
    Language("python", "python", ("py", "pyi", "pyw")),
    Language("javascript", "javascript", ("js", "mjs", "cjs", "jsx"), ("javascript", "javascript_only")),
    Language("typescript", "typescript:language_typescript", ("ts", "mts", "cts"), _TYPESCRIPT),
    Language("tsx", "typescript:language_tsx", ("tsx",), _TYPESCRIPT),
    Language("go", "go", ("go",)),
    Language("rust", "rust", ("rs",)),
    Language("java", "java", ("java",)),
    Language("kotlin", "kotlin", ("kt", "kts")),
    Language("c", "c", ("c",)),
    Language("cpp", "cpp", ("cc", "cpp", "cxx", "h", "hh", "hpp", "hxx", "ipp", "cu", "cuh"), ("c", "cpp")),
    Language("csharp", "c_sharp", ("cs",)),
    Language("ruby", "ruby", ("rb", "rake", "gemspec"), files=("Rakefile", "Gemfile")),
    Language("php", "php:language_php", ("php",)),
    Language("swift", "swift", ("swift",)),
    Language("scala", "scala", ("scala", "sc", "sbt")),
    Language("lua", "lua", ("lua",)),
    Language("bash", "bash", ("sh", "bash", "zsh", "ksh")),
    Language("sql", "sql", ("sql",)),
    Language("html", "html", ("html", "htm", "xhtml")),
    Language("css", "css", ("css",)),
    Language("markdown", "markdown", ("md", "markdown")),
    Language("toml", "toml", ("toml",)),
    Language("yaml", "yaml", ("yaml", "yml")),
)  # fmt: skip

_BY_SUFFIX = {suffix: language for language in LANGUAGES for suffix in language.suffixes}
_BY_FILE = {name: language for language in LANGUAGES for name in language.files}


def language_for(path: str) -> Language | None:
    """The language of a file by its name; None where the map does not read such files."""
    name = path.rpartition("/")[2]
    return _BY_FILE.get(name) or _BY_SUFFIX.get(PurePosixPath(name).suffix[1:].lower())


@dataclass(frozen=True, slots=True)
class Grammar:
    """``query`` tells definitions and uses in one walk; ``kinds`` are those it defines, in its order."""

    parser: Parser
    query: Query
    kinds: tuple[str, ...]


@cache
def grammar(language: Language) -> Grammar | None:
    """The parser and the queries of ``language``; None where its package is not installed."""
    from tree_sitter import Language as TreeSitterLanguage
    from tree_sitter import Parser, Query

    module, _, function = language.grammar.partition(":")
    try:
        capsule: Any = getattr(import_module(f"tree_sitter_{module}"), function or "language")()
    except (ImportError, AttributeError):
        return None
    loaded = TreeSitterLanguage(capsule)
    text = query_text(language)
    return Grammar(Parser(loaded), Query(loaded, text), tuple(dict.fromkeys(_KIND.findall(text))))


def query_text(language: Language) -> str:
    """The patterns of definitions, then those of uses."""
    names = language.queries or (language.name,)
    return "\n".join((QUERIES / f"{name}.scm").read_text("utf-8") for name in names)


@cache
def installed(language: Language) -> bool:
    """Whether the grammar's package is there; it is not loaded."""
    return find_spec(f"tree_sitter_{language.grammar.partition(':')[0]}") is not None


def missing() -> list[str]:
    """The languages whose grammar is not installed, so that the map leaves their files out."""
    return [language.name for language in LANGUAGES if not installed(language)]
