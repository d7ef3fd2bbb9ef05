"""Changes of single lines that make a JavaScript or Go program wrong. Made without a look at what the repair
tries: the usual catalogue of mutation testing, by the nodes of the syntax tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcode.workspace import grammars

if TYPE_CHECKING:
    from tree_sitter import Node

_COMPARE = {
    "<": ("<=", ">"),
    "<=": ("<", ">"),
    ">": (">=", "<"),
    ">=": (">", "<="),
    "==": ("!=",),
    "!=": ("==",),
    "===": ("!==",),
    "!==": ("===",),
}
_BINARY = {"+": "-", "-": "+", "*": "+", "/": "*", "%": "*"}
_SIMPLE = {
    "expression_statement",
    "assignment_statement",
    "inc_statement",
    "return_statement",
    "dec_statement",
}
_FUNCTIONS = {"function_declaration", "method_declaration", "method_definition", "func_literal"}
_FUNCTIONS |= {"function_expression", "arrow_function"}
_BLOCKS = {"statement_block", "block"}


@dataclass(frozen=True)
class Change:
    """``line`` of the file, counted from 1, becomes ``new``."""

    line: int
    new: str
    kind: str


def changes_in(path: str, text: str) -> list[Change]:
    """Changes inside of functions; some may be no program."""
    source = grammars.source_of(path)
    parser = grammars.parser(source.grammar) if source else None
    if parser is None or not text.isascii():
        return []
    lines = text.split("\n")
    found: dict[tuple[int, str], Change] = {}
    for node, inside in _walk(parser.parse(text.encode()).root_node, False):
        if inside and node.start_point[0] == node.end_point[0]:
            number = node.start_point[0]
            for new, kind in _of(node, text):
                line = lines[number][: node.start_point[1]] + new + lines[number][node.end_point[1] :]
                if line != lines[number]:
                    found.setdefault((number, line), Change(number + 1, line, kind))
    return sorted(found.values(), key=lambda one: (one.line, one.kind, one.new))


def mutated(text: str, changes: Sequence[Change]) -> str:
    lines = text.split("\n")
    for change in changes:
        lines[change.line - 1] = change.new
    return "\n".join(lines)


def parses(path: str, text: str) -> bool:
    source = grammars.source_of(path)
    parser = grammars.parser(source.grammar) if source else None
    return parser is not None and not parser.parse(text.encode()).root_node.has_error


def words(path: str, text: str) -> list[str]:
    """The program without its comments, spaces and semicolons: equal programs are the same."""
    source = grammars.source_of(path)
    parser = grammars.parser(source.grammar) if source else None
    assert parser is not None
    found: list[str] = []
    waiting: list[Any] = [parser.parse(text.encode()).root_node]
    while waiting:
        node = waiting.pop()
        if node.child_count and node.type != "comment":
            waiting.extend(reversed(node.children))
        elif node.type not in ("comment", ";"):
            found.append(node.text.decode())
    return found


def _walk(node: Node, inside: bool) -> Iterator[tuple[Node, bool]]:
    inner = inside or node.type in _FUNCTIONS
    for child in node.children:
        yield child, inner
        yield from _walk(child, inner)


def _of(node: Node, text: str) -> Iterator[tuple[str, str]]:
    def word(part: Node | None) -> str:
        return text[part.start_byte : part.end_byte] if part is not None else ""

    def part(name: str) -> str:
        return word(node.child_by_field_name(name))

    if node.type == "binary_expression":
        left, sign, right = part("left"), part("operator"), part("right")
        for other in _COMPARE.get(sign, ()):
            yield f"{left} {other} {right}", "comparison"
        if sign in _BINARY:
            yield f"{left} {_BINARY[sign]} {right}", "operator"
            yield left, "shrunk"
        if sign in ("&&", "||"):
            yield f"{left} {'||' if sign == '&&' else '&&'} {right}", "boolean"
            yield left, "condition lost"
            yield right, "condition lost"
    elif node.type == "unary_expression" and part("operator") in ("!", "-"):
        yield part("argument") or part("operand"), "not lost"
    elif node.type in ("number", "int_literal") and word(node).isdigit():
        yield str(int(word(node)) + 1), "constant"
        if int(word(node)):
            yield str(int(word(node)) - 1), "constant"
    elif node.type in ("true", "false"):
        yield "false" if node.type == "true" else "true", "constant"
    elif node.type == "call_expression":
        given = node.child_by_field_name("arguments")
        parts = [word(one) for one in given.named_children] if given is not None else []
        if len(parts) == 2:
            yield f"{part('function')}({parts[1]}, {parts[0]})", "arguments swapped"
        if len(parts) == 1:
            yield parts[0], "call lost"
    elif node.type in ("break_statement", "continue_statement"):
        other = "continue" if node.type == "break_statement" else "break"
        yield word(node).replace(word(node).rstrip(";"), other), "jump"
    elif node.type in ("update_expression", "inc_statement"):
        yield word(node).replace("++", "--"), "operator"
    elif node.type == "augmented_assignment_expression" or (
        node.type == "assignment_statement" and part("operator") in ("+=", "-=")
    ):
        sign = part("operator")
        yield word(node).replace(sign, "=", 1), "assignment"
        yield word(node).replace(sign, "-=" if sign == "+=" else "+=", 1), "assignment"
    elif node.type == "ternary_expression":
        yield f"{part('condition')} ? {part('alternative')} : {part('consequence')}", "branches swapped"
    elif node.type == "slice_expression" and part("start"):
        yield f"{part('operand')}[{part('start')}+1:{part('end')}]", "slice"
    parent = node.parent
    if node.type in _SIMPLE and parent is not None and parent.type in (*_BLOCKS, "statement_list"):
        yield "", "statement lost"
