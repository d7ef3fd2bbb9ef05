"""Snapshots of the whole workspace: every file that is not ignored, so that any change can be taken back.

A repository of kcode's own under the state directory holds them. It borrows the objects of the user's
repository and has an index and a configuration of its own: no hook, filter, line-ending rule or monitor of
the user's has a say, and their index, refs and stash are not touched. Bytes are exact.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kcode.config.paths import cache_dir, data_dir, make_private, state_dir
from kcode.config.project import workspace_key
from kcode.errors import EnvironmentProblem
from kcode.workspace.ignore import walk
from kcode.workspace.private_git import USERS, git_bytes, private_git

LARGEST_FILE = 200_000_000  # bytes; larger files are not covered
MOST_AT_ONCE = 3_000_000_000  # bytes changed in one snapshot; beyond it the largest files wait for the next
PLAIN_FILES = 20_000  # files of a folder without git: more, and there are no snapshots
PLAIN_BYTES = 1_000_000_000
_LOCK_WAIT_S = 60.0
# Attributes of the user's files must not change a byte; kcode's own file goes before theirs.
_ATTRIBUTES = "* -text !eol -ident -filter !working-tree-encoding -merge -diff\n"
_NO_SNAPSHOT = "changes that commands make cannot be taken back, edits can"


class SnapshotProblem(EnvironmentProblem):
    """There is no snapshot; edits have their own copies and can still be undone."""


@dataclass(frozen=True, slots=True)
class Item:
    """A path of a snapshot: git's mode (100644, 100755, 120000), object id."""

    mode: str
    object: str

    @property
    def link(self) -> bool:
        return self.mode == "120000"

    @property
    def executable(self) -> bool:
        return self.mode == "100755"


