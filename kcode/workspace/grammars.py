"""The languages whose grammar kcode knows: which files they are, and their tree-sitter parser.

Grammars are separate packages and are imported when a file of theirs is met.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tree_sitter import Language, Parser


@dataclass(frozen=True, slots=True)
class Source:
    """``grammar`` is the package's name behind ``tree_sitter_``, with ``:function`` where it has several."""

    name: str
    grammar: str
    suffixes: tuple[str, ...]
    files: tuple[str, ...] = ()


SOURCES: tuple[Source, ...] = (
    Source("python", "python", ("py", "pyi", "pyw")),
    Source("javascript", "javascript", ("js", "mjs", "cjs", "jsx")),
    Source("typescript", "typescript:language_typescript", ("ts", "mts", "cts")),
    Source("tsx", "typescript:language_tsx", ("tsx",)),
    Source("go", "go", ("go",)),
    Source("rust", "rust", ("rs",)),
    Source("java", "java", ("java",)),
    Source("kotlin", "kotlin", ("kt", "kts")),
    Source("c", "c", ("c",)),
    Source("cpp", "cpp", ("cc", "cpp", "cxx", "h", "hh", "hpp", "hxx", "ipp", "cu", "cuh")),
    Source("csharp", "c_sharp", ("cs",)),
    Source("ruby", "ruby", ("rb", "rake", "gemspec"), ("Rakefile", "Gemfile")),
    Source("php", "php:language_php", ("php",)),
    Source("swift", "swift", ("swift",)),
    Source("scala", "scala", ("scala", "sc", "sbt")),
    Source("lua", "lua", ("lua",)),
    Source("bash", "bash", ("sh", "bash", "zsh", "ksh")),
    Source("sql", "sql", ("sql",)),
    Source("html", "html", ("html", "htm", "xhtml")),
    Source("css", "css", ("css",)),
    Source("markdown", "markdown", ("md", "markdown")),
    Source("toml", "toml", ("toml",)),
    Source("yaml", "yaml", ("yaml", "yml")),
    Source("json", "json", ("json",)),
)

_BY_SUFFIX = {suffix: source for source in SOURCES for suffix in source.suffixes}
_BY_FILE = {name: source for source in SOURCES for name in source.files}


def source_of(path: str) -> Source | None:
    """The language of a file by its name; None where no grammar is known."""
    name = path.rpartition("/")[2]
    return _BY_FILE.get(name) or _BY_SUFFIX.get(PurePosixPath(name).suffix[1:].lower())


@cache
def installed(grammar: str) -> bool:
    """Whether the grammar's package is there; it is not loaded."""
    return find_spec(f"tree_sitter_{grammar.partition(':')[0]}") is not None


@cache
def load(grammar: str) -> Language | None:
    """A grammar by its name in :class:`Source`, or None where its package is not installed."""
    from tree_sitter import Language

    module, _, function = grammar.partition(":")
    try:
        capsule: Any = getattr(import_module(f"tree_sitter_{module}"), function or "language")()
    except (ImportError, AttributeError):
        return None
    return Language(capsule)


@cache
def parser(grammar: str) -> Parser | None:
    """The parser of a grammar, or None where its package is not installed."""
    from tree_sitter import Parser

    language = load(grammar)
    return None if language is None else Parser(language)
