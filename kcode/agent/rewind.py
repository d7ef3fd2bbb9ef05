"""Going back to an earlier message: the conversation, the files, or both; and taking that back.

Nothing is thrown away: the journal keeps what was rewound, a snapshot keeps the files as they were before,
and what the user changed themselves stays unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kcode.agent import timeline
from kcode.conversation.ledger import Checkpoint, Entry, Epoch, Note, User, live_positions
from kcode.errors import KcodeError, UsageError
from kcode.workspace.checkpoints import fingerprint
from kcode.workspace.files import Stored, read_stored
from kcode.workspace.restore import restore, restore_modes
from kcode.workspace.snapshots import Difference, SnapshotProblem

if TYPE_CHECKING:
    from kcode.agent.session import Session

What = Literal["both", "conversation", "files"]
_CROSSED = ("compaction", "tools", "model")  # epochs behind which a conversation can be taken up again


@dataclass(frozen=True, slots=True)
class Moment:
    """A message of the user's to go back to: the moment before it was sent. ``position`` is its entry's."""

    position: int
    text: str
    files: int  # paths that kcode's own edits changed between this message and the next


@dataclass(frozen=True, slots=True)
class FilePlan:
    """What bringing the files back would do.

    ``restored`` are the paths that change back, ``kept`` those that the user changed meanwhile. ``exact``
    tells that a snapshot is there; without it, only what kcode's edits changed comes back.
    """

    restored: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    exact: bool = True
    target: str = ""
    now: str = ""
    differences: tuple[Difference, ...] = ()
    images: Mapping[str, Stored | None] = field(default_factory=dict)
    modes: Mapping[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        return not self.restored and not self.kept


@dataclass(frozen=True, slots=True)
class Rewound:
    """What a rewind did: the paths that changed, those left alone with the reason, the message's text."""

    restored: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()
    text: str = ""


def moments(ledger: Sequence[Entry]) -> list[Moment]:
    """The user's messages of this conversation, oldest first, those behind compactions included."""
    found: list[int] = []
    upto = len(ledger)
    while True:
        live = live_positions(ledger[:upto])
        older = [at for at, entry in live if isinstance(entry, User) and entry.typed]
        found = older + _without_copies(ledger, older, found)
        begins = live[0][0] - 1 if live else -1
        epoch = ledger[begins] if begins > 0 else None
        if not isinstance(epoch, Epoch) or epoch.reason not in _CROSSED or begins >= upto:
            break
        upto = begins
    return [
        Moment(at, _typed(ledger[at]), _files_of(ledger[at:end]) if end > at else 0)
        for at, end in pairwise([*found, len(ledger)])
    ]


def _without_copies(ledger: Sequence[Entry], older: list[int], newer: list[int]) -> list[int]:
    """``newer`` without the messages at its beginning that a compaction has copied from ``older``."""
    for count in range(min(len(older), len(newer)), 0, -1):
        if [ledger[at] for at in newer[:count]] == [ledger[at] for at in older[-count:]]:
            return newer[count:]
    return newer


def _typed(entry: Entry) -> str:
    return entry.typed if isinstance(entry, User) else ""


def _files_of(entries: Sequence[Entry]) -> int:
    return len({path for entry in entries if isinstance(entry, Checkpoint) for path in entry.paths})


async def plan_files(session: Session, position: int) -> FilePlan:
    """What going back to the files of ``position`` would change. Touches nothing."""
    await session.files.settle()
    mark = timeline.first_after(session.ledger, position)
    store = session.workspace.snapshots
    if mark is None and not timeline.changed_anything(session.ledger, position):
        return FilePlan()
    if mark is not None and store.has(mark.commit):
        with suppress(KcodeError):
            planned = await _planned(session, mark)
            return _beside(planned, _from_images(session, position))
    return _from_images(session, position)


def _beside(planned: FilePlan, by_images: FilePlan) -> FilePlan:
    """``planned``, and what edits changed in folders that were added: snapshots do not cover them."""
    added = {path: content for path, content in by_images.images.items() if Path(path).is_absolute()}
    return replace(
        planned,
        restored=(*planned.restored, *(path for path in by_images.restored if path in added)),
        kept=(*planned.kept, *(path for path in by_images.kept if path in added)),
        images=added,
    )


