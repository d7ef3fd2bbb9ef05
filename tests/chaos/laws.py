"""What must hold after each turn, whatever went wrong. Each law gives sentences about how it was broken."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.conversation.journal import load
from kcode.conversation.ledger import Assistant, Entry, ToolResult, User
from kcode.errors import KcodeError
from tests.chaos.machine import Machine
from tests.chaos.people import Ending
from tests.chaos.plan import Turn
from tests.k2sim import Record
from tests.k2sim.faults import KINDS

MEMORY = 400_000_000  # bytes that kcode may use at its peak; at rest it uses 80 MB
_DISK = ("disk full in the turn", "a file system that is full", "journal unwritable from the start")
_ERRORS = ("failed", "stopped", "refused", "interrupted", "cannot", "kcode:")


@dataclass(frozen=True)
class Found:
    """How a turn ended, and the laws that it broke."""

    answered: bool
    reported: bool
    broken: tuple[str, ...]


def after_turn(machine: Machine, turn: Turn, ending: Ending, requests: Sequence[Record]) -> Found:
    """``requests`` are those of this turn."""
    broken: list[str] = []
    entries = _entries(machine, broken)
    mine = _of_turn(entries, turn)
    disk = any(turn.suffers(name) for name in _DISK)
    answered = _answered(mine)
    reported = _reported(ending)
    if not ending.over:
        broken.append(f"the turn never ends: {ending.shown[-1500:]}")
    elif not answered and not reported:
        broken.append(f"silently dropped, exit code {ending.code}: {ending.shown[-800:]}")
    if not turn.rows and not answered and not _starved(ending):
        broken.append(f"nothing went wrong, and there is no answer: {ending.shown[-800:]}")
    if "defect of kcode" in ending.shown or "Traceback (most" in ending.shown:
        broken.append(f"a defect of kcode: {ending.shown[-1500:]}")
    if requests and not mine:
        broken.append("a request was sent for a message that is not in the journal")
    broken += _nothing_twice(machine)
    broken += _every_run_is_told(machine, turn, mine, lenient=disk)
    broken += _legal(requests)
    if ending.peak > MEMORY:
        broken.append(f"kcode used {ending.peak // 1_000_000} MB")
    return Found(answered, reported, tuple(broken))


def at_the_end(machine: Machine, turns: Iterable[Turn], last: Ending, final: Record | None) -> list[str]:
    """After the session was resumed by one more run: all messages that were accepted are in its request."""
    broken: list[str] = []
    if _starved(last):
        return broken
    if last.code != 0 or final is None:
        return [f"the session does not resume ({last.code}): {last.shown[-1500:]}"]
    sent = str(final.json["messages"])
    entries = _entries(machine, broken)
    for turn in turns:
        if _of_turn(entries, turn) and turn.text not in sent:
            broken.append(f"turn {turn.number} is in the journal and not in the resumed conversation")
    return broken


def orphans(token: str, wait_s: float = 5.0) -> list[str]:
    """Processes that carry the session's token in their environment and outlived it."""
    deadline = time.monotonic() + wait_s
    while found := _carrying(token):
        if time.monotonic() > deadline:
            return [f"left running: {words}" for words in found]
        time.sleep(0.1)
    return []


def _carrying(token: str) -> list[str]:
    found = []
    mark = f"CHAOS_SESSION={token}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if state != "Z":
                    found.append(f"{entry.name} {words[:120]}")
        except (OSError, IndexError):
            continue
    return found


def _entries(machine: Machine, broken: list[str]) -> list[Entry]:
    entries: list[Entry] = []
    for path in machine.journals:
        try:
            entries += [record.entry for record in load(path)[1]]
        except KcodeError as problem:
            broken.append(f"the journal does not load: {problem.message}")
    return entries


def _of_turn(entries: Sequence[Entry], turn: Turn) -> list[Entry]:
    """From the turn's message to the next one's."""
    start = next((n for n, e in enumerate(entries) if isinstance(e, User) and e.typed == turn.text), None)
    if start is None:
        return []
    rest = entries[start + 1 :]
    end = next((n for n, e in enumerate(rest) if isinstance(e, User) and e.typed), len(rest))
    return [entries[start], *rest[:end]]


def _answered(mine: Sequence[Entry]) -> bool:
    last = next((e for e in reversed(mine) if isinstance(e, Assistant)), None)
    return last is not None and bool(last.content.strip()) and not last.calls and last.finish != "interrupted"


def _reported(ending: Ending) -> bool:
    if ending.code is not None:
        return ending.code != 0 and any(word in ending.shown for word in (*_ERRORS, "[error]", "[limit]"))
    return any(word in ending.shown for word in _ERRORS)


def _starved(ending: Ending) -> bool:
    """The machine was too busy for the simulator to answer in time: nothing that kcode could mend."""
    return "was silent for" in ending.shown


def _nothing_twice(machine: Machine) -> list[str]:
    twice = [name for name, times in Counter(machine.all_ran()).items() if times > 1]
    return [f"ran more than once: {', '.join(twice)}"] if twice else []


def _every_run_is_told(machine: Machine, turn: Turn, mine: Sequence[Entry], *, lenient: bool) -> list[str]:
    """What ran has its call in the journal, and its result where the disk could take it."""
    ran = [name for name in machine.all_ran() if name.startswith(f"{turn.number}.")]
    calls = {c.id: c.arguments for e in mine if isinstance(e, Assistant) for c in e.calls}
    results = {e.call_id for e in mine if isinstance(e, ToolResult)}
    broken = []
    for name in ran:
        ids = [id for id, arguments in calls.items() if f"echo {name} " in arguments]
        if not ids:
            broken.append(f"{name} ran and is not in the journal")
        elif not lenient and not any(id in results for id in ids):
            broken.append(f"{name} ran and has no result in the journal")
    unanswered = [id for id in calls if id not in results]
    if unanswered and not lenient:
        broken.append(f"calls without a result: {', '.join(unanswered)}")
    return broken


def _legal(requests: Sequence[Record]) -> list[str]:
    """The simulator refuses what the real service refuses; what it was told to refuse is no law of ours."""
    refused = [r for r in requests if r.refusal and r.refusal not in KINDS]
    return [f"request {r.number} was refused: {r.refusal}" for r in refused[:1]]
