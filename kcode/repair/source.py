"""A Python file as the search sees it: functions, statements, and the physical lines that may change.

Other languages' files are :class:`kcode.repair.languages.tree.TreeSource`, which answers the same questions.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.workspace.errors import Unencodable
from kcode.workspace.files import TextFile, read_text

if TYPE_CHECKING:
    from kcode.repair.mutation import Edit

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # Python's line ends; a form feed is none
_BRACKETS = frozenset("()[]{},: \t")


@dataclass(frozen=True, slots=True)
class Scope:
    """A function, or the top level of the module. Lines count from 1, ``last`` included."""

    name: str  # dotted: "Cart.total"; "" for the module
    first: int  # the line of ``def`` or of the first decorator
    body: int  # the first line below the signature and the docstring
    last: int
    owner: str = ""  # the class a method belongs to
    docstring: str = ""


@dataclass(frozen=True)
class Source:
    """The text of one file, parsed."""

    path: str
    file: TextFile
    tree: ast.Module

    @classmethod
    def read(cls, root: Path, path: str) -> Source:
        """Raises WorkspaceError, or SyntaxError and ValueError where this Python cannot parse it."""
        file = read_text(root / path, path)
        return cls(path, file, ast.parse(file.text))

    def with_text(self, text: str) -> Source | None:
        """The same file with another text; None where that does not parse."""
        try:
            return Source(self.path, replace(self.file, text=text), ast.parse(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    @property
    def text(self) -> str:
        return self.file.text

    @cached_property
    def lines(self) -> list[str]:
        """The physical lines without their ends; ``lines[n - 1]`` is line n."""
        return [line.rstrip("\r\n") for line in self._with_ends]

    @cached_property
    def _with_ends(self) -> list[str]:
        return physical_lines(self.text)

    @cached_property
    def _offsets(self) -> list[int]:
        found = [0]
        for line in self._with_ends:
            found.append(found[-1] + len(line))
        return found

    def offset(self, line: int) -> int:
        """How many characters stand before ``line``; one line past the end is the length of the text."""
        return self._offsets[min(line, len(self._offsets)) - 1]

    def line_at(self, offset: int) -> int:
        """The line that the character at ``offset`` stands in; the text's end counts as one line more where
        the last line has an end."""
        return bisect_right(self._offsets, offset)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """The characters of ``node``. The tree counts columns in UTF-8 bytes."""
        first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", 1)
        start, end = getattr(node, "col_offset", 0), getattr(node, "end_col_offset", 0)
        return self.offset(first) + self._column(first, start), self.offset(last) + self._column(last, end)

    def _column(self, line: int, octets: int) -> int:
        text = self.lines[line - 1]
        return octets if text.isascii() else len(text.encode()[:octets].decode("utf-8", "ignore"))

    @cached_property
    def nodes_at(self) -> Mapping[int, Sequence[tuple[ast.AST, tuple[ast.AST, ...]]]]:
        """Line -> the nodes that begin there, each with its parents, the nearest first."""
        found: dict[int, list[tuple[ast.AST, tuple[ast.AST, ...]]]] = {}
        waiting: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(self.tree, ())]
        while waiting:
            node, parents = waiting.pop()
            line = getattr(node, "lineno", None)
            if isinstance(node, ast.comprehension):
                line = node.iter.lineno
            if line is not None:
                found.setdefault(line, []).append((node, parents))
            inside = (node, *parents[:7])
            waiting.extend((child, inside) for child in ast.iter_child_nodes(node))
        return found

    def definition(self, scope: Scope) -> ast.AST | None:
        """The function that ``scope`` is; None for the module."""
        if not scope.name:
            return None
        return next((node for node in ast.walk(self.tree) if _begins(node) == scope.first), None)

    def meaning(self, text: str, line: int) -> str | None:
        """What ``text``, this file changed near ``line``, means: equal for texts that differ in spelling
        alone. None where it does not parse, or cannot be written in the file's encoding.

        The change lies in the function at ``line``; only that one is parsed.
        """
        scope = self.scope_at(line)
        after = len(self.text) - self.offset(scope.last + 1)
        part = text[self.offset(scope.first) : len(text) - after]
        indented = part[:1] in (" ", "\t")
        try:
            self.file.encode(part)
            tree = ast.parse("if 1:\n" + part if indented else part)
        except (SyntaxError, ValueError, RecursionError, MemoryError, Unencodable):
            return None
        return f"{self.path}\0{scope.first}\0{ast.dump(tree)}"

    def above(self, scope: Scope, cases: Sequence[str]) -> str | None:
        """What a prompt shows above ``scope``; None: what is custom in Python."""
        return None

    def small_changes(self, line: int) -> Iterable[Edit] | None:
        """The mutations of what begins on ``line``; None: Python's own."""
        return None

    def singles_out(self, text: str) -> str:
        """The value of a failing test by which ``text``, this file changed, decides; or empty. Python's are
        found by :func:`kcode.repair.rank.special_case`."""
        return ""

    def inner_last(self, scope: Scope) -> int:
        """The last line of what may be written anew in ``scope``."""
        return scope.last

    @cached_property
    def scopes(self) -> list[Scope]:
        """Outermost functions (with what is nested in them) and the module, in the file's order."""
        found = list(_functions(self.tree.body, ""))
        return [*found, Scope("", 1, 1, len(self.lines))]

    def scope_at(self, line: int) -> Scope:
        for scope in self.scopes:
            if scope.first <= line <= scope.last:
                return scope
        return self.scopes[-1]

    @cached_property
    def statement_of(self) -> Mapping[int, int]:
        """Physical line -> first line of the innermost statement (or its header) that it belongs to."""
        owner: dict[int, int] = {}
        for node in ast.walk(self.tree):  # breadth first: inner statements overwrite outer ones
            if isinstance(node, ast.stmt):
                for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                    owner[line] = node.lineno
        return owner

    def long_statement(self, line: int) -> tuple[int, int] | None:
        """First and last line of the statement at ``line``, where it has several and no block of its own."""
        first = self.statement_of.get(line)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.stmt) and node.lineno == first and not hasattr(node, "body"):
                last = node.end_lineno or node.lineno
                return (node.lineno, last) if last > node.lineno and line <= last else None
        return None

    @cached_property
    def _text_lines(self) -> frozenset[int]:
        """Lines of multi-line strings and of strings that stand alone: no code to change there."""
        found: set[int] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                found.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            elif isinstance(node, ast.Constant | ast.JoinedStr) and (node.end_lineno or 0) > node.lineno:
                found.update(range(node.lineno + 1, (node.end_lineno or node.lineno) + 1))
        return frozenset(found)

    def changeable(self, line: int) -> bool:
        """Whether the line holds code: not blank, a comment, a string's inside, or closing brackets."""
        if not 1 <= line <= len(self.lines) or line in self._text_lines:
            return False
        text = self.lines[line - 1].strip()
        return bool(text) and not text.startswith("#") and not _BRACKETS.issuperset(text)

    def replaced(self, first: int, last: int, new: Sequence[str]) -> str:
        """The text with lines ``first..last`` replaced (``last = first - 1``: inserted before ``first``)."""
        kept = list(self._with_ends)
        newline = "\r\n" if kept and kept[0].endswith("\r\n") else "\n"
        if kept and first > len(kept) and not kept[-1].endswith(("\n", "\r")):
            kept[-1] += newline
        return "".join([*kept[: first - 1], *(line + newline for line in new), *kept[last:]])


def physical_lines(text: str) -> list[str]:
    """The lines of ``text`` with their ends, as Python counts them."""
    return _LINE.findall(text)


def _begins(node: ast.AST) -> int:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return 0


def _functions(body: Sequence[ast.stmt], owner: str) -> list[Scope]:
    found: list[Scope] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(_scope(node, owner))
        elif isinstance(node, ast.ClassDef):
            found.extend(_functions(node.body, f"{owner}.{node.name}".strip(".")))
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for name in ("body", "orelse", "finalbody"):
                found.extend(_functions(getattr(node, name, []), owner))
    return found


def _scope(node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str) -> Scope:
    first = _begins(node)
    docstring = ast.get_docstring(node) or ""
    body = node.body[1:] if docstring and len(node.body) > 1 else node.body
    return Scope(
        name=f"{owner}.{node.name}".strip("."),
        first=first,
        body=min([body[0].lineno, *(d.lineno for d in getattr(body[0], "decorator_list", []))]),
        last=node.end_lineno or node.lineno,
        owner=owner,
        docstring=docstring,
    )
