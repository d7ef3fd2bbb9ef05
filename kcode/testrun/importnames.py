"""Imports of Go, Java, Kotlin, Ruby, PHP and Rust: by package and name, as their sources write them."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from kcode.testrun.adapter import text_of

_JVM = (".java", ".kt")
_GO_IMPORT = re.compile(r'^\s*(?:import\s+)?(?:[\w.]+\s+)?"(?P<path>[^"\s]+)"\s*$', re.M)
_WORD = re.compile(r"[A-Za-z_]\w*")
_RUBY = re.compile(r"^\s*require(?P<near>_relative)?\s*\(?\s*['\"](?P<path>[^'\"\n]+)['\"]", re.M)
_PHP = re.compile(
    r"^\s*(?:use\s+[\w\\\\]*?(?P<name>\w+)(?:\s+as\s+\w+)?\s*;|.*?\b(?:require|include)(?:_once)?\b.*?"
    r"['\"](?P<path>[^'\"\n]+\.php)['\"])",
    re.M,
)
_LARGEST = 1_000_000  # characters


class Named:
    """The files of a repository by the names under which others use them."""

    def __init__(self, root: Path, known: Iterable[str]) -> None:
        self._root = root
        self._known = set(known)
        self._folders: defaultdict[str, list[str]] = defaultdict(list)  # Go's packages
        self._types: defaultdict[str, list[str]] = defaultdict(list)  # classes, by the file's name
        self._crates: dict[str, list[str]] = {}
        self._modules: dict[str, tuple[str, str] | None] = {}
        for path in sorted(self._known):
            pure = PurePosixPath(path)
            if pure.suffix == ".go" and not path.endswith("_test.go"):
                self._folders[posixpath.dirname(path)].append(path)
            elif pure.suffix in (*_JVM, ".php"):
                self._types[pure.stem].append(path)
            elif pure.suffix == ".rs":
                self._crates.setdefault(self._above(path, "Cargo.toml"), []).append(path)

    def used(self, path: str) -> Iterator[str]:
        """The files that ``path`` uses, itself perhaps among them."""
        suffix = PurePosixPath(path).suffix
        if suffix == ".go":
            yield from self._go(path)
        elif suffix in _JVM:
            yield from self._jvm(path)
        elif suffix == ".rb":
            yield from self._ruby(path)
        elif suffix == ".php":
            yield from self._php(path)
        elif suffix == ".rs":  # a crate is compiled as one
            yield from self._crates.get(self._above(path, "Cargo.toml"), ())

    def _go(self, path: str) -> Iterator[str]:
        yield from self._folders.get(posixpath.dirname(path), ())
        place = self._above(path, "go.mod")
        if place not in self._modules:
            found = re.search(r'^module\s+"?([^\s"]+)', text_of(self._root / place / "go.mod"), re.M)
            self._modules[place] = (found[1], place) if found else None
        module = self._modules[place]
        if module is None:
            return
        for match in _GO_IMPORT.finditer(text_of(self._root / path, _LARGEST)):
            if match["path"] == module[0] or match["path"].startswith(f"{module[0]}/"):
                inner = match["path"].removeprefix(module[0]).lstrip("/")
                yield from self._folders.get(posixpath.join(place, inner).rstrip("/"), ())

    def _jvm(self, path: str) -> Iterator[str]:
        """Classes are used by their names: those that an import or the package makes known."""
        text = text_of(self._root / path, _LARGEST)
        package = _package(path)
        for word in set(_WORD.findall(text)) & self._types.keys():
            for other in self._types[word]:
                dotted = _package(other)
                if dotted == package or f"{dotted}.{word}" in text or f"{dotted}.*" in text:
                    yield other

    def _ruby(self, path: str) -> Iterator[str]:
        folder = posixpath.dirname(path)
        for match in _RUBY.finditer(text_of(self._root / path, _LARGEST)):
            name = match["path"].removesuffix(".rb") + ".rb"
            places = [folder] if match["near"] else ["lib", "", "spec", "test", "app"]
            for place in places:
                found = posixpath.normpath(posixpath.join(place, name))
                if found in self._known:
                    yield found
                    break

    def _php(self, path: str) -> Iterator[str]:
        folder = posixpath.dirname(path)
        text = text_of(self._root / path, _LARGEST)
        for match in _PHP.finditer(text):
            if match["name"]:
                yield from self._types.get(match["name"], ())
            elif (
                near := posixpath.normpath(posixpath.join(folder, match["path"].lstrip("/")))
            ) in self._known:
                yield near

    def _above(self, path: str, marker: str) -> str:
        """The nearest folder at or above that holds ``marker``, empty for the root."""
        for parent in PurePosixPath(path).parents:
            if (self._root / parent / marker).is_file():
                return "" if parent == PurePosixPath() else parent.as_posix()
        return ""


_SOURCE = re.compile(r"(?:^|/)(?:java|kotlin)/(?P<inner>.*)/[^/]+$")


def _package(path: str) -> str:
    inner = _SOURCE.search(path)
    return (inner["inner"] if inner else posixpath.dirname(path)).replace("/", ".")
