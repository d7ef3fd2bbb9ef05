"""How tags are packed: as text, a line a definition, and as arrays of 32-bit numbers, little-endian."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from typing import TypeVar

from kcode.codemap.rank import SHORTEST, SHORTEST_WORD, TYPES, UNRANKED
from kcode.codemap.tags import Definition, Tags, number

NOT_OFFERED = frozenset({"key", "heading", "prototype", "impl", "rule", "id"})
"""Kinds that nobody completes by name."""

T = TypeVar("T", int, float)
Entry = tuple[str, str, bytes, bytes, bytes, bytes, bytes]
"""Of a content: its definitions; the full names that completion offers, and the numbers of their last parts;
the numbers of the names it defines, of those among them that connect files, and of the names it uses; how
often it uses each."""

_FIELD, _ROW = "\x1f", "\n"


def entry_of(tags: Tags) -> Entry:
    rows, offered = [], {}
    numbered: dict[str, int] = {}
    linking: set[int] = set()
    types: set[str] = set()
    for name, kind, line, end, signature, outer in tags.definitions:
        name, outer = _plain(name), _plain(outer)
        if (its := numbered.get(name)) is None:
            its = numbered[name] = number(name)
        rows.append(
            f"{name}{_FIELD}{kind}{_FIELD}{line}{_FIELD}{end}{_FIELD}{outer}{_FIELD}{_plain(signature)}"
        )
        if kind not in NOT_OFFERED:
            offered[f"{outer}.{name}" if outer else name] = its
        if kind in TYPES:
            types.add(f"{outer}.{name}" if outer else name)
        if kind not in UNRANKED and _says_much(name, kind, within=outer in types):
            linking.add(its)
    return (
        _ROW.join(rows),
        _ROW.join(offered),
        packed(offered.values()),
        packed(sorted(set(numbered.values()))),
        packed(sorted(linking)),
        packed([name for name, _ in tags.uses]),
        bytes([count for _, count in tags.uses]),
    )


def _says_much(name: str, kind: str, *, within: bool) -> bool:
    """Whether a use of the name is likely to mean this definition, and not one of a library that is called so
    too: `get`, or a type within a type, which others call by both names."""
    if kind in TYPES:
        return len(name) >= SHORTEST and not within
    return len(name) >= (SHORTEST_WORD if name.isalpha() and name.islower() else SHORTEST)


def unpacked_definitions(text: str) -> Iterator[Definition]:
    for row in text.split(_ROW) if text else ():
        name, kind, line, end, outer, signature = row.split(_FIELD)
        yield Definition(name, kind, int(line), int(end), signature, outer)


def packed(values: Iterable[int]) -> bytes:
    return _little(array("I", values)).tobytes()


def numbers(data: bytes) -> array[int]:
    found = array("I")
    found.frombytes(data)
    return _little(found)


def packed_floats(values: Iterable[float]) -> bytes:
    return _little(array("d", values)).tobytes()


def floats(data: bytes) -> array[float]:
    found = array("d")
    found.frombytes(data)
    return _little(found)


def _little(values: array[T]) -> array[T]:
    """Little-endian on every machine, so that an index may be moved."""
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _plain(text: str) -> str:
    return text.replace(_FIELD, " ") if _FIELD in text else text
