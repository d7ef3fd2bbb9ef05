"""What has changed in a repository since the last look, told without looking at every file.

git compares its own index with the disk (threads, no Python), and a folder whose time is as it was holds
the same names. Whatever this cannot tell for certain, such as a changed git index or changed ignore rules,
is left to a full update. Submodules and repositories within the repository are looked at by themselves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kcode.codemap.files import MOST, reads
from kcode.errors import KcodeError
from kcode.workspace.ignore import SEARCH, counted
from kcode.workspace.listing import other_trees
from kcode.workspace.repo import git_sync

MOST_FOLDERS = 100  # changed ones: more are a full update's business
RACY_NS = (
    2_000_000_000  # a folder that changed this short a time ago may change again within its clock's tick
)
_OUTPUT = 64_000_000  # bytes
_SUBMODULE = "160000"  # a mode in git's index
_RULES = (".gitignore", ".ignore", ".rgignore", ".kcodeignore")


@dataclass(frozen=True, slots=True)
class _State:
    """What was seen at a look: times by folder, stamps of the files that rule, files git calls changed."""

    rules: dict[str, tuple[int, int] | None]
    folders: dict[str, int]
    dirty: frozenset[str]
    untracked: frozenset[str]
    within: dict[str, Watch]  # the repositories in it, by their folders


class Watch:
    """The state of ``root`` as of the last look. To be used by one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._state: _State | None = None
        self._begun: _State | None = None

    @property
    def ready(self) -> bool:
        return self._state is not None

    def begin(self) -> None:
        """Look at everything, before a full update; what changes from here on is told by :meth:`look`."""
        self._state = self._begun = None
        if not (self._root / ".git").exists():
            return
        listed = self._names("ls-files", "-s", "-z")
        untracked = self._names("ls-files", "-o", "--exclude-standard", "-z")
        dirty = self._names("diff-files", "--name-only", "-z")
        if listed is None or untracked is None or dirty is None or len(listed) > MOST:
            return
        entries = [line.partition("\t") for line in listed]
        submodules = [path for about, _, path in entries if about.startswith(_SUBMODULE)]
        tracked = [path for about, _, path in entries if not about.startswith(_SUBMODULE)]
        within = self._within({*submodules, *(path[:-1] for path in untracked if path.endswith("/"))})
        if within is None:
            return
        folders = {""}
        for path in (*tracked, *untracked):
            while (path := path.rpartition("/")[0]) and path not in folders:
                folders.add(path)
        for folder in sorted(folders):
            folders.update(self._below(folder))
        rules = {path for path in (*tracked, *untracked) if path.endswith(_RULES)}
        if any(self._brings_back(path) for path in rules if path.endswith(SEARCH)):
            return  # files that git does not speak of count too
        self._begun = _State(
            {
                path: self._stamp(path)
                for path in (*sorted(rules), *self._git_files(), *(f"{each}/.git" for each in submodules))
            },
            dict(self._times(folders)),
            frozenset(dirty),
            frozenset(path for path in untracked if reads(path)),
            within,
        )

    def updated(self) -> None:
        """The full update that followed :meth:`begin` has been recorded."""
        self._state, self._begun = self._begun, None
        for each in self._state.within.values() if self._state else ():
            each.updated()

    def look(self) -> list[str] | None:
        """Paths that may have changed, appeared or gone since the last look; None: look at everything."""
        before = self._state
        if before is None or any(self._stamp(path) != stamp for path, stamp in before.rules.items()):
            return None
        with ThreadPoolExecutor(1) as pool:
            comparing = pool.submit(self._names, "diff-files", "--name-only", "-z")
            times = dict(self._times(before.folders))
            now = time.time_ns()
            changed = [
                folder
                for folder, mtime_ns in before.folders.items()
                if times.get(folder) != mtime_ns or now - mtime_ns < RACY_NS
            ]
            dirty = comparing.result()
        if dirty is None or len(changed) > MOST_FOLDERS:
            return None
        new = self._new(changed, times, before)
        if new is None or any(path.endswith(_RULES) for path in new):
            return None
        inner = self._look_within(before)
        if inner is None:
            return None
        there = {path for path in before.untracked | new if (self._root / path).exists()}
        self._state = _State(before.rules, times, frozenset(dirty), frozenset(there), before.within)
        touched = {path for path in {*dirty, *before.dirty, *before.untracked, *new} if reads(path)}
        return sorted(counted(self._root, touched | inner))

    def _within(self, folders: Iterable[str]) -> dict[str, Watch] | None:
        """The repositories among ``folders``, each looked at; None where one of them cannot be."""
        found = {}
        for folder in sorted(self._repositories(folders)):  # a submodule may not be checked out
            found[folder] = watch = Watch(self._root / folder)
            watch.begin()
            if watch._begun is None:
                return None
        return found

    def _look_within(self, before: _State) -> set[str] | None:
        """What :meth:`look` tells of the repositories within."""
        found: set[str] = set()
        for folder, watch in before.within.items():
            paths = watch.look()
            if paths is None:
                return None
            found.update(f"{folder}/{path}" for path in paths)
        return found

    def _new(self, changed: Iterable[str], times: dict[str, int], before: _State) -> set[str] | None:
        """Untracked files in folders that changed, and in folders that are new, which ``times`` learns of."""
        wanted = []
        for folder in changed:
            if folder in times:
                wanted.append(folder)
                times.update(self._times(self._below(folder) - before.folders.keys()))
        fresh = times.keys() - before.folders.keys()
        if self._repositories((fresh | set(wanted)) - before.within.keys()):
            return None
        asked = [f":(glob){_escaped(folder)}{'/' if folder else ''}*" for folder in wanted]
        asked += [f":(literal){folder}" for folder in sorted(fresh)]
        if not asked:
            return set()
        found = self._names("ls-files", "-o", "--exclude-standard", "-z", "--", *asked)
        if found is None:
            return None
        for path in found:  # folders within new folders
            while (path := path.rpartition("/")[0]) and path not in times:
                times.update(self._times([path]))
                times.update(self._times(self._below(path)))
                if path not in times:
                    break
        return {path for path in found if not path.endswith("/")}

    def _repositories(self, folders: Iterable[str]) -> set[str]:
        """Those of ``folders`` below the root that are repositories, not working trees of this one."""
        found = {folder for folder in folders if folder and (self._root / folder / ".git").exists()}
        return found - set(other_trees(self._root)) if found else found

    def _brings_back(self, path: str) -> bool:
        try:
            lines = (self._root / path).read_bytes().splitlines()
        except OSError:
            return False
        return any(line.startswith(b"!") for line in lines)

    def _git_files(self) -> Iterator[str]:
        for name in ("index", "info/exclude", "HEAD"):
            done = git_sync(self._root, "rev-parse", "--git-path", name)
            yield done.stdout.strip() if not done.code else f".git/{name}"

    def _names(self, *arguments: str) -> list[str] | None:
        try:
            done = git_sync(self._root, *arguments, max_output=_OUTPUT)
        except KcodeError:
            return None
        if done.code or done.cut_bytes:
            return None
        return [path for path in done.stdout.split("\0") if path]

    def _stamp(self, path: str) -> tuple[int, int] | None:
        try:
            info = (self._root / path).stat()
        except OSError:
            return None
        return info.st_mtime_ns, info.st_size

    def _times(self, folders: Iterable[str]) -> Iterator[tuple[str, int]]:
        look, prefix = os.lstat, f"{self._root}/"
        for folder in folders:
            try:
                yield folder, look(prefix + folder).st_mtime_ns
            except (OSError, ValueError):
                continue

    def _below(self, folder: str) -> set[str]:
        """The folders in a folder: empty ones too, in which a file may appear."""
        start = f"{folder}/" if folder else ""
        try:
            with os.scandir(self._root / folder) as scan:
                return {
                    start + entry.name
                    for entry in scan
                    if entry.name != ".git" and entry.is_dir(follow_symlinks=False)
                }
        except OSError:
            return set()


def _escaped(folder: str) -> str:
    return "".join(f"\\{char}" if char in "*?[\\" else char for char in folder)