async def _planned(session: Session, mark: timeline.Mark) -> FilePlan:
    """By snapshots. Raises where one of them cannot be taken or read."""
    workspace = session.workspace
    now = await session.files.record_now("before")
    users = timeline.users_paths(workspace, session.ledger, mark, now)
    not_covered = {*workspace.snapshots.left_out(mark.commit), *workspace.snapshots.left_out(now)}
    found = workspace.snapshots.between(mark.commit, now)
    differences = [difference for difference in found if difference.path not in not_covered]
    gone = [d.path for d in differences if d.after is None]
    former = timeline.former_modes(workspace, session.ledger, mark, gone)
    modes = timeline.modes_to_restore(workspace, session.ledger, mark)
    restored = dict.fromkeys(d.path for d in differences if d.path not in users)
    restored.update(dict.fromkeys(path for path in modes if path not in users))
    return FilePlan(
        tuple(restored),
        tuple(d.path for d in differences if d.path in users),
        True,
        mark.commit,
        now,
        tuple(differences),
        {},
        {**former, **modes},
    )


def _from_images(session: Session, position: int) -> FilePlan:
    """By the copies that edits made of what they changed."""
    workspace = session.workspace
    first: dict[str, Stored | None] = {}
    states: dict[str, set[str]] = {}
    for _, checkpoint in standing(session.ledger, position):
        with suppress(KcodeError):  # dropped since: what it held is not covered
            record = workspace.checkpoints.load(checkpoint.id)
            for number, entry in enumerate(record.entries):
                if entry.path not in first:
                    first[entry.path] = workspace.checkpoints.content(record, number)
                states.setdefault(entry.path, set()).update((entry.before, entry.after))
    changed, kept = {}, []
    for path, content in first.items():
        real = workspace.locate(path)
        now = fingerprint(read_stored(real, path) if real.is_symlink() or real.exists() else None)
        if now == fingerprint(content):
            continue
        if now not in states[path]:
            kept.append(path)
        changed[path] = content
    restored = tuple(path for path in changed if path not in kept)
    return FilePlan(restored, tuple(kept), False, images=changed)


def standing(ledger: Sequence[Entry], position: int = 0) -> list[tuple[int, Checkpoint]]:
    """The checkpoints from ``position`` on whose changes have not been taken back."""
    undone: set[str] = set()
    for entry in ledger:
        if isinstance(entry, Note) and entry.kind in ("undo", "redo"):
            names = entry.data.get("checkpoint", "").split()
            undone = undone.union(names) if entry.kind == "undo" else undone.difference(names)
    return [
        (at, entry)
        for at, entry in enumerate(ledger)
        if at >= position and isinstance(entry, Checkpoint) and entry.id not in undone
    ]


async def rewind(
    session: Session, position: int, what: What, plan: FilePlan | None = None, *, force: bool = False
) -> Rewound:
    """Go back to the moment before the message at ``position``.

    ``plan`` is what :func:`plan_files` said, where files are to come back; ``force`` brings back those too
    that the user changed since. Raises :class:`KcodeError` where files cannot be written.
    """
    entry = session.ledger[position] if 0 <= position < len(session.ledger) else None
    if not isinstance(entry, User):
        raise UsageError("there is no such message", "/rewind lists them")
    data: dict[str, str] = {"what": what, "position": str(position)}
    seen: Sequence[str] = plan.kept if plan is not None else ()
    if what != "conversation" and plan is not None:
        plan = await plan_files(session, position)  # the user may have gone on editing meanwhile
        taken_back = [checkpoint.id for _, checkpoint in standing(session.ledger, position)]
        data |= {"from": plan.now, "to": plan.target, "checkpoints": " ".join(taken_back)}
    session.record(Note("rewind", _first_line(entry.typed), data))
    number = len(session.ledger) - 1
    done = Rewound()
    if what != "conversation" and plan is not None:
        done = await _restore(session, plan, seen if force else (), f"{number}")
        if data["checkpoints"]:
            session.record(Note("undo", "rewind", {"checkpoint": data["checkpoints"]}))
    if what == "files":
        session.tell(_news(done.restored))
    else:
        session.go_back(Epoch("rewind", _first_line(entry.typed), restore_upto=position))
        if what == "conversation" and plan is not None and plan.restored:
            session.tell(
                "<news>The user went back to this point; changes that were made to these files after it"
                f" are still there: {_named(plan.restored)}</news>"
            )
    return Rewound(done.restored, done.left, entry.typed if what != "files" else "")


