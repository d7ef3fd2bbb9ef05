"""Changes of single lines that make a program wrong. Made without a look at what the repair tries.

The kinds follow the usual catalogue of mutation testing, and add what is no inverse of one small change:
a statement lost, a condition lost, an expression that shrank to one of its parts, a call of another
function of the file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_COMPARE = {
    ast.Lt: ("<=", ">"),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<"),
    ast.GtE: (">", "<="),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
_BINARY = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "+",
    ast.Div: "*",
    ast.FloorDiv: "/",
    ast.Mod: "*",
    ast.Pow: "*",
}
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return)


@dataclass(frozen=True)
class Change:
    """``line`` of the file, counted from 1, becomes ``new``."""

    line: int
    new: str
    kind: str


def changes_in(text: str) -> Iterator[tuple[str, list[Change]]]:
    """(dotted name of an outermost function, changes of its lines); some may not :func:`matter`."""
    if not text.isascii():
        return
    tree = ast.parse(text)
    lines = text.splitlines()
    callables = sorted({node.name for node in tree.body if isinstance(node, ast.FunctionDef)})
    for name, function in _functions(tree.body, ""):
        names = sorted(
            {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)} - {"self", "cls"}
        )
        found: dict[tuple[int, str], Change] = {}
        for statement in ast.walk(function):
            if isinstance(statement, ast.stmt) and statement is not function:
                for change in _of_statement(statement, lines, names, callables):
                    if change.new != lines[change.line - 1]:
                        found.setdefault((change.line, change.new), change)
        yield name, sorted(found.values(), key=lambda one: (one.line, one.kind, one.new))


def mutated(text: str, changes: Sequence[Change]) -> str:
    lines = text.splitlines(keepends=True)
    for change in changes:
        old = lines[change.line - 1]
        lines[change.line - 1] = change.new + old[len(old.rstrip("\r\n")) :]
    return "".join(lines)


def _functions(body: list[ast.stmt], owner: str) -> Iterator[tuple[str, ast.AST]]:
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield f"{owner}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{owner}{node.name}.")


def matter(text: str, changes: Sequence[Change]) -> bool:
    """Whether the changed text is Python, and says something else."""
    try:
        before, after = ast.parse(text), ast.parse(mutated(text, changes))
    except SyntaxError:
        return False
    return ast.dump(before) != ast.dump(after)


def _of_statement(
    statement: ast.stmt, lines: list[str], names: list[str], callables: list[str]
) -> Iterator[Change]:
    number = statement.lineno
    line = lines[number - 1]
    indent = line[: len(line) - len(line.lstrip())]
    docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    if isinstance(statement, _SIMPLE) and statement.end_lineno == number and not docstring:
        yield Change(number, f"{indent}pass", "statement lost")
    if isinstance(statement, ast.Break):
        yield Change(number, f"{indent}continue", "jump")
    if isinstance(statement, ast.Continue):
        yield Change(number, f"{indent}break", "jump")
    if isinstance(statement, ast.AugAssign) and statement.end_lineno == number:
        yield Change(number, line.replace("+=", "-=").replace("*=", "+="), "assignment")
        yield Change(number, line.replace("+=", "="), "assignment")
    for part in _own(statement):
        if part.lineno == part.end_lineno:
            own = lines[part.lineno - 1]
            before, after = own[: part.col_offset], own[part.end_col_offset :]
            for new, kind in _of_expression(part, own, names, callables):
                yield Change(part.lineno, before + new + after, kind)


def _own(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement, without those of the statements in its blocks."""
    waiting = [one for one in ast.iter_child_nodes(statement) if not isinstance(one, ast.stmt)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.JoinedStr | ast.Lambda):
            continue
        if isinstance(node, ast.expr):
            yield node
        waiting.extend(one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.stmt))


def _of_expression(
    node: ast.expr, line: str, names: list[str], callables: list[str]
) -> Iterator[tuple[str, str]]:
    def text(part: ast.expr) -> str:
        return line[part.col_offset : part.end_col_offset]

    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for operator in _COMPARE.get(type(node.ops[0]), ()):
            yield f"{text(node.left)} {operator} {text(node.comparators[0])}", "comparison"
    elif isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        yield f"{text(node.left)} {_BINARY[type(node.op)]} {text(node.right)}", "operator"
        yield text(node.left), "shrunk"
    elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
        word = "or" if isinstance(node.op, ast.And) else "and"
        yield f"{text(node.values[0])} {word} {text(node.values[1])}", "boolean"
        yield text(node.values[0]), "condition lost"
        yield text(node.values[1]), "condition lost"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield text(node.operand), "not lost" if isinstance(node.op, ast.Not) else "sign lost"
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            yield str(not node.value), "constant"
        elif isinstance(node.value, int):
            yield str(node.value + 1), "constant"
            yield str(node.value - 1), "constant"
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield from ((other, "another name") for other in names if other != node.id)
    elif isinstance(node, ast.Call):
        if len(node.args) >= 2 and not any(isinstance(one, ast.Starred) for one in node.args):
            first, second = node.args[0], node.args[1]
            rest = line[second.end_col_offset : node.end_col_offset]
            yield f"{text(node.func)}({text(second)}, {text(first)}{rest}", "arguments swapped"
        if len(node.args) == 1 and not node.keywords:
            yield text(node.args[0]), "call lost"
        if isinstance(node.func, ast.Name) and node.func.id in callables:
            rest = line[node.func.end_col_offset : node.end_col_offset]
            others = [name for name in callables if name[0] == node.func.id[0] and name != node.func.id]
            yield from ((other + rest, "another function") for other in others[:2])
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        if node.slice.lower and node.slice.upper:
            yield f"{text(node.value)}[{text(node.slice.lower)}:]", "slice"
        elif node.slice.lower or node.slice.upper:
            yield text(node.value), "slice"
    elif isinstance(node, ast.IfExp):
        yield f"{text(node.orelse)} if {text(node.test)} else {text(node.body)}", "branches swapped"
