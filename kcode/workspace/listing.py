"""The files of a folder that count: asked of git where it can be, walked otherwise, by the same rules.

Submodules and repositories inside the repository are part of it; another working tree of the same
repository inside it is not: its files are here already.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from kcode.errors import EnvironmentProblem
from kcode.workspace.ignore import GIT, SEARCH, Rules, kept_out, walk, walked
from kcode.workspace.repo import git_sync

_OUTPUT = 256_000_000  # bytes of names
_LINK, _SUBMODULE = "120000", "160000"  # modes in git's index


class _Listed(NamedTuple):
    """What git has, relative: ``repositories`` are this one ("") and those within, ``trees`` other working
    trees of theirs."""

    files: set[str]
    repositories: list[str]
    trees: set[str]


def list_files(root: Path) -> list[str]:
    """Files below ``root``, relative with forward slashes, sorted: tracked or new, and hidden by no rule."""
    listed = _asked(root) if (root / ".git").exists() else None
    if listed is None:
        return sorted(walk(root))
    rules = Rules(root, SEARCH)
    rules.layers("")  # where git ignores all there is, too
    found = set(rules.visible(listed.files))
    for repository in listed.repositories:
        for folder in _with_hidden_rules(root, repository, listed.files):
            rules.layers(folder)
    for repository in listed.repositories if rules.negated else ():
        found |= brought_back(root, repository, rules.negated, listed.trees, listed.repositories)
    return sorted(kept_out(root).visible(found))


def _with_hidden_rules(root: Path, repository: str, files: Iterable[str]) -> Iterator[str]:
    """Folders with rule files of ripgrep's that git ignores, where nothing that it lists need be. It is asked
    only where a rule of its own hides such a file."""
    prefix = f"{repository}/" if repository else ""
    rules = rules_of(root, repository)
    ruled = {
        prefix,
        *(path[: -len(GIT)] for path in files if path.endswith(f"/{GIT}") and path.startswith(prefix)),
    }
    its_own = Rules(root, (GIT,), rules.excludes, prefix)
    if all(its_own.hiding(folder + name) is None for folder in ruled for name in SEARCH):
        return
    for path in sorted(prefix + entry for entry in _ignored(root / repository, [""])):
        if path.endswith(tuple(f"/{name}" for name in SEARCH)):
            yield path[: path.rfind("/") + 1]
        elif path.endswith("/") and rules.hiding(path) is None:  # a folder in which git ignores all there is
            for folder, _, names in os.walk(root / path):
                if not set(SEARCH).isdisjoint(names):
                    yield f"{Path(folder).relative_to(root).as_posix()}/"


def brought_back(
    root: Path,
    repository: str,
    negated: Collection[str],
    trees: Collection[str],
    others: Collection[str] = (),
) -> set[str]:
    """The files that git ignores in ``repository`` (a folder below ``root``, or empty) and that ripgrep's
    rules bring back: only what git hides is looked at, where a rule in one of the folders ``negated`` speaks.

    ``trees``: folders that are left out; ``others``: more repositories, which are asked for by themselves.
    """
    prefix = f"{repository}/" if repository else ""
    folders = _spoken_of(prefix, negated, others)
    found: set[str] = set()
    if not folders:
        return found
    rules = rules_of(root, repository)
    done = ""
    for path in sorted(prefix + entry for entry in _ignored(root / repository, folders)):
        if (done and path.startswith(done)) or path.rstrip("/") in trees or rules.hiding(path):
            continue
        if path.endswith("/") or not path:
            found.update(walked(root, rules, None, frozenset(), trees, top=path))
            done = path
        else:
            found.add(path)
    return found


def rules_of(root: Path, repository: str) -> Rules:
    """All that git and ripgrep go by below ``root``, in one of its repositories (a folder, or empty)."""
    at = f"{repository}/" if repository else ""
    return Rules(root, (*SEARCH, GIT), excludes(root / repository), at)


def _spoken_of(prefix: str, negated: Iterable[str], others: Iterable[str]) -> list[str]:
    """The folders of a repository (``prefix``) that rules in folders ``negated`` speak of; "": all of it."""
    inner = tuple(f"{other}/" for other in others if other and f"{other}/" != prefix)
    inner = tuple(other for other in inner if other.startswith(prefix))
    found = set()
    for folder in negated:
        if prefix.startswith(folder):
            return [""]
        if folder.startswith(prefix) and not folder.startswith(inner):
            found.add(folder[len(prefix) :])
    return sorted(found)


def _ignored(root: Path, folders: Iterable[str]) -> list[str]:
    """What git ignores in these folders: of a folder that it ignores whole, the folder alone."""
    asked = ("-o", "-i", "--exclude-standard", "--directory")
    named = [f":(literal){folder}" for folder in folders if folder]
    found = _names(root, *asked, "--", *named) if named else None
    if found is None:  # git refuses to be asked about a folder within one that is ignored
        found = _names(root, *asked)
    return [""] if found is None else [path for path in found if path]


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


def tracked_though_ignored(root: Path, path: str = ".", excluding: Iterable[Path] = ()) -> list[str]:
    """Tracked files that a rule of git's would leave out: they count. ``excluding`` are the user's exclude
    files. Git looks at every file for this, so its answer is kept for as long as its index and the rule
    files beside what it tracks are as they were."""
    kept = _THOUGH_IGNORED.get((root, path))
    if kept is not None and kept.state == _state(root, kept.folders, excluding):
        return kept.paths
    tracked = _names(root, "--", path)
    folders = folders_of(tracked or ())
    before = _state(root, folders, excluding)
    paths = [name for name in _names(root, "-ci", "--exclude-standard", "--", path) or () if name]
    if tracked is not None:
        while len(_THOUGH_IGNORED) >= _ANSWERS_KEPT:
            _THOUGH_IGNORED.pop(next(iter(_THOUGH_IGNORED)), None)
        _THOUGH_IGNORED[root, path] = _Kept(before, folders, paths)
    return paths


def forget() -> None:
    """What git said before is not known any more."""
    _THOUGH_IGNORED.clear()


class _Kept(NamedTuple):
    """What git said of the tracked files in ``folders``, and what it depends on."""

    state: tuple[object, ...]
    folders: tuple[str, ...]
    paths: list[str]


_THOUGH_IGNORED: dict[tuple[Path, str], _Kept] = {}
_ANSWERS_KEPT = 8


def folders_of(paths: Iterable[str]) -> tuple[str, ...]:
    """Those that the paths lie in and all above them, with a slash at their ends; "" among them."""
    found = {""}
    for folder in {path[: path.rfind("/") + 1] for path in paths}:
        while folder not in found:
            found.add(folder)
            folder = folder[: folder.rfind("/", 0, -1) + 1]
    return tuple(sorted(found))


def _state(root: Path, folders: Iterable[str], excluding: Iterable[Path]) -> tuple[object, ...]:
    """What is different after the index, a rule file or an exclude file was changed."""
    base = f"{root}{os.sep}"
    rules = [
        *(f"{base}{folder}{GIT}" for folder in folders),
        *map(str, excluding),
        str(git_folder(root) / "index"),
    ]
    return tuple((file, about) for file in rules if (about := _stamp(file)))


def _stamp(file: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(file)  # noqa: PTH116 - asked for in every folder of a large tree
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _asked(root: Path) -> _Listed | None:
    """None where git cannot tell."""
    with ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(_names, root, *options) for options in (["-s"], ["-o", "--exclude-standard"], ["-d"])
        ]
        tracked, new, deleted = (each.result() for each in asked)
    if tracked is None or new is None or deleted is None:
        return None
    gone = set(deleted)
    nested = {name.rstrip("/") for name in new if name.endswith("/")}
    found = {name for name in new if not name.endswith("/")}
    for line in tracked:
        about, _, name = line.partition("\t")
        if about.startswith(_SUBMODULE):
            nested.add(name)
        elif name and name not in gone:
            found.add(name)
    found.discard("")
    listed = _Listed(found, [""], set(other_trees(root)))
    for folder in sorted(nested - listed.trees):
        if (root / folder / ".git").exists():  # a submodule may not be checked out
            _add(listed, root, folder)
    return listed


def _add(listed: _Listed, root: Path, folder: str) -> None:
    """What a repository within has."""
    inner = _asked(root / folder)
    if inner is None:
        listed.files.update(f"{folder}/{name}" for name in walk(root / folder))
        return
    listed.files.update(f"{folder}/{name}" for name in inner.files)
    listed.repositories.extend(f"{folder}/{name}".rstrip("/") for name in inner.repositories)
    listed.trees.update(f"{folder}/{name}" for name in inner.trees)


def _names(root: Path, *options: str) -> list[str] | None:
    try:
        done = git_sync(root, "ls-files", "-z", *options, max_output=_OUTPUT)
    except EnvironmentProblem:
        return None
    return None if done.code or done.cut_bytes else done.stdout.split("\0")
