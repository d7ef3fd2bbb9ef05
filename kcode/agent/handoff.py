"""What a compaction keeps: kcode's own record of the conversation beside the model's summary of it.

The record is computed from the ledger, so that what was read, changed, run and asked for is named even
where the summary forgets it. It travels with the epoch (a note) and grows over several compactions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, astuple, dataclass

from kcode.conversation.ledger import (
    Assistant,
    Call,
    Checkpoint,
    Entry,
    Note,
    System,
    ToolResult,
    Tools,
    User,
    WireEntry,
)
from kcode.providers.arguments import NotArguments, read_arguments

_LISTED = 300  # names a list shows
_RAN = 15  # commands that are kept
_KIND = "hand-off"
_RUNNERS = ("run_command", "run_tests")
_MARKS = {"pending": "[ ]", "in_progress": "[>]", "done": "[x]"}


@dataclass(frozen=True, slots=True)
class Record:
    """Oldest first. ``read`` and ``changed`` are paths, ``ran`` is ``command: result`` in one line."""

    messages: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    ran: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()

    @classmethod
    def of(cls, live: Sequence[Entry]) -> Record:
        """The record of a live conversation, with what an earlier compaction in it has recorded."""
        before = next((cls.from_note(e) for e in live if isinstance(e, Note) and e.kind == _KIND), cls())
        calls = {call.id: call for e in live if isinstance(e, Assistant) for call in e.calls}
        done = [(calls[e.call_id], e) for e in live if isinstance(e, ToolResult) and e.call_id in calls]
        good = [(call, result) for call, result in done if result.ok]
        todo = next((_todo(call) for call, _ in reversed(good) if call.name == "update_todo"), before.todo)
        return cls(
            messages=(*before.messages, *(e.typed for e in live if isinstance(e, User) and e.typed)),
            read=_last_of(before.read, (_span(c) for c, _ in good if c.name == "read_file")),
            changed=_last_of(before.changed, (p for e in live if isinstance(e, Checkpoint) for p in e.paths)),
            searched=_last_of(before.searched, (_pattern(c) for c, _ in good if c.name == "grep"))[-_RAN:],
            ran=(*before.ran, *(_ran(c, r) for c, r in done if c.name in _RUNNERS))[-_RAN:],
            todo=todo,
        )

    def note(self, carried: int) -> Note:
        """The record as an entry of the epoch that it begins, and how many steps are carried into it."""
        record = json.dumps(asdict(self), ensure_ascii=False)
        return Note(_KIND, data={"record": record, "carried": str(carried)})

    @classmethod
    def from_note(cls, note: Note) -> Record:
        values = json.loads(note.data["record"])
        return cls(**{key: tuple(value) for key, value in values.items()})

    def adds_to(self, earlier: Record) -> bool:
        """Whether anything was read, changed, searched, run, planned or asked that was not before."""
        return any(
            set(now) - set(before) for now, before in zip(astuple(self), astuple(earlier), strict=True)
        )

    def text(self, own_words: int) -> str:
        """What the model is told: short lists, then the user's own words, ``own_words`` characters of them
        verbatim."""
        lists = [
            ("Files changed", self.changed),
            ("Files read", self.read),
            ("Searched for", self.searched),
            ("Ran (oldest first)", self.ran),
            ("To do", self.todo),
        ]
        lines = [f"{title}:\n{_listed(items)}" for title, items in lists if items]
        record = "<record>\n" + "\n".join(lines) + "\n</record>\n" if lines else ""
        return f"{record}<user-messages>\n{_own_words(self.messages, own_words)}\n</user-messages>"


def todo_of(live: Sequence[Entry]) -> tuple[tuple[str, str], ...]:
    """The to-do list as the conversation left it: pairs of a text and how it stands."""
    states = {mark: state for state, mark in _MARKS.items()}
    return tuple((line[4:], states.get(line[:3], "pending")) for line in Record.of(live).todo)


def carried_steps(note: Note) -> int | None:
    """The steps a compaction carried over, None for a note that is not a compaction's."""
    return int(note.data.get("carried", "0")) if note.kind == _KIND else None


def recent(
    live: Sequence[WireEntry], fits: int, tokens: Callable[[Sequence[WireEntry]], int]
) -> list[WireEntry]:
    """The last whole steps (an assistant message and its results) of the running turn, within ``fits``
    tokens as ``tokens`` counts a step. Never more than what follows the last user entry.
    """
    steps: list[list[WireEntry]] = []
    for entry in live:
        if isinstance(entry, System | Tools | User):
            steps = []
        elif isinstance(entry, Assistant):
            steps.append([entry])
        elif steps:
            steps[-1].append(entry)
    kept: list[WireEntry] = []
    left = fits
    for step in reversed(steps):
        left -= tokens(step)
        if left < 0 or not _answered(step):
            break
        kept = [*step, *kept]
    return kept


def _answered(step: Iterable[WireEntry]) -> bool:
    wanted = {call.id for e in step if isinstance(e, Assistant) for call in e.calls}
    return wanted <= {e.call_id for e in step if isinstance(e, ToolResult)}


# --- reading the ledger --------------------------------------------------------------------------


def _argument(call: Call, key: str) -> object:
    try:
        return read_arguments(call.arguments).value.get(key)
    except NotArguments:
        return None


def _path(call: Call) -> str:
    return str(_argument(call, "path") or "")


def _span(call: Call) -> str:
    start, count = _argument(call, "start_line"), _argument(call, "line_count")
    if not isinstance(start, int) and not isinstance(count, int):
        return _path(call)
    first = start if isinstance(start, int) else 1
    last = str(first + count - 1) if isinstance(count, int) else ""
    return f"{_path(call)} (lines {first}-{last})"


def _pattern(call: Call) -> str:
    path = _path(call)
    return f"{_argument(call, 'pattern')}{f' in {path}' if path else ''}"


def _ran(call: Call, result: ToolResult) -> str:
    what = _argument(call, "command") or _argument(call, "target") or "all tests"
    return f"{'' if call.name == 'run_command' else 'tests: '}{_one_line(str(what))} → {result.brief}"


def _todo(call: Call) -> tuple[str, ...]:
    items = _argument(call, "items")
    return tuple(
        f"{_MARKS.get(str(item.get('status')), '[ ]')} {item.get('text', '')}"
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, dict)
    )


def _last_of(before: Iterable[str], now: Iterable[str]) -> tuple[str, ...]:
    """Each once, in the order of the last use."""
    seen: dict[str, None] = {}
    for name in (*before, *now):
        seen.pop(name, None)
        seen[name] = None
    return tuple(name for name in seen if name)


def _one_line(text: str, limit: int = 160) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def _listed(items: Sequence[str]) -> str:
    shown = [f"- {_one_line(item, 300)}" for item in items[-_LISTED:]]
    if len(items) > _LISTED:
        shown.insert(0, f"- ({len(items) - _LISTED} earlier ones)")
    return "\n".join(shown)


def _own_words(messages: Sequence[str], room: int) -> str:
    """The user's messages, the latest ones first to find room; in order, and saying what was left out."""
    kept: list[str] = []
    for text in reversed(messages):
        if room <= 0:
            kept.append(f"[{len(messages) - len(kept)} earlier messages left out]")
            break
        if len(text) > room:
            half = max(room // 2, 200)
            text = f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"
        kept.append(text)
        room -= len(text)
    return "\n---\n".join(reversed(kept))
