"""Reviewing a change: the diff in numbered lines, questions in bounds, findings checked against the diff."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from kcode.agent.aside import ask_object, filled, room_for_text
from kcode.agent.excerpt import Withheld, excerpt, head, made_by_a_program, shortened
from kcode.agent.narrow import TooSmall, is_narrow
from kcode.config.prompts import load_prompt
from kcode.safety.sanitize import clean
from kcode.workspace.unidiff import DiffFile, DiffHunk, DiffLine

if TYPE_CHECKING:
    from kcode.agent.session import Session

T = TypeVar("T")
Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")

ANSWER_TOKENS = 4_000
LARGEST_PART = 40_000  # characters of diff in one request
MOST_REQUESTS = 12
_AT_ONCE = 3  # requests beside each other, once the first has put the shared beginning into the cache
_STAT_FILES = 200

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "file": {"type": "string"},
                    "line": {"type": "integer"},
                    "code": {"type": "string"},
                    "severity": {"type": "string", "enum": list(SEVERITIES)},
                    "problem": {"type": "string"},
                    "scenario": {"type": "string"},
                    "suggestion": {"type": "string"},
                    "old": {"type": "string"},
                    "new": {"type": "string"},
                },
                "required": ["file", "line", "code", "severity", "problem", "scenario", "suggestion"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["findings"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class ReviewFinding:
    """``line`` counts in the new file. ``place`` tells how sure it is: ``changed`` is a line that the change
    touches, ``context`` one beside it, ``file`` means that only the file is in the diff, not the line.
    ``old`` and ``new`` are the lines that would mend it, as they are and as they should be, or both empty."""

    file: str
    line: int
    severity: Severity
    problem: str
    scenario: str
    suggestion: str
    place: Literal["changed", "context", "file"] = "changed"
    old: str = ""
    new: str = ""

    @property
    def applicable(self) -> bool:
        return bool(self.old.strip()) and self.old != self.new


@dataclass(frozen=True, slots=True)
class Review:
    """``findings`` are the worst first. ``dropped`` named no file of the diff. ``seen`` of ``lines`` changed
    lines were looked at; ``apart`` are files whose content was not, with why: their lines do not count.
    ``checks_only``: no model was asked."""

    findings: tuple[ReviewFinding, ...] = ()
    files: tuple[str, ...] = ()
    dropped: int = 0
    seen: int = 0
    lines: int = 0
    apart: tuple[tuple[str, str], ...] = ()
    requests: int = 0
    checks_only: bool = False

    def at_least(self, severity: Severity) -> list[ReviewFinding]:
        """The findings of this severity or worse."""
        worst = SEVERITIES[: SEVERITIES.index(severity) + 1]
        return [finding for finding in self.findings if finding.severity in worst]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``; stable keys."""
        data = asdict(self)
        return {**data, "apart": [{"file": path, "why": why} for path, why in self.apart]}


