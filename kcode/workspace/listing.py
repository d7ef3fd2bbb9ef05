"""The files of a folder that count: asked of git where it can be, walked otherwise, by the same rules.

Submodules and repositories inside the repository are part of it; another working tree of the same
repository inside it is not: its files are here already.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.workspace.ignore import GIT, SEARCH, Rules, kept_out, walk, walked
from kcode.workspace.repo import git_sync

_OUTPUT = 256_000_000  # bytes of names
_LINK, _SUBMODULE = "120000", "160000"  # modes in git's index


def list_files(root: Path) -> list[str]:
    """Files below ``root``, relative with forward slashes, sorted: tracked or new, and hidden by no rule."""
    found = _asked(root) if (root / ".git").exists() else None
    return sorted(walk(root)) if found is None else found


def excludes(root: Path) -> list[Path]:
    """The user's exclude files for this repository, the stronger first."""
    found = [common_folder(root) / "info" / "exclude"]
    named = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    default = Path(named) / "git" / "ignore"
    try:
        done = git_sync(root, "config", "--path", "--get", "core.excludesFile")
        line = done.stdout.rstrip("\n") if done.code == 0 else ""
    except EnvironmentProblem:
        line = ""
    return [*found, root / line if line else default]


def common_folder(root: Path) -> Path:
    """The repository's own folder, shared by all its working trees."""
    folder = git_folder(root)
    try:
        named = (folder / "commondir").read_text("utf-8").strip()
    except (OSError, UnicodeError):
        return folder
    return Path(os.path.realpath(folder / named))


def git_folder(root: Path) -> Path:
    """Where this working tree's git data is: ``.git``, or what a ``.git`` file names."""
    mark = root / ".git"
    try:
        line = mark.read_text("utf-8").partition("\n")[0] if mark.is_file() else ""
    except (OSError, UnicodeError):
        line = ""
    named = line.removeprefix("gitdir:").strip() if line.startswith("gitdir:") else ""
    return Path(os.path.realpath(root / named)) if named else mark


def other_trees(root: Path) -> list[str]:
    """Working trees of the same repository that lie below ``root``, relative."""
    return sorted(_trees(root))


def _trees(root: Path) -> Iterator[str]:
    try:
        marks = list((common_folder(root) / "worktrees").glob("*/gitdir"))
    except OSError:
        return
    real = Path(os.path.realpath(root))
    for mark in marks:
        try:
            tree = Path(os.path.realpath(mark.read_text("utf-8").strip())).parent
        except (OSError, UnicodeError):
            continue
        if tree != real and tree.is_relative_to(real):
            yield tree.relative_to(real).as_posix()


def tracked_though_ignored(root: Path, path: str = ".") -> list[str]:
    """Tracked files that a rule of git's would leave out: they count."""
    return [name for name in _names(root, "-ci", "--exclude-standard", "--", path) or () if name]


def _asked(root: Path) -> list[str] | None:
    """None where git cannot tell."""
    with ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(_names, root, *options) for options in (["-s"], ["-o", "--exclude-standard"], ["-d"])
        ]
        tracked, new, deleted = (each.result() for each in asked)
    if tracked is None or new is None or deleted is None:
        return None
    gone = set(deleted)
    nested = [name.rstrip("/") for name in new if name.endswith("/")]
    found = {name for name in new if not name.endswith("/")}
    for line in tracked:
        about, _, name = line.partition("\t")
        if about.startswith(_SUBMODULE):
            nested.append(name)
        elif name and name not in gone:
            found.add(name)
    inside = set(other_trees(root))
    for folder in sorted(set(nested) - inside):
        if (root / folder / ".git").exists():  # a submodule may not be checked out
            found.update(f"{folder}/{name}" for name in list_files(root / folder))
    found.discard("")
    return sorted(_by_own_rules(root, found, inside))


def _by_own_rules(root: Path, files: set[str], inside: set[str]) -> list[str]:
    """Without what ripgrep's and kcode's rule files hide, with what the former bring back."""
    rules = Rules(root, SEARCH)
    kept = rules.visible(files)
    if rules.brings_back:
        both = Rules(root, (*SEARCH, GIT), excludes(root))
        kept = list({*kept, *walked(root, both, None, frozenset(), inside)})
    return kept_out(root).visible(kept)


def _names(root: Path, *options: str) -> list[str] | None:
    try:
        done = git_sync(root, "ls-files", "-z", *options, max_output=_OUTPUT)
    except EnvironmentProblem:
        return None
    return None if done.code or done.cut_bytes else done.stdout.split("\0")
