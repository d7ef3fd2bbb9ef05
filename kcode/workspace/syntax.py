"""Whether a change breaks a file's syntax: errors that were not there before."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

from kcode.workspace import apart, grammars

if TYPE_CHECKING:
    from tree_sitter import Parser, Tree

    from kcode.workspace.change import FileEdit

_LARGEST = 1_000_000  # characters; a parse takes about a tenth of a second
_PREPROCESSED = ("c", "cpp")  # a macro that the grammar cannot know is an error to it
_FREE = ("markdown", "html", "yaml", "sql")  # hardly anything is an error, or every dialect is one
_BRACKETS = {"(": 1, ")": -1, "[": 1, "]": -1, "{": 1, "}": -1}


def newly_broken(edit: FileEdit) -> str:
    """Where the change breaks the syntax of its file, in words; empty where it does not, or none can tell.

    Python is judged by its own parser too, whose words are better. Other languages are looked at where
    their tree-sitter grammar is installed.
    """
    after, before = edit.after, edit.before or ""
    source = grammars.source_of(edit.path)
    if after is None or source is None or source.name in _FREE or max(len(after), len(before)) > _LARGEST:
        return ""
    if source.name == "python":
        found = _python_error(after)
        if not found:
            return ""
        if not _python_error(before):
            return f"the file no longer parses as Python: {found}"
    if not grammars.installed(source.grammar):
        return ""
    try:
        line = apart.ask("kcode.workspace.syntax:wrong_line", source.grammar, before, after)
    except apart.NoAnswerError:  # the grammar fails: nobody can tell
        return ""
    if not isinstance(line, int) or not line:
        return ""
    shown = after.split("\n")[line - 1].strip()[:100]
    return f"the file no longer parses: a syntax error near line {line} ({shown})"


def wrong_line(grammar: str, before: str, after: str) -> int:
    """The first line (from 1) of ``after`` that is wrong where ``before`` had fewer errors, else 0. It parses
    both, and is asked in a process apart."""
    parser = grammars.parser(grammar)
    if parser is None:
        return 0
    was, now = _tree(parser, before), _tree(parser, after)
    wrong = _errors(now)
    if len(wrong) <= len(_errors(was)) or (grammar in _PREPROCESSED and _open(now) == _open(was)):
        return 0
    return wrong[0]


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


def _tree(parser: Parser, text: str) -> Tree:
    return parser.parse(text.encode("utf-8", "replace"))


def _errors(tree: Tree) -> list[int]:
    """The lines (from 1) where something is wrong or missing."""
    found: list[int] = []
    open_nodes = [tree.root_node]
    while open_nodes:
        node = open_nodes.pop()
        if node.is_error or node.is_missing:
            found.append(node.start_point[0] + 1)
        elif node.has_error:
            open_nodes.extend(node.children)
    return sorted(found)


def _open(tree: Tree) -> dict[str, int]:
    """How many brackets of each kind are opened more often than closed, comments and strings aside."""
    count = dict.fromkeys("([{", 0)
    kinds = {")": "(", "]": "[", "}": "{"}
    todo = [tree.root_node]
    while todo:
        node = todo.pop()
        todo.extend(node.children)
        if node.type in _BRACKETS and not node.is_missing:
            count[kinds.get(node.type, node.type)] += _BRACKETS[node.type]
    return count