async def review(
    session: Session,
    files: Sequence[DiffFile],
    what: str,
    *,
    wish: str = "",
    withheld: Withheld = lambda path: "",
    on_progress: Callable[[int, int], None] = lambda done, all: None,
) -> Review:
    """Findings on ``files``; ``what`` names the change in words, ``wish`` is what the user asks to look at.

    A change that does not fit one request is asked about in several, which begin alike; ``on_progress`` gets
    how many of how many are done. Raises ProviderError, LimitReached, NoStructuredAnswer, and TooSmall for an
    embedded model.
    """
    if is_narrow(session):
        raise TooSmall(
            "the embedded model is too small to review a change", "kcode login, for a K2 model; or --provider"
        )
    room = room_for_text(session, ANSWER_TOKENS, LARGEST_PART)
    shared = _shared(files, what, wish, room // 5)
    parts = _parts(files, room - len(shared), withheld)
    system, done = load_prompt("review"), 0
    gate = asyncio.Semaphore(_AT_ONCE)

    async def ask(part: _Part) -> list[dict[str, Any]]:
        nonlocal done
        async with gate:
            answer = await ask_object(
                session, "review", system, shared, part.text, schema=SCHEMA, reserve=ANSWER_TOKENS
            )
        done += 1
        on_progress(done, len(parts))
        return cast("list[dict[str, Any]]", answer["findings"])

    answers: list[list[dict[str, Any]]] = []
    if parts:
        answers.append(await ask(parts[0]))
        answers += await _all([ask(part) for part in parts[1:]])
    found, dropped = _verified([raw for answer in answers for raw in answer], files)
    return Review(
        tuple(found),
        tuple(file.path for file in files),
        dropped,
        sum(part.lines for part in parts),
        sum(file.added + file.removed for file in files if not _apart(file, withheld)),
        tuple((f.path, why) for f in files if (why := _apart(f, withheld))),
        len(parts),
    )


async def _all(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Their results; the first failure ends the others."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def told(result: Review, what: str) -> str:
    """The findings for the conversation: "fix 2" means the second."""
    lines = [f'<review of="{what}">']
    for number, each in enumerate(result.findings, 1):
        lines.append(f"{number}. [{each.severity}] {each.file}:{each.line}: {each.problem}")
        lines.append(f"   fails when: {each.scenario}")
        lines.append(f"   suggested: {each.suggestion}")
    lines.append("</review>" if result.findings else "nothing was found\n</review>")
    return "\n".join(lines)


# --- what is asked ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Part:
    text: str = ""
    lines: int = 0  # changed ones


def numbered(hunk: DiffHunk) -> str:
    """A hunk with the new file's line numbers in front."""
    rows = [f"@@ {hunk.header}".rstrip()]
    for line in hunk.lines:
        rows.append(f"{line.new or '':>5} {line.sign}{shortened(line.text)}")
    return "\n".join(rows) + "\n"


def _shared(files: Sequence[DiffFile], what: str, wish: str, limit: int) -> str:
    """The beginning of every question: the change in a line per file."""
    lines, used = [], 0
    for number, file in enumerate(files[:_STAT_FILES]):
        line = head(file).strip("= \n")
        used += len(line) + 1
        if used > limit:
            lines.append(f"and {len(files) - number} more files")
            break
        lines.append(line)
    asked = f"\nThe user asks to look at this above all: {wish}\n" if wish else ""
    return filled(load_prompt("review_change"), what=what, stat="\n".join(lines), wish=asked)


def _parts(files: Sequence[DiffFile], room: int, withheld: Withheld) -> list[_Part]:
    """The change in pieces of at most ``room`` characters: whole files together where they fit, a large
    file's hunks apart. What is beyond the last request is left out, the least telling first."""
    parts: list[_Part] = []
    for file in files:
        if not file.hunks or _apart(file, withheld):
            continue
        for text, lines in _pieces(file, room, withheld):
            if not parts or len(parts[-1].text) + len(text) > room:
                parts.append(_Part())
            parts[-1].text += text
            parts[-1].lines += lines
    if len(parts) <= MOST_REQUESTS:
        return parts
    kept = sorted(range(len(parts)), key=lambda n: -parts[n].lines)[:MOST_REQUESTS]
    return [parts[number] for number in sorted(kept)]


def _pieces(file: DiffFile, room: int, withheld: Withheld) -> list[tuple[str, int]]:
    """A file's texts and their changed lines: one where it fits, else its hunks in runs that do; a hunk that
    is too large itself is cut into several."""
    whole = excerpt([file], room, withheld, numbered)
    if whole.whole and len(whole.text) <= room:
        return [(whole.text, file.added + file.removed)]
    runs: list[list[DiffHunk]] = [[]]
    used = 0
    for hunk in [piece for each in file.hunks for piece in _cut(each, room)]:
        size = len(numbered(hunk))
        if runs[-1] and used + size > room - len(head(file)) - 80:
            runs.append([])
            used = 0
        runs[-1].append(hunk)
        used += size
    parts = [replace(file, hunks=tuple(run)) for run in runs]
    return [(excerpt([part], room, withheld, numbered).text, part.added + part.removed) for part in parts]


def _cut(hunk: DiffHunk, room: int) -> list[DiffHunk]:
    pieces: list[list[DiffLine]] = [[]]
    used = 0
    for line in hunk.lines:
        size = len(shortened(line.text)) + 8
        if pieces[-1] and used + size > room // 2:
            pieces.append([])
            used = 0
        pieces[-1].append(line)
        used += size
    return [DiffHunk(hunk.header, tuple(piece)) for piece in pieces]


def _apart(file: DiffFile, withheld: Withheld) -> str:
    if why := withheld(file.path):
        return why
    if file.binary:
        return "binary"
    return "made by a program" if made_by_a_program(file.path) else ""


# --- what was answered -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Lines:
    """The lines of one file's diff by number in the new file; a removed line counts where it stood."""

    changed: dict[int, str] = field(default_factory=dict)
    context: dict[int, str] = field(default_factory=dict)
    removed: dict[int, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, file: DiffFile) -> _Lines:
        lines = cls()
        for hunk in file.hunks:
            at = next((line.new for line in hunk.lines if line.new), 1)
            for line in hunk.lines:
                if line.sign == "-":
                    lines.removed.setdefault(at, []).append(line.text)
                else:
                    (lines.changed if line.sign == "+" else lines.context)[line.new] = line.text
                    at = line.new + 1
        return lines

    def find(self, number: int, code: str) -> tuple[int, Literal["changed", "context", "file"]]:
        """Where a finding belongs: its number where the line there is the one that it quotes (or it quotes
        none that is there), else the nearest line that is."""
        wanted = code.strip()
        same = [
            n for n, text in {**self.context, **self.changed}.items() if wanted and text.strip() == wanted
        ]
        same += [n for n, texts in self.removed.items() if wanted in [text.strip() for text in texts if text]]
        if same:
            number = min(same, key=lambda n: abs(n - number))
        if number in self.changed or number in self.removed:
            return number, "changed"
        return number, "context" if number in self.context else "file"


def _verified(raw: Sequence[dict[str, Any]], files: Sequence[DiffFile]) -> tuple[list[ReviewFinding], int]:
    """The findings whose file is in the diff, placed on its lines, each once, the worst first; and how many
    were dropped."""
    known = {name: file for file in files for name in (file.was, file.path) if name}
    by_file = {file.path: _Lines.of(file) for file in files}
    found: dict[tuple[str, int, str], ReviewFinding] = {}
    dropped = 0
    for each in raw:
        file = known.get(_normal(each["file"])) or known.get(_normal(each["file"]).partition("/")[2])
        if file is None:
            dropped += 1
            continue
        line, place = by_file[file.path].find(each["line"], each["code"])
        words = {name: clean(each[name]).strip() for name in ("problem", "scenario", "suggestion")}
        change = {name: clean(str(each.get(name, ""))) for name in ("old", "new")}
        finding = ReviewFinding(file.path, line, each["severity"], place=place, **words, **change)
        found.setdefault((file.path, line, words["problem"]), finding)
    order = sorted(found.values(), key=lambda f: (SEVERITIES.index(f.severity), f.file, f.line))
    return order, dropped


def _normal(path: str) -> str:
    return os.path.normpath(path.strip().strip("`")).replace(os.sep, "/")
