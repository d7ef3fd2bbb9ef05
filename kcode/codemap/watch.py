"""What has changed in a repository since the last look, told without looking at every file.

Linux tells which files were touched; elsewhere, and once a minute, git compares its own index with the disk
(threads, no Python), and a folder whose time is as it was holds the same names. Whatever this cannot tell for
certain, such as a changed git index or changed ignore rules, is left to a full update. Submodules and
repositories within the repository are looked at by themselves. Of what git ignores it tells nothing: what
ripgrep's rules bring back of that is looked at file by file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kcode.codemap.files import MOST, reads
from kcode.codemap.notices import Notices, Told
from kcode.errors import KcodeError
from kcode.workspace.ignore import SEARCH, Rules, counted, walked
from kcode.workspace.listing import brought_back, other_trees, rules_of
from kcode.workspace.repo import git_sync

MOST_FOLDERS = 100  # changed ones: more are a full update's business
MOST_APART = 20_000  # files that git ignores and a rule brings back: more are a full update's business
RACY_NS = (
    2_000_000_000  # a folder that changed this short a time ago may change again within its clock's tick
)
ALL_S = 60.0  # everything is looked at after this long, whatever the system tells
MOST_TOUCHED = 500  # files: if the system tells of more, everything is looked at
_OUTPUT = 64_000_000  # bytes
_SUBMODULE = "160000"  # a mode in git's index
_RULES = (".gitignore", ".ignore", ".rgignore", ".kcodeignore")


_Seen = tuple[dict[str, int], list[str], list[str]]
"""Times by folder; the folders with other names in them; the files that differ from git's index."""
_Stamp = tuple[int, ...]  # nothing is as it was where it differs; empty: there is no such file


@dataclass(frozen=True, slots=True)
class _State:
    """What was seen at a look: times by folder, stamps of the files that rule, and of those that git cannot
    tell about: those it calls changed, and ``apart``, which it has not."""

    rules: dict[str, _Stamp]
    folders: dict[str, int]
    stamps: dict[str, _Stamp]
    apart: frozenset[str]
    within: dict[str, Watch]  # the repositories in it, by their folders
    back: Rules | None  # by which files that git ignores count; None where no rule brings any back


