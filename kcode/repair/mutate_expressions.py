"""Mutations inside an expression: operators, names, numbers, calls, indices, conditions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from kcode.repair.mutation import Edit, Place
from kcode.repair.vocabulary import EXCEPTIONS, RELATED, WRAPPERS, terms

_COMPARISONS = {
    "<": ("<=", ">", ">=", "!=", "=="),
    "<=": ("<", ">=", ">", "=="),
    ">": (">=", "<", "<=", "!=", "=="),
    ">=": (">", "<=", "<", "=="),
    "==": ("!=", "<=", ">=", "<", ">", "in", "is"),
    "!=": ("==", "<", ">"),
    "is": ("is not", "=="),
    "is not": ("is", "!="),
    "in": ("not in", "=="),
    "not in": ("in",),
}
_ARITHMETIC = {
    "+": ("-", "*", "|", "//"),
    "-": ("+", "*", "//", "%", "/"),
    "*": ("+", "/", "**", "//", "-"),
    "/": ("//", "*", "%", "-"),
    "//": ("/", "%", "*", "-"),
    "%": ("//", "/", "*", "-", "+"),
    "**": ("*", "//", "+"),
    "&": ("|", "^", "-"),
    "|": ("&", "^", "-", "+"),
    "^": ("&", "|"),
    "<<": (">>", "*"),
    ">>": ("<<", "//"),
    "@": ("*",),
}
_COMPARISON = re.compile(r"is\s+not\b|not\s+in\b|is\b|in\b|[<>=!]=|[<>]")
_OPERATOR = re.compile(r"\*\*|//|<<|>>|[-+*/%&|^@]")
_BOOLEAN = re.compile(r"\b(and|or)\b")
_CONDITION_HOLDERS = (ast.If, ast.While, ast.IfExp, ast.Assert)
_OFF_BY_ONE = (ast.Subscript, ast.Slice, ast.Call, ast.Compare, ast.Return, ast.BinOp, ast.Assign, ast.Tuple)
_MOST_PARAMETERS = 6
_KEYWORDS = frozenset({"self", "cls"})


def expression_edits(place: Place) -> Iterator[Edit]:
    """The mutations of one expression; what is inside it has its own place."""
    node = place.node
    if any(isinstance(one, ast.JoinedStr) for one in place.parents):
        return  # before Python 3.12 the positions inside are not true
    if isinstance(node, ast.comprehension):
        yield from _comprehension(place, node)
        return
    if isinstance(node, ast.Compare):
        yield from _compare(place, node)
    elif isinstance(node, ast.BinOp):
        yield from _binary(place, node)
    elif isinstance(node, ast.BoolOp):
        yield from _boolean(place, node)
    elif isinstance(node, ast.UnaryOp):
        yield from _unary(place, node)
    elif isinstance(node, ast.Constant):
        yield from _constant(place, node)
    elif isinstance(node, ast.Name):
        yield from _name(place, node)
    elif isinstance(node, ast.Attribute):
        yield from _attribute(place, node)
    elif isinstance(node, ast.Call):
        yield from _call(place, node)
    elif isinstance(node, ast.Subscript):
        yield from _subscript(place, node)
    elif isinstance(node, ast.IfExp):
        yield place.instead(
            f"{place.text(node.orelse)} if {place.text(node.test)} else {place.text(node.body)}", "swap", 1.5
        )
        yield place.instead(place.text(node.body), "drop", 2.6)
        yield place.instead(place.text(node.orelse), "drop", 2.6)
    elif isinstance(node, ast.Tuple | ast.List | ast.Set) and len(node.elts) > 1:
        yield from _swapped(place, node.elts, 1.6)
    elif isinstance(node, ast.Dict) and len(node.values) > 1:
        yield from _swapped(place, node.values, 3.0)
    yield from _anywhere(place)


def _compare(place: Place, node: ast.Compare) -> Iterator[Edit]:
    operands = [node.left, *node.comparators]
    for left, right in pairwise(operands):
        start, text = place.between(left, right)
        found = _COMPARISON.search(text)
        if found:
            old = " ".join(found.group().split())
            for number, new in enumerate(_COMPARISONS.get(old, ())):
                yield Edit(start + found.start(), start + found.end(), new, "comparison", 0.6 + 0.4 * number)
    if len(node.comparators) == 1:
        start, text = place.between(node.left, node.comparators[0])
        found = _COMPARISON.search(text)
        if found and found.group() == "in":
            yield place.instead(f"{place.text(node.comparators[0])} in {place.text(node.left)}", "swap", 2.8)


def _binary(place: Place, node: ast.BinOp) -> Iterator[Edit]:
    start, text = place.between(node.left, node.right)
    left, right = place.text(node.left), place.text(node.right)
    found = _OPERATOR.search(text)
    if found:
        for number, new in enumerate(_ARITHMETIC.get(found.group(), ())):
            yield Edit(start + found.start(), start + found.end(), new, "operator", 0.7 + 0.5 * number)
        if isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Mod | ast.Pow | ast.Add):
            cost = 3.0 if isinstance(node.op, ast.Add) else 1.8
            yield place.instead(f"{right} {found.group()} {left}", "swap", cost)
    yield place.instead(left, "drop", 1.6)
    yield place.instead(right, "drop", 2.2)
    inner = node.right
    if found and isinstance(inner, ast.BinOp):
        yield place.instead(
            f"({left} {found.group()} {place.text(inner.left)}){_tail(place, inner)}", "group", 3.0
        )
    if found and isinstance(node.left, ast.BinOp):
        one = node.left
        head = place.text(one)[: -len(place.text(one.right))] if place.text(one.right) else ""
        yield place.instead(f"{head}({place.text(one.right)} {found.group()} {right})", "group", 3.0)


def _tail(place: Place, node: ast.BinOp) -> str:
    return place.text(node)[len(place.text(node.left)) :]


def _boolean(place: Place, node: ast.BoolOp) -> Iterator[Edit]:
    for one, other in pairwise(node.values):
        start, text = place.between(one, other)
        found = _BOOLEAN.search(text)
        if found:
            new = "or" if found.group() == "and" else "and"
            yield Edit(start + found.start(), start + found.end(), new, "boolean", 0.7)
    word = " and " if isinstance(node.op, ast.And) else " or "
    parts = [place.text(value) for value in node.values]
    for skipped in range(len(parts)):
        yield place.instead(word.join(parts[:skipped] + parts[skipped + 1 :]), "drop", 1.7)
    if len(parts) == 2:
        yield place.instead(word.join(parts[::-1]), "swap", 3.0)


def _unary(place: Place, node: ast.UnaryOp) -> Iterator[Edit]:
    yield place.instead(place.text(node.operand), "unary", 0.9)
    if isinstance(node.op, ast.USub):
        yield place.instead("+" + place.text(node.operand), "unary", 3.0)
    elif isinstance(node.op, ast.Invert):
        yield place.instead("-" + place.text(node.operand), "unary", 2.5)


def _constant(place: Place, node: ast.Constant) -> Iterator[Edit]:
    value = node.value
    if isinstance(value, bool):
        yield place.instead(str(not value), "constant", 0.8)
        yield place.instead("None", "constant", 2.5)
        for name in place.vocabulary.names[:6]:
            yield place.instead(name, "constant", 2.6)
    elif value is None:
        for number, text in enumerate(("True", "False", "0", "[]", "{}", "''", "1")):
            yield place.instead(text, "constant", 2.0 + 0.2 * number)
        for name in place.vocabulary.names[:6]:
            yield place.instead(name, "constant", 2.8)
    elif isinstance(value, int):
        near = [(value + 1, 1.0), (value - 1, 1.0), (0, 1.6), (1, 1.6), (-1, 2.2), (2, 2.4)]
        near += [(value * 10, 3.0), (value // 10, 3.0), (value * 2, 3.2), (value // 2, 3.2), (-value, 1.8)]
        for new, cost in near:
            if new != value:
                yield place.instead(str(new), "constant", cost)
        for text in place.vocabulary.numbers:
            yield place.instead(text, "constant", 2.6)
        for name in place.vocabulary.names[:8]:
            yield place.instead(name, "constant", 2.9)
        yield place.instead("None", "constant", 2.9)
    elif isinstance(value, float):
        for changed, cost in ((value + 1, 1.6), (value - 1, 1.6), (value * 10, 2.2), (value / 10, 2.2)):
            yield place.instead(repr(changed), "constant", cost)
        for text in place.vocabulary.numbers:
            yield place.instead(text, "constant", 2.4)
    elif isinstance(value, str) and not isinstance(place.parent, ast.Expr):
        for text in ("''", "' '", "','", "'\\n'", "'.'", "'_'", "'-'"):
            yield place.instead(text, "constant", 2.8)
        for number, text in enumerate(place.vocabulary.strings):
            yield place.instead(text, "constant", 2.2 + 0.1 * number)
        spelled = {value.upper(), value.lower(), value.strip(), value + " ", " " + value} - {value}
        for text in sorted(spelled):
            yield place.instead(repr(text), "constant", 3.0)


def _name(place: Place, node: ast.Name) -> Iterator[Edit]:
    called = isinstance(place.parent, ast.Call) and place.parent.func is node
    for number, other in enumerate(RELATED.get(node.id, ())):
        yield place.instead(other, "name", 1.0 + 0.15 * number)
    if node.id in EXCEPTIONS:
        yield place.instead("Exception", "name", 3.0)
    if called:
        for number, other in enumerate(sorted(place.vocabulary.callables - {node.id})[:6]):
            yield place.instead(other, "name", 3.0 + 0.1 * number)
        for number, other in enumerate(place.vocabulary.parameters[:_MOST_PARAMETERS]):
            unread = 1.2 if other in place.vocabulary.unused else 0.0
            if other != node.id:
                yield place.instead(other, "name", 2.4 + 0.1 * number - unread)
        return
    store = isinstance(node.ctx, ast.Store)
    for number, other in enumerate(place.vocabulary.others(node.id)):
        unread = 0.8 if other in place.vocabulary.unused and not store else 0.0
        yield place.instead(other, "name", (3.0 if store else 1.8) + 0.12 * number - unread)
    if not store and node.id not in _KEYWORDS:
        for number, member in enumerate(place.vocabulary.attributes.get(node.id, ())[:5]):
            yield place.instead(f"{node.id}.{member}", "name", 3.2 + 0.1 * number)


def _attribute(place: Place, node: ast.Attribute) -> Iterator[Edit]:
    base = place.text(node.value)
    for number, other in enumerate(place.vocabulary.attributes_like(base, node.attr)):
        cost = 1.0 if other in RELATED.get(node.attr, ()) else 1.8
        yield place.instead(f"{base}.{other}", "attribute", cost + 0.12 * number)
    if isinstance(node.ctx, ast.Load):
        called = isinstance(place.parent, ast.Call) and place.parent.func is node
        if not called:
            yield place.instead(f"{base}.{node.attr}()", "call", 2.8)
            yield place.instead(base, "drop", 2.8)


def _call(place: Place, node: ast.Call) -> Iterator[Edit]:
    function = place.text(node.func)
    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
    yield from _swapped(place, node.args, 1.3)
    if len(node.args) == 1 and not node.keywords:
        yield place.instead(place.text(node.args[0]), "unwrap", 1.9)
    if isinstance(node.func, ast.Attribute):
        base = place.text(node.func.value)
        yield place.instead(base, "unwrap", 2.3)
        if len(node.args) == 1:
            yield place.instead(f"{place.text(node.args[0])}.{node.func.attr}({base})", "swap", 3.0)
    if not arguments:
        yield place.instead(function, "call", 2.8)
    parts = [place.text(one) for one in node.args]
    parts += [
        f"{k.arg}={place.text(k.value)}" if k.arg else f"**{place.text(k.value)}" for k in node.keywords
    ]
    for skipped in range(len(parts)):
        left = ", ".join(parts[:skipped] + parts[skipped + 1 :])
        yield place.instead(f"{function}({left})", "argument", 2.4)
    for number, name in enumerate(place.vocabulary.names[:8]):
        if name not in _KEYWORDS:
            yield place.instead(f"{function}({', '.join([*parts, name])})", "argument", 3.2 + 0.1 * number)
            yield place.instead(
                f"{function}({', '.join([*parts, f'{name}={name}'])})", "argument", 3.6 + 0.1 * number
            )


def _subscript(place: Place, node: ast.Subscript) -> Iterator[Edit]:
    base = place.text(node.value)
    index = node.slice
    if not isinstance(index, ast.Slice):
        yield place.instead(base, "drop", 2.9)
        if isinstance(node.ctx, ast.Load):
            yield place.instead(f"{base}[{place.text(index)}:]", "slice", 3.4)
        return
    lower = place.text(index.lower) if index.lower else ""
    upper = place.text(index.upper) if index.upper else ""
    step = f":{place.text(index.step)}" if index.step else ""

    def cut(low: str, high: str, by: str, cost: float) -> Edit:
        return place.instead(f"{base}[{low}:{high}{by}]", "slice", cost)

    for text in ("1", "-1", "2"):
        if not lower:
            yield cut(text, upper, step, 2.0)
        if not upper:
            yield cut(lower, text, step, 2.2)
    if lower:
        yield cut("", upper, step, 1.8)
    if upper:
        yield cut(lower, "", step, 1.8)
    if lower or upper:
        yield cut(upper, lower, step, 2.2)
    yield cut(lower, upper, "" if step else ":-1", 2.4)
    for name in place.vocabulary.names[:6]:
        yield cut(name, upper, step, 3.2)
        yield cut(lower, name, step, 3.0)
    yield place.instead(base, "drop", 2.6)


def _comprehension(place: Place, node: ast.comprehension) -> Iterator[Edit]:
    for test in node.ifs:
        text = place.text(test)
        yield place.instead(f"not ({text})", "negate", 1.4, test)
        for number, term in enumerate(terms(place.vocabulary, text)[:6]):
            yield place.instead(f"{text} and {term}", "condition", 3.4 + 0.1 * number, test)
    if node.ifs:
        last, first = node.ifs[-1], place.span(node.iter)[1]
        yield Edit(first, place.span(last)[1], "", "drop", 2.2)


def _anywhere(place: Place) -> Iterator[Edit]:
    """What can be done to any value: one more, one less, turned around, wrapped, narrowed, widened."""
    node, parent, text = place.node, place.parent, place.text()
    if not isinstance(node, ast.expr) or isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
        return
    if isinstance(parent, _CONDITION_HOLDERS) and getattr(parent, "test", None) is node:
        yield from _condition(place, node, text)
    callee = isinstance(parent, ast.Call) and parent.func is node
    object_of = isinstance(parent, ast.Attribute)
    if callee or "\n" in text:
        return
    yield from _called(place, node, text)
    if object_of or isinstance(parent, ast.comprehension | ast.keyword):
        return
    if isinstance(parent, _OFF_BY_ONE) and isinstance(node, ast.Name | ast.Call | ast.Subscript | ast.BinOp):
        yield place.instead(f"{text} + 1", "one more", 2.0)
        yield place.instead(f"{text} - 1", "one less", 2.0)
    if isinstance(parent, ast.Return | ast.Call | ast.Assign | ast.AugAssign | ast.BoolOp):
        if isinstance(node, ast.Compare | ast.BoolOp | ast.Name | ast.Call) and isinstance(
            parent, ast.Return | ast.BoolOp
        ):
            yield place.instead(
                f"not {text}" if isinstance(node, ast.Name | ast.Call) else f"not ({text})", "negate", 1.9
            )
        if isinstance(node, ast.Name | ast.BinOp | ast.Call | ast.Attribute | ast.Subscript):
            yield place.instead(f"-{text}" if not isinstance(node, ast.BinOp) else f"-({text})", "unary", 3.2)
    if isinstance(parent, ast.Return):
        yield place.instead(f"[{text}]", "wrap", 3.5)
        yield place.instead("None", "drop", 3.5)
    if isinstance(node, ast.List) and not node.elts:
        yield place.instead("[[]]", "wrap", 2.5)


def _called(place: Place, node: ast.expr, text: str) -> Iterator[Edit]:
    """A call that is missing: of what the neighbour is called with, of what the function calls elsewhere, of
    a common built-in, of another function of the module. A statement without an effect lost one surely."""
    if not isinstance(node, ast.Name | ast.BinOp | ast.Call | ast.Attribute | ast.Subscript):
        return
    parent = place.parent
    idle = 1.5 if isinstance(parent, ast.Expr) else 0.0
    beside = [one for one in ast.iter_child_nodes(parent) if isinstance(one, ast.Call)] if parent else []
    for one in beside:
        if isinstance(parent, ast.BinOp | ast.Compare | ast.Tuple) and one is not node and len(one.args) == 1:
            yield place.instead(f"{place.text(one.func)}({text})", "wrap", 1.8)
    if isinstance(parent, ast.Compare) and any(_counts(one) for one in ast.iter_child_nodes(parent)):
        yield place.instead(f"len({text})", "wrap", 1.8)
    for number, name in enumerate(sorted(place.vocabulary.callables - set(WRAPPERS))[:6]):
        yield place.instead(f"{name}({text})", "wrap", 3.2 + 0.1 * number - idle)
    for number, name in enumerate(WRAPPERS[:-1]):
        yield place.instead(f"{name}({text})", "wrap", 3.3 + 0.1 * number)
    for number, name in enumerate(place.vocabulary.defined):
        yield place.instead(f"{name}({text})", "wrap", 4.0 + 0.1 * number - idle)
    if isinstance(parent, ast.Expr):
        names = [name for name in place.vocabulary.names if name not in ("self", "cls")]
        for number, name in enumerate([*names, "self"]):
            yield place.instead(f"{name}({text})", "wrap", 2.0 + 0.1 * number)
            for count, member in enumerate(place.vocabulary.attributes.get(name, ())[:12]):
                yield place.instead(f"{name}.{member}({text})", "wrap", 2.2 + 0.1 * (number + count))


def _counts(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int


def _condition(place: Place, node: ast.expr, text: str) -> Iterator[Edit]:
    if isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript | ast.Constant):
        yield place.instead(f"not {text}", "negate", 1.1)
    else:
        yield place.instead(f"not ({text})", "negate", 1.6)
    narrowed = f"({text})" if _needs_brackets(node, ast.Or) else text
    widened = f"({text})" if _needs_brackets(node, ast.And) else text
    for number, other in enumerate(place.vocabulary.conditions):
        if other not in text:
            yield place.instead(f"{narrowed} and {other}", "condition", 3.0 + 0.15 * number)
            yield place.instead(f"{widened} or {other}", "condition", 3.1 + 0.15 * number)
    for number, term in enumerate(terms(place.vocabulary, text)):
        yield place.instead(f"{widened} or {term}", "condition", 2.6 + 0.12 * number)
        yield place.instead(f"{narrowed} and {term}", "condition", 2.8 + 0.12 * number)


def _needs_brackets(node: ast.expr, operator: type[ast.boolop]) -> bool:
    if isinstance(node, ast.IfExp | ast.Lambda):
        return True
    return isinstance(node, ast.BoolOp) and isinstance(node.op, operator)


def _swapped(place: Place, parts: Sequence[ast.expr], cost: float) -> Iterator[Edit]:
    """Two neighbours change places; in longer lists any two of the first six do."""
    kept = [one for one in parts if not isinstance(one, ast.Starred)][:6]
    for i, one in enumerate(kept):
        for j in range(i + 1, len(kept)):
            start, end = place.span(one)[0], place.span(kept[j])[1]
            between = place.source.text[place.span(one)[1] : place.span(kept[j])[0]]
            text = place.text(kept[j]) + between + place.text(one)
            yield Edit(start, end, text, "swap", cost + 0.3 * (j - i - 1))
