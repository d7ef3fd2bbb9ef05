"""Small changes that people undo when they repair, for JavaScript, TypeScript and Go.

The kinds and what they cost are those of :mod:`kcode.repair.mutations`: 0 likely, 6 not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from kcode.repair.languages.literals import LITERALS, Spot
from kcode.repair.languages.statements import statement_changes
from kcode.repair.languages.tree import TreeSource
from kcode.repair.languages.words import Words, words_of
from kcode.repair.mutation import Edit

if TYPE_CHECKING:
    pass

_COMPARE: Mapping[str, tuple[str, ...]] = {
    "<": ("<=", ">", ">="),
    "<=": ("<", ">=", ">"),
    ">": (">=", "<", "<="),
    ">=": (">", "<=", "<"),
    "==": ("!=", "===", "<=", ">="),
    "!=": ("==", "!==", "<", ">"),
    "===": ("!==", "==", "<=", ">="),
    "!==": ("===", "!=", "<", ">"),
    "in": ("instanceof",),
    "instanceof": ("in",),
}
_BINARY: Mapping[str, tuple[str, ...]] = {
    "+": ("-", "*", "|"),
    "-": ("+", "*", "/"),
    "*": ("/", "+", "**"),
    "/": ("*", "%", "-"),
    "%": ("/", "*"),
    "**": ("*",),
    "<<": (">>", ">>>"),
    ">>": ("<<", ">>>"),
    ">>>": (">>", "<<"),
    "&": ("|", "^", "&&", "&^"),
    "|": ("&", "^", "||"),
    "^": ("&", "|"),
    "&^": ("&",),
    "&&": ("||",),
    "||": ("&&", "??"),
    "??": ("||", "&&"),
}
_LOGIC = frozenset({"&&", "||", "??"})
_VALUES = frozenset(
    {"binary_expression", "call_expression", "identifier", "member_expression", "selector_expression"}
    | {"subscript_expression", "index_expression", "number", "int_literal"}
)
_PLACES = frozenset(
    {"arguments", "argument_list", "return_statement", "expression_list", "binary_expression"}
)
_INDEX = frozenset({"subscript_expression", "index_expression"})
_DECLARING = frozenset(
    {"parameter_declaration", "formal_parameters", "required_parameter", "optional_parameter"}
    | {"import_specifier", "labeled_statement", "keyed_element", "import_clause", "method_definition"}
    | {"function_declaration", "class_declaration", "package_clause", "type_spec", "const_spec", "var_spec"}
)


def changes_at(source: TreeSource, line: int) -> Iterator[Edit]:
    """Every small change of what begins on ``line``, in no order; equal texts may occur twice."""
    words = _words(source, source.scope_at(line).first)
    for node in source.starting.get(line, ()):
        spot = Spot(source, node, words)
        make = _MAKERS.get(node.type)
        if make is not None:
            yield from make(spot)
        if node.type in _VALUES:
            yield from _off_by_one(spot)
    yield from statement_changes(source, line, words)


@lru_cache(maxsize=64)
def _words_of(key: tuple[int, int], source: _Held) -> Words:
    return words_of(source.source, source.source.scope_at(key[1]))


@dataclass(frozen=True, eq=False)
class _Held:
    """A source as a key of the cache: by identity."""

    source: TreeSource

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.source is self.source

    def __hash__(self) -> int:
        return id(self.source)


def _words(source: TreeSource, first: int) -> Words:
    return _words_of((id(source), first), _Held(source))


# --- expressions ------------------------------------------------------------------------------------


def _binary(spot: Spot) -> Iterator[Edit]:
    left, operator, right = spot.part("left"), spot.part("operator"), spot.part("right")
    if left is None or operator is None or right is None:
        return
    sign = spot.text(operator)
    comparing = sign in _COMPARE
    for number, new in enumerate(_COMPARE.get(sign, _BINARY.get(sign, ()))):
        if _spells(spot.source, new):
            kind = "comparison" if comparing else "boolean" if sign in _LOGIC else "operator"
            yield spot.instead(new, kind, 0.6 + 0.45 * number, operator)
    first, second = spot.text(left), spot.text(right)
    if sign in _LOGIC and sign != "??":
        for part, text, cost in ((right, second, 1.6), (left, first, 1.8)):
            simple = part.type in _VALUES and part.type != "binary_expression"
            yield spot.instead(f"!{text}" if simple else f"!({text})", "negate", cost, part)
    if not comparing:
        yield spot.instead(first, "drop", 1.7)
        yield spot.instead(second, "drop", 1.9)
    cost = {"-": 1.6, "/": 1.8, "%": 1.8}.get(sign, 2.8)
    yield spot.instead(f"{second} {sign} {first}", "swap", cost)
    if sign in ("*", "/", "%") and left.type == "binary_expression":
        inner = left.child_by_field_name("right")
        begin = left.child_by_field_name("left")
        between = left.child_by_field_name("operator")
        if inner is not None and begin is not None and between is not None:
            grouped = f"{spot.text(begin)} {spot.text(between)} ({spot.text(inner)} {sign} {second})"
            yield spot.instead(grouped, "group", 3.0)
    if sign in ("+", "-") and right.type == "binary_expression":
        begin, rest = right.child_by_field_name("left"), right.child_by_field_name("right")
        between = right.child_by_field_name("operator")
        if begin is not None and rest is not None and between is not None:
            grouped = f"({first} {sign} {spot.text(begin)}) {spot.text(between)} {spot.text(rest)}"
            yield spot.instead(grouped, "group", 3.0)


def _spells(source: TreeSource, operator: str) -> bool:
    js_only = {"===", "!==", "**", ">>>", "??", "in", "instanceof"}
    return operator not in (js_only if source.tongue.name == "go" else {"&^"})


def _unary(spot: Spot) -> Iterator[Edit]:
    operator, argument = spot.part("operator"), spot.part("argument") or spot.part("operand")
    if operator is None or argument is None:
        return
    sign = spot.text(operator)
    if sign in ("!", "-", "+", "~", "^"):
        yield spot.instead(spot.text(argument), "unary", 0.9)
    if sign == "-":
        yield spot.instead("+" + spot.text(argument), "unary", 3.0)


def _name(spot: Spot) -> Iterator[Edit]:
    text = spot.text()
    parent = spot.node.parent
    if parent is None or parent.type in _DECLARING:
        return
    if parent.type == "variable_declarator" and parent.child_by_field_name("name") == spot.node:
        return
    base = 1.6 if text in spot.words.called else 1.0
    others = list(dict.fromkeys([*spot.words.related.get(text, ()), *spot.words.others(text)]))
    for number, other in enumerate(others[:9]):
        yield spot.instead(other, "name", base + 0.15 * number)
    if text not in spot.words.called:
        for number, member in enumerate(spot.words.members.get(text, ())[:4]):
            yield spot.instead(f"{text}.{member}", "name", 3.2 + 0.1 * number)
        for nothing in spot.source.tongue.nothing[:1]:
            yield spot.instead(nothing, "name", 3.3)


def _member(spot: Spot) -> Iterator[Edit]:
    base = spot.part("object") or spot.part("operand")
    member = spot.part("property") or spot.part("field")
    if base is None or member is None:
        return
    name, whole = spot.text(member), spot.text(base)
    for number, other in enumerate(spot.words.members_like(whole, name)):
        cost = 1.0 if other in spot.words.related.get(name, ()) else 1.7
        yield spot.instead(other, "attribute", cost + 0.12 * number, member)
    if spot.parent != "call_expression":
        yield spot.instead(f"{spot.text()}()", "call", 2.9)
        yield spot.instead(whole, "drop", 2.8)


def _call(spot: Spot) -> Iterator[Edit]:
    function, given = spot.part("function"), spot.part("arguments")
    if function is None or given is None:
        return
    parts = [one for one in given.named_children if one.type != "comment"]
    name = spot.text(function)
    texts = [spot.text(one) for one in parts]
    for i in range(len(parts) - 1):
        for j in range(i + 1, len(parts)):
            swapped = list(texts)
            swapped[i], swapped[j] = swapped[j], swapped[i]
            yield spot.instead(f"{name}({', '.join(swapped)})", "swap", 1.3 + 0.3 * (j - i - 1))
    if len(texts) == 1:
        yield spot.instead(texts[0], "unwrap", 1.9)
    if len(texts) > 1:
        yield spot.instead(f"{name}({', '.join(texts[:-1])})", "argument", 2.4)
    for number, other in enumerate(spot.words.names[:6]):
        if other not in texts:
            yield spot.instead(f"{name}({', '.join([*texts, other])})", "argument", 3.2 + 0.1 * number)
    base = function.child_by_field_name("object") or function.child_by_field_name("operand")
    if base is not None:
        yield spot.instead(spot.text(base), "unwrap", 2.3)
        if spot.source.tongue.name == "go" and len(texts) == 1 and spot.parent == "expression_statement":
            yield spot.instead(f"{spot.text(base)} = {spot.text()}", "assignment", 3.4)
    if spot.source.tongue.name != "go" and spot.parent != "await_expression":
        yield spot.instead(f"await {spot.text()}", "wrap", 3.4)


def _subscript(spot: Spot) -> Iterator[Edit]:
    base, index = spot.part("object") or spot.part("operand"), spot.part("index")
    if base is None or index is None:
        return
    yield spot.instead(spot.text(base), "drop", 2.9)
    text = spot.text(index)
    if text == "0":
        last = "len({0})-1" if spot.source.tongue.name == "go" else "{0}.length - 1"
        yield spot.instead(f"{spot.text(base)}[{last.format(spot.text(base))}]", "constant", 2.6)


def _slice(spot: Spot) -> Iterator[Edit]:
    base, start, end = spot.part("operand"), spot.part("start"), spot.part("end")
    if base is None:
        return
    low, high = (spot.text(one) if one is not None else "" for one in (start, end))

    def cut(low: str, high: str, cost: float) -> Edit:
        return spot.instead(f"{spot.text(base)}[{low}:{high}]", "slice", cost)

    if low:
        yield cut("", high, 1.8)
        yield cut(f"{low}+1", high, 2.0)
        yield cut(f"{low}-1", high, 2.0)
    else:
        yield cut("1", high, 2.4)
    if high:
        yield cut(low, "", 1.8)
        yield cut(low, f"{high}+1", 2.0)
        yield cut(low, f"{high}-1", 2.0)
    else:
        yield cut(low, f"len({spot.text(base)})-1", 2.6)
    yield cut(high, low, 2.2)
    yield spot.instead(spot.text(base), "drop", 2.6)


def _ternary(spot: Spot) -> Iterator[Edit]:
    test, yes, no = spot.part("condition"), spot.part("consequence"), spot.part("alternative")
    if test is None or yes is None or no is None:
        return
    yield spot.instead(f"{spot.text(test)} ? {spot.text(no)} : {spot.text(yes)}", "swap", 1.5)
    yield spot.instead(spot.text(yes), "drop", 2.6)
    yield spot.instead(spot.text(no), "drop", 2.6)


def _update(spot: Spot) -> Iterator[Edit]:
    text = spot.text()
    other = text.replace("++", "--") if "++" in text else text.replace("--", "++")
    yield spot.instead(other, "operator", 1.0)


def _assigned(spot: Spot) -> Iterator[Edit]:
    """``+=`` and its kind; a plain ``=`` that may have been meant to add."""
    sign = spot.part("operator") or next((one for one in spot.node.children if one.type == "="), None)
    if sign is None:
        return
    text = spot.text(sign)
    if text == "=":
        for number, new in enumerate(("+=", "-=", "*=", "|=")):
            yield spot.instead(new, "assignment", 1.9 + 0.4 * number, sign)
    elif text != ":=":
        for number, new in enumerate(("-=", "+=", "*=", "/=", "|=", "&=")):
            if new != text:
                yield spot.instead(new, "assignment", 0.8 + 0.4 * number, sign)
        yield spot.instead("=", "assignment", 1.3, sign)


def _off_by_one(spot: Spot) -> Iterator[Edit]:
    """A value that may be one too many or too few, where a number can stand."""
    parent = spot.node.parent
    if parent is None or parent.type not in _PLACES | _INDEX:
        return
    if parent.type in _INDEX and parent.child_by_field_name("index") != spot.node:
        return
    if parent.type == "binary_expression":
        sign = parent.child_by_field_name("operator")
        if sign is None or spot.text(sign) in _LOGIC:
            return
    text = spot.text()
    if spot.node.type in ("number", "int_literal"):
        return
    wrapped = (
        f"({text})" if spot.node.type == "binary_expression" and parent.type == "binary_expression" else text
    )
    cost = 1.8 if parent.type in _INDEX else 2.2
    yield spot.instead(f"{wrapped} + 1", "one more", cost)
    yield spot.instead(f"{wrapped} - 1", "one less", cost)
    if spot.node.type in ("identifier", "member_expression", "call_expression", "selector_expression"):
        yield spot.instead(f"!{text}", "negate", 1.9 if parent.type == "return_statement" else 2.4)
        yield spot.instead(f"-{text}", "unary", 3.2)


_MAKERS: Mapping[str, Callable[[Spot], Iterator[Edit]]] = {
    **LITERALS,
    "binary_expression": _binary,
    "unary_expression": _unary,
    "identifier": _name,
    "member_expression": _member,
    "selector_expression": _member,
    "call_expression": _call,
    "subscript_expression": _subscript,
    "index_expression": _subscript,
    "slice_expression": _slice,
    "ternary_expression": _ternary,
    "update_expression": _update,
    "inc_statement": _update,
    "dec_statement": _update,
    "assignment_expression": _assigned,
    "augmented_assignment_expression": _assigned,
    "assignment_statement": _assigned,
}
