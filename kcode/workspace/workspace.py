"""The workspace: the one door through which files of the user's are read and changed."""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kcode.errors import KcodeError, UsageError
from kcode.workspace import repo
from kcode.workspace.change import FileEdit
from kcode.workspace.checkpoints import CheckpointRecord, CheckpointStore, fingerprint
from kcode.workspace.errors import KeptOut, StaleFile, WorkspaceError
from kcode.workspace.files import Stored, TextFile, as_text, check_writable, read_stored, read_text
from kcode.workspace.ignore import KEPT_OUT, Rule, kept_out
from kcode.workspace.listing import list_files
from kcode.workspace.places import Places
from kcode.workspace.snapshots import SnapshotStore
from kcode.workspace.transaction import bare_folders, commit, missing_folders, remove_empty

_PATH_WORD = re.compile(r"[\w./@+~-]{1,400}")  # what may name a file in a command


class PlannedEdit(Protocol):
    """What :meth:`Workspace.apply` takes: ``before``/``after`` are whole texts, None for "not there"."""

    @property
    def path(self) -> str: ...
    @property
    def before(self) -> str | None: ...
    @property
    def after(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A change that was undone: the checkpoint ``id`` has what was there before that, for ``paths``."""

    id: str
    paths: tuple[str, ...]


class Workspace(Places):
    """A folder the user works in. ``root`` is the git top level, or the start folder without git.

    ``on_checkpoint`` is told the id and paths of a change after its checkpoint is on disk and before any
    file is touched; what it raises prevents the change. ``on_shown`` is told the text of a file of which the
    model gets to see at least a part.
    """

    def __init__(self, root: Path, is_git: bool) -> None:
        super().__init__(root)
        self.is_git = is_git
        self.checkpoints = CheckpointStore(root)
        self.snapshots = SnapshotStore(root, is_git)
        self.on_checkpoint: Callable[[str, Sequence[str]], None] = lambda identity, paths: None
        self.on_shown: Callable[[str], None] = lambda text: None
        self._seen: dict[str, str] = {}
        self._shown: dict[str, str] = {}
        self._lock = threading.RLock()

    @classmethod
    def open(cls, start: Path) -> Workspace:
        """Raises :class:`UsageError` where ``start`` is not a folder."""
        folder = start.expanduser().resolve()
        if not folder.is_dir():
            raise UsageError(f"{start} is not a folder")
        top = repo.find_root(folder)
        return cls(top or folder, top is not None)

    # --- reading ---

    def read(self, path: str) -> TextFile:
        """Raises what :func:`kcode.workspace.files.read_text` and :meth:`readable` do."""
        return read_text(self.readable(path), path)

    def readable(self, path: str) -> Path:
        """The real path of what may be read. Raises :class:`KeptOut`, :class:`PathOutside`."""
        real = self.resolve(path, must_exist=True)
        if rule := self._keeping_out(real, path):
            raise KeptOut(f"{path} is kept out by {rule.source}", "the user keeps it from you: do without it")
        return real

    def _keeping_out(self, real: Path, path: str) -> Rule | None:
        """The rule of a ``.kcodeignore`` that hides it, by the name it is called and by the one it has."""
        for place in (real, Path(os.path.normpath(self.root / path))):
            top = self.top_of(place)
            if place != top and place.is_relative_to(top):
                name = place.relative_to(top).as_posix() + ("/" if place.is_dir() else "")
                if rule := kept_out(top).hiding(name):
                    return rule
        return None

    def withheld(self, path: str) -> str:
        """Why the content of ``path`` is shown in no diff, or "": it is sensitive or kept out."""
        if why := self.sensitive(path):
            return why
        try:
            rule = self._keeping_out(self.resolve(path), path)
        except WorkspaceError:
            return ""
        return f"{path}: kept out by {rule.source}" if rule else ""

    def kept_out_in(self, command: str) -> str:
        """Why a command that names a file that is kept out needs a yes, or an empty string."""
        if not (self.root / KEPT_OUT).exists():
            return ""
        words = dict.fromkeys(_PATH_WORD.findall(command))
        named = (word for word in words if os.path.lexists(self.root / word))
        return next((why for word in named if "kept out by" in (why := self.withheld(word))), "")

    def list_files(self, top: Path | None = None) -> list[str]:
        """Files that are not ignored, as :meth:`relative` names them, sorted: of the workspace, or those
        below ``top`` where that is (in) a folder that was added to it."""
        added = next((each for each in self.added if top is not None and top.is_relative_to(each)), None)
        if added is not None:
            return [f"{added.as_posix()}/{name}" for name in list_files(added)]
        return list_files(self.root)

    def saw(self, path: str, text: str) -> None:
        """The model was shown ``text`` as the content of ``path``, or wrote it itself."""
        name = self.relative(self.resolve(path))
        self._seen.pop(name, None)  # the latest is last
        self._seen[name] = _digest(text)
        self._shown[name] = text if len(text) <= 1_000_000 else ""
        self.on_shown(text)

    def seen_files(self) -> tuple[str, ...]:
        """The files that the model was shown or wrote, the latest first."""
        return tuple(reversed(self._seen))

    def last_seen(self, path: str) -> str | None:
        """The text of ``path`` as the model last saw it; None where that is not known any more."""
        return self._shown.get(self.relative(self.resolve(path))) or None

    def freshness(self, path: str, text: str) -> str:
        """``unread``, ``fresh`` or ``changed``: how ``text`` on disk stands to what the model last saw."""
        seen = self._seen.get(self.relative(self.resolve(path)))
        if seen is None:
            return "unread"
        return "fresh" if seen == _digest(text) else "changed"

    # --- changing ---

    def apply(self, edits: Sequence[PlannedEdit], *, label: str) -> str:
        """Make the edits, all or none, after a checkpoint whose id is returned.

        Encoding, BOM, mode bits and symlinks of existing files are kept; new files are UTF-8.
        Raises :class:`StaleFile` where the disk is not as ``before`` says, and
        :class:`kcode.errors.EnvironmentProblem` where it cannot be written.
        """
        with self._lock:
            changes: dict[Path, tuple[Stored | None, Stored | None]] = {}
            for edit in edits:
                path = self.resolve(edit.path)
                if path in changes:
                    raise WorkspaceError(f"{edit.path} is changed twice in one edit")
                changes[path] = self._planned(path, edit)
            return self._commit(changes, label)

    def move(self, path: str, to: str, *, label: str) -> str:
        """Move a file, link or folder, bytes unchanged; nothing is overwritten. Returns the checkpoint id."""
        source, target = self.locate(path), self.locate(to)
        if target.is_dir() and not target.is_symlink():
            target = target / source.name
        if os.path.lexists(target) and not _respelled(source, target):
            raise WorkspaceError(
                f"{self.relative(target)} exists already", "delete it first, or choose another name"
            )
        if target.is_relative_to(source):
            raise WorkspaceError(f"{to} is inside {path}")
        changes: dict[Path, tuple[Stored | None, Stored | None]] = {}
        for file in self.files_below(path):
            content = read_stored(file, self.relative(file))
            changes[file] = (content, None)
            changes[target / file.relative_to(source)] = (None, content)
        bare = [folder.relative_to(source) for folder in bare_folders(source)]
        with self._lock:
            arrived = [target / folder for folder in bare]
            identity = self._commit(
                changes, label, emptied=[source / folder for folder in bare], made=arrived
            )
            self._remove_emptied(source)
        return identity

    def delete(self, path: str, *, label: str) -> str:
        """Delete a file, link or folder. Returns the checkpoint id, from which it can be restored."""
        source = self.locate(path)
        changes = {file: (read_stored(file, self.relative(file)), None) for file in self.files_below(path)}
        with self._lock:
            identity = self._commit(changes, label, emptied=bare_folders(source))
            self._remove_emptied(source)
        return identity

    def files_below(self, path: str, limit: int = 2000, max_bytes: int = 200_000_000) -> list[Path]:
        """The files and links that moving or deleting ``path`` concerns; none of an empty folder.

        Raises where they are too many.
        """
        source = self.locate(path)
        if source == self.root:
            raise WorkspaceError("this is the workspace itself")
        if not os.path.lexists(source):
            raise self._not_there(path)
        if not source.is_dir() or source.is_symlink():
            return [source]
        found = [
            Path(folder) / name
            for folder, folders, names in os.walk(source)
            for name in (*names, *(link for link in folders if (Path(folder) / link).is_symlink()))
        ]
        size = sum(file.lstat().st_size for file in found)
        if len(found) > limit or size > max_bytes:
            raise WorkspaceError(
                f"{path} has {len(found)} files, {size / 1e6:.0f} MB: too much for one undoable step",
                "name smaller parts, or use run_command",
            )
        return sorted(found)

    def undo(self, checkpoint_id: str, *, force: bool = False) -> list[str]:
        """Restore the files of a checkpoint exactly, created ones removed. Returns their paths.

        Raises :class:`StaleFile` where a file was changed since by someone else, unless ``force``;
        the state that is overwritten is itself kept in a checkpoint.
        """
        return list(self.take_back(checkpoint_id, force=force).paths)

    def take_back(self, checkpoint_id: str, *, force: bool = False) -> TakenBack:
        """:meth:`undo`, with the checkpoint by which it can be taken back in turn."""
        with self._lock:
            record = self.checkpoints.load(checkpoint_id)
            if not force:
                self.check_undo([checkpoint_id])
            changes: dict[Path, tuple[Stored | None, Stored | None]] = {}
            for number, entry in enumerate(record.entries):
                path = self.locate(entry.path)
                now = read_stored(path, entry.path) if os.path.lexists(path) else None
                changes[path] = (now, self.checkpoints.content(record, number))
            identity = self._commit(changes, f"undo of {record.label}", announce=False)
            remove_empty(self.root / folder for folder in record.folders)
            for folder in record.emptied:
                with suppress(OSError):
                    self.locate(folder).mkdir(parents=True, exist_ok=True)
            return TakenBack(identity, tuple(entry.path for entry in record.entries))

    def check_undo(self, checkpoint_ids: Sequence[str]) -> None:
        """Raises :class:`StaleFile` where undoing these, in this order, would lose what others wrote."""
        will_be: dict[str, str] = {}
        for identity in checkpoint_ids:
            record = self.checkpoints.load(identity)
            for entry in record.entries:
                if entry.path not in will_be:
                    path = self.locate(entry.path)
                    now = read_stored(path, entry.path) if os.path.lexists(path) else None
                    will_be[entry.path] = fingerprint(now)
                if will_be[entry.path] not in (entry.before, entry.after):
                    raise StaleFile(
                        f"{entry.path} was changed after {record.label}; undoing would lose that",
                        "undo it by hand, or force the undo",
                    )
                will_be[entry.path] = entry.before

    def put(self, wanted: Mapping[str, Stored | None], *, label: str, announce: bool = False) -> str:
        """Make these paths hold exactly this, all or none, kept in a checkpoint whose id is returned.

        For bringing back a former state, which is not announced, and for whole files as git has them. Links
        are replaced and not followed.
        """
        with self._lock:
            changes: dict[Path, tuple[Stored | None, Stored | None]] = {}
            for path, content in wanted.items():
                real = self.locate(path)
                now = read_stored(real, path) if os.path.lexists(real) else None
                if fingerprint(now) != fingerprint(content):
                    changes[real] = (now, content)
            identity = self._commit(changes, label, announce=announce)
            gone = [path for path, (_, after) in changes.items() if after is None]
            remove_empty({folder for path in gone for folder in self._above(path)})
            return identity

    def sweep(self, paths: Sequence[str]) -> None:
        """Remove the temporary files that a kill may have left beside ``paths``."""
        for path in paths:
            real = self.root / path
            for left in real.parent.glob(f".{glob.escape(real.name[:100])}.????????.kcode"):
                with suppress(OSError):
                    left.unlink()

    def _above(self, path: Path) -> list[Path]:
        """The folders between a path and the root it is under."""
        top = self.top_of(path)
        return [folder for folder in path.parents if folder != top and folder.is_relative_to(top)]

    def history(self) -> list[CheckpointRecord]:
        """The checkpoints of this workspace, oldest first."""
        return [self.checkpoints.load(identity) for identity in self.checkpoints.ids()]

    def changes_since(self, checkpoint_ids: Sequence[str]) -> list[FileEdit]:
        """The files of these checkpoints as they were before the first and as they are now, if different.

        Binary files are left out, and so is what a checkpoint that is no longer there held.
        """
        first: dict[str, Stored | None] = {}
        for identity in checkpoint_ids:
            try:
                record = self.checkpoints.load(identity)
                for number, entry in enumerate(record.entries):
                    if entry.path not in first:
                        first[entry.path] = self.checkpoints.content(record, number)
            except KcodeError:
                continue
        changes = []
        for path, before in sorted(first.items()):
            real = self.locate(path)
            now = read_stored(real, path) if os.path.lexists(real) else None
            old, new = as_text(before), as_text(now)
            if (
                fingerprint(before) != fingerprint(now)
                and (old is None) == (before is None)
                and (new is None) == (now is None)
            ):
                changes.append(FileEdit(path, old, new))
        return changes

    def _planned(self, path: Path, edit: PlannedEdit) -> tuple[Stored | None, Stored | None]:
        mode = edit.mode if isinstance(edit, FileEdit) else None
        if edit.before is None:
            if path.exists():
                raise StaleFile(f"{edit.path} exists already", "read it first")
            if edit.after is None:
                raise WorkspaceError(f"{edit.path}: nothing to do")
            usual = 0o666 & ~umask()
            return None, Stored(TextFile("").encode(edit.after), usual if mode is None else mode)
        file = read_text(path, edit.path)
        if file.text != edit.before:
            raise StaleFile(f"{edit.path} changed on disk meanwhile", "read it again")
        check_writable(path, edit.path)
        before = Stored(file.encode(file.text), file.mode)
        if edit.after is None:
            return before, None
        return before, Stored(file.encode(edit.after), file.mode if mode is None else mode)

    def _commit(
        self,
        changes: Mapping[Path, tuple[Stored | None, Stored | None]],
        label: str,
        *,
        announce: bool = True,
        emptied: Sequence[Path] = (),
        made: Sequence[Path] = (),
    ) -> str:
        """``emptied``: folders without files that go; ``made``: such that come."""
        written = [path for path, (_, after) in changes.items() if after is not None]
        created = missing_folders(self.root, [*written, *made])
        folders = tuple(self.relative(folder) for folder in {*created, *made} if not folder.exists())
        record = self.checkpoints.save(
            label,
            {self.relative(path): before for path, (before, _) in changes.items()},
            {self.relative(path): after for path, (_, after) in changes.items()},
            tuple(sorted(folders)),
            tuple(self.relative(folder) for folder in emptied),
        )
        try:
            if announce:
                self.on_checkpoint(record.id, [entry.path for entry in record.entries])
            commit(self.root, changes)
            for folder in made:
                folder.mkdir(parents=True, exist_ok=True)
        except BaseException:
            self.checkpoints.drop(record.id)
            raise
        return record.id

    def _remove_emptied(self, source: Path) -> None:
        if source.is_dir() and not source.is_symlink():
            remove_empty([Path(folder) for folder, _, _ in os.walk(source)])


def _respelled(source: Path, target: Path) -> bool:
    """Whether the target is the source under another spelling, on a file system that ignores case."""
    same_folder = source.parent == target.parent and source.name.casefold() == target.name.casefold()
    return (
        same_folder
        and source != target
        and target.name not in {path.name for path in target.parent.iterdir()}
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@functools.cache
def umask() -> int:
    """What this process leaves out of new files' permission bits."""
    mask = os.umask(0o077)  # it can only be read by setting it
    os.umask(mask)
    return mask