class Watch:
    """The state of ``root`` as of the last look. To be used by one thread at a time."""

    def __init__(self, root: Path, folder: str = "", negated: frozenset[str] = frozenset()) -> None:
        """Of the repository in ``folder`` below ``root``; rules in folders ``negated`` bring files back."""
        self._top, self._prefix = root, f"{folder}/" if folder else ""
        self._root = root / folder
        self._outer = negated
        self._state: _State | None = None
        self._begun: _State | None = None
        self._notices: Notices | None = None
        self._looked_at = float("-inf")  # when everything was looked at for the last time

    def close(self) -> None:
        if self._notices is not None:
            self._notices.close()
            self._notices = None

    @property
    def ready(self) -> bool:
        return self._state is not None

    def begin(self) -> None:
        """Look at everything, before a full update; what changes from here on is told by :meth:`look`."""
        self._state = self._begun = None
        self.close()
        self._looked_at = float("-inf")
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
        rules = {*_RULES, *(path for path in (*tracked, *untracked) if path.endswith(_RULES))}
        negated = self._negated(rules)
        inner = {*submodules, *(path[:-1] for path in untracked if path.endswith("/"))}
        within = self._within(inner, negated)
        back = brought_back(self._top, self._prefix.rstrip("/"), negated, self._trees()) if negated else set()
        if within is None or len(back) > MOST_APART:
            return
        apart = {*(path[len(self._prefix) :] for path in back), *untracked}
        rules.update(path for path in apart if path.endswith(_RULES))
        folders = {""}
        for path in (*tracked, *apart):
            while (path := path.rpartition("/")[0]) and path not in folders:
                folders.add(path)
        for folder in sorted(folders):
            folders.update(self._below(folder))
        apart = {path for path in apart if reads(path)}
        self._listen(folders)
        self._begun = _State(
            {
                path: self._stamp(path, follow=True)
                for path in (*sorted(rules), *self._git_files(), *(f"{each}/.git" for each in submodules))
            },
            dict(self._times(folders)),
            {path: self._stamp(path) for path in apart | {path for path in dirty if reads(path)}},
            frozenset(apart),
            within,
            rules_of(self._top, self._prefix.rstrip("/")) if negated else None,
        )

    def updated(self) -> None:
        """The full update that followed :meth:`begin` has been recorded."""
        self._state, self._begun = self._begun, None
        for each in self._state.within.values() if self._state else ():
            each.updated()

    def look(self) -> list[str] | None:
        """Paths that may have changed, appeared or gone since the last look; None: look at everything."""
        found = self._look()
        return None if found is None else sorted(counted(self._root, found))

    def _look(self) -> set[str] | None:
        before = self._state
        if before is None or any(
            self._stamp(path, follow=True) != stamp for path, stamp in before.rules.items()
        ):
            return None
        told = self._told()
        seen = self._seen_all(before) if told.all else self._seen_of(told, before)
        if seen is None or len(seen[1]) > MOST_FOLDERS:
            return None
        times, changed, dirty = seen
        new = self._new(changed, times, before)
        if new is None or any(path.endswith(_RULES) for path in new - before.rules.keys()):
            return None
        inner = self._look_within(before)
        if inner is None:
            return None
        asked = {path for path in {*dirty, *before.stamps, *new} if reads(path)}
        stamps = {path: self._stamp(path) for path in asked}
        apart = frozenset(path for path in before.apart | (new & asked) if stamps[path])
        known = {path: stamps[path] for path in apart.union(dirty) & asked}
        self._state = _State(before.rules, times, known, apart, before.within, before.back)
        if times.keys() - before.folders.keys():
            self._listen(times)
        return inner.union(path for path in asked if stamps[path] != before.stamps.get(path))

    def _listen(self, folders: Iterable[str]) -> None:
        """Ask the system to tell of changes in these folders too; after that everything is looked at once.
        Repositories within this one are few and small: these are looked at."""
        if self._prefix:
            return
        try:
            if self._notices is None:
                self._notices = Notices(self._root)
            if self._notices.watch(folders):
                self._looked_at = float("-inf")
        except OSError:
            self.close()

    def _told(self) -> Told:
        """What the system tells; all, where it tells nothing."""
        told = Told(all=True) if self._notices is None else self._notices.told()
        late = time.monotonic() - self._looked_at > ALL_S
        return Told(all=True) if late or len(told.files) > MOST_TOUCHED else told

    def _seen_all(self, before: _State) -> _Seen | None:
        """By a look at every file and every folder."""
        started = time.monotonic()
        if self._notices is not None:
            self._listen(before.folders)  # first: what changes while it is looked at is told the next time
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
        self._looked_at = started
        return None if dirty is None else (times, changed, dirty)

    def _seen_of(self, told: Told, before: _State) -> _Seen | None:
        """By a look at what the system tells of, and at what differed at the last look."""
        changed = sorted(told.folders & before.folders.keys())
        times = before.folders
        if changed:
            times = {path: at for path, at in times.items() if path not in told.folders}
            times.update(self._times(changed))
        dirty = [path for path in before.stamps if path not in before.apart]
        touched = [f":(literal){path}" for path in sorted(told.files) if reads(path)]
        if touched:
            found = self._names("diff-files", "--name-only", "-z", "--", *touched)
            if found is None:
                return None
            dirty += found
        return times, changed, dirty

    def _within(self, folders: Iterable[str], negated: frozenset[str]) -> dict[str, Watch] | None:
        """The repositories among ``folders``, each looked at; None where one of them cannot be."""
        found = {}
        for folder in sorted(self._repositories(folders)):  # a submodule may not be checked out
            found[folder] = watch = Watch(self._top, self._prefix + folder, negated)
            watch.begin()
            if watch._begun is None:
                return None
        return found

    def _look_within(self, before: _State) -> set[str] | None:
        """What :meth:`look` tells of the repositories within."""
        found: set[str] = set()
        for folder, watch in before.within.items():
            paths = watch._look()
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
        found += self._back(before, wanted, sorted(fresh))
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

    def _back(self, before: _State, known: Iterable[str], fresh: Iterable[str]) -> Iterator[str]:
        """Files that may be new, by all rules: those in ``known`` folders and below ``fresh`` ones."""
        rules, start = before.back, self._prefix
        if rules is None:
            return
        within = tuple(f"{start}{folder}/" for folder in before.within)  # these tell themselves
        for folder in known:
            inside = f"{start}{folder}/" if folder else start
            for path in self._entries(inside) if not inside.startswith(within) else ():
                if not rules.hiding(path):
                    yield path[len(start) :]
        for folder in fresh:
            inside = f"{start}{folder}/"
            if not inside.startswith(within) and not rules.hiding(inside):
                for path in walked(self._top, rules, None, frozenset(), self._trees(), MOST_APART, inside):
                    yield path[len(start) :]

    def _entries(self, folder: str) -> list[str]:
        """What is in a folder below the top, folders left out."""
        try:
            with os.scandir(self._top / folder) as scan:
                return [folder + entry.name for entry in scan if not entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def _negated(self, rules: Iterable[str]) -> frozenset[str]:
        """Folders with rules that bring back what git ignores: around this repository, and in it."""
        found = Rules(self._top, SEARCH)
        for path in rules:
            found.layers(self._prefix + path[: path.rfind("/") + 1])
        return self._outer | found.negated

    def _trees(self) -> list[str]:
        return [self._prefix + tree for tree in other_trees(self._root)]

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

    def _stamp(self, path: str, follow: bool = False) -> _Stamp:
        try:
            info = (self._root / path).stat(follow_symlinks=follow)
        except (OSError, ValueError):
            return ()
        return info.st_mtime_ns, info.st_size, info.st_mode

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
