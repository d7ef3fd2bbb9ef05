"""What a change may put in the place of a word: names in sight, words that are taken for one another."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.repair.languages.tree import TreeSource, walk
from kcode.repair.source import Scope

if TYPE_CHECKING:
    from tree_sitter import Node

_MANY = 8  # words that are offered for one place
_JS: tuple[tuple[str, ...], ...] = (
    ("push", "unshift", "concat"),
    ("pop", "shift"),
    ("slice", "splice", "substring", "substr"),
    ("indexOf", "lastIndexOf", "includes", "search"),
    ("find", "findIndex", "filter", "findLast", "some"),
    ("some", "every"),
    ("map", "forEach", "filter", "flatMap"),
    ("reduce", "reduceRight"),
    ("keys", "values", "entries"),
    ("startsWith", "endsWith", "includes"),
    ("toLowerCase", "toUpperCase"),
    ("trim", "trimStart", "trimEnd"),
    ("padStart", "padEnd"),
    ("min", "max"),
    ("floor", "ceil", "round", "trunc"),
    ("parseInt", "parseFloat", "Number"),
    ("replace", "replaceAll"),
    ("test", "exec", "match", "matchAll"),
    ("charAt", "charCodeAt", "codePointAt", "at"),
    ("get", "has", "set", "delete", "add"),
    ("call", "apply", "bind"),
    ("all", "allSettled", "race", "any"),
    ("resolve", "reject"),
    ("isNaN", "isFinite", "isInteger"),
    ("length", "size"),
    ("Error", "TypeError", "RangeError", "SyntaxError"),
)
_GO: tuple[tuple[str, ...], ...] = (
    ("HasPrefix", "HasSuffix", "Contains"),
    ("TrimPrefix", "TrimSuffix", "Trim", "TrimLeft", "TrimRight", "TrimSpace"),
    ("Index", "LastIndex", "IndexByte", "IndexAny", "IndexRune"),
    ("ToLower", "ToUpper", "ToTitle"),
    ("Split", "SplitN", "SplitAfter", "Fields"),
    ("Replace", "ReplaceAll"),
    ("Lock", "Unlock", "RLock", "RUnlock"),
    ("Before", "After", "Equal"),
    ("Min", "Max"),
    ("Floor", "Ceil", "Round", "Trunc"),
    ("Atoi", "ParseInt", "ParseUint", "ParseFloat", "ParseBool"),
    ("Itoa", "FormatInt"),
    ("len", "cap"),
    ("Errorf", "New", "Sprintf"),
    ("Add", "Sub", "Done", "Wait"),
    ("Seconds", "Minutes", "Hours", "Milliseconds"),
    ("IsDigit", "IsLetter", "IsSpace", "IsUpper", "IsLower"),
    ("Read", "ReadAll", "ReadString", "ReadByte"),
    ("Write", "WriteString", "WriteByte", "WriteRune"),
    ("int", "int64", "int32", "uint", "uint64", "float64"),
    ("Marshal", "Unmarshal"),
    ("LessThan", "GreaterThan", "Equal", "Compare"),
)
RELATED: Mapping[str, tuple[tuple[str, ...], ...]] = {"javascript": _JS, "go": _GO}
_NAMES = ("identifier", "shorthand_property_identifier")
_MEMBERS = ("property_identifier", "field_identifier", "private_property_identifier")
_NUMBERS = ("number", "int_literal", "float_literal")
_TEXTS = ("string", "interpreted_string_literal", "rune_literal")


@dataclass(frozen=True, slots=True)
class Words:
    """What one function says, in the order of how often. ``members``: object -> what it is asked for."""

    names: tuple[str, ...]
    called: frozenset[str]
    members: Mapping[str, tuple[str, ...]]
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    related: Mapping[str, tuple[str, ...]]
    functions: tuple[str, ...]  # of the file

    def others(self, name: str) -> list[str]:
        """Names that may have been meant instead of ``name``, the likeliest first."""
        pool = self.functions if name in self.functions else self.names
        near = sorted((one for one in pool if one != name), key=lambda one: -_alike(name, one))
        return near[:_MANY]

    def members_like(self, base: str, name: str) -> list[str]:
        given = dict.fromkeys(self.related.get(name, ()))
        seen = [*self.members.get(base, ()), *self.members.get("", ())]
        given.update(dict.fromkeys(sorted(seen, key=lambda one: -_alike(name, one))))
        return [one for one in given if one != name][:_MANY]

    def terms(self, condition: str) -> list[str]:
        """Names by which a condition may be narrowed or widened; what it names already comes last."""
        return sorted(self.names[: _MANY + 2], key=lambda name: name in condition)


def words_of(source: TreeSource, scope: Scope) -> Words:
    names: Counter[str] = Counter()
    called: set[str] = set()
    members: dict[str, Counter[str]] = {"": Counter()}
    numbers: Counter[str] = Counter()
    texts: Counter[str] = Counter()
    for line in range(scope.first, scope.last + 1):
        for node in source.starting.get(line, ()):
            text = source.words(node)
            if node.type in _NAMES:
                names[text] += 1
                if _is_called(node):
                    called.add(text)
            elif node.type in _MEMBERS:
                members[""][text] += 1
            elif node.type in _NUMBERS:
                numbers[text] += 1
            elif node.type in _TEXTS and len(text) <= 40:
                texts[text] += 1
    for node in walk(source.syntax.root_node):
        if node.type in _MEMBERS and (base := _base(source, node)):
            members.setdefault(base, Counter())[source.words(node)] += 1
    related: dict[str, list[str]] = {}
    for group in RELATED[source.tongue.name]:
        for word in group:
            known = related.setdefault(word, [])
            known += [other for other in group if other != word and other not in known]
    functions = tuple(one.name for one in source.scopes if one.name and "." not in one.name)
    kept = [name for name, _ in names.most_common() if name not in called and name not in functions]
    return Words(
        names=tuple(kept),
        called=frozenset(called),
        members={base: tuple(name for name, _ in seen.most_common(40)) for base, seen in members.items()},
        numbers=tuple(text for text, _ in numbers.most_common(_MANY)),
        texts=tuple(text for text, _ in texts.most_common(_MANY)),
        related={word: tuple(others) for word, others in related.items()},
        functions=functions,
    )


def _is_called(node: Node) -> bool:
    parent = node.parent
    return (
        parent is not None
        and parent.type in ("call_expression", "new_expression")
        and (
            parent.child_by_field_name("function") == node
            or parent.child_by_field_name("constructor") == node
        )
    )


def _base(source: TreeSource, node: Node) -> str:
    parent = node.parent
    if parent is None or parent.type not in ("member_expression", "selector_expression"):
        return ""
    base = parent.child_by_field_name("object") or parent.child_by_field_name("operand")
    return source.words(base) if base is not None else ""


def _alike(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()
