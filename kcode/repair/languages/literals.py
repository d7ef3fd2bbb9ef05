"""Small changes of literals in JavaScript, TypeScript and Go, and the place that a change is made at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kcode.repair.languages.tree import TreeSource
from kcode.repair.languages.words import Words
from kcode.repair.mutation import Edit

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True)
class Spot:
    """A node, and what its function says."""

    source: TreeSource
    node: Node
    words: Words

    def text(self, node: Node | None = None) -> str:
        return self.source.words(self.node if node is None else node)

    def part(self, field: str) -> Node | None:
        return self.node.child_by_field_name(field)

    def instead(self, text: str, kind: str, cost: float, of: Node | None = None) -> Edit:
        start, end = self.source.extent(self.node if of is None else of)
        return Edit(start, end, text, kind, cost)

    @property
    def parent(self) -> str:
        return self.node.parent.type if self.node.parent else ""


def _number(spot: Spot) -> Iterator[Edit]:
    text = spot.text()
    if re.fullmatch(r"\d+", text):
        value = int(text)
        near = [(value + 1, 1.0), (value - 1, 1.0), (0, 1.6), (1, 1.6), (2, 2.4), (value * 10, 3.0)]
        near += [(value // 10, 3.0), (value * 2, 3.2), (value // 2, 3.2)]
        for new, cost in near:
            if new != value and new >= 0:
                yield spot.instead(str(new), "constant", cost)
        yield spot.instead("-" + text if value else "-1", "constant", 1.8)
    elif re.fullmatch(r"\d*\.\d+", text):
        for changed, cost in ((float(text) + 1, 1.6), (float(text) - 1, 1.6), (float(text) * 10, 2.2)):
            yield spot.instead(repr(changed), "constant", cost)
    for other in spot.words.numbers:
        if other != text:
            yield spot.instead(other, "constant", 2.4)
    for number, name in enumerate(spot.words.names[:5]):
        yield spot.instead(name, "constant", 2.9 + 0.1 * number)


def _text(spot: Spot) -> Iterator[Edit]:
    text = spot.text()
    if spot.parent in ("import_statement", "import_spec", "export_statement"):
        return
    for number, other in enumerate(spot.words.texts):
        if other != text:
            yield spot.instead(other, "constant", 2.2 + 0.1 * number)
    mark = text[:1]
    if mark in "\"'" and len(text) > 2 and spot.node.type != "rune_literal":
        inside = text[1:-1]
        for changed in (inside.lower(), inside.upper(), inside.strip(), "", inside + " ", " " + inside):
            if changed != inside:
                yield spot.instead(f"{mark}{changed}{mark}", "constant", 2.9)
    elif mark in "\"'" and len(text) == 2:
        yield spot.instead(f"{mark} {mark}", "constant", 2.6)


def _truth(spot: Spot) -> Iterator[Edit]:
    yield spot.instead("false" if spot.text() == "true" else "true", "constant", 0.8)
    for name in spot.words.names[:4]:
        yield spot.instead(name, "constant", 2.7)


def _nothing(spot: Spot) -> Iterator[Edit]:
    for number, other in enumerate((*spot.source.tongue.nothing, "true", "false", "0", "[]", "''")):
        if other != spot.text() and (spot.source.tongue.name != "go" or number < 1):
            yield spot.instead(other, "constant", 2.2 + 0.2 * number)
    for number, name in enumerate(spot.words.names[:6]):
        yield spot.instead(name, "constant", 1.9 + 0.15 * number)


def _pattern(spot: Spot) -> Iterator[Edit]:
    text = spot.text()
    body, _, flags = text.rpartition("/")
    for flag in "gimsu":
        changed = flags.replace(flag, "") if flag in flags else flags + flag
        yield spot.instead(f"{body}/{changed}", "constant", 2.4)
    for at in [match.start() for match in re.finditer(r"[*+?]", text)][:6]:
        for new in {"*", "+", "?", ""} - {text[at]}:
            yield spot.instead(text[:at] + new + text[at + 1 :], "constant", 2.5)
    if body.startswith("/^"):
        yield spot.instead("/" + text[2:], "constant", 2.5)
    else:
        yield spot.instead("/^" + text[1:], "constant", 2.5)
    if not body.endswith("$"):
        yield spot.instead(f"{body}$/{flags}", "constant", 2.5)


LITERALS: Mapping[str, Callable[[Spot], Iterator[Edit]]] = {
    "number": _number,
    "int_literal": _number,
    "float_literal": _number,
    "string": _text,
    "interpreted_string_literal": _text,
    "rune_literal": _text,
    "true": _truth,
    "false": _truth,
    "null": _nothing,
    "undefined": _nothing,
    "nil": _nothing,
    "regex": _pattern,
}
