"""Resolving a conflict: one question for a hunk, and what is wrong with the answer before anybody sees it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcode.agent.aside import ask_object, filled, room_for_text
from kcode.agent.narrow import is_narrow
from kcode.config.prompts import load_prompt
from kcode.errors import NotAchieved
from kcode.safety.placeholders import count
from kcode.safety.sanitize import clean
from kcode.safety.secrets import find
from kcode.workspace.change import FileEdit
from kcode.workspace.conflictmarks import ConflictHunk, Piece, is_marker, side
from kcode.workspace.conflicts import Conflict
from kcode.workspace.syntax import newly_broken
from kcode.workspace.unfinished import Operation

if TYPE_CHECKING:
    from kcode.agent.session import Session

ANSWER_TOKENS = 3_000
LARGEST_HUNK = 24_000  # characters of a conflict and what is around it
_AROUND = 30  # lines before and behind a conflict that go with it
_LOG = 1_500  # characters of a side's messages
_BRIEF_LOG = 200  # for an embedded model

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "resolution": {"type": "string"},
        "why": {"type": "string"},
        "sure": {"type": "boolean"},
    },
    "required": ["resolution", "why", "sure"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Proposal:
    """``content`` replaces the hunk, in the file's encoding and with its line ends. ``lost`` are lines that a
    side added and that are not in it; ``problem`` says why it cannot be taken, or is empty."""

    content: bytes
    why: str
    sure: bool
    lost: tuple[str, ...] = ()
    problem: str = ""


def certain(hunk: ConflictHunk) -> tuple[str, bytes] | None:
    """What needs no thought: both sides are the same, or one of them changed nothing. (how, content)."""
    if hunk.ours == hunk.theirs:
        return "both sides are the same", hunk.ours
    if hunk.base is not None and hunk.ours == hunk.base:
        return "only theirs changed it", hunk.theirs
    if hunk.base is not None and hunk.theirs == hunk.base:
        return "only ours changed it", hunk.ours
    return None


async def propose(
    session: Session,
    found: Operation,
    logs: tuple[str, str],
    conflict: Conflict,
    number: int,
    chosen: Mapping[int, bytes],
    *,
    wish: str = "",
) -> Proposal:
    """A resolution of hunk ``number``, asked for twice where the first cannot be taken.

    ``chosen`` are the resolutions of other hunks of the file. Raises NotAchieved where the hunk may not be
    sent or is too large, ProviderError, LimitReached.
    """
    hunk, before, after = _surroundings(conflict, number, chosen)
    system, shared = load_prompt("resolve"), _shared(found, logs, conflict, brief=is_narrow(session))
    texts = {name: _text(part, conflict) for name, part in _sides(hunk).items()}
    held = session.workspace.withheld(conflict.path) or _secret(session, [*texts.values(), before, after])
    if held:
        raise NotAchieved(f"not sent to the model: {held}", "choose a side, or edit it")
    room = room_for_text(session, ANSWER_TOKENS, LARGEST_HUNK) - len(shared)
    if sum(map(len, texts.values())) > room:
        raise NotAchieved("the conflict is too large to be sent to the model", "choose a side, or edit it")
    around = max(0, room - sum(map(len, texts.values()))) // 2
    note = f"The user says: {wish}" if wish else ""
    proposal = Proposal(b"", "", False)
    for _attempt in range(1 if is_narrow(session) else 2):
        part = filled(
            load_prompt("resolve_hunk"),
            before=before[-around:] if around else "",
            after=after[:around],
            no_base="" if hunk.base is not None else " (not known)",
            note=note,
            **texts,
        )
        answer = await ask_object(
            session, "resolve", system, shared, part, schema=SCHEMA, reserve=ANSWER_TOKENS
        )
        proposal = _checked(conflict, number, chosen, answer)
        if not proposal.problem:
            break
        note = f"An earlier answer could not be taken: {proposal.problem}. Answer again."
    return proposal


def problem_with(conflict: Conflict, number: int, content: bytes, chosen: Mapping[int, bytes]) -> str:
    """Why ``content`` cannot replace hunk ``number``, in words; empty where it can.

    A marker must not be left, and the file must parse where it does with our side in its place.
    """
    from kcode.workspace.conflictmarks import together

    if any(is_marker(line, conflict.marker) for line in content.split(b"\n")):
        return "a conflict marker is left in it"
    hunks = [part for part in conflict.parts if isinstance(part, ConflictHunk)]
    sides = _decoded(b"".join(_sides(hunks[number]).values()), conflict)
    if made_up := [name for name in count([_decoded(content, conflict)]) if name not in sides]:
        return f"{made_up[0]} is the placeholder of a secret, not its value"
    others = {n: chosen.get(n, hunk.ours) for n, hunk in enumerate(hunks)}
    ours = together(conflict.parts, {**others, number: hunks[number].ours})
    theirs = together(conflict.parts, {**others, number: hunks[number].theirs})
    now = _decoded(together(conflict.parts, {**others, number: content}), conflict)
    wrong = [newly_broken(FileEdit(conflict.path, _decoded(each, conflict), now)) for each in (ours, theirs)]
    return wrong[0] if all(wrong) else ""


def encoded(text: str, conflict: Conflict, hunk: ConflictHunk) -> bytes:
    """``text`` as the file would hold it: its encoding, its line ends, its last line ended as the sides are.

    Raises NotAchieved for characters that the encoding does not have.
    """
    text = re.sub(r"\r\n?", "\n", text)
    if text and not text.endswith("\n"):
        text += "\n"
    like = hunk.ours or hunk.theirs
    if like.count(b"\r\n") * 2 > like.count(b"\n"):
        text = text.replace("\n", "\r\n")
    try:
        return text.encode(conflict.encoding)
    except UnicodeEncodeError as problem:
        raise NotAchieved(
            f"{conflict.path} is in {conflict.encoding}, which has no {problem.object[problem.start]!r}",
            "choose a side, or edit it",
        ) from None


def lost_lines(hunk: ConflictHunk, content: bytes, encoding: str) -> tuple[str, ...]:
    """Lines that a side added to the base and that ``content`` has not: what a person should look at."""
    base = {line.strip() for line in (hunk.base or b"").split(b"\n")}
    there = {line.strip() for line in content.split(b"\n")}
    added = [line.strip() for line in (*hunk.ours.split(b"\n"), *hunk.theirs.split(b"\n"))]
    lost = dict.fromkeys(line for line in added if line and line not in base and line not in there)
    return tuple(line.decode(encoding, "replace") for line in lost)


def _checked(
    conflict: Conflict, number: int, chosen: Mapping[int, bytes], answer: Mapping[str, Any]
) -> Proposal:
    hunk = [part for part in conflict.parts if isinstance(part, ConflictHunk)][number]
    text = str(answer["resolution"])
    if fenced := re.fullmatch(r"\s*```[\w+-]*\n(.*?)\n?```\s*", text, re.DOTALL):
        text = fenced[1]
    why = clean(str(answer["why"])).strip()
    try:
        content = encoded(text, conflict, hunk)
    except NotAchieved as error:
        return Proposal(b"", why, False, (), error.message)
    wrong = problem_with(conflict, number, content, chosen)
    return Proposal(content, why, bool(answer["sure"]), lost_lines(hunk, content, conflict.encoding), wrong)


def _shared(found: Operation, logs: tuple[str, str], conflict: Conflict, *, brief: bool = False) -> str:
    """The same for every hunk of a file, so that it is read from the cache."""
    longest = _BRIEF_LOG if brief else _LOG
    ours, theirs = (clean(log)[:longest].strip() or "(nothing is known)" for log in logs)
    return filled(
        load_prompt("resolve_file"),
        operation=found.name or "change of the work tree",
        path=conflict.path,
        ours_is=found.ours_is,
        theirs_is=found.theirs_is,
        ours_log=ours,
        theirs_log=theirs,
    )


def _surroundings(
    conflict: Conflict, number: int, chosen: Mapping[int, bytes]
) -> tuple[ConflictHunk, str, str]:
    """The hunk, and the lines before and behind it: other hunks as they were chosen, else as ours are."""
    at = [n for n, part in enumerate(conflict.parts) if isinstance(part, ConflictHunk)][number]
    hunk = conflict.parts[at]
    assert isinstance(hunk, ConflictHunk)
    before = _resolved(conflict.parts[:at], chosen, 0)
    after = _resolved(conflict.parts[at + 1 :], chosen, number + 1)
    first = b"".join(before.splitlines(keepends=True)[-_AROUND:])
    last = b"".join(after.splitlines(keepends=True)[:_AROUND])
    return hunk, _text(first, conflict), _text(last, conflict)


def _resolved(parts: Sequence[Piece], chosen: Mapping[int, bytes], start: int) -> bytes:
    numbers = iter(range(start, start + len(parts)))
    return side(parts, lambda hunk: chosen.get(next(numbers), hunk.ours))


def _sides(hunk: ConflictHunk) -> dict[str, bytes]:
    return {"base": hunk.base or b"", "ours": hunk.ours, "theirs": hunk.theirs}


def _text(data: bytes, conflict: Conflict) -> str:
    return _decoded(data, conflict).replace("\r\n", "\n").rstrip("\n")


def _decoded(data: bytes, conflict: Conflict) -> str:
    return data.decode(conflict.encoding, "replace")


def _secret(session: Session, texts: Sequence[str]) -> str:
    """What is masked on its way to a model would come back masked, into the file."""
    hit = next((hit for text in texts for hit in find(text)), None)
    if hit:
        return f"it looks like it holds a secret ({hit.kind})"
    masked = any(session.secrets.text(text) != text for text in texts)
    return "it holds what looks like a secret, or is one of the environment" if masked else ""
