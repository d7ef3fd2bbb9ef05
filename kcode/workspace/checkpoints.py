"""Copies of files as they were before a change, so that it can be undone exactly.

One folder per checkpoint under the state directory: ``meta.json`` and one blob per file that existed.
The checkpoint is on disk before the change begins; the hashes of what the change makes are in it too,
so that an undo after a crash still knows which files are the change's and which a person touched since.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from kcode.config.jsontext import read_json
from kcode.config.paths import make_private, state_dir
from kcode.config.project import workspace_key
from kcode.errors import EnvironmentProblem
from kcode.workspace.errors import NotThere
from kcode.workspace.files import Stored, disk_problem, sync_folder

KEPT = 200  # checkpoints per workspace; older ones are dropped


@dataclass(frozen=True, slots=True)
class Entry:
    """One path. ``before`` and ``after`` are :func:`fingerprint`; "" means not there."""

    path: str
    before: str
    after: str
    mode: int = 0
    link: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """``made`` is seconds since the epoch; ``folders`` are those that the change created, ``emptied`` those
    without files that it took away."""

    id: str
    label: str
    made: float
    entries: tuple[Entry, ...]
    folders: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()


def fingerprint(content: Stored | None) -> str:
    """Bytes, mode and kind as one word; empty for a path that is not there."""
    if content is None:
        return ""
    kind = "link" if content.link else f"{content.mode:o}"
    return f"{kind}:{hashlib.sha256(content.data).hexdigest()}"


class CheckpointStore:
    """The checkpoints of one workspace."""

    def __init__(self, root: Path) -> None:
        self.folder = state_dir() / "checkpoints" / workspace_key(root)

    def save(
        self,
        label: str,
        before: dict[str, Stored | None],
        after: dict[str, Stored | None],
        folders: tuple[str, ...],
        emptied: tuple[str, ...] = (),
    ) -> CheckpointRecord:
        """Write a checkpoint of ``before``, safe on disk. Raises :class:`EnvironmentProblem`."""
        identity = f"{time.time_ns():016x}-{secrets.token_hex(3)}"
        entries = tuple(
            Entry(
                path,
                fingerprint(content),
                fingerprint(after[path]),
                content.mode if content else 0,
                bool(content and content.link),
            )
            for path, content in before.items()
        )
        record = CheckpointRecord(identity, label, time.time(), entries, folders, emptied)
        target = self.folder / identity
        try:
            make_private(self.folder)
            target.mkdir(mode=0o700)
            for number, content in enumerate(before.values()):
                if content is not None:
                    _write(target / f"{number}.blob", content.data)
            _write(target / "meta.json", json.dumps(asdict(record), ensure_ascii=True).encode())
            sync_folder(target)
        except OSError as problem:
            shutil.rmtree(target, ignore_errors=True)
            raise disk_problem(problem, "cannot save a checkpoint, so nothing was changed") from problem
        self._prune()
        return record

    def load(self, identity: str) -> CheckpointRecord:
        """Raises :class:`NotThere` for an unknown id, :class:`EnvironmentProblem` for a damaged one."""
        if not re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{6}", identity):
            raise NotThere(f"there is no checkpoint {identity!r}")
        try:
            raw = read_json((self.folder / identity / "meta.json").read_bytes())
            entries = tuple(Entry(**entry) for entry in raw.pop("entries"))
            folders, emptied = (tuple(raw.pop(name, ())) for name in ("folders", "emptied"))
            return CheckpointRecord(entries=entries, folders=folders, emptied=emptied, **raw)
        except FileNotFoundError:
            raise NotThere(f"there is no checkpoint {identity}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise EnvironmentProblem(
                f"checkpoint {identity} is damaged", "restore the files from git"
            ) from problem

    def content(self, record: CheckpointRecord, number: int) -> Stored | None:
        """What entry ``number`` held before the change."""
        entry = record.entries[number]
        if not entry.before:
            return None
        try:
            data = (self.folder / record.id / f"{number}.blob").read_bytes()
        except OSError as problem:
            raise disk_problem(problem, f"cannot read the checkpoint of {entry.path}") from problem
        content = Stored(data, entry.mode, entry.link)
        if fingerprint(content) != entry.before:
            raise EnvironmentProblem(
                f"checkpoint {record.id} is damaged: its copy of {entry.path} does not match its hash",
                "restore the file from git",
            )
        return content

    def ids(self) -> list[str]:
        """All checkpoints, oldest first."""
        try:
            return sorted(entry.name for entry in self.folder.iterdir() if entry.is_dir())
        except OSError:
            return []

    def drop(self, identity: str) -> None:
        shutil.rmtree(self.folder / identity, ignore_errors=True)

    def _prune(self) -> None:
        for identity in self.ids()[:-KEPT]:
            self.drop(identity)


def _write(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(fd, "wb") as stream:
        stream.write(data)
        stream.flush()
        with suppress(OSError):  # some network file systems cannot
            os.fsync(fd)
