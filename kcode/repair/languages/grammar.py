"""What the repair has to know of a language's syntax tree: which nodes are functions, statements, names."""

from __future__ import annotations

from dataclasses import dataclass

from kcode.workspace import grammars

_JS_VALUES = frozenset({"arrow_function", "function_expression", "function", "generator_function"})


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language by the names that its tree-sitter grammar gives to nodes.

    ``holders`` name a function that stands to their right (``const f = () => …``); ``bodies`` are nodes
    whose children are statements.
    """

    name: str
    functions: frozenset[str]
    holders: frozenset[str]
    values: frozenset[str]
    bodies: frozenset[str]
    blocks: frozenset[str]
    classes: frozenset[str]
    imports: frozenset[str]
    equal: str  # how an equality is spelled
    nothing: tuple[str, ...]  # what stands for no value
    true: tuple[str, ...] = ("true", "false")


JAVASCRIPT = Tongue(
    name="javascript",
    functions=frozenset(
        {"function_declaration", "generator_function_declaration", "method_definition", "function_signature"}
    ),
    holders=frozenset({"variable_declarator", "assignment_expression", "pair", "field_definition"})
    | {"public_field_definition"},
    values=_JS_VALUES,
    bodies=frozenset(
        {"program", "statement_block", "class_body", "switch_case", "switch_default", "switch_body"}
    ),
    blocks=frozenset({"statement_block", "class_body", "switch_body"}),
    classes=frozenset({"class_declaration", "class"}),
    imports=frozenset({"import_statement"}),
    equal="===",
    nothing=("null", "undefined"),
)
GO = Tongue(
    name="go",
    functions=frozenset({"function_declaration", "method_declaration"}),
    holders=frozenset(),
    values=frozenset({"func_literal"}),
    bodies=frozenset(
        {"source_file", "block", "statement_list", "expression_case", "default_case", "type_case"}
        | {"communication_case", "expression_switch_statement", "type_switch_statement", "select_statement"}
    ),
    blocks=frozenset({"block"}),
    classes=frozenset(),
    imports=frozenset({"import_declaration"}),
    equal="==",
    nothing=("nil",),
)
_TONGUES = {"javascript": JAVASCRIPT, "typescript": JAVASCRIPT, "tsx": JAVASCRIPT, "go": GO}


def tongue_of(path: str) -> tuple[Tongue, str] | None:
    """The language of ``path`` and the name of its grammar; None where kcode cannot repair it by search."""
    source = grammars.source_of(path)
    tongue = _TONGUES.get(source.name) if source else None
    return (tongue, source.grammar) if source and tongue else None
