"""What a search engine prints, taken as it comes: which lines count, how many there are, what they say."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kcode.workspace.encoding import decode

if TYPE_CHECKING:
    from kcode.tools.grep_engines import Query

Kind = Literal["lines", "files", "counts"]
Split = Callable[[bytes], tuple[bytes, bytes, bytes] | None]  # path, line number or count, text
_CUT = re.compile(rb" \[\.\.\. (?:\d+ more match(?:es)?|omitted end of long line)\]$")
_RIPGREP_SEES = 60_000  # bytes that it reads, and looks for a NUL in, before it prints the first match
_LARGEST = 50_000_000  # bytes of a file that is looked at again


@dataclass(frozen=True, slots=True)
class Match:
    path: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """Matching lines by path and line, or ``counts`` of them for each file (1 where only files were asked
    for). ``more``: the search was stopped, so there are more than these, and more than ``least``.
    ``timed_out``: by its limit of time or steps.
    """

    matches: tuple[Match, ...] = ()
    more: bool = False
    timed_out: bool = False
    engine: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    least: int = 0


class Collector:
    """Takes an engine's output on its reading thread. ``take`` says when it is enough: more than ``cap``
    lines that count by ``has``, or more than ``most`` bytes.
    """

    def __init__(self, has: Callable[[str], bool], split: Split, cap: int, most: int) -> None:
        self.lines: list[tuple[str, int, bytes]] = []
        self.stopped = False
        self._has = has
        self._split = split
        self._cap = cap
        self._left = most
        self._rest = b""
        self._known: dict[bytes, str | None] = {}

    def take(self, chunk: bytes) -> bool:
        self._left -= len(chunk)
        ended = b"\n" if self._split is not _files else b"\0"
        *lines, self._rest = (self._rest + chunk).split(ended)
        for line in lines:
            self._add(line)
        self.stopped = self.stopped or len(self.lines) > self._cap or self._left < 0
        return self.stopped

    def _add(self, line: bytes) -> None:
        parts = self._split(line)
        if parts is None or not parts[1].isdigit():
            return
        name = parts[0]
        if name not in self._known:
            path = name.decode("utf-8", "surrogateescape").removeprefix("./")
            self._known[name] = path if self._has(path) else None
        path_or_none = self._known[name]
        if path_or_none is not None:
            self.lines.append((path_or_none, int(parts[1]), parts[2]))

    def found(self, root: Path, engine: str, timed_out: bool, query: Query) -> Found:
        """What was found. Binary files are left out, lines that could not be printed are read again."""
        self._add(self._rest)
        paths = dict.fromkeys(path for path, _, _ in self.lines) if engine != "python" else ()
        sees_all = _RIPGREP_SEES if engine == "ripgrep" and not query.multiline else 0
        texts = {path: _Again(f"{root}{os.sep}{path}", query, sees_all) for path in paths}
        counts: dict[str, int] = {}
        matches = []
        for path, number, line in self.lines:
            again = texts.get(path)
            if again is not None and again.binary:
                continue
            if query.show != "lines":
                counts[path] = number
                continue
            text = again.line(number, line) if again else line.decode("utf-8", "replace")
            if text is not None:
                matches.append(Match(path, number, text.rstrip("\r")))
        matches.sort(key=lambda match: (match.path, match.line))
        more = self.stopped or timed_out
        least = len(matches) - 1 if self.stopped else len(matches)
        return Found(tuple(matches), more, timed_out, engine, dict(sorted(counts.items())), least)


class _Again:
    """A file in which an engine found something, looked at where its output does not tell enough."""

    def __init__(self, path: str, query: Query, sees_all: int) -> None:
        self._path = path
        self._lines: list[str] | None = None
        self._query = query
        self.binary = self._is_binary(sees_all)

    def _is_binary(self, sees_all: int) -> bool:
        """``sees_all``: bytes of a file in which the engine itself has not missed a NUL."""
        try:
            if os.stat(self._path).st_size <= sees_all:  # noqa: PTH116 - asked for each of thousands
                return False
        except OSError:
            return False
        data = self._data
        return data[:2] not in (b"\xff\xfe", b"\xfe\xff") and b"\0" in data

    @cached_property
    def _data(self) -> bytes:
        try:
            with Path(self._path).open("rb") as stream:
                return stream.read(_LARGEST)
        except OSError:
            return b""

    def line(self, number: int, printed: bytes) -> str | None:
        """The line's text; None where it only matched because the file's encoding was not understood."""
        printed = printed.removesuffix(b"\r")
        cut = _CUT.search(printed)
        try:
            if not cut:
                return printed.decode("utf-8")
        except UnicodeDecodeError:
            pass
        if self._lines is None:
            decoded = decode(self._data)
            self._lines = decoded.text.split("\n") if decoded else []
        if not 0 < number <= len(self._lines):
            return printed.decode("utf-8", "replace")
        text = self._lines[number - 1]
        if not cut and not self._query.multiline:
            matcher = python_pattern(self._query)
            if matcher and not matcher.search(text.rstrip("\r")):
                return None
        return text


def python_pattern(query: Query) -> re.Pattern[str] | None:
    """The query's pattern as Python reads it; None where it cannot."""
    text = re.escape(query.pattern) if query.fixed else query.pattern
    if query.word:
        text = rf"(?<!\w)(?:{text})(?!\w)"
    try:
        return re.compile(text, (re.IGNORECASE if query.ignore_case else 0) | re.MULTILINE)
    except (re.error, RecursionError, OverflowError):
        return None


def merged(first: Found, second: Found, *, more: bool | None = None) -> Found:
    """Both, without repetition, by path. ``more`` says whether there is more than these."""
    matches = {(match.path, match.line): match for match in (*second.matches, *first.matches)}
    return Found(
        tuple(matches[place] for place in sorted(matches)),
        first.more or second.more if more is None else more,
        first.timed_out or second.timed_out,
        first.engine or second.engine,
        dict(sorted({**first.counts, **second.counts}.items())),
        max(first.least, second.least),
    )


def split_ripgrep(show: Kind) -> Split:
    return {"lines": _numbered, "counts": _counted, "files": _files}[show]


def split_zeros(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """``path NUL number NUL text``."""
    parts = line.split(b"\0", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else None


def _numbered(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    path, zero, rest = line.partition(b"\0")
    number, colon, text = rest.partition(b":")
    return (path, number, text) if zero and colon else None


def _counted(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    path, zero, count = line.partition(b"\0")
    return (path, count.strip(), b"") if zero else None


def _files(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    return (line, b"1", b"") if line.strip() else None
