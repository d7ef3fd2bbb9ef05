"""Which files a search is about: the rules of the workspace, the folder, globs and file types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kcode.tools.base import ToolRefused
from kcode.tools.globs import Globs, globs_of, matcher, type_globs
from kcode.workspace import listing
from kcode.workspace.ignore import ALWAYS_SKIPPED, GIT, KEPT_OUT, SEARCH, Rules, kept_out, walked
from kcode.workspace.workspace import Workspace

_NAMES_FILES = re.compile(r"^[^*]*\*?[^*]*\.[^*]*\*?[^*]*$")  # not one that may name a folder


@dataclass(frozen=True, slots=True)
class Scope:
    """``top`` is the folder searched, relative with a slash at its end, empty for all of ``root``.

    ``whole``: the folder is one that rules hide, so that they are not asked about what is in it.
    """

    root: Path
    is_git: bool
    top: str
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]
    types: tuple[str, ...]
    whole: bool
    trees: tuple[str, ...]
    _rules: Rules
    _out: Rules
    _specs: tuple[Globs, ...]

    @classmethod
    def of(cls, workspace: Workspace, path: str, glob: str, types: str) -> Scope:
        """Raises :class:`ToolRefused` for globs and types that are none, and where all is kept out."""
        root = workspace.root
        top = "" if path in (".", "") else path.rstrip("/") + "/"
        wanted, unwanted = globs_of(glob)
        kinds = type_globs(types)
        rules = Rules(root, (*SEARCH, GIT), listing.excludes(root) if workspace.is_git else ())
        out = kept_out(root)
        if top and (rule := out.hiding(top)):
            raise ToolRefused(f"{path} is kept out by {rule.source}: the user keeps it from you")
        trees = tuple(tree for tree in listing.other_trees(root) if not top.startswith(f"{tree}/"))
        skipped = not workspace.is_git and not ALWAYS_SKIPPED.isdisjoint(top.split("/"))
        whole = bool(top) and (rules.hiding(top) is not None or skipped)
        specs = tuple(matcher(",".join(part)) for part in (wanted, unwanted, kinds) if part)
        return cls(root, workspace.is_git, top, wanted, unwanted, kinds, whole, trees, rules, out, specs)

    def has(self, path: str) -> bool:
        """Whether a file that an engine names is one of those that are searched, tracked ones aside."""
        return self._named(path) and not self._hidden(path)

    def files(self) -> list[str]:
        """All of them, by path."""
        if self.whole:
            files = [*walked(self.root, None, self._out, frozenset(), top=self.top)]
        else:
            files = listing.list_files(self.root)
        return [path for path in files if self._named(path)]

    def tracked_though_ignored(self) -> list[str]:
        """Those that git has although its rules hide them: an engine that walks passes them over."""
        if self.whole or not self.is_git:
            return []
        rules = Rules(self.root, SEARCH)
        listed = listing.tracked_though_ignored(self.root, self.top or ".", self._rules.excludes)
        return [
            path
            for path in listed
            if self._named(path)
            and not rules.hiding(path)
            and not self._out.hiding(path)
            and not (self.root / path).is_symlink()
            and (self.root / path).is_file()
        ]

    def only_git_decides(self) -> bool:
        """Whether git's own rules and its one repository are all there is in the scope."""
        if self.whole or self.trees:
            return False
        files = listing.list_files(self.root)
        folders = listing.folders_of(files)
        others = Rules(self.root, (*SEARCH, KEPT_OUT))
        plain = not any(any(others.layers(folder)) for folder in folders)
        return plain and not any(folder and (self.root / folder / ".git").exists() for folder in folders)

    def for_ripgrep(self) -> list[str]:
        """Options that make ripgrep pass over early what :meth:`has` says no to anyway."""
        out = ["--glob=!.git"]
        out += [f"--glob=!/{_literal(tree)}" for tree in self.trees]
        for glob in self.unwanted:
            out.append(f"--glob=!{self._anchored(glob)}")
        names = self.types or tuple(glob.rsplit("/", 1)[-1] for glob in self.wanted)
        if names and all(_NAMES_FILES.search(name) for name in names):
            out += [f"--type-add=asked:{name}" for name in names] + ["--type=asked"]
        if self.whole:
            return [*out, "--no-ignore"]
        if not self.is_git:
            out += ["--no-ignore-global", *(f"--glob=!{name}/" for name in sorted(ALWAYS_SKIPPED))]
        return [*out, *self._rule_files()]

    def _rule_files(self) -> list[str]:
        rules = Rules(self.root, SEARCH)
        rules.layers("")
        files = [self.root / KEPT_OUT]
        if self.top and not rules.brings_back:  # ripgrep does not look above the folder by itself
            files = [self.root / name for name in (GIT, *reversed(SEARCH), KEPT_OUT)]
            if self.is_git:
                files.insert(0, listing.common_folder(self.root) / "info" / "exclude")
        return [f"--ignore-file={file}" for file in files if file.is_file()]

    def _anchored(self, glob: str) -> str:
        return f"/{_literal(self.top)}{glob.lstrip('/')}" if "/" in glob.rstrip("/") else glob

    def _named(self, path: str) -> bool:
        if not path.startswith(self.top):
            return False
        inner = path[len(self.top) :]
        specs = iter(self._specs)
        for part, expected in ((self.wanted, True), (self.unwanted, False), (self.types, True)):
            if part and next(specs).match_file(inner) is not expected:
                return False
        return not any(path.startswith(f"{tree}/") for tree in self.trees)

    def _hidden(self, path: str) -> bool:
        if self._out.hiding(path):
            return True
        if self.whole:
            return False
        return self._rules.hiding(path) is not None


def _literal(path: str) -> str:
    """A path as a glob that means just it."""
    return re.sub(r"([*?\[\]{}!\\])", r"\\\1", path)
