"""How tags are packed: as text, a line a definition, and as arrays of 32-bit numbers, little-endian."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from typing import TypeVar

from kcode.codemap.rank import SHORTEST, UNRANKED
from kcode.codemap.tags import Definition, Tags, number

NOT_OFFERED = frozenset({"key", "heading", "prototype", "impl", "rule", "id"})
"""Kinds that nobody completes by name."""

T = TypeVar("T", int, float)
Entry = tuple[str, str, bytes, bytes, bytes, bytes]
"""Of a content: its definitions; the names that completion offers; the numbers of the names it defines, of
those among them that connect files, and of the names it uses; how often it uses each."""

_FIELD, _ROW = "\x1f", "\n"


def entry_of(tags: Tags) -> Entry:
    rows = [
        _FIELD.join((_plain(d.name), d.kind, str(d.line), str(d.end), _plain(d.outer), _plain(d.signature)))
        for d in tags.definitions
    ]
    offered = dict.fromkeys(_plain(d.full) for d in tags.definitions if d.kind not in NOT_OFFERED)
    linking = {d.name for d in tags.definitions if d.kind not in UNRANKED and len(d.name) >= SHORTEST}
    return (
        _ROW.join(rows),
        _ROW.join(offered),
        packed(sorted({number(_plain(d.name)) for d in tags.definitions})),
        packed(sorted(map(number, linking))),
        packed(name for name, _ in tags.uses),
        bytes(count for _, count in tags.uses),
    )


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
