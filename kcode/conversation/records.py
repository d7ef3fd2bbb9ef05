"""The lines of a journal: what an entry looks like on disk, in which format, and how old ones are read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.conversation import ledger
from kcode.conversation.ledger import Call, Entry
from kcode.errors import EnvironmentProblem

FORMAT = 2  # 2: an epoch may restore an earlier moment, a session may be a fork
TOGETHER = "Together"  # a line that holds several entries
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
KINDS = (*_TYPES, TOGETHER)


class JournalProblem(EnvironmentProblem):
    """The journal cannot be read, written or locked."""


@dataclass(frozen=True, slots=True)
class Header:
    session: str
    root: str  # the workspace it was begun in
    created: float  # seconds since the epoch
    format: int = FORMAT
    parent: str = ""  # the session that it is a fork of
    errand: str = ""  # the command that asked beside any conversation: there is nothing to continue


@dataclass(frozen=True, slots=True)
class Record:
    """An entry and when it was written, seconds since the epoch (0: not known)."""

    at: float
    entry: Entry


def encode(entry: Entry) -> dict[str, Any]:
    record = {"t": type(entry).__name__, "at": round(time.time(), 3), **asdict(entry)}
    return record if record.get("images", True) else {k: v for k, v in record.items() if k != "images"}


def decode(record: dict[str, Any]) -> Entry:
    """The entry of a record; raises ValueError, KeyError or TypeError for what is not one."""
    kind = _TYPES[record["t"]]
    known = {field.name for field in fields(kind)}
    values = {key: value for key, value in record.items() if key in known}
    if kind is ledger.Assistant:
        values["calls"] = tuple(Call(**call) for call in values.get("calls", ()))
    elif kind is ledger.Checkpoint:
        values["paths"] = tuple(values.get("paths", ()))
    elif kind is ledger.ToolResult:
        values["images"] = tuple(values.get("images", ()))
    entry: Entry = kind(**values)
    return entry


def parse(data: bytes, name: str) -> tuple[Header, list[Entry]]:
    """Header and entries of a whole journal. ``data`` ends with a newline."""
    header, records = parse_records(data, name)
    return header, [record.entry for record in records]


def parse_records(data: bytes, name: str, *, upto_damage: bool = False) -> tuple[Header, list[Record]]:
    """:func:`parse` with the times. ``upto_damage``: a damaged line ends the list instead of raising."""
    lines = data.split(b"\n")[:-1]
    if not lines:
        raise JournalProblem(f"the session {name} is empty", "start a new one with `kcode`")
    head = _json_line(lines[0], name, 1)
    if not isinstance(head.get("session"), str) or not isinstance(head.get("kcode_journal"), int):
        raise JournalProblem(f"{name} is not a kcode session", "start a new one with `kcode`")
    written = head["kcode_journal"]
    if written > FORMAT:
        raise JournalProblem(
            f"the session {name} was written by a newer kcode", "upgrade kcode to continue it"
        )
    header = Header(
        head["session"],
        str(head.get("root", "")),
        _moment(head.get("created")),
        written,
        str(head.get("parent", "")),
        str(head.get("errand", "")),
    )
    records: list[Record] = []
    try:
        for record in _records(lines[1:], name, written):
            records.append(record)
    except JournalProblem:
        if not upto_damage:
            raise
    return header, records


def _moment(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e15 else 0.0


def _restore_of_epochs(record: dict[str, Any]) -> dict[str, Any]:
    """Format 1 knew no restoring epoch: a rewind kept a beginning, everything else began anew."""
    return {**record, "restore_upto": None} if record.get("t") == "Epoch" else record


# What makes a record of format N one of format N + 1.
_MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _restore_of_epochs}


def _records(lines: list[bytes], name: str, written: int) -> Iterator[Record]:
    for number, line in enumerate(lines, 2):
        try:
            record = _json_line(line, name, number)
            for each in record["entries"] if record["t"] == TOGETHER else [record]:
                for step in range(written, FORMAT):
                    each = _MIGRATIONS[step](each)
                yield Record(float(each.get("at", 0)), decode(each))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _corrupt(name, number) from error


def head_of(header: Header) -> dict[str, Any]:
    head: dict[str, Any] = {
        "kcode_journal": header.format,
        "session": header.session,
        "root": header.root,
        "created": header.created,
    }
    more = {"parent": header.parent, "errand": header.errand}
    return {**head, **{name: value for name, value in more.items() if value}}


def line_of(record: dict[str, Any]) -> bytes:
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _json_line(line: bytes, name: str, number: int) -> dict[str, Any]:
    try:
        record = read_json(line.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise _corrupt(name, number) from error
    if not isinstance(record, dict):
        raise _corrupt(name, number)
    return record


def _corrupt(name: str, number: int) -> JournalProblem:
    return JournalProblem(
        f"line {number} of the session {name} is damaged; nothing was changed",
        f"go on in a copy that ends before it: kcode session fork {Path(name).stem}",
    )
