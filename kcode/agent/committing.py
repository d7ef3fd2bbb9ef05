"""Drafting a commit message: the repository's own style, the change in bounds, one question."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.agent.aside import ask_text, filled, room_for_text
from kcode.agent.excerpt import Excerpt, Withheld, excerpt
from kcode.config.prompts import load_prompt
from kcode.errors import UsageError
from kcode.safety.sanitize import clean
from kcode.safety.secrets import redact
from kcode.workspace import repo, unidiff
from kcode.workspace.staging import Draftable

if TYPE_CHECKING:
    from kcode.agent.session import Session

LEARNED_FROM = 20  # commits
ANSWER_TOKENS = 700
LARGEST_CHANGE = 24_000  # characters of diff: more of it does not make a better sentence
LONGEST_SUBJECT = 72
_CONVENTIONAL = re.compile(r"^(?P<type>[a-z]+)(\((?P<scope>[^)]+)\))?!?: \S")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_TRAILER = re.compile(r"^[A-Za-z][A-Za-z-]+: \S.*$")
_ABOUT_ITSELF = re.compile(
    r"^(\W{0,4}\s*generated (with|by)\b.*|(co-authored|signed-off|assisted|generated)-by:.*)$", re.IGNORECASE
)
_PREFACE = re.compile(r"^(here('s| is)|commit message|the commit message)\b[^\n]{0,80}:\s*\n+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Style:
    """How this repository's log is written. ``subjects`` are the latest, newest first."""

    subjects: tuple[str, ...] = ()
    conventional: bool = False
    types: tuple[str, ...] = ()
    chinese: bool = False
    lower: bool = False
    length: int = 0  # median of the subjects, characters
    bodies: bool = False

    @property
    def limit(self) -> int:
        """Characters a subject should have at most: a log of long subjects is a style, too."""
        longest = max(map(len, self.subjects), default=0)
        return LONGEST_SUBJECT if longest <= LONGEST_SUBJECT else min(longest, 110)

    def words(self) -> str:
        """For the model."""
        if not self.subjects:
            return "The repository has no commits yet: write in English, imperative mood, capitalised."
        said = []
        if self.conventional:
            said.append(f"Subjects follow Conventional Commits; types in use: {', '.join(self.types)}.")
        else:
            said.append("Subjects have no type prefix: do not write `feat:`, `fix:` or the like.")
        said.append("Write in Chinese." if self.chinese else "")
        said.append("Subjects begin in lower case." if self.lower and not self.chinese else "")
        said.append(f"Subjects have about {self.length} characters.")
        said.append("Commits usually have a body." if self.bodies else "Commits usually have no body.")
        shown = "\n".join(f"- {subject}" for subject in self.subjects)
        return f"Style of this repository. {' '.join(filter(None, said))}\nIts latest subjects:\n{shown}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message and what of the change the model saw."""

    message: str
    seen: Excerpt

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]


def style_of(root: Path) -> Style:
    """Read from the log of HEAD; merges are left out. A repository without commits has none."""
    done = repo.git_sync(
        root, "log", f"--max-count={LEARNED_FROM}", "--no-merges", "--format=%s%x00%b%x01", "HEAD", "--"
    )
    if done.code:
        return Style()
    records = [record.strip("\n").split("\0", 1) for record in done.stdout.split("\x01") if record.strip()]
    return learned([(record[0], record[1] if len(record) > 1 else "") for record in records])


def learned(commits: Sequence[tuple[str, str]]) -> Style:
    """The style of subjects and bodies, newest first."""
    own = [(subject, body) for subject, body in commits if not subject.startswith(("Revert ", "fixup!"))]
    subjects = [redact(clean(subject))[:200] for subject, _ in own]
    if not subjects:
        return Style()
    typed = [match for subject in subjects if (match := _CONVENTIONAL.match(subject))]
    rest = [
        subject[match.end() - 1 :] if (match := _CONVENTIONAL.match(subject)) else subject
        for subject in subjects
    ]
    most = len(subjects) / 2
    return Style(
        tuple(subjects),
        conventional=len(typed) > most,
        types=tuple(name for name, _ in Counter(match["type"] for match in typed).most_common(8)),
        chinese=sum(bool(_CJK.search(subject)) for subject in subjects) > most,
        lower=sum(text[:1].islower() for text in rest) > most,
        length=round(statistics.median(map(len, subjects))),
        bodies=sum(bool(_without_trailers(body)) for _, body in own) > most,
    )


async def draft(
    session: Session, change: Draftable, style: Style, *, hint: str = "", withheld: Withheld = lambda path: ""
) -> Draft:
    """One model request for a message. Raises UsageError where nothing is to be committed, ProviderError."""
    files = unidiff.parse(change.diff)
    if not files:
        raise UsageError("there is nothing to commit")
    room = room_for_text(session, ANSWER_TOKENS, LARGEST_CHANGE)
    stat = _stat(change.stat, room // 6)
    seen = excerpt(files, room - len(stat) - len(style.words()), withheld)
    asked = f"\nThe user says about this commit: {hint}" if hint else ""
    part = filled(load_prompt("commit_change"), style=style.words(), stat=stat, diff=seen.text, hint=asked)
    system = filled(load_prompt("commit"), subject=str(style.limit))
    answer = await ask_text(session, "commit", system, part.strip(), reserve=ANSWER_TOKENS)
    return Draft(message_of(answer), seen)


def message_of(answer: str) -> str:
    """The message in a model's answer: no fence, no preface, no trailers that nobody asked for."""
    text = clean(answer).strip()
    if fenced := re.fullmatch(r"(?s)(?:[^`]{0,120}\n)?```[a-z]*\n(.*?)\n?```.*", text):
        text = fenced[1]
    text = _PREFACE.sub("", text.strip())
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`" and "\n" not in text:
        text = text[1:-1]
    lines = [line.rstrip() for line in text.strip().split("\n")]
    lines = [line for line in lines if not _ABOUT_ITSELF.match(line)]
    if len(lines) > 1 and lines[1]:
        lines.insert(1, "")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


async def with_trailer(root: Path, message: str, trailer: str) -> str:
    """``message`` with the trailer of the setting ``commit.trailer``; unchanged where that is empty.

    Raises UsageError for a trailer that git does not read as one.
    """
    if not trailer.strip():
        return message
    if not _TRAILER.match(trailer.strip()):
        raise UsageError(f"commit.trailer is {trailer!r}, which is no trailer", "such as: Assisted-by: kcode")
    from kcode.safety.process import run

    done = await run(
        ["git", "interpret-trailers", "--if-exists=addIfDifferent", f"--trailer={trailer.strip()}"],
        cwd=root,
        env=repo.environment(),
        timeout_s=repo.TIMEOUT_S,
        input=f"{message}\n".encode(),
    )
    repo.check(done, "git interpret-trailers")
    return done.stdout.strip()


def _without_trailers(body: str) -> str:
    return "\n".join(line for line in body.split("\n") if not _TRAILER.match(line)).strip()


def _stat(stat: str, limit: int) -> str:
    """The diff stat, its last line (the sums) always."""
    if len(stat) <= limit:
        return stat
    lines = stat.split("\n")
    kept, used = [], 0
    for line in lines[:-1]:
        used += len(line) + 1
        if used > limit - len(lines[-1]):
            break
        kept.append(line)
    return "\n".join([*kept, f" [{len(lines) - 1 - len(kept)} more files]", lines[-1]])
