"""The ledger on disk: JSONL, one entry a line, on the disk before the entry has an effect.

The first line is a header. A torn last line (the machine stopped while writing) is dropped; a line that
cannot be read anywhere else is an error that names it, and the file is left as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from kcode.config.paths import state_dir
from kcode.conversation import ledger
from kcode.conversation.ledger import Call, Entry
from kcode.errors import EnvironmentProblem, UsageError

FORMAT = 1
_TOGETHER = "Together"  # a line that holds several entries
_TYPES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        ledger.System,
        ledger.Tools,
        ledger.User,
        ledger.Assistant,
        ledger.ToolResult,
        ledger.Epoch,
        ledger.UsageEntry,
        ledger.Fee,
        ledger.Checkpoint,
        ledger.Approval,
        ledger.Note,
    )
}


class JournalProblem(EnvironmentProblem):
    """The journal cannot be read, written or locked."""


@dataclass(frozen=True, slots=True)
class Header:
    session: str
    root: str
    created: float  # seconds since the epoch
    format: int = FORMAT


def sessions_dir(root: Path) -> Path:
    """The folder of a project's sessions: readable name, told apart by its path."""
    real = str(root.resolve())
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", root.resolve().name) or "root"
    return state_dir() / "sessions" / f"{name}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:12]}"


def new_session_id() -> str:
    """Sorts by time; unique without a counter."""
    return time.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(3)


def find_session(root: Path, wanted: str = "") -> Path:
    """The journal to resume: the latest, or the one whose id starts with ``wanted``."""
    folder = sessions_dir(root)
    found = sorted(
        filter(_begun, folder.glob("*.jsonl")), key=lambda path: (path.stat().st_mtime_ns, path.name)
    )
    if wanted:
        found = [path for path in found if path.stem.startswith(wanted)]
    if not found:
        what = f"no session {wanted!r}" if wanted else "no session to continue"
        raise UsageError(f"{what} for {root}", "start one with `kcode`")
    if wanted and len(found) > 1:
        names = ", ".join(path.stem for path in found[-5:])
        raise UsageError(f"{wanted!r} fits several sessions: {names}", "give more of the id")
    return found[-1]


def _begun(path: Path) -> bool:
    """Whether its header reached the disk: a kcode killed before that has nothing to continue."""
    with path.open("rb") as file:
        return file.readline(4_096).endswith(b"\n")


class Journal:
    """An open, locked journal. ``append`` returns when the entry is on the disk."""

    def __init__(self, path: Path, file: IO[bytes], header: Header) -> None:
        self.path = path
        self.header = header
        self._file = file

    @classmethod
    def create(cls, root: Path, session: str | None = None) -> Journal:
        header = Header(session or new_session_id(), str(root), time.time())
        folder = sessions_dir(root)
        path = folder / f"{header.session}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except OSError as error:
            raise _cannot_write(path, error) from error
        file = os.fdopen(descriptor, "ab", buffering=0)
        _lock(file, path)
        journal = cls(path, file, header)
        journal._write(
            {
                "kcode_journal": FORMAT,
                "session": header.session,
                "root": header.root,
                "created": header.created,
            }
        )
        return journal

    @classmethod
    def open(cls, path: Path) -> tuple[Journal, list[Entry]]:
        """Lock and load a journal; a torn last line is cut off so that the next entry stands alone."""
        try:
            file = path.open("r+b", buffering=0)
        except OSError as error:
            raise JournalProblem(
                f"cannot open the session {path}: {error.strerror}", "check its permissions"
            ) from error
        _lock(file, path)
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        header, entries = parse(whole, str(path))
        if len(whole) < len(data):
            file.truncate(len(whole))
        file.seek(0, os.SEEK_END)
        return cls(path, file, header), entries

    def append(self, entry: Entry) -> None:
        self._write(encode(entry))

    def append_all(self, entries: Sequence[Entry]) -> None:
        """All of them or, torn anywhere, none: one line. For an epoch and what it begins with."""
        self._write({"t": _TOGETHER, "entries": [encode(entry) for entry in entries]})

    def _write(self, record: dict[str, Any]) -> None:
        line = (
            json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
            + b"\n"
        )
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
        self._file.close()


def encode(entry: Entry) -> dict[str, Any]:
    return {"t": type(entry).__name__, "at": round(time.time(), 3), **asdict(entry)}


def decode(record: dict[str, Any]) -> Entry:
    """The entry of a record; raises ValueError, KeyError or TypeError for what is not one."""
    kind = _TYPES[record["t"]]
    known = {field.name for field in fields(kind)}
    values = {key: value for key, value in record.items() if key in known}
    if kind is ledger.Assistant:
        values["calls"] = tuple(Call(**call) for call in values.get("calls", ()))
    elif kind is ledger.Checkpoint:
        values["paths"] = tuple(values.get("paths", ()))
    entry: Entry = kind(**values)
    return entry


def parse(data: bytes, name: str) -> tuple[Header, list[Entry]]:
    """Header and entries of a whole journal. ``data`` ends with a newline."""
    lines = data.split(b"\n")[:-1]
    if not lines:
        raise JournalProblem(f"the session {name} is empty", "start a new one with `kcode`")
    head = _json_line(lines[0], name, 1)
    if not isinstance(head.get("session"), str) or not isinstance(head.get("kcode_journal"), int):
        raise JournalProblem(f"{name} is not a kcode session", "start a new one with `kcode`")
    if head["kcode_journal"] > FORMAT:
        raise JournalProblem(
            f"the session {name} was written by a newer kcode", "upgrade kcode to continue it"
        )
    header = Header(head["session"], str(head.get("root", "")), float(head.get("created", 0)))
    return header, list(_entries(lines[1:], name))


def _entries(lines: list[bytes], name: str) -> Iterator[Entry]:
    for number, line in enumerate(lines, 2):
        try:
            record = _json_line(line, name, number)
            for each in record["entries"] if record["t"] == _TOGETHER else [record]:
                yield decode(each)
        except (KeyError, TypeError) as error:
            raise _corrupt(name, number) from error


def _json_line(line: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise _corrupt(name, number) from error
    if not isinstance(record, dict):
        raise _corrupt(name, number)
    return record


def _corrupt(name: str, number: int) -> JournalProblem:
    return JournalProblem(
        f"line {number} of the session {name} is damaged; nothing was changed",
        f"start a new session with `kcode`, or remove that line: sed -i.bak {number}d '{name}'",
    )


def _cannot_write(path: Path, error: OSError) -> JournalProblem:
    return JournalProblem(
        f"the session cannot be written to {path.parent}: {error.strerror or error}",
        "free some space, or set XDG_STATE_HOME to a folder you may write",
    )


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: opening is exclusive enough for one user's sessions
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UsageError(
            f"another kcode has the session {path.stem} open",
            "close it there, or start a new one with `kcode`",
        ) from error
