"""The ledger on disk: JSONL, one entry a line, on the disk before the entry has an effect.

The first line is a header with the format's number; older formats are migrated when they are opened. A torn
last line (the machine stopped while writing) is dropped; a line that cannot be read anywhere else is an
error that names it, and the file is left as it is.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from kcode.config.jsontext import read_json
from kcode.config.paths import make_private
from kcode.config.project import remember, session_folders, sessions_dir
from kcode.conversation.ledger import Entry
from kcode.conversation.records import (
    FORMAT,
    TOGETHER,
    Header,
    Record,
    encode,
    head_of,
    line_of,
    parse_records,
)
from kcode.conversation.records import JournalProblem as JournalProblem
from kcode.errors import UsageError


class SessionBusy(UsageError):
    """Another kcode has the session open."""


def new_session_id() -> str:
    """Sorts by time; unique without a counter."""
    return time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)


def session_files(root: Path) -> list[Path]:
    """The journals of a project, those of its other worktrees included, least recently written first."""
    found = [path for folder in session_folders(root) for path in folder.glob("*.jsonl")]
    return sorted(filter(_begun, found), key=lambda path: (_written(path), path.name))


def find_session(root: Path, wanted: str = "") -> Path:
    """The journal to resume: the one whose id starts with ``wanted``, or the latest.

    The latest of this workspace goes before a later one of another worktree.
    """
    found = session_files(root)
    if wanted:
        found = [path for path in found if path.stem.startswith(wanted)]
    else:
        found = [path for path in found if not _head_of(path).get("errand")]
    if not found:
        what = f"no session {wanted!r}" if wanted else "no session to continue"
        raise UsageError(f"{what} for {root}", "start one with `kcode`")
    if wanted and len(found) > 1:
        names = ", ".join(path.stem for path in found[-5:])
        raise UsageError(f"{wanted!r} fits several sessions: {names}", "give more of the id")
    if wanted:
        return found[0]
    return next((path for path in reversed(found) if _of_workspace(path, root)), found[-1])


def _of_workspace(path: Path, root: Path) -> bool:
    """Whether it was begun here, or in a folder that is there no more and so may have become this one."""
    begun_in = str(_head_of(path).get("root", ""))
    return begun_in == str(root) or not begun_in or not os.path.lexists(begun_in)


def _head_of(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            head = read_json(file.readline(65_536))
    except (OSError, ValueError):
        return {}
    return head if isinstance(head, dict) else {}


def _begun(path: Path) -> bool:
    """Whether its header reached the disk: a kcode killed before that has nothing to continue."""
    try:
        with path.open("rb") as file:
            return file.readline(65_536).endswith(b"\n")
    except OSError:
        return False


def _written(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # removed meanwhile
        return 0


class Journal:
    """An open, locked journal. ``append`` returns when the entry is on the disk."""

    def __init__(self, path: Path, file: IO[bytes], header: Header) -> None:
        self.path = path
        self.header = header
        self._file = file

    @classmethod
    def create(cls, root: Path, session: str | None = None, *, errand: str = "") -> Journal:
        """``errand`` names the command whose requests belong to no conversation; it is never continued."""
        header = Header(session or new_session_id(), str(root), time.time(), errand=errand)
        folder = sessions_dir(root)
        path = folder / f"{header.session}.jsonl"
        try:
            make_private(folder)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            raise _cannot_write(path, error) from error
        file = os.fdopen(descriptor, "ab", buffering=0)
        _lock(file, path)
        journal = cls(path, file, header)
        journal._write(head_of(header))
        remember(root)
        return journal

    @classmethod
    def open(cls, path: Path) -> tuple[Journal, list[Entry]]:
        """Lock and load a journal; a torn last line is cut off so that the next entry stands alone.

        One of an older format is written anew first, whole or not at all. Raises :class:`SessionBusy`,
        :class:`JournalProblem`.
        """
        file = _open_locked(path)
        try:
            data = _read(path)
            whole = data[: data.rfind(b"\n") + 1]
            header, records = parse_records(whole, str(path))
            if header.format < FORMAT:
                file, header = _migrated(path, file, header, records)
            elif len(whole) < len(data):
                file.truncate(len(whole))
        except BaseException:
            file.close()
            raise
        file.seek(0, os.SEEK_END)
        return cls(path, file, header), [record.entry for record in records]

    def append(self, entry: Entry) -> None:
        self._write(encode(entry))

    def append_all(self, entries: Sequence[Entry]) -> None:
        """All of them or, torn anywhere, none: one line. For an epoch and what it begins with."""
        self._write({"t": TOGETHER, "entries": [encode(entry) for entry in entries]})

    def _write(self, record: dict[str, Any]) -> None:
        line = line_of(record)
        if _deleted(self._file, self.path):
            self._file = _put_back(self.path, self._file, Path(self.header.root))
        start = self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(start)
            raise _cannot_write(self.path, error) from error

    def close(self) -> None:
        _unlock(self._file)
        self._file.close()


def load(path: Path) -> tuple[Header, list[Record]]:
    """Read a journal that may be open elsewhere, without locking or changing it."""
    data = _read(path)
    return parse_records(data[: data.rfind(b"\n") + 1], str(path))


def fork(path: Path, root: Path) -> Path:
    """Copy a session under a new id; returns the copy's journal, closed. The original may be open.

    A journal with a damaged line is copied up to that line.
    """
    data = _read(path)
    whole = data[: data.rfind(b"\n") + 1]
    header, records = parse_records(whole, str(path), upto_damage=True)
    new = Header(new_session_id(), str(root), time.time(), parent=header.session)
    target = sessions_dir(root) / f"{new.session}.jsonl"
    try:
        make_private(target.parent)
    except OSError as error:
        raise _cannot_write(target, error) from error
    _write_whole(target, new, records).close()
    remember(root)
    return target


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Nobody has the session open within this block. Raises :class:`SessionBusy`."""
    file = _open_locked(path)
    try:
        yield
    finally:
        _unlock(file)
        file.close()


