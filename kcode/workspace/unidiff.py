"""A unified diff of git's as data: files, hunks, lines with their numbers on both sides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Sign = Literal[" ", "+", "-"]


@dataclass(frozen=True, slots=True)
class DiffLine:
    """``old`` and ``new`` are line numbers from 1; 0 on the side that does not have the line."""

    sign: Sign
    text: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class DiffHunk:
    """``header`` is what git says behind the second ``@@``: the function it is in, or ``""``."""

    header: str
    lines: tuple[DiffLine, ...]

    @property
    def changed(self) -> int:
        """Lines added and removed."""
        return sum(line.sign != " " for line in self.lines)


@dataclass(frozen=True, slots=True)
class DiffFile:
    """One file of a diff. ``path`` is the new name (the old one of a deleted file), ``was`` the old name of
    a rename or copy, else ``""``. A binary file has no hunks."""

    path: str
    was: str = ""
    status: Literal["added", "deleted", "renamed", "copied", "modified"] = "modified"
    binary: bool = False
    hunks: tuple[DiffHunk, ...] = ()

    @property
    def added(self) -> int:
        return sum(line.sign == "+" for hunk in self.hunks for line in hunk.lines)

    @property
    def removed(self) -> int:
        return sum(line.sign == "-" for hunk in self.hunks for line in hunk.lines)


_HUNK = re.compile(r"^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)$")
_STARTS = {"new file mode": "added", "deleted file mode": "deleted", "rename from": "renamed"}


def parse(diff: str) -> list[DiffFile]:
    """The files of what ``git diff`` printed. Lines that belong to no hunk are left out."""
    return [_file(lines) for lines in _files(diff.split("\n"))]


def _files(lines: Sequence[str]) -> Iterator[list[str]]:
    """The lines of each file; a line of a hunk that begins like a header is none."""
    current: list[str] = []
    old = new = 0  # lines that the running hunk still has
    for line in lines:
        if old <= 0 and new <= 0 and line.startswith("diff --git "):
            if current:
                yield current
            current = []
        elif match := _HUNK.match(line) if old <= 0 and new <= 0 else None:
            old, new = (int(match[n]) if match[n] is not None else 1 for n in (2, 4))
        elif line[:1] in (" ", "+", "-", ""):
            old -= line[:1] != "+"
            new -= line[:1] != "-"
        current.append(line)
    if current and current[0].startswith("diff --git "):
        yield current


def _file(lines: list[str]) -> DiffFile:
    status, path, was, binary = "modified", "", "", False
    at = 1
    while at < len(lines) and not lines[at].startswith("@@ "):
        line = lines[at]
        for start, meaning in _STARTS.items():
            status = meaning if line.startswith(start) else status
        if line.startswith("copy from "):
            status = "copied"
        if line.startswith(("rename from ", "copy from ")):
            was = unquoted(line.partition(" from ")[2])
        elif line.startswith(("rename to ", "copy to ")):
            path = unquoted(line.partition(" to ")[2])
        elif line.startswith(("--- ", "+++ ")) and not line.endswith("/dev/null"):
            path = unquoted(line[4:].removesuffix("\t"))[2:]
        elif line.startswith(("Binary files ", "GIT binary patch")):
            binary = True
        at += 1
    path = path or _named(lines[0])
    return DiffFile(path, was, status, binary, tuple(_hunks(lines[at:])))  # type: ignore[arg-type]


def _named(header: str) -> str:
    """The path of ``diff --git a/x b/x``, where nothing else names it: both sides are the same then."""
    rest = header.removeprefix("diff --git ")
    if rest.startswith('"'):
        return unquoted(rest[: len(rest) // 2])[2:]
    return rest[len(rest) // 2 + 3 :]


def _hunks(lines: Sequence[str]) -> Iterator[DiffHunk]:
    header = ""
    found: list[DiffLine] = []
    old = new = ends = 0
    for line in lines:
        if match := _HUNK.match(line):
            if found:
                yield DiffHunk(header, tuple(found))
            header, found = match[5], []
            old, new = int(match[1]), int(match[3])
            ends = old + (int(match[2]) if match[2] is not None else 1)
        elif line.startswith("+"):
            found.append(DiffLine("+", line[1:], 0, new))
            new += 1
        elif line.startswith("-"):
            found.append(DiffLine("-", line[1:], old, 0))
            old += 1
        elif line.startswith(" ") or (not line and old < ends):  # diff.suppressBlankEmpty
            found.append(DiffLine(" ", line[1:], old, new))
            old, new = old + 1, new + 1
    if found:
        yield DiffHunk(header, tuple(found))


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", '"': '"', "\\": "\\"}


def unquoted(name: str) -> str:
    """A path as git quotes it: C escapes, with other bytes in octal."""
    if not (len(name) > 1 and name.startswith('"') and name.endswith('"')):
        return name
    out = bytearray()
    for part in re.finditer(r"\\([0-3][0-7]{2})|\\(.)|([^\\]+)", name[1:-1]):
        if part[1]:
            out.append(int(part[1], 8))
        else:
            out += (_ESCAPES.get(part[2], part[2]) if part[2] else part[3]).encode("utf-8", "replace")
    return out.decode("utf-8", "replace")
