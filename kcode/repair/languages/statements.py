"""Small changes of whole statements in JavaScript, TypeScript and Go: conditions, jumps, what is returned,
what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kcode.repair.languages.tree import TreeSource
from kcode.repair.languages.words import Words
from kcode.repair.mutation import Edit

if TYPE_CHECKING:
    from tree_sitter import Node

_TESTING = frozenset({"if_statement", "while_statement", "do_statement", "for_clause", "for_statement"})
_SIMPLE = frozenset(
    {"expression_statement", "assignment_statement", "inc_statement", "dec_statement", "return_statement"}
    | {"break_statement", "continue_statement", "throw_statement", "defer_statement", "go_statement"}
)
_TERMS = 6


def statement_changes(source: TreeSource, line: int, words: Words) -> Iterator[Edit]:
    """The changes of the statements that begin on ``line``."""
    for node in source.starting.get(line, ()):
        if node.type in _TESTING or node.type == "parenthesized_expression":
            yield from _conditions(source, node, words)
        if node.type in ("break_statement", "continue_statement"):
            yield from _jump(source, node, words)
        elif node.type == "return_statement":
            yield from _returned(source, node, words)
        elif node.type == "else_clause":
            pass
        if node.type == "if_statement":
            yield from _unconditional(source, node)
        if node.type in _SIMPLE and source.statement_of.get(line) == line:
            yield from _left_out(source, node)
    yield from _added(source, line, words)


def _instead(source: TreeSource, node: Node, text: str, kind: str, cost: float) -> Edit:
    start, end = source.extent(node)
    return Edit(start, end, text, kind, cost)


def _conditions(source: TreeSource, node: Node, words: Words) -> Iterator[Edit]:
    test = node.child_by_field_name("condition")
    if test is None or test.type == ";":
        return
    if test.type == "parenthesized_expression" and test.named_child_count:
        test = test.named_children[0]
    if test.type in ("empty_statement", "lexical_declaration"):
        return
    text = source.words(test)
    yield _instead(source, test, f"!({text})", "negate", 1.4)
    if text.startswith("!") and test.type == "unary_expression":
        yield _instead(source, test, text[1:], "negate", 0.9)
    safe = f"({text})" if "||" in text else text
    wide = f"({text})" if "??" in text else text
    for number, term in enumerate(words.terms(text)[:_TERMS]):
        yield _instead(source, test, f"{wide} || !{term}", "condition", 2.9 + 0.12 * number)
        yield _instead(source, test, f"{safe} && {term}", "condition", 2.7 + 0.12 * number)
        yield _instead(source, test, f"{safe} && !{term}", "condition", 2.9 + 0.12 * number)
        yield _instead(source, test, f"{wide} || {term}", "condition", 2.7 + 0.12 * number)
        nothing = source.tongue.nothing[0]
        yield _instead(
            source,
            test,
            f"{safe} && {term} !{source.tongue.equal[:2]} {nothing}",
            "condition",
            3.3 + 0.1 * number,
        )


def _jump(source: TreeSource, node: Node, words: Words) -> Iterator[Edit]:
    end = ";" if source.words(node).endswith(";") else ""
    other = "continue" if node.type == "break_statement" else "break"
    yield _instead(source, node, other + end, "jump", 1.0)
    yield _instead(source, node, "return" + end, "jump", 2.5)
    for number, name in enumerate(words.names[:4]):
        yield _instead(source, node, f"return {name}{end}", "jump", 2.6 + 0.1 * number)


def _returned(source: TreeSource, node: Node, words: Words) -> Iterator[Edit]:
    value = next((one for one in node.named_children if one.type != "comment"), None)
    if value is None:
        for number, name in enumerate(words.names[:5]):
            yield _instead(source, node, f"return {name}", "return", 1.8 + 0.15 * number)
        return
    parts = value.named_children if value.type == "expression_list" else [value]
    for part in parts:
        text = source.words(part)
        others = [*words.names[:6], *source.tongue.nothing, *source.tongue.true, "0", "1", "-1"]
        if source.tongue.name == "go":
            others.append('""')
        else:
            others += ["''", "[]"]
        for number, other in enumerate(others):
            if other != text:
                yield _instead(source, part, other, "return", 2.3 + 0.12 * number)
        if part.type in ("binary_expression", "call_expression", "identifier", "member_expression"):
            yield _instead(source, part, f"!({text})", "negate", 1.7)


def _unconditional(source: TreeSource, node: Node) -> Iterator[Edit]:
    """The body without its condition, where it is all on the lines between."""
    body = node.child_by_field_name("consequence")
    if body is None or node.child_by_field_name("alternative") is not None:
        return
    inside = source.words(body).strip()
    if inside.startswith("{") and inside.endswith("}"):
        inside = inside[1:-1].strip()
    if inside and inside.count("\n") < 4:
        yield _instead(source, node, inside, "unconditional", 2.3)


def _left_out(source: TreeSource, node: Node) -> Iterator[Edit]:
    """The statement's whole lines, where nothing else stands on them."""
    first, last = source.first_line(node), source.last_line(node)
    start, end = source.offset(first), source.offset(last + 1)
    own = source.extent(node)
    alone = not source.text[start : own[0]].strip() and not source.text[own[1] : end].strip(" \t\r\n;")
    if alone:
        yield Edit(start, end, "", "left out", 2.0)
    following = node.next_named_sibling
    if alone and following is not None and source.first_line(following) == last + 1:
        behind = source.offset(source.last_line(following) + 1)
        yield Edit(start, behind, source.text[end:behind] + source.text[start:end], "moved", 2.6)


def _added(source: TreeSource, line: int, words: Words) -> Iterator[Edit]:
    """A jump that may be missing behind the last statement of a block, a return behind that of a function."""
    text = source.lines[line - 1]
    if source.statement_of.get(line) != line or line >= len(source.lines):
        return
    if not source.lines[line].strip().startswith("}") or text.rstrip().endswith(("{", "(", ",", "[")):
        return
    if text.strip().startswith(("return", "break", "continue", "throw", "}")):
        return
    indent = text[: len(text) - len(text.lstrip())]
    end = ";" if text.rstrip().endswith(";") else ""
    at = source.offset(line + 1)
    newline = "\r\n" if source.text[:at].endswith("\r\n") else "\n"
    for number, added in enumerate(("break", "continue", "return")):
        yield Edit(at, at, f"{indent}{added}{end}{newline}", "added", 3.0 + 0.2 * number)
    for number, name in enumerate(words.names[:4]):
        yield Edit(at, at, f"{indent}return {name}{end}{newline}", "added", 3.2 + 0.12 * number)