def last_rewind(ledger: Sequence[Entry]) -> int | None:
    """The position of the last rewind that has not been taken back."""
    undone = {e.data.get("of") for e in ledger if isinstance(e, Note) and e.kind == "rewind-undone"}
    for position in range(len(ledger) - 1, -1, -1):
        entry = ledger[position]
        if isinstance(entry, Note) and entry.kind == "rewind" and str(position) not in undone:
            return position
    return None


async def plan_undo(session: Session) -> tuple[int, FilePlan]:
    """The rewind that would be taken back, and what that would do to the files."""
    position = last_rewind(session.ledger)
    if position is None:
        raise UsageError("there is no rewind to take back", "/rewind lists the messages to go back to")
    note = session.ledger[position]
    assert isinstance(note, Note)
    if note.data.get("what") == "conversation":
        return position, FilePlan()
    images: dict[str, Stored | None] = {}
    for entry in session.ledger[position:]:
        if isinstance(entry, Note) and entry.kind == "rewind-files" and entry.data.get("of") == str(position):
            record = session.workspace.checkpoints.load(entry.data.get("checkpoint", ""))
            for number, each in enumerate(record.entries):
                images[each.path] = session.workspace.checkpoints.content(record, number)
    by_images = FilePlan(tuple(images), (), False, images=images)
    commit = note.data.get("from", "")
    if commit and session.workspace.snapshots.has(commit):
        mark = timeline.Mark(position, "before", commit, "")
        return position, _beside(await _planned(session, mark), by_images)
    return position, by_images


async def undo(session: Session, position: int, plan: FilePlan, *, force: bool = False) -> Rewound:
    """Take back the rewind at ``position`` as :func:`plan_undo` planned it."""
    note = session.ledger[position]
    assert isinstance(note, Note)
    seen = plan.kept if force else ()
    _, plan = await plan_undo(session)
    session.record(Note("rewind-undone", data={"of": str(position)}))
    done = Rewound()
    if not plan.empty:
        done = await _restore(session, plan, seen, f"{position}")
    if note.data.get("checkpoints"):
        session.record(Note("redo", "rewind", {"checkpoint": note.data["checkpoints"]}))
    if note.data.get("what") != "files":
        session.go_back(Epoch("rewind", "taken back", restore_upto=position))
    elif done.restored:
        session.tell(_news(done.restored))
    return done


async def _restore(session: Session, plan: FilePlan, forced: Sequence[str], of: str) -> Rewound:
    """``forced`` are paths that the user changed and has given up: what they changed since stays."""
    kept = tuple(path for path in plan.kept if path not in set(forced))
    wanted = {path: content for path, content in plan.images.items() if path not in kept}
    if wanted or not plan.exact:
        checkpoint = session.workspace.put(wanted, label="rewind") if wanted else ""
        session.record(Note("rewind-files", data={"checkpoint": checkpoint, "of": of}))
    if not plan.exact:
        return Rewound(tuple(wanted), tuple((path, "you changed it") for path in kept))
    wanted_back = [d for d in plan.differences if d.path not in kept]
    left = restore(session.workspace, wanted_back, plan.modes)
    modes = {path: mode for path, mode in plan.modes.items() if path not in kept}
    restore_modes(session.workspace, modes)
    with suppress(SnapshotProblem):
        await session.files.record_now("restored")
    not_done = {path for path, _ in left}
    restored = dict.fromkeys([*(d.path for d in wanted_back), *modes, *wanted])
    return Rewound(
        tuple(path for path in restored if path not in not_done),
        (*((path, "you changed it") for path in kept), *left),
    )


def _news(paths: Sequence[str]) -> str:
    return f"<news>The user took back changes to files: {_named(paths)}. Read them again.</news>"


def _named(paths: Sequence[str], most: int = 20) -> str:
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more


def _first_line(text: str) -> str:
    return " ".join(text.split())[:120]
