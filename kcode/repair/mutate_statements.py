"""Mutations of whole statements: left out, moved, repeated elsewhere, or of another kind."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from kcode.repair.mutation import Edit, Place

_AUGMENTED = re.compile(r"(\*\*|//|<<|>>|[-+*/%&|^@])=")
_OPPOSITE = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "|": "&", "&": "|", "%": "//", "**": "*"}
_SEEN = 10  # statements of the function that may be repeated elsewhere
_SIMPLE = (
    ast.Assign,
    ast.AugAssign,
    ast.Expr,
    ast.Return,
    ast.Raise,
    ast.Break,
    ast.Continue,
    ast.Delete,
    ast.AnnAssign,
)


def statement_edits(place: Place) -> Iterator[Edit]:
    """The mutations of the statement that begins here."""
    node = place.node
    assert isinstance(node, ast.stmt)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
        return
    yield from _of_its_kind(place, node)
    if _alone_on_its_lines(place, node):
        yield from _left_out(place, node)
        yield from _moved(place, node)
        yield from _added(place, node)


def _of_its_kind(place: Place, node: ast.stmt) -> Iterator[Edit]:
    if isinstance(node, ast.Break):
        yield place.instead("continue", "jump", 1.0)
        yield place.instead("return", "jump", 2.5)
        yield place.instead("pass", "jump", 1.8)
    elif isinstance(node, ast.Continue):
        yield place.instead("break", "jump", 1.0)
        yield place.instead("pass", "jump", 1.8)
        yield place.instead("return", "jump", 2.5)
    elif isinstance(node, ast.Pass):
        for number, text in enumerate(("continue", "break", "return", "raise", "return None")):
            yield place.instead(text, "jump", 1.6 + 0.1 * number)
        for number, name in enumerate([*place.vocabulary.names[:6], "True", "False"]):
            yield place.instead(f"return {name}", "jump", 2.6 + 0.1 * number)
        for number, text in enumerate(place.vocabulary.statements):
            yield place.instead(text, "repeated", 2.8 + 0.1 * number)
    elif isinstance(node, ast.Return):
        yield from _return(place, node)
    elif isinstance(node, ast.AugAssign):
        start, text = place.between(node.target, node.value)
        found = _AUGMENTED.search(text)
        if found:
            at = start + found.start()
            yield Edit(at, start + found.end(), "=", "assignment", 1.3)
            for number, new in enumerate(
                dict.fromkeys([_OPPOSITE.get(found.group(1), "+"), "+", "-", "*", "//", "|"])
            ):
                yield Edit(at, start + found.end(), f"{new}=", "assignment", 0.8 + 0.5 * number)
    elif isinstance(node, ast.Assign) and len(node.targets) == 1:
        start, text = place.between(node.targets[0], node.value)
        at = start + text.find("=")
        for number, operator in enumerate("+-*|"):
            yield Edit(at, at + 1, f"{operator}=", "assignment", 1.9 + 0.4 * number)
    elif isinstance(node, ast.If | ast.While):
        yield from _keyword(place, node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield place.instead(f"return {place.text()}", "return", 2.4)
    elif (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom) and node.value.value
    ):
        word = "yield from" if isinstance(node.value, ast.Yield) else "yield"
        yield place.instead(f"{word} {place.text(node.value.value)}", "return", 1.5)


def _return(place: Place, node: ast.Return) -> Iterator[Edit]:
    names = [name for name in place.vocabulary.names if name not in ("cls",)][:8]
    if node.value is None:
        for number, text in enumerate(["None", "True", "False", *names]):
            yield place.instead(f"return {text}", "return", 1.8 + 0.15 * number)
        return
    text = place.text(node.value)
    for number, other in enumerate((*names, "True", "False", "[]", "0", "1", "None", "''", "{}")):
        if other != text:
            yield place.instead(f"return {other}", "return", 2.4 + 0.12 * number)
    yield place.instead(f"yield {text}", "return", 3.2)
    yield place.instead(text, "return", 3.0)


def _keyword(place: Place, node: ast.If | ast.While) -> Iterator[Edit]:
    start = place.span()[0]
    for word, other, cost in (
        ("elif", "if", 2.0),
        ("if", "while", 2.2),
        ("while", "if", 2.2),
        ("if", "elif", 2.6),
    ):
        if place.source.text.startswith(word, start):
            yield Edit(start, start + len(word), other, "keyword", cost)
    if isinstance(node, ast.While) and not place.source.text.startswith("while", start):
        return
    if isinstance(node.test, ast.Constant):
        for number, name in enumerate(place.vocabulary.names[:8]):
            yield place.instead(name, "condition", 1.6 + 0.1 * number, node.test)


def _alone_on_its_lines(place: Place, node: ast.stmt) -> bool:
    source = place.source
    first, last = source.lines[node.lineno - 1], source.lines[(node.end_lineno or node.lineno) - 1]
    start, end = place.span()
    before = source.text[source.offset(node.lineno) : start]
    after = source.text[end : source.offset(node.end_lineno or node.lineno) + len(last)]
    return not before.strip() and (not after.strip() or after.lstrip().startswith("#")) and bool(first)


def _lines(place: Place, node: ast.stmt) -> tuple[int, int]:
    """The characters from the start of the first line to the end of the last, its line end included."""
    return place.source.offset(node.lineno), place.source.offset((node.end_lineno or node.lineno) + 1)


def _block(place: Place, node: ast.stmt) -> list[ast.stmt]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(place.parent, name, None)
        if isinstance(block, list) and any(one is node for one in block):
            return block
    return []


def _left_out(place: Place, node: ast.stmt) -> Iterator[Edit]:
    start, end = _lines(place, node)
    block = _block(place, node)
    simple = isinstance(node, _SIMPLE)
    if len(block) > 1:
        yield Edit(start, end, "", "left out", 2.0 if simple else 3.0)
    elif isinstance(place.parent, ast.If) and not place.parent.orelse and block is place.parent.body:
        yield place.instead("pass", "left out", 2.6)
    if isinstance(node, ast.If) and not node.orelse and len(node.body) == 1:
        inner = node.body[0]
        body = place.text(inner)
        if "\n" not in body:
            yield place.instead(body, "unconditional", 2.3)


def _moved(place: Place, node: ast.stmt) -> Iterator[Edit]:
    """Before its predecessor, after its successor, one block further out, into the block above."""
    block = _block(place, node)
    number = next((i for i, one in enumerate(block) if one is node), 0)
    start, end = _lines(place, node)
    own = place.source.text[start:end]
    if number > 0:
        before = block[number - 1]
        first = place.source.offset(before.lineno)
        between = place.source.text[first:start]
        if not isinstance(before, ast.FunctionDef | ast.ClassDef):
            yield Edit(first, end, own + between, "moved", 2.4)
            if isinstance(before, ast.If | ast.For | ast.While | ast.With) and isinstance(node, _SIMPLE):
                yield Edit(start, end, _shifted(own, _step(place)), "moved", 2.9)
    if number == len(block) - 1 and len(block) > 1 and isinstance(place.parent, ast.stmt):
        step = _step(place)
        if own.startswith(step) and not isinstance(place.parent, ast.FunctionDef | ast.ClassDef):
            yield Edit(start, end, _shifted(own, -len(step)), "moved", 2.6)


def _step(place: Place) -> str:
    for line in place.source.lines:
        if line.startswith((" ", "\t")) and line.strip():
            return "\t" if line[0] == "\t" else " " * min(8, len(line) - len(line.lstrip()))
    return "    "


def _shifted(text: str, by: str | int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line[-by:] if isinstance(by, int) else by + line for line in lines)


def _added(place: Place, node: ast.stmt) -> Iterator[Edit]:
    """A statement that the function has elsewhere, or a way out, before this one; the last: also after."""
    start, end = _lines(place, node)
    indent = place.source.text[start : place.span()[0]]
    if indent.strip():
        return
    block = _block(place, node)
    last = bool(block) and block[-1] is node
    function = next(
        (one for one in place.parents if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)), None
    )
    if function is None:
        return
    seen: dict[str, None] = {}
    for one in ast.walk(function):
        if isinstance(one, _SIMPLE) and one is not node and one.lineno == one.end_lineno:
            seen.setdefault(place.text(one), None)
    loop = any(isinstance(one, ast.For | ast.While) for one in place.parents)
    ways_out = ["break", "continue"] if loop else []
    newline = "\r\n" if "\r\n" in place.source.text[start:end] else "\n"
    for number, text in enumerate([*ways_out, *list(seen)[:_SEEN]]):
        line = f"{indent}{text}{newline}"
        yield Edit(start, start, line, "added", 3.6 + 0.1 * number)
        if last and not isinstance(node, ast.Return | ast.Raise | ast.Break | ast.Continue):
            yield Edit(end, end, line, "added", 3.4 + 0.1 * number)
    names = [name for name in place.vocabulary.names if name not in ("self", "cls")][:6]
    if last and not isinstance(node, ast.Return | ast.Raise):
        for number, text in enumerate([*names, "self", "True", "False", "None"]):
            yield Edit(end, end, f"{indent}return {text}{newline}", "added", 3.2 + 0.12 * number)
