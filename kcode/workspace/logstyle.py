"""How a repository's log is written: the form of its subjects, as people and a model are to follow it."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.safety.sanitize import clean
from kcode.safety.secrets import redact
from kcode.workspace import repo

LEARNED_FROM = 20  # commits
LONGEST_SUBJECT = 72
CONVENTIONAL = re.compile(r"^(?P<type>[a-z]+)(\((?P<scope>[^)]+)\))?!?: \S")
TRAILER = re.compile(r"^[A-Za-z][A-Za-z-]+: \S.*$")
_CJK = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")


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
    typed = [match for subject in subjects if (match := CONVENTIONAL.match(subject))]
    rest = [
        subject[match.end() - 1 :] if (match := CONVENTIONAL.match(subject)) else subject
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


def _without_trailers(body: str) -> str:
    return "\n".join(line for line in body.split("\n") if not TRAILER.match(line)).strip()
