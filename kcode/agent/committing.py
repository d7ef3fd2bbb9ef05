"""Drafting a commit message: the repository's own style, the change in bounds, one question."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.agent.aside import ask_text, filled, room_for_text
from kcode.agent.excerpt import Excerpt, Withheld, excerpt
from kcode.agent.narrow import is_narrow
from kcode.agent.subject import subject
from kcode.config.prompts import load_prompt
from kcode.errors import UsageError
from kcode.safety.sanitize import clean
from kcode.workspace import repo, unidiff
from kcode.workspace.logstyle import TRAILER
from kcode.workspace.logstyle import Style as Style
from kcode.workspace.logstyle import style_of as style_of
from kcode.workspace.staging import Draftable

if TYPE_CHECKING:
    from kcode.agent.session import Session

ANSWER_TOKENS = 700
LARGEST_CHANGE = 24_000  # characters of diff: more of it does not make a better sentence
_ABOUT_ITSELF = re.compile(
    r"^(\W{0,4}\s*generated (with|by)\b.*|(co-authored|signed-off|assisted|generated)-by:.*)$", re.IGNORECASE
)
_PREFACE = re.compile(r"^(here('s| is)|commit message|the commit message)\b[^\n]{0,80}:\s*\n+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message and what of the change the model saw."""

    message: str
    seen: Excerpt

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]


async def draft(
    session: Session, change: Draftable, style: Style, *, hint: str = "", withheld: Withheld = lambda path: ""
) -> Draft:
    """One model request for a message; an embedded model drafts its first line only.

    Raises UsageError where nothing is to be committed, ProviderError.
    """
    files = unidiff.parse(change.diff)
    if not files:
        raise UsageError("there is nothing to commit")
    if is_narrow(session):
        line, part_seen = await subject(session, files, style, hint, withheld)
        return Draft(line, part_seen)
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
    if not TRAILER.match(trailer.strip()):
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
