"""What a session's ledger says about the files: which changes are kcode's, which are the user's.

Between the snapshot that starts a turn and the one that ends it, changes are the turn's; everything else
is the user's, unless a checkpoint of kcode's explains it. All positions count entries of the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from kcode.agent.filehistory import COMMANDS, NOTE
from kcode.conversation.ledger import Checkpoint, Entry, Note, ToolResult
from kcode.errors import KcodeError
from kcode.workspace.modes import noted_modes
from kcode.workspace.snapshots import Difference, Item
from kcode.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Mark:
    """A snapshot in the ledger. ``modes`` names the permission bits noted with it, or is empty."""

    position: int
    when: str
    commit: str
    modes: str


def marks(ledger: Sequence[Entry]) -> list[Mark]:
    """The snapshots, in order; those of another worktree, or pruned ones, are not in the store."""
    found = []
    for position, entry in enumerate(ledger):
        if isinstance(entry, Note) and entry.kind == NOTE:
            found.append(
                Mark(position, entry.text, entry.data.get("commit", ""), entry.data.get("modes", ""))
            )
    return found


def first_after(ledger: Sequence[Entry], position: int) -> Mark | None:
    """The snapshot that shows the files as they were at ``position``: none where a change came before it."""
    for mark in marks(ledger):
        if mark.position >= position and mark.when in ("start", "before"):
            between = ledger[position : mark.position]
            return None if _changes(between) else mark
    return None


def _changes(entries: Iterable[Entry]) -> bool:
    return any(
        isinstance(entry, Checkpoint) or (isinstance(entry, ToolResult) and entry.name in COMMANDS)
        for entry in entries
    )


def changed_anything(ledger: Sequence[Entry], position: int) -> bool:
    """Whether kcode may have changed a file after ``position``."""
    return _changes(ledger[position:])


def users_paths(workspace: Workspace, ledger: Sequence[Entry], start: Mark, now: str) -> dict[str, None]:
    """Paths that were changed by somebody else between ``start`` and the snapshot ``now``.

    Raises :class:`EnvironmentProblem` where a snapshot in between is gone.
    """
    users: dict[str, None] = {}
    before = start
    later = [mark for mark in marks(ledger) if mark.position > start.position]
    for mark in [*later, Mark(len(ledger), "now", now, "")]:
        if not workspace.snapshots.has(mark.commit):
            continue  # pruned: its changes count with the next one
        span = ledger[before.position : mark.position]
        found = workspace.snapshots.between(before.commit, mark.commit)
        if mark.when == "restored":
            found = []
        elif mark.when == "end" and _ran_commands(span):
            found = []  # whatever changed in the turn, its commands may have done
        users.update(dict.fromkeys(_unexplained(workspace, span, found)))
        before = mark
    return users


def _ran_commands(span: Iterable[Entry]) -> bool:
    return any(isinstance(entry, ToolResult) and entry.name in COMMANDS for entry in span)


def _unexplained(workspace: Workspace, span: Sequence[Entry], found: Sequence[Difference]) -> Iterator[str]:
    """The paths whose new content no checkpoint of the span has made, and no undo brought back."""
    made = _made(workspace, span)
    wanted = [d for d in found if d.path in made]
    with suppress(KcodeError):
        contents = workspace.snapshots.contents([d.after for d in wanted if d.after is not None])
        explained = {d.path for d in wanted if _digest(d.after, contents) in made[d.path]}
        yield from (d.path for d in found if d.path not in explained)
        return
    yield from (d.path for d in found)


def _made(workspace: Workspace, span: Sequence[Entry]) -> dict[str, set[str]]:
    """The contents, as SHA-256 ("" for not there), that kcode's own changes have given each path."""
    made: dict[str, set[str]] = {}
    for entry in span:
        undone = isinstance(entry, Note) and entry.kind == "undo"
        identity = entry.id if isinstance(entry, Checkpoint) else ""
        if undone and isinstance(entry, Note):
            identity = entry.data.get("checkpoint", "")
        if not identity:
            continue
        with suppress(KcodeError):
            for each in workspace.checkpoints.load(identity).entries:
                state = each.before if undone else each.after
                made.setdefault(each.path, set()).add(state.rpartition(":")[2])
    return made


def _digest(item: Item | None, contents: Mapping[str, bytes]) -> str:
    return "" if item is None else hashlib.sha256(contents[item.object]).hexdigest()


def former_modes(
    workspace: Workspace, ledger: Sequence[Entry], start: Mark, gone: Iterable[str]
) -> dict[str, int]:
    """Permission bits that files had after ``start`` which are not there any more, where they are known:
    from the copy that the first edit made, or as they were noted before the first command."""
    found: dict[str, int] = {}
    wanted = set(gone)
    for entry in ledger[start.position :]:
        if isinstance(entry, Note) and entry.kind == "modes":
            noted = noted_modes(workspace.snapshots, entry.data.get("modes", ""))
            if noted is not None:
                found = {**{path: noted.of(path) for path in wanted}, **found}
                break
        if isinstance(entry, Checkpoint):
            with suppress(KcodeError):
                for each in workspace.checkpoints.load(entry.id).entries:
                    if each.path in wanted and each.before and not each.link:
                        found.setdefault(each.path, each.mode)
    return found


def modes_to_restore(workspace: Workspace, ledger: Sequence[Entry], start: Mark) -> dict[str, int]:
    """Permission bits that commands have changed since ``start``, as they were before.

    Bits that were changed again by somebody else since are left out.
    """
    wanted: dict[str, int] = {}
    left: dict[str, int] = {}
    before = None
    for entry in ledger[start.position :]:
        if not isinstance(entry, Note) or not entry.data.get("modes"):
            continue
        noted = noted_modes(workspace.snapshots, entry.data["modes"])
        if entry.kind == "modes":
            before = noted
        elif before is not None and noted is not None:
            for path in {*before.rest, *noted.rest}:
                if before.of(path) != noted.of(path):
                    wanted.setdefault(path, before.of(path))
                    left[path] = noted.of(path)
            before = None
    found = {}
    for path, mode in wanted.items():
        with suppress(OSError, KcodeError):
            if workspace.locate(path).lstat().st_mode & 0o7777 == left[path]:
                found[path] = mode
    return found
