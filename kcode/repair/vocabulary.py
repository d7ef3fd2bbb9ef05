"""What a mutation may put in the place of something: names in sight, words that are taken for one another."""

from __future__ import annotations

import ast
import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_MANY = 8  # names offered for one place
_DEFINED = 12  # functions of the module that may have been meant
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_GROUPS: tuple[tuple[str, ...], ...] = (
    ("append", "extend", "add", "insert"),
    ("remove", "discard", "pop"),
    ("pop", "popleft"),
    ("append", "appendleft"),
    ("lower", "upper", "title", "casefold"),
    ("strip", "lstrip", "rstrip"),
    ("ljust", "rjust", "center"),
    ("startswith", "endswith"),
    ("removeprefix", "removesuffix"),
    ("find", "rfind", "index"),
    ("index", "rindex"),
    ("split", "rsplit", "splitlines"),
    ("partition", "rpartition"),
    ("keys", "values", "items"),
    ("get", "pop", "setdefault"),
    ("union", "intersection", "difference", "symmetric_difference"),
    ("update", "intersection_update", "difference_update", "symmetric_difference_update"),
    ("issubset", "issuperset"),
    ("min", "max"),
    ("any", "all"),
    ("floor", "ceil", "trunc", "round"),
    ("int", "float", "round", "str", "bool"),
    ("list", "tuple", "set", "sorted", "iter", "reversed", "frozenset"),
    ("sum", "len", "max", "min"),
    ("bisect_left", "bisect_right", "bisect", "insort", "insort_left", "insort_right"),
    ("isdigit", "isalpha", "isalnum", "isnumeric", "isdecimal", "isspace"),
    ("filter", "filterfalse", "map"),
    ("takewhile", "dropwhile"),
    ("lt", "le", "gt", "ge", "eq", "ne"),
    ("appendleft", "extendleft"),
    ("match", "search", "fullmatch"),
    ("next", "iter", "list"),
    ("seconds", "microseconds", "days"),
    ("KeyError", "IndexError", "ValueError", "TypeError", "AttributeError", "StopIteration", "LookupError"),
)


def _related() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for group in _GROUPS:
        for word in group:
            known = found.setdefault(word, [])
            known.extend(other for other in group if other != word and other not in known)
    return {word: tuple(others) for word, others in found.items()}


RELATED: Mapping[str, tuple[str, ...]] = _related()
WRAPPERS = ("list", "abs", "len", "sorted", "int", "str", "set", "tuple", "reversed", "iter", "not ")
EXCEPTIONS = frozenset(_GROUPS[-1])


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What one function knows, in the order of how often it says it."""

    names: tuple[str, ...]  # of values: parameters, variables, module constants it uses
    attributes: Mapping[str, tuple[str, ...]]  # object -> attributes seen on it in the file
    members: tuple[str, ...]  # every attribute that the function itself uses
    strings: tuple[str, ...]  # string literals of the function, as written
    numbers: tuple[str, ...]
    callables: frozenset[str]  # names that are called
    parameters: tuple[str, ...] = ()
    unused: frozenset[str] = frozenset()  # parameters and variables that nothing reads: one may be missing
    defined: tuple[str, ...] = ()  # functions and classes of the module
    conditions: tuple[str, ...] = ()  # what the function tests, as it is written
    statements: tuple[str, ...] = ()  # its simple statements of one line

    def others(self, name: str) -> Iterator[str]:
        """Names that may have been meant instead of ``name``, likely ones first."""
        near = sorted(self.names, key=lambda other: -_alike(name, other))
        yield from [other for other in near if other != name][:_MANY]

    def attributes_like(self, base: str, name: str) -> Iterator[str]:
        """Attributes that may have been meant instead of ``base.name``."""
        given = dict.fromkeys(RELATED.get(name, ()))
        seen = [*self.attributes.get(base, ()), *self.members]
        given.update(dict.fromkeys(sorted(seen, key=lambda other: -_alike(name, other))))
        yield from [other for other in given if other != name][:_MANY]


def vocabulary_of(function: ast.AST, module: ast.Module) -> Vocabulary:
    """``function`` is a definition, or the module itself for what stands outside of any."""
    names: Counter[str] = Counter()
    called: set[str] = set()
    strings: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    members: Counter[str] = Counter()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            names[node.id] += 1
        elif isinstance(node, ast.arg):
            names[node.arg] += 1
        elif isinstance(node, ast.Attribute):
            members[node.attr] += 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) <= 40:
            strings[repr(node.value)] += 1
        elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
            numbers[repr(node.value)] += 1
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            called.add(node.func.id)
    own = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    kept = {
        name
        for name in names
        if name in own or not (name in called or name in RELATED or (name[0].isupper() and len(name) > 2))
    }
    return Vocabulary(
        names=tuple(name for name, _ in names.most_common() if name in kept),
        attributes=_attributes(module),
        members=tuple(name for name, _ in members.most_common()),
        strings=tuple(text for text, _ in strings.most_common(_MANY)),
        numbers=tuple(text for text, _ in numbers.most_common(_MANY)),
        callables=frozenset(called),
        parameters=tuple(sorted(own - {"self", "cls"})),
        unused=frozenset(_unused(function)),
        defined=tuple(one.name for one in module.body if isinstance(one, _DEFINITIONS))[:_DEFINED],
        conditions=tuple(dict.fromkeys(_conditions(function)))[:_MANY],
        statements=tuple(dict.fromkeys(_statements(function)))[:_MANY],
    )


def _unused(function: ast.AST) -> set[str]:
    if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
        return set()
    bound = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    bound |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return bound - {node.id for node in names if isinstance(node.ctx, ast.Load)} - {"self", "cls", "_"}


def _conditions(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            parts = node.test.values if isinstance(node.test, ast.BoolOp) else [node.test]
            yield from (ast.unparse(part) for part in parts if not isinstance(part, ast.Constant))


def _statements(function: ast.AST) -> Iterator[str]:
    for node in ast.walk(function):
        does = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Yield | ast.YieldFrom)
        if does or isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.Raise):
            yield ast.unparse(node)


def _attributes(module: ast.Module) -> dict[str, tuple[str, ...]]:
    found: dict[str, Counter[str]] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.setdefault(node.value.id, Counter())[node.attr] += 1
    return {base: tuple(name for name, _ in seen.most_common(40)) for base, seen in found.items()}


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()


def terms(vocabulary: Vocabulary, condition: str) -> Sequence[str]:
    """Conditions by which another may be narrowed or widened; what it already names comes last."""
    said = set(condition.replace("(", " ").replace(")", " ").replace(".", " ").split())
    names = [name for name in vocabulary.names if name not in ("self", "cls")][: _MANY + 4]
    names.sort(key=lambda name: name in said)
    return [*(f"not {name}" for name in names), *names, *(f"{name} is None" for name in names[:4])]
