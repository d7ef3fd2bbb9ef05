"""Dividing a change into commits: one question, and an answer in which every part is exactly once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcode.agent.aside import ask_object, filled, room_for_text
from kcode.agent.committing import LARGEST_CHANGE, message_of
from kcode.agent.excerpt import Withheld, made_by_a_program, shortened
from kcode.agent.narrow import TooSmall, is_narrow
from kcode.config.prompts import load_prompt
from kcode.errors import UsageError
from kcode.safety.secrets import redact
from kcode.workspace.logstyle import Style
from kcode.workspace.splitting import Part, Splittable

if TYPE_CHECKING:
    from kcode.agent.session import Session

ANSWER_TOKENS = 2_500
MOST_PARTS = 400
_LEAST = 200  # characters of a part: less of it tells nothing

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "commits": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "message": {"type": "string"},
                    "changes": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["message", "changes"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["commits"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Group:
    """One commit to be: ``numbers`` are those of its parts."""

    message: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """``placed`` are parts that the model forgot, put beside what is nearest to them."""

    groups: tuple[Group, ...]
    placed: tuple[int, ...] = ()


async def plan(
    session: Session,
    found: Splittable,
    stat: str,
    style: Style,
    *,
    hint: str = "",
    withheld: Withheld = lambda path: "",
) -> Plan:
    """One model request. Raises UsageError for too many files, ProviderError, NoStructuredAnswer, and
    TooSmall for an embedded model."""
    if is_narrow(session):
        raise TooSmall(
            "the embedded model is too small to divide a change",
            "git add what belongs together, then kcode commit; or kcode login, for a K2 model",
        )
    if len(found.parts) > MOST_PARTS:
        raise UsageError(
            f"{len(found.parts)} files are too many to be divided at once", "stage a part of them first"
        )
    room = room_for_text(session, ANSWER_TOKENS, LARGEST_CHANGE)
    stat = stat if len(stat) < room // 6 else stat.rpartition("\n")[2]
    parts = described(found.parts, room - len(stat) - len(style.words()), withheld)
    asked = f"\nThe user says about it: {hint}" if hint else ""
    text = filled(load_prompt("commit_split_change"), style=style.words(), stat=stat, parts=parts, hint=asked)
    system = filled(load_prompt("commit_split"), subject=str(style.limit))
    answer = await ask_object(session, "commit", system, text.strip(), schema=SCHEMA, reserve=ANSWER_TOKENS)
    return checked(answer["commits"], found.parts)


def described(parts: Sequence[Part], room: int, withheld: Withheld) -> str:
    """Every part with its number, and of its lines what fits, shared fairly; secrets are masked."""
    heads = [f"[{part.number}] {title(part)}\n" for part in parts]
    left = room - sum(map(len, heads))
    bodies = ["" if _hidden(part, withheld) else _body(part) for part in parts]
    order = sorted(range(len(parts)), key=lambda n: len(bodies[n]))
    for place, number in enumerate(order):
        share = max(0, left) // (len(order) - place)
        if len(bodies[number]) > share:
            bodies[number] = bodies[number][:share].rpartition("\n")[0] + "\n" if share > _LEAST else ""
        left -= len(bodies[number])
    return "".join(head + body for head, body in zip(heads, bodies, strict=True))


def title(part: Part) -> str:
    """``shop.py:12 def total (+2 -1)``, as the model and people read it."""
    size = f"(+{part.added} -{part.removed})" if part.added or part.removed else ""
    if part.kind == "mode":
        return f"{part.path} (mode)"
    if part.hunk is not None:
        line = next((each.new or each.old for each in part.hunk.lines if each.sign != " "), 0)
        return " ".join(filter(None, [f"{part.path}:{line}", part.hunk.header[:60], size]))
    moved = f"{part.file.was} -> {part.path}" if part.file.was else part.path
    what = "binary" if part.file.binary else "" if part.file.status == "modified" else part.file.status
    return " ".join(filter(None, [moved, f"({what})" if what else "", size]))


def checked(raw: Sequence[Mapping[str, Any]], parts: Sequence[Part]) -> Plan:
    """Groups in which every part is exactly once; those without message or parts are left out."""
    known = {part.number: part for part in parts}
    seen: set[int] = set()
    groups: list[tuple[str, list[int]]] = []
    for each in raw:
        numbers = [n for n in dict.fromkeys(each["changes"]) if n in known and n not in seen]
        message = message_of(str(each["message"]))
        if numbers and message:
            seen.update(numbers)
            groups.append((message, numbers))
    missing = [number for number in known if number not in seen]
    if not groups:
        return Plan((), tuple(missing))
    for number in missing:
        nearest = max(range(len(groups)), key=lambda n: (_near(known, groups[n][1], number), n))
        groups[nearest][1].append(number)
    return Plan(tuple(Group(text, tuple(sorted(numbers))) for text, numbers in groups), tuple(missing))


def _near(known: Mapping[int, Part], numbers: Sequence[int], number: int) -> int:
    """2 where one of them is of the same file, 1 of the same folder."""
    path = known[number].path
    if any(known[n].path == path for n in numbers):
        return 2
    folder = path.rpartition("/")[0]
    return int(any(known[n].path.rpartition("/")[0] == folder for n in numbers))


def _hidden(part: Part, withheld: Withheld) -> bool:
    return bool(withheld(part.path)) or part.file.binary or made_by_a_program(part.path)


def _body(part: Part) -> str:
    rows = [f"{line.sign}{shortened(line.text)}" for hunk in part.hunks for line in hunk.lines]
    return redact("\n".join(rows)) + "\n" if rows else ""