def _migrated(path: Path, file: IO[bytes], header: Header, records: list[Record]) -> tuple[IO[bytes], Header]:
    """Replace the journal by one of today's format, locked as the old one was, and close that."""
    new = Header(header.session, header.root, header.created, parent=header.parent, errand=header.errand)
    fresh = _write_whole(path, new, records)
    file.close()
    return fresh, new


def _write_whole(path: Path, header: Header, records: Sequence[Record]) -> IO[bytes]:
    """A whole journal under its name at once, open and locked."""
    lines = [line_of(head_of(header)), *(line_of({**encode(each.entry), "at": each.at}) for each in records)]
    return _put(path, b"".join(lines))


def _deleted(file: IO[bytes], path: Path) -> bool:
    """Whether the open file has no name any more; some file systems count no names at all."""
    mine = os.fstat(file.fileno())
    if mine.st_nlink:
        return False
    try:
        return not os.path.samestat(mine, path.stat())
    except OSError:
        return True


def _put_back(path: Path, deleted: IO[bytes], root: Path) -> IO[bytes]:
    """The journal as it was before somebody deleted it while it was open: the open file still has it.

    What has come to stand under its name meanwhile is kept beside it.
    """
    descriptor = deleted.fileno()
    try:
        data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        make_private(path.parent)
        if path.exists():
            path.rename(path.with_name(f"{path.name}.{secrets.token_hex(4)}"))
    except OSError as error:
        raise _cannot_write(path, error) from error
    file = _put(path, data)
    deleted.close()
    remember(root)
    return file


def _put(path: Path, text: bytes) -> IO[bytes]:
    """``text`` as the file at ``path``, whole or not at all, open and locked."""
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        file = os.fdopen(descriptor, "ab", buffering=0)
        if file.write(text) != len(text):
            raise OSError(28, "No space left on device")
        os.fsync(descriptor)
        _lock(file, path)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _cannot_write(path, error) from error
    return file


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise JournalProblem(
            f"cannot read the session {path}: {error.strerror}", "check its permissions"
        ) from error


def _cannot_write(path: Path, error: OSError) -> JournalProblem:
    return JournalProblem(
        f"the session cannot be written to {path.parent}: {error.strerror or error}",
        "free some space, or set XDG_STATE_HOME to a folder you may write",
    )


def _open_locked(path: Path) -> IO[bytes]:
    """The journal open and locked; opened again where it was replaced (migrated) in between."""
    while True:
        try:
            file = path.open("r+b", buffering=0)
        except OSError as error:
            raise JournalProblem(
                f"cannot open the session {path}: {error.strerror}", "check its permissions"
            ) from error
        _lock(file, path)
        with contextlib.suppress(OSError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()
        if not path.exists():
            raise JournalProblem(f"the session {path} is gone", "start a new one with `kcode`")


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: opening is exclusive enough for one user's sessions
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise SessionBusy(
            f"another kcode has the session {path.stem} open",
            f"close it there, or go on in a copy: kcode session fork {path.stem}",
        ) from error


def _unlock(file: IO[bytes]) -> None:
    """Closing alone is not enough at once: a child that is just being started still holds the file."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import fcntl

        fcntl.flock(file.fileno(), fcntl.LOCK_UN)
