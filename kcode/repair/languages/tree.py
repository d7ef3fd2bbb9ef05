"""A file of JavaScript, TypeScript or Go as the search sees it: the answers of :class:`Source` from its
tree-sitter tree."""

from __future__ import annotations

import ast
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.repair.languages.grammar import Tongue, tongue_of
from kcode.repair.source import Scope, Source
from kcode.workspace import grammars
from kcode.workspace.errors import Unencodable
from kcode.workspace.files import TextFile, read_text

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

    from kcode.repair.mutation import Edit

_CLOSING = frozenset("()[]{},:; \t")
_LONGEST_SCOPE = 90  # lines; of longer functions the ones inside are scopes of their own
_NO_PYTHON = ast.Module(body=[], type_ignores=[])
_LARGEST = 400_000  # characters of a file that is looked at


@dataclass(frozen=True)
class Notes:
    """What is known of the failing tests: ``claims`` are comment lines for the model, ``imitates`` tells of
    a changed text by which value of theirs it decides."""

    claims: tuple[str, ...] = ()
    imitates: Callable[[str, str, str], str] = field(default=lambda path, before, after: "", compare=False)


@dataclass(frozen=True)
class TreeSource(Source):
    """``syntax`` is the parsed text; offsets of its nodes count bytes, those of this class characters."""

    tongue: Tongue
    grammar: str
    syntax: Tree
    notes: Notes = Notes()

    @classmethod
    def load(cls, root: Path, path: str, notes: Notes = Notes()) -> TreeSource | None:
        """None where the file is no text of a known language. Raises WorkspaceError where it cannot be
        read."""
        known = tongue_of(path)
        if known is None:
            return None
        file = read_text(root / path, path)
        return cls.parsed(path, file, known, notes)

    @classmethod
    def parsed(cls, path: str, file: TextFile, known: tuple[Tongue, str], notes: Notes) -> TreeSource | None:
        parser = grammars.parser(known[1])
        if parser is None or len(file.text) > _LARGEST:
            return None
        tree = parser.parse(file.text.encode("utf-8", "replace"))
        return cls(path, file, _NO_PYTHON, known[0], known[1], tree, notes)

    def with_text(self, text: str) -> TreeSource | None:
        file = replace(self.file, text=text)
        changed = self.parsed(self.path, file, (self.tongue, self.grammar), self.notes)
        return changed if changed is not None and not changed._worse_than(self) else None

    def _worse_than(self, other: TreeSource) -> bool:
        return self.syntax.root_node.has_error and not other.syntax.root_node.has_error

    # --- places -----------------------------------------------------------------------------------

    @cached_property
    def _characters(self) -> list[int] | None:
        """Byte -> character, where they differ."""
        if self.text.isascii():
            return None
        found: list[int] = []
        for number, sign in enumerate(self.text):
            found += [number] * len(sign.encode("utf-8", "replace"))
        return [*found, len(self.text)]

    def at(self, byte: int) -> int:
        table = self._characters
        return byte if table is None else table[min(byte, len(table) - 1)]

    def extent(self, node: Node) -> tuple[int, int]:
        """The characters of ``node``."""
        return self.at(node.start_byte), self.at(node.end_byte)

    def words(self, node: Node) -> str:
        start, end = self.extent(node)
        return self.text[start:end]

    def line_of(self, character: int) -> int:
        return max(1, min(bisect_right(self._offsets, character), len(self.lines)))

    def first_line(self, node: Node) -> int:
        return self.line_of(self.at(node.start_byte))

    def last_line(self, node: Node) -> int:
        return self.line_of(max(self.at(node.end_byte) - 1, self.at(node.start_byte)))

    @cached_property
    def starting(self) -> Mapping[int, Sequence[Node]]:
        """Line -> the named nodes that begin there."""
        found: dict[int, list[Node]] = {}
        for node in walk(self.syntax.root_node):
            if node.is_named:
                found.setdefault(self.first_line(node), []).append(node)
        return found

    # --- functions --------------------------------------------------------------------------------

    @cached_property
    def scopes(self) -> list[Scope]:
        """Outermost functions, or what they hold where they are long; then the whole file."""
        found = list(self._functions(self.syntax.root_node, ""))
        return [*found, Scope("", 1, 1, max(1, len(self.lines)))]

    def _functions(self, node: Node, owner: str) -> Iterator[Scope]:
        for child in node.named_children:
            named = self.named_function(child)
            if named is None:
                inside = owner
                if child.type in self.tongue.classes:
                    title = child.child_by_field_name("name")
                    inside = self.words(title) if title else owner
                yield from self._functions(child, inside)
                continue
            name, function = named
            scope = self._scope(child, function, name, owner)
            if scope.last - scope.first > _LONGEST_SCOPE:
                inner = list(self._functions(function, owner))
                yield from inner
                if not inner:
                    yield scope
            else:
                yield scope

    def named_function(self, node: Node) -> tuple[str, Node] | None:
        """(name, function) where ``node`` gives a function its name."""
        if node.type in self.tongue.functions:
            name = node.child_by_field_name("name")
            return (self.words(name), node) if name and node.child_by_field_name("body") else None
        if node.type in self.tongue.holders:
            value = node.child_by_field_name("value") or node.child_by_field_name("right")
            fields = map(node.child_by_field_name, ("name", "left", "key", "property"))
            holder = next((one for one in fields if one is not None), None)
            if value is not None and holder is not None and value.type in self.tongue.values:
                return self.words(holder), value
        return None

    def _scope(self, node: Node, function: Node, name: str, owner: str) -> Scope:
        first, last = self.first_line(node), self.last_line(node)
        body = function.child_by_field_name("body")
        begin = first
        if body is not None and body.type in self.tongue.blocks:
            inner = next((one for one in body.named_children if one.type != "comment"), None)
            begin = max(first, self.first_line(inner)) if inner is not None else min(last, first + 1)
        receiver = function.child_by_field_name("receiver")
        if receiver is not None:
            owner = self.words(receiver).strip("()").rpartition(" ")[2].lstrip("*")
        full = f"{owner}.{name}" if owner and "." not in name else name
        return Scope(full, first, begin, last, owner, self._comment_above(node))

    def _comment_above(self, node: Node) -> str:
        """The comment that ends on the line above ``node``, or above the statement that it is part of."""
        first, lines = self.first_line(node), list[str]()
        line = first - 1
        while line >= 1 and line in self._comments and len(lines) < 40:
            lines.append(self.lines[line - 1].strip())
            line -= 1
        return "\n".join(reversed(lines))

    def inner_last(self, scope: Scope) -> int:
        """The line before the closing bracket of a function."""
        closes = scope.name and scope.last > scope.first and self.lines[scope.last - 1].lstrip()[:1] in "}])"
        return scope.last - 1 if closes else scope.last

    # --- lines ------------------------------------------------------------------------------------

    @cached_property
    def statements(self) -> list[Node]:
        """Outer ones before inner ones."""
        bodies = self.tongue.bodies
        return [
            child
            for node in walk(self.syntax.root_node)
            if node.type in bodies
            for child in node.named_children
            if child.type not in ("comment", "statement_list", "switch_case", "switch_default")
            and not child.type.endswith("_case")
        ]

    @cached_property
    def statement_of(self) -> Mapping[int, int]:
        owner: dict[int, int] = {}
        for node in self.statements:
            first = self.first_line(node)
            for line in range(first, self.last_line(node) + 1):
                owner[line] = first
        return owner

    def long_statement(self, line: int) -> tuple[int, int] | None:
        for node in reversed(self.statements):
            first, last = self.first_line(node), self.last_line(node)
            if first <= line <= last:
                simple = last > first and not any(one.type in self.tongue.blocks for one in walk(node))
                return (first, last) if simple else None
        return None

    @cached_property
    def _comments(self) -> frozenset[int]:
        """Lines on which a comment begins or goes on, and nothing else stands before it."""
        found: set[int] = set()
        for node in walk(self.syntax.root_node):
            if node.type == "comment":
                first, last = self.first_line(node), self.last_line(node)
                alone = self.lines[first - 1].lstrip().startswith(("//", "/*"))
                found.update(range(first if alone else first + 1, last + 1))
        return frozenset(found)

    @cached_property
    def _inside_texts(self) -> frozenset[int]:
        """Lines that continue a string: no code to change there."""
        found: set[int] = set()
        for node in walk(self.syntax.root_node):
            if node.type in ("template_string", "raw_string_literal", "string"):
                found.update(range(self.first_line(node) + 1, self.last_line(node) + 1))
        return frozenset(found)

    def changeable(self, line: int) -> bool:
        if not 1 <= line <= len(self.lines) or line in self._comments or line in self._inside_texts:
            return False
        text = self.lines[line - 1].strip()
        return bool(text) and not _CLOSING.issuperset(text)

    # --- what the search asks ---------------------------------------------------------------------

    def meaning(self, text: str, line: int) -> str | None:
        """The words of the function at ``line``, without comments, spaces and optional semicolons."""
        try:
            self.file.encode(text)
        except Unencodable:
            return None
        changed = self.with_text(text)
        if changed is None:
            return None
        scope = self.scope_at(line)
        last = scope.last + len(changed.lines) - len(self.lines)
        return f"{self.path}\0{scope.first}\0" + "\0".join(changed.leaves(scope.first, last))

    def leaves(self, first: int, last: int) -> Iterator[str]:
        """The words on the lines ``first..last``."""
        waiting = [self.syntax.root_node]
        while waiting:
            node = waiting.pop()
            if node.type == "comment" or self.first_line(node) > last or self.last_line(node) < first:
                continue
            if node.child_count:
                waiting.extend(reversed(node.children))
            elif not (node.type == ";" and node.parent and node.parent.type != "for_statement"):
                yield self.words(node)

    def above(self, scope: Scope, cases: Sequence[str]) -> str:
        from kcode.repair.languages.prompting import above

        return above(self, scope)

    def small_changes(self, line: int) -> Iterable[Edit]:
        from kcode.repair.languages.changes import changes_at

        return changes_at(self, line)

    def singles_out(self, text: str) -> str:
        return self.notes.imitates(self.path, self.text, text)


def walk(node: Node) -> Iterator[Node]:
    """``node`` and all below it, outer ones before inner ones, level by level."""
    level = [node]
    while level:
        yield from level
        level = [child for one in level for child in one.children]
