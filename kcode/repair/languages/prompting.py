"""What the model sees above a function of JavaScript, TypeScript or Go: the names that it uses, its comment,
what the failing test says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kcode.repair.source import Scope

if TYPE_CHECKING:
    from tree_sitter import Node

    from kcode.repair.languages.tree import TreeSource

_LINES = 18  # of declarations
_LONGEST = 160  # characters of one of them
_TYPE_LINES = 14  # a type of so many lines is shown whole
_DOC_LIMIT = 900
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_BEHIND = {"export_statement", "ambient_declaration"}


def above(source: TreeSource, scope: Scope) -> str:
    """Stable for all holes of one function, so that the model reads it once."""
    text = "\n".join(source.lines[scope.first - 1 : scope.last])
    used = set(_NAME.findall(text))
    parts: list[str] = []
    for node in source.syntax.root_node.named_children:
        inside = (
            scope.name and source.first_line(node) <= scope.first and source.last_line(node) >= scope.last
        )
        if scope.name and not inside and len(parts) < _LINES:
            parts += _declared(source, node, used, scope)
    parts = parts[:_LINES]
    parts += source.notes.claims
    if scope.docstring:
        parts.append(scope.docstring[:_DOC_LIMIT])
    if scope.owner and source.tongue.classes:
        parts.append(f"class {scope.owner} {{")
    return "".join(f"{part}\n" for part in parts)


def _declared(source: TreeSource, node: Node, used: set[str], scope: Scope) -> Iterator[str]:
    """The declaration ``node`` in short, where the function uses its name."""
    if node.type in _BEHIND and node.named_children:
        node = node.named_children[-1]
    named = source.named_function(node)
    if named is None and node.type in ("lexical_declaration", "variable_declaration") and node.named_children:
        named = source.named_function(node.named_children[0])
    if named is not None:
        name, function = named
        body = function.child_by_field_name("body")
        if name in used and body is not None and name != scope.name:
            head = source.text[source.extent(node)[0] : source.extent(body)[0]].rstrip()
            if "\n" not in head and len(head) <= _LONGEST:
                yield f"{head} {{ ... }}"
        return
    text = source.words(node)
    short = text.count("\n") < _TYPE_LINES
    if node.type in source.tongue.imports and source.tongue.name == "go":
        paths = re.findall(r'"([^"]+)"', text)
        kept = [one for one in paths if one.rpartition("/")[2].partition(".")[0] in used]
        if kept:
            yield "import (" + "; ".join(f'"{one}"' for one in kept) + ")"
    elif node.type.endswith(("_declaration", "_statement", "_alias_declaration")) and short:
        names = set(_NAME.findall(text.partition("=")[0] if "\n" not in text else text))
        wanted = names & used - {"const", "let", "var", "type", "struct", "require", "interface", "string"}
        if wanted or (scope.owner and scope.owner in names):
            yield text if "\n" in text or len(text) <= _LONGEST else text[:_LONGEST] + " ..."