@dataclass(frozen=True, slots=True)
class Difference:
    """One path that two snapshots have differently; None: not there."""

    path: str
    before: Item | None
    after: Item | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``commit`` names it; ``left_out`` are paths that could not be read or are too large."""

    commit: str
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class SnapshotStore:
    """The snapshots of one workspace. Calls may come from any thread and block."""

    root: Path
    is_git: bool
    folder: Path = field(init=False)
    _last: str = field(default="", init=False)
    _ready: bool = field(default=False, init=False)
    _left_out: dict[str, None] = field(default_factory=dict, init=False)
    _thread_lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _abandoned: threading.Event = field(default_factory=threading.Event, init=False)

    def __post_init__(self) -> None:
        self.folder = state_dir() / "snapshots" / workspace_key(self.root)

    # --- taking ---

    def take(self) -> Snapshot:
        """Record the workspace as it is now. Raises :class:`SnapshotProblem`.

        What went wrong once is tried a second time from nothing: the user's repository may have thrown
        away objects that were borrowed from it, or a file went away while it was read.
        """
        try:
            with self._locked():
                try:
                    return self._take()
                except SnapshotProblem:
                    raise
                except EnvironmentProblem:
                    self._forget()
                    return self._take()
        except SnapshotProblem:
            raise
        except EnvironmentProblem as problem:
            self._ready = False
            raise SnapshotProblem(f"no snapshot of the files: {problem.message}", _NO_SNAPSHOT) from problem
        except OSError as problem:
            self._ready = False
            raise SnapshotProblem(
                f"no snapshot of the files: {problem.strerror or problem}", _NO_SNAPSHOT
            ) from problem

    def abandon(self) -> None:
        """End a :meth:`take` that is under way, as soon as can be: kcode ends and nobody needs it."""
        self._abandoned.set()

    def _take(self) -> Snapshot:
        self._prepare()
        changed, left_out = self._coverable(self._changed())
        if changed or left_out != self._left_out or not self._last:
            self._left_out = left_out
            text = b"".join(path + b"\0" for path in changed)
            self._run("update-index", "-z", "--add", "--remove", "--replace", "--stdin", input=text)
            self._commit()
        return Snapshot(self._last, tuple(self._left_out))

    def _forget(self) -> None:
        """Let the next snapshot begin with nothing; the earlier ones stay."""
        if (self.folder / "HEAD").is_file():
            self.write("HEAD", b"ref: refs/heads/none\n")
        (self.folder / "index").unlink(missing_ok=True)
        self._last, self._ready = "", False

    def _prepare(self) -> None:
        """The repository, made where it is not there, and what may have changed outside since."""
        for lock in self.folder.glob("*.lock"):  # kcode was killed: we hold the lock of the folder
            lock.unlink(missing_ok=True)
        if self._ready:
            return
        kind, objects, exclude = self._facts()
        if not (self.folder / "HEAD").is_file():
            self._create(kind)
        if objects:  # written each time: the user's repository may have moved
            self.write("objects/info/alternates", os.fsencode(objects) + b"\n")
        self.write("info/exclude", self._excluded(exclude))
        self.write("info/attributes", _ATTRIBUTES.encode())
        head = (self.folder / "HEAD").read_text("ascii").strip()
        self._last = "" if head.startswith("ref:") else head
        self._left_out = dict.fromkeys(self.left_out(self._last))
        if not self._last and not self.is_git:
            self._bound_plain()
        self._ready = True

    def _create(self, kind: str) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        make_private(self.folder.parent)
        self.folder.mkdir(mode=0o700)
        template = self.folder / "no-template"
        template.mkdir()
        more = [f"--object-format={kind}"] if kind != "sha1" else []
        git_bytes(["init", "-q", "--bare", f"--template={template}", *more, str(self.folder)], self.folder)
        template.rmdir()

    def _facts(self) -> tuple[str, str, str]:
        """Object format, object folder and exclude file of the user's repository."""
        if not self.is_git:
            return "sha1", "", ""
        asked = ["--show-object-format", "--git-path", "objects", "--git-path", "info/exclude"]
        lines = os.fsdecode(git_bytes([*USERS, "rev-parse", *asked], self.root)).split("\n")
        return lines[0], os.path.realpath(self.root / lines[1]), lines[2]

    def _excluded(self, exclude: str) -> bytes:
        """The user's own exclude files, and kcode's folders where they are inside the workspace."""
        rules: list[bytes] = []
        if self.is_git:
            rules.append(_bytes_of(self.root / exclude))
            with contextlib.suppress(EnvironmentProblem):
                named = git_bytes([*USERS, "config", "--path", "--get", "core.excludesFile"], self.root)
                rules.insert(0, _bytes_of(self.root / os.fsdecode(named).rstrip("\n")))
        else:
            rules.append(b"node_modules/\n__pycache__/\n.venv/\n.mypy_cache/\n.hg/\n.svn/\n")
        for own in (state_dir(), data_dir(), cache_dir()):
            with contextlib.suppress(ValueError):
                rules.append(f"/{own.resolve().relative_to(self.root).as_posix()}/\n".encode())
        return b"\n".join(rules)

    def _bound_plain(self) -> None:
        size = 0
        for count, path in enumerate(walk(self.root, PLAIN_FILES + 1, own=False), 1):
            with contextlib.suppress(OSError):
                size += (self.root / path).lstat().st_size
            if count > PLAIN_FILES or size > PLAIN_BYTES:
                raise SnapshotProblem(
                    f"no snapshot of the files: without git, up to {PLAIN_FILES:,} files and "
                    f"{PLAIN_BYTES // 1_000_000_000} GB are covered",
                    "run `git init` here, or start kcode in a smaller folder",
                )

    def _changed(self) -> list[bytes]:
        """Paths that differ from the last snapshot; nested repositories are left alone."""
        found: dict[bytes, None] = {}
        for line in self._run("status", "--porcelain=v1", "-z", "--untracked-files=all").split(b"\0"):
            if line and not line.endswith(b"/"):
                found[line[3:]] = None
        if not self._last and self.is_git:
            # Tracked although a rule ignores them: the rules would leave them out.
            with contextlib.suppress(EnvironmentProblem):
                listed = git_bytes([*USERS, "ls-files", "-z", "-ci", "--exclude-standard"], self.root)
                found.update(dict.fromkeys(filter(None, listed.split(b"\0"))))
        return list(found)

    def _coverable(self, changed: Sequence[bytes]) -> tuple[list[bytes], dict[str, None]]:
        """Those of ``changed`` that can be taken in, and the paths that cannot: unreadable, or too large by
        themselves or together."""
        root = os.fsencode(self.root)
        sizes = {path: _size_of_readable(root + b"/" + path) for path in changed}
        total = sum(size for size in sizes.values() if size and size <= LARGEST_FILE)
        left: dict[str, None] = {}
        for path in sorted(changed, key=lambda path: sizes[path] or 0, reverse=True):
            size = sizes[path]
            if size is not None and size <= LARGEST_FILE:
                if total <= MOST_AT_ONCE:
                    continue
                total -= size
            left[os.fsdecode(path)] = None
        return [path for path in changed if os.fsdecode(path) not in left], left

    def _commit(self) -> None:
        tree = self._run("write-tree").strip().decode()
        commit = self._run("commit-tree", tree, "-m", "kcode").strip().decode()
        if self._left_out:
            self.write(f"left-out/{commit}", b"\0".join(map(os.fsencode, self._left_out)))
        self.write(f"refs/kcode/{commit}", f"{commit}\n".encode())
        self.write("HEAD", f"{commit}\n".encode())
        self._last = commit

    # --- reading ---

    def has(self, commit: str) -> bool:
        return bool(commit) and (self.folder / "refs" / "kcode" / commit).is_file()

    def left_out(self, commit: str) -> list[str]:
        """The paths that a snapshot does not cover although no rule excludes them."""
        raw = _bytes_of(self.folder / "left-out" / commit) if commit else b""
        return [os.fsdecode(path) for path in raw.split(b"\0") if path]

    def between(self, before: str, after: str) -> list[Difference]:
        """What changed from one snapshot to another, by path. Raises :class:`EnvironmentProblem`."""
        if before == after:
            return []
        raw = self._run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", before, after)
        fields = raw.split(b"\0")
        found = []
        for facts, path in zip(fields[::2], fields[1::2], strict=False):
            old_mode, new_mode, old, new, _ = facts.decode()[1:].split(" ")
            if "160000" in (old_mode, new_mode):
                continue
            found.append(Difference(os.fsdecode(path), _item(old_mode, old), _item(new_mode, new)))
        return found

    def missing(self, items: Sequence[Item]) -> set[str]:
        """Objects that are no longer there: the user's repository has thrown away what was borrowed."""
        asked = "".join(f"{item.object}\n" for item in items).encode()
        answers = self._run("cat-file", "--batch-check", input=asked).decode().splitlines()
        return {line.split(" ")[0] for line in answers if line.endswith(" missing")}

    def contents(self, items: Sequence[Item]) -> dict[str, bytes]:
        """The bytes of these objects, by id. Raises :class:`EnvironmentProblem`."""
        wanted = list(dict.fromkeys(item.object for item in items))
        raw = self._run("cat-file", "--batch", input="".join(f"{name}\n" for name in wanted).encode())
        found, at = {}, 0
        for name in wanted:
            end = raw.index(b"\n", at)
            fields = raw[at:end].split(b" ")
            if len(fields) != 3:
                raise EnvironmentProblem("a file of the snapshot is no longer there", "restore it from git")
            size = int(fields[2])
            found[name] = raw[end + 1 : end + 1 + size]
            at = end + 1 + size + 1
        return found

    def paths(self) -> list[str]:
        """What the last snapshot holds."""
        return list(map(os.fsdecode, filter(None, self._run("ls-files", "-z").split(b"\0"))))

    # --- pruning ---

    def prune(self, older_than: float, max_bytes: int, keep: frozenset[str] = frozenset()) -> int:
        """Drop snapshots from before ``older_than`` (seconds since the epoch), then the oldest ones until
        the folder is within ``max_bytes``. Returns how many bytes were freed."""
        with self._locked():
            before = size_of(self.folder)
            refs = sorted((self.folder / "refs" / "kcode").glob("*"), key=lambda ref: ref.stat().st_mtime)
            old = [r for r in refs if r.stat().st_mtime < older_than and r.name not in keep]
            self._drop(old)
            for modes in (self.folder / "modes").glob("*.json"):
                if modes.stat().st_mtime < older_than:
                    modes.unlink(missing_ok=True)
            left = [ref for ref in refs if ref not in old and ref.name not in keep]
            while left and size_of(self.folder) > max_bytes:
                half = max(1, len(left) // 2)
                self._drop(left[:half])
                left = left[half:]
            return max(0, before - size_of(self.folder))

    def remove(self) -> int:
        """Delete the whole store; the bytes that were freed."""
        with self._locked():
            size = size_of(self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)
            self._last, self._ready = "", False
        return size

    def _drop(self, refs: Sequence[Path]) -> None:
        if not refs:
            return
        for ref in refs:
            ref.unlink(missing_ok=True)
            (self.folder / "left-out" / ref.name).unlink(missing_ok=True)
        head = (self.folder / "HEAD").read_text("ascii").strip()
        if head in {ref.name for ref in refs}:
            self._forget()  # HEAD and the index would hold the objects
        self._run("prune", "--expire=now")

    # --- inside ---

    def _run(self, *arguments: str, input: bytes = b"") -> bytes:
        return private_git(self.folder, self.root, *arguments, input=input, stop=self._abandoned)

    def write(self, name: str, data: bytes) -> None:
        """A file of the store's own, whole or not at all."""
        target = self.folder / name
        make_private(target.parent)
        temporary = target.with_name(f"{target.name}.{os.getpid()}.new")
        temporary.write_bytes(data)
        temporary.replace(target)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time, over threads and processes."""
        with self._thread_lock:
            make_private(self.folder.parent)
            with self.folder.with_name(f"{self.folder.name}.lock").open("wb") as file:
                _wait_for_lock(file.fileno())
                yield


def size_of(folder: Path) -> int:
    """Bytes of all files below ``folder``."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size  # noqa: PTH118
    return total


def _item(mode: str, name: str) -> Item | None:
    return None if mode == "000000" else Item(mode, name)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _size_of_readable(path: bytes) -> int | None:
    """Bytes that git would read, 0 for a link and for what is gone; None where it cannot be read."""
    try:
        info = os.lstat(path)
    except OSError:
        return 0
    if stat.S_ISREG(info.st_mode):
        return info.st_size if os.access(path, os.R_OK) else None
    return 0 if stat.S_ISLNK(info.st_mode) or stat.S_ISDIR(info.st_mode) else None


def _wait_for_lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: git's own index lock has to do
        return
    until = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError:
            if time.monotonic() > until:
                raise SnapshotProblem(
                    "no snapshot of the files: another kcode is taking one", _NO_SNAPSHOT
                ) from None
            time.sleep(0.02)
