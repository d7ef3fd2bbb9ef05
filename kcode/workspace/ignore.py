"""Which files of a folder count: the rule files that git, ripgrep and kcode know, read alike everywhere.

``.gitignore`` leaves out what git does not keep. ``.ignore`` and ``.rgignore`` are ripgrep's: they leave
out, or bring back, beyond what git says, tracked files too. ``.kcodeignore`` keeps files out entirely: they
are not listed, not searched and not read, and nothing brings them back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

# Never of interest where no repository says what is.
ALWAYS_SKIPPED = frozenset({".git", ".hg", ".svn", "__pycache__", ".venv", "node_modules", ".mypy_cache"})

GIT = ".gitignore"
SEARCH = (".rgignore", ".ignore")  # the stronger first, as ripgrep has it
KEPT_OUT = ".kcodeignore"
_LARGEST = 1_000_000  # bytes of one rule file
_ANY_FOLDER = (
    "(?P<ps_d>/)"  # what pathspec makes of "*/", to be searched for: the others match from the start
)


class Rule(NamedTuple):
    """One line of a rule file in ``folder`` (with a slash at its end, or empty)."""

    folder: str
    matches: re.Pattern[str]
    hides: bool
    source: str  # file:line

    def speaks_of(self, path: str) -> bool:
        """Whether it matches this path itself, not merely a folder above it."""
        path = path[len(self.folder) :]
        found = self.matches.match(path)
        if found is None:
            return path.endswith("/") and self.matches.pattern == _ANY_FOLDER
        end = found.end("ps_d") if "ps_d" in self.matches.groupindex else -1
        return end in (-1, len(path))


_Layer = tuple[Rule, ...]  # the strongest first
_Layers = tuple[_Layer, ...]  # one for each name of rule files


class Rules:
    """What the rule files called ``names`` (the strongest first) say of paths below ``root``, each read when
    it is first asked for. ``excludes`` are rule files for the whole of the repository in the folder ``at``
    (with a slash at its end, or empty) that are weaker than ``.gitignore``.
    """

    def __init__(self, root: Path, names: Sequence[str], excludes: Sequence[Path] = (), at: str = "") -> None:
        self.root = root
        self.names = tuple(names)
        self._base = f"{root}{os.sep}"
        self.negated: set[str] = set()  # folders with a rule, among those read so far, that is a negation
        self.excludes = tuple(excludes)
        self._at = at
        self._read: dict[str, _Layers] = {}
        self._hidden: dict[str, Rule | None] = {"": None}

    @property
    def brings_back(self) -> bool:
        """Whether a rule read so far is a negation."""
        return bool(self.negated)

    def hiding(self, path: str) -> Rule | None:
        """The rule that hides ``path``, itself or by a folder it is in; None where it counts.

        A slash at the end says that it is a folder.
        """
        folder, _, name = path.rstrip("/").rpartition("/")
        folder = folder + "/" if folder else ""
        if folder not in self._hidden:
            self._hidden[folder] = self.hiding(folder)
        return self._hidden[folder] or (self.verdict(path) if name else None)

    def verdict(self, path: str) -> Rule | None:
        """The rule that hides this path where the folders above it are not hidden."""
        folder = path[: path.rstrip("/").rfind("/") + 1]
        for layer in self.layers(folder):
            for rule in layer:
                if rule.speaks_of(path):
                    return rule if rule.hides else None
        return None

    def layers(self, folder: str) -> _Layers:
        """The rules for what lies in ``folder``."""
        if folder not in self._read:
            if folder:
                above = self.layers(folder[: folder.rfind("/", 0, -1) + 1])
                ends = GIT in self.names and os.path.lexists(f"{self._base}{folder}.git")
            else:
                above, ends = tuple(() for _ in self.names), False
            self._read[folder] = tuple(
                (*self._rules(folder, name), *(() if ends and name == GIT else layer))
                for name, layer in zip(self.names, above, strict=True)
            )
        return self._read[folder]

    def visible(self, paths: Iterable[str]) -> list[str]:
        """Those of ``paths`` that no rule hides. Costs next to nothing where there is no rule file."""
        paths = list(paths)
        for folder in sorted({path[: path.rfind("/") + 1] for path in paths}):
            self.layers(folder)
        if not any(any(layers) for layers in self._read.values()):
            return paths
        return [path for path in paths if self.hiding(path) is None]

    def _rules(self, folder: str, name: str) -> _Layer:
        own = self._parsed(folder, f"{self._base}{folder}{name}", f"{folder}{name}")
        if name == GIT and folder == self._at:
            return (
                *own,
                *(
                    rule
                    for file in self.excludes
                    for rule in self._parsed(folder, str(file), file.as_posix())
                ),
            )
        return own

    def _parsed(self, folder: str, file: str, shown: str) -> _Layer:
        try:  # asked for in every folder of a large tree, mostly in vain: the shortest way to say no
            opened = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:
            return ()
        try:
            with os.fdopen(opened, "rb") as stream:
                text = stream.read(_LARGEST).decode("utf-8", "replace")
        except OSError:
            return ()
        from pathspec import GitIgnoreSpec

        found: list[Rule] = []
        for number, line in enumerate(text.splitlines(), 1):
            try:
                patterns = GitIgnoreSpec.from_lines([line]).patterns
            except ValueError:  # git does not stop at a line that is no pattern either
                continue
            for pattern in patterns:
                if pattern.include is not None and pattern.regex is not None:
                    if not pattern.include:
                        self.negated.add(folder)
                    regex: re.Pattern[str] = pattern.regex
                    found.append(Rule(folder, regex, bool(pattern.include), f"{shown}:{number}"))
        return tuple(reversed(found))


def kept_out(root: Path) -> Rules:
    """What ``.kcodeignore`` says below ``root``."""
    return Rules(root, (KEPT_OUT,))


def counted(root: Path, paths: Iterable[str]) -> list[str]:
    """Those of git's ``paths`` that the rule files of ripgrep and kcode do not hide."""
    return kept_out(root).visible(Rules(root, SEARCH).visible(paths))


def walk(root: Path, limit: int = 500_000, *, own: bool = True, skip: Iterable[str] = ()) -> Iterator[str]:
    """Files under ``root`` that no rule hides, relative with forward slashes, sorted within each folder.

    Symlinks to folders are named, not entered. Unreadable folders are left out. ``own``: the rule files of
    ripgrep and kcode count too, not only git's. ``skip``: folders to leave out, relative.
    """
    rules = Rules(root, (*SEARCH, GIT) if own else (GIT,))
    yield from walked(root, rules, kept_out(root) if own else None, ALWAYS_SKIPPED, skip, limit)


def walked(
    root: Path,
    rules: Rules | None,
    out: Rules | None,
    names_skipped: frozenset[str],
    skip: Iterable[str] = (),
    limit: int = 500_000,
    top: str = "",
) -> Iterator[str]:
    """:func:`walk` by given rules, below the folder ``top`` (with a slash at its end, or empty)."""
    found = 0
    skipped = {folder.rstrip("/") for folder in skip}
    pending = [top]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(root / folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError:
            continue
        folders = []
        for entry in entries:
            path = folder + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if (is_folder and entry.name in names_skipped) or entry.name == ".git" or path in skipped:
                continue
            named = path + "/" if is_folder else path
            if (rules and rules.verdict(named)) or (out and out.verdict(named)):
                continue
            if is_folder:
                folders.append(named)
                continue
            yield path
            found += 1
            if found >= limit:
                return
        pending += reversed(folders)
