"""What a source file defines, and where: functions, classes and methods, from its syntax tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from kcode.workspace.syntax import parser_for

if TYPE_CHECKING:
    from tree_sitter import Node

LARGEST = 500_000  # bytes; a larger file is generated, and its parse would take a tenth of a second
_DEPTH = 200  # of nesting that is followed
_PYTHON = {"function_definition": "function", "class_definition": "class"}
_KINDS: dict[str, dict[str, str]] = {  # by a file name's ending: the nodes that define, with a `name` field
    "py": _PYTHON,
    "pyi": _PYTHON,
    "sh": {"function_definition": "function"},
    "bash": {"function_definition": "function"},
}


@dataclass(frozen=True, slots=True)
class Definition:
    """``name`` has its classes and functions before it: ``Prompt.ask``. Lines count from 1, both included."""

    name: str
    kind: str
    path: str
    line: int
    end: int


def readable(path: str) -> bool:
    """Whether definitions can be told for a file of this name."""
    return PurePosixPath(path).suffix[1:].lower() in _KINDS


def definitions(path: str, source: bytes) -> list[Definition]:
    """The definitions of UTF-8 ``source`` in their order; none for a language without a grammar here.

    Broken places are passed over; the rest of the file is told.
    """
    kinds = _KINDS.get(PurePosixPath(path).suffix[1:].lower())
    if kinds is None or len(source) > LARGEST or (parser := parser_for(path)) is None:
        return []
    return list(_below(parser.parse(source).root_node, path, kinds, "", 0))


def _below(
    node: Node, path: str, kinds: dict[str, str], inside: str, depth: int, in_class: bool = False
) -> Iterator[Definition]:
    if depth > _DEPTH:
        return
    for child in node.named_children:
        kind = kinds.get(child.type)
        named = child.child_by_field_name("name") if kind else None
        if kind is None or named is None or named.text is None:
            yield from _below(child, path, kinds, inside, depth + 1, in_class)
            continue
        name = inside + named.text.decode("utf-8", "replace")
        shown = "method" if in_class and kind == "function" else kind
        whole = node if node.type == "decorated_definition" else child
        yield Definition(name, shown, path, whole.start_point[0] + 1, whole.end_point[0] + 1)
        yield from _below(child, path, kinds, f"{name}.", depth + 1, kind == "class")
