"""The lines of the repository that a failure of any language names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

from kcode.testrun.report import Frame

_KEPT = 30
_FOREIGN = {
    "site-packages",
    "dist-packages",
    "node_modules",
    ".tox",
    ".nox",
    "vendor",
    "target",
    "bin",
    "obj",
}
# `at f (/a/b.js:1:2)`, `a_test.go:7: …`, `panicked at src/lib.rs:3:5`, `./spec/a_spec.rb:4:in 'x'`
_PLACE = re.compile(
    r"(?:at (?P<function>[\w.$<> ]{1,120}?) \()?"
    r"(?P<path>(?:file://)?(?:[A-Za-z]:)?[\w@.+~/\\%-][^\s:()\"'<>|]*\.[A-Za-z]{1,5})"
    r":(?:line )?(?P<line>\d{1,7})\b"
)
_SPACED = re.compile(
    r"(?:(?:at |^\s*)(?P<function>[\w.$<> ]{1,120}?) \(|^\s*|\bin )"
    r"(?P<path>/[^:()\"<>|\n]*\.[A-Za-z]{1,5}):(?:line )?(?P<line>\d{1,7})\b"
)
_MOST_LINES = 4_000  # different ones: each may be looked up in several folders
_JAVA = re.compile(
    r"^\s*at (?:[\w.]+/)?(?P<type>[\w.$]+)\.(?P<function>[\w$<>]+)"
    r"\((?P<file>\w+\.(?:java|kt|groovy|scala)):(?P<line>\d{1,9})\)"
)
_SOURCES = ("src/test/java", "src/main/java", "src/test/kotlin", "src/main/kotlin", "src", "")


def stack_of(text: str, folder: Path, base: Path | None = None) -> tuple[Frame, ...]:
    """Frames below ``folder`` from a text that names the innermost first (all but Python's do), turned to
    go from outer to inner. Relative paths are looked up in ``base`` (a Go package), then ``folder``."""
    found: dict[tuple[str, int], Frame] = {}
    for frame in _frames(text[:200_000], folder, base or folder):
        found.setdefault((frame.path, frame.line), frame)
        if len(found) >= _KEPT:
            break
    return tuple(reversed(list(found.values())))


def _frames(text: str, folder: Path, base: Path) -> Iterator[Frame]:
    for line in islice(dict.fromkeys(text.splitlines()), _MOST_LINES):
        if match := _JAVA.match(line):
            if path := _java_file(match["type"], match["file"], folder):
                yield Frame(path, int(match["line"]), match["function"])
            continue
        match = _SPACED.search(line) or _PLACE.search(line)
        if match and (path := _inside(match["path"], folder, base)):
            yield Frame(path, int(match["line"]), (match["function"] or "").rpartition(" ")[2])


def _inside(named: str, folder: Path, base: Path) -> str:
    if named.startswith("file://"):
        named = unquote(named[7:])
    for start in (base, folder):
        found = _relative(str(start / named), str(folder))
        if found:
            return found
    return ""


def _relative(path: str, folder: str) -> str:
    try:
        real = Path(path).resolve()
        relative = real.relative_to(Path(folder).resolve())
        if _FOREIGN.intersection(relative.parts) or not real.is_file():
            return ""
    except (ValueError, OSError):
        return ""
    return relative.as_posix()


def _java_file(type_: str, file: str, folder: Path) -> str:
    package = type_.partition("$")[0].rpartition(".")[0].replace(".", "/")
    for source in _SOURCES:
        path = "/".join(part for part in (source, package, file) if part)
        if _relative(str(folder / path), str(folder)):
            return path
    return ""
