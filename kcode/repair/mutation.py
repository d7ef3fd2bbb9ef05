"""One mutation as data, and the place in a file that it is made at."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from kcode.repair.source import Source
from kcode.repair.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Edit:
    """``text`` takes the place of the characters ``start..end`` of the file. ``cost``: 0 likely, 6 not."""

    start: int
    end: int
    text: str
    kind: str
    cost: float


@dataclass(frozen=True, slots=True)
class Place:
    """A node of the syntax tree with its parents, the nearest first."""

    source: Source
    node: ast.AST
    parents: Sequence[ast.AST]
    vocabulary: Vocabulary

    def span(self, node: ast.AST | None = None) -> tuple[int, int]:
        """The characters of ``node``, of this place's own where none is given."""
        return self.source.span(node if node is not None else self.node)

    def text(self, node: ast.AST | None = None) -> str:
        start, end = self.span(node)
        return self.source.text[start:end]

    def instead(self, text: str, kind: str, cost: float, of: ast.AST | None = None) -> Edit:
        start, end = self.span(of)
        return Edit(start, end, text, kind, cost)

    def between(self, left: ast.AST, right: ast.AST) -> tuple[int, str]:
        """Where ``left`` ends, and the text from there to where ``right`` begins."""
        start, end = self.span(left)[1], self.span(right)[0]
        return start, self.source.text[start:end]

    @property
    def parent(self) -> ast.AST | None:
        return self.parents[0] if self.parents else None
