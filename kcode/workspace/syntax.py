"""Whether a change breaks a file's syntax: errors that were not there before."""

from __future__ import annotations

import ast
import warnings
from functools import cache
from importlib import import_module
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tree_sitter import Parser

    from kcode.workspace.change import FileEdit

_LARGEST = 1_000_000  # characters; a parse takes about a tenth of a second
_GRAMMARS = {
    "py": "python", "pyi": "python", "js": "javascript", "mjs": "javascript", "cjs": "javascript",
    "jsx": "javascript", "ts": "typescript:language_typescript", "tsx": "typescript:language_tsx", "go": "go",
    "rs": "rust", "java": "java", "kt": "kotlin", "c": "c", "h": "c", "cc": "cpp", "cpp": "cpp", "hpp": "cpp",
    "cs": "c_sharp", "rb": "ruby", "php": "php:language_php", "swift": "swift", "scala": "scala",
    "lua": "lua", "sh": "bash", "bash": "bash", "json": "json", "toml": "toml", "css": "css", "html": "html",
}  # fmt: skip


def newly_broken(edit: FileEdit) -> str:
    """Where the change breaks the syntax of its file, in words; empty where it does not, or none can tell.

    Python is judged by its own parser too, whose words are better. Other languages are looked at where
    their tree-sitter grammar is installed.
    """
    after, before = edit.after, edit.before or ""
    suffix = PurePosixPath(edit.path).suffix[1:].lower()
    if after is None or suffix not in _GRAMMARS or max(len(after), len(before)) > _LARGEST:
        return ""
    if suffix in ("py", "pyi") and not _python_error(before):
        found = _python_error(after)
        if found:
            return f"the file no longer parses as Python: {found}"
    parser = _parser(_GRAMMARS[suffix])
    if parser is None:
        return ""
    wrong = _errors(parser, after)
    if len(wrong) <= len(_errors(parser, before)):
        return ""
    line = wrong[0]
    shown = after.split("\n")[line - 1].strip()[:100]
    return f"the file no longer parses: a syntax error near line {line} ({shown})"


def _python_error(source: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except SyntaxError as problem:
        return f"line {problem.lineno}: {problem.msg}"
    except (ValueError, RecursionError, MemoryError):
        return ""
    return ""


def parser_for(path: str) -> Parser | None:
    """The parser of a file's language by its name's ending; None where no grammar is installed."""
    grammar = _GRAMMARS.get(PurePosixPath(path).suffix[1:].lower())
    return None if grammar is None else _parser(grammar)


@cache
def _parser(grammar: str) -> Parser | None:
    """The parser of a grammar, or None where its package is not installed."""
    from tree_sitter import Language, Parser

    module, _, function = grammar.partition(":")
    try:
        language: Any = getattr(import_module(f"tree_sitter_{module}"), function or "language")
    except (ImportError, AttributeError):
        return None
    return Parser(Language(language()))


def _errors(parser: Parser, source: str) -> list[int]:
    """The lines (from 1) where something is wrong or missing."""
    tree = parser.parse(source.encode("utf-8", "replace"))
    found: list[int] = []
    open_nodes = [tree.root_node]
    while open_nodes:
        node = open_nodes.pop()
        if node.is_error or node.is_missing:
            found.append(node.start_point[0] + 1)
        elif node.has_error:
            open_nodes.extend(node.children)
    return sorted(found)
