"""The conflicts that git wrote into a file, as bytes: what is not chosen comes back as it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kcode.workspace.linediff import opcodes

USUAL_SIZE = 7  # characters of a marker; the attribute conflict-marker-size says otherwise


@dataclass(frozen=True, slots=True)
class ConflictHunk:
    """One conflict. ``ours``, ``theirs`` and ``base`` are whole lines with their ends, without the markers;
    ``base`` is None where the markers have none (git's style ``merge``). ``raw`` is all of it, ``line`` (from
    1) its first marker's. The labels are what git says behind the markers."""

    ours: bytes
    theirs: bytes
    base: bytes | None
    raw: bytes
    line: int
    ours_label: bytes = b""
    theirs_label: bytes = b""


Piece = bytes | ConflictHunk
Known = tuple[bytes, bytes]


def pieces(data: bytes, size: int = USUAL_SIZE, known: Known | None = None) -> list[Piece]:
    """``data`` in runs without and with conflict; put together they are ``data``.

    ``known`` are the whole files of both sides: they tell which ``=======`` is the marker where a side has
    such a line itself. Markers that do not belong together are no conflict: see :func:`stray`.
    """
    lines = _lines(data)
    found: list[Piece] = []
    plain: list[bytes] = []
    at = 0
    while at < len(lines):
        end = _end(lines, at, size) if _is(lines[at], b"<", size) else 0
        hunk = _hunk(lines[at:end], at + 1, size, known) if end else None
        if hunk is None:
            plain.append(lines[at])
            at += 1
            continue
        if plain:
            found.append(b"".join(plain))
        found.append(hunk)
        plain, at = [], end
    if plain:
        found.append(b"".join(plain))
    return found


def together(parts: Sequence[Piece], chosen: Mapping[int, bytes]) -> bytes:
    """The file with hunk ``n`` (from 0, among the hunks) replaced by ``chosen[n]``; others as they are."""
    out, number = [], 0
    for part in parts:
        if isinstance(part, ConflictHunk):
            out.append(chosen.get(number, part.raw))
            number += 1
        else:
            out.append(part)
    return b"".join(out)


def side(parts: Sequence[Piece], which: Callable[[ConflictHunk], bytes]) -> bytes:
    """The file with one side of every hunk."""
    return b"".join(which(part) if isinstance(part, ConflictHunk) else part for part in parts)


def hunks(parts: Sequence[Piece]) -> list[ConflictHunk]:
    return [part for part in parts if isinstance(part, ConflictHunk)]


def stray(parts: Sequence[Piece], size: int = USUAL_SIZE) -> list[int]:
    """The lines (from 1) of markers that belong to no conflict: somebody's edit took their others away."""
    found, line = [], 1
    for part in parts:
        lines = _lines(part.raw if isinstance(part, ConflictHunk) else part)
        if not isinstance(part, ConflictHunk):
            found += [line + n for n, text in enumerate(lines) if is_marker(text, size)]
        line += len(lines)
    return found


def is_marker(line: bytes, size: int = USUAL_SIZE) -> bool:
    """Whether a line opens, closes or divides a conflict; ``=======`` alone may be a heading and is none."""
    return any(_is(line, sign, size) for sign in (b"<", b">", b"|"))


def with_bases(parts: Sequence[Piece], merged: Sequence[Piece]) -> list[Piece]:
    """``parts`` with the bases that ``merged`` (the same file, merged again with them) knows of.

    A hunk may be a part of one there: git's style ``merge`` leaves out what both sides have in common.
    """
    there = hunks(merged)
    return [_with_base(part, there) if isinstance(part, ConflictHunk) else part for part in parts]


def _with_base(hunk: ConflictHunk, there: Sequence[ConflictHunk]) -> ConflictHunk:
    if hunk.base is not None:
        return hunk
    ours, theirs = _lines(hunk.ours), _lines(hunk.theirs)
    for wide in there:
        mine, yours, base = _lines(wide.ours), _lines(wide.theirs), _lines(wide.base or b"")
        if (mine, yours) == (ours, theirs):
            return _based(hunk, wide.base or b"")
        at, to = _within(ours, mine), _within(theirs, yours)
        if at is None or to is None:
            continue
        first, second = _across(base, mine, at, at + len(ours)), _across(base, yours, to, to + len(theirs))
        return _based(hunk, b"".join(base[min(first[0], second[0]) : max(first[1], second[1])]))
    return hunk


def _based(hunk: ConflictHunk, base: bytes) -> ConflictHunk:
    return ConflictHunk(hunk.ours, hunk.theirs, base, hunk.raw, hunk.line, hunk.ours_label, hunk.theirs_label)


def _within(part: list[bytes], whole: list[bytes]) -> int | None:
    """Where ``part`` is in ``whole``; None for nowhere, or for several places."""
    if not part:
        return 0 if not whole else None
    found = [n for n in range(len(whole) - len(part) + 1) if whole[n : n + len(part)] == part]
    return found[0] if len(found) == 1 else None


def _across(base: list[bytes], side: list[bytes], start: int, stop: int) -> tuple[int, int]:
    """The lines of ``base`` that lines ``start`` to ``stop`` of ``side`` came from."""
    first, last = len(base), 0
    for code in opcodes(_texts(base), _texts(side)):
        if (
            code.b1 < start
            or code.b0 > stop
            or (code.tag == "equal" and (code.b1 == start or code.b0 == stop))
        ):
            continue
        if code.tag == "equal":
            first = min(first, code.a0 + max(0, start - code.b0))
            last = max(last, code.a1 - max(0, code.b1 - stop))
        else:
            first, last = min(first, code.a0), max(last, code.a1)
    return (first, last) if first <= last else (last, last)


def _texts(lines: list[bytes]) -> list[str]:
    return [line.decode("latin-1") for line in lines]


def _end(lines: Sequence[bytes], start: int, size: int) -> int:
    """Behind the ``>>>>>>>`` of the conflict that begins at ``start``; 0 where another one begins before."""
    for at in range(start + 1, len(lines)):
        if _is(lines[at], b"<", size):
            return 0
        if _is(lines[at], b">", size):
            return at + 1
    return 0


def _hunk(lines: Sequence[bytes], number: int, size: int, known: Known | None) -> ConflictHunk | None:
    inner = lines[1:-1]
    middles = [n for n, line in enumerate(inner) if line.rstrip(b"\r\n") == b"=" * size]
    bars = [n for n, line in enumerate(inner) if _is(line, b"|", size)]
    if not middles:
        return None
    found = []
    for middle in middles:
        bar = next((n for n in bars if n < middle), None)
        ours = b"".join(inner[: middle if bar is None else bar])
        base = None if bar is None else b"".join(inner[bar + 1 : middle])
        theirs = b"".join(inner[middle + 1 :])
        labels = (_label(line, size) for line in (lines[0], lines[-1]))
        found.append(ConflictHunk(ours, theirs, base, b"".join(lines), number, *labels))
    if known is not None and len(found) > 1:
        found = [hunk for hunk in found if hunk.ours in known[0] and hunk.theirs in known[1]] or found
    return found[0]


def _is(line: bytes, sign: bytes, size: int) -> bool:
    return re.match(rb"%s{%d}(?:[ \r\n]|$)" % (re.escape(sign), size), line) is not None


def _label(line: bytes, size: int) -> bytes:
    return line[size:].strip()


def _lines(data: bytes) -> list[bytes]:
    """Lines as git counts them: only a line feed ends one."""
    return re.findall(rb"[^\n]*\n|[^\n]+", data)
