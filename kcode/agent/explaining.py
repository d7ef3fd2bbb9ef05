"""``kcode changelog`` and ``kcode explain``: what is asked about, in bounds, and one question."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.agent.aside import ask_text, room_for_text
from kcode.agent.excerpt import Withheld, excerpt
from kcode.config.prompts import load_prompt
from kcode.errors import UsageError
from kcode.safety.sanitize import clean
from kcode.safety.secrets import redact
from kcode.workspace import repo
from kcode.workspace.staging import LARGEST_DIFF, diff_arguments
from kcode.workspace.unidiff import parse

if TYPE_CHECKING:
    from kcode.agent.session import Session
    from kcode.workspace.workspace import Workspace

ANSWER_TOKENS = 1_500
LARGEST = 24_000  # characters of material
_AROUND = 60  # lines before and after the one that is asked about
_LINE = re.compile(r"^(?P<path>.+?):(?P<first>\d+)(?:-(?P<last>\d+))?$")
_COMMIT_FORMAT = "--format=%h %s%n%b%x01"


@dataclass(frozen=True, slots=True)
class Material:
    """``what`` names it, ``text`` is what a model sees of it; ``whole``: nothing was left out for length."""

    what: str
    text: str
    whole: bool = True


async def ask_about(session: Session, purpose: str, material: Material) -> str:
    """The answer to the prompt ``purpose`` about ``material``. Raises ProviderError, LimitReached."""
    part = f"{material.what}:\n\n{material.text}"
    answer = await ask_text(session, purpose, load_prompt(purpose), part, reserve=ANSWER_TOKENS)
    return clean(answer).strip()


def room(session: Session) -> int:
    """Characters of material that one question can carry."""
    return room_for_text(session, ANSWER_TOKENS, LARGEST)


def commits(root: Path, revisions: str, limit: int) -> Material:
    """The commits of a range, newest first; empty: since the last tag, or all of them.

    Raises UsageError for a range that git does not know or that holds no commit.
    """
    if revisions.startswith("-"):
        raise UsageError(f"{revisions!r} is no range", "such as v1.2..HEAD")
    wanted = revisions or _since_last_tag(root)
    if revisions and ".." not in revisions:
        wanted = f"{revisions}..HEAD"
    repo.check(repo.git_sync(root, "rev-parse", "--git-dir"), "git rev-parse")
    done = repo.git_sync(root, "log", "--no-merges", _COMMIT_FORMAT, wanted, "--", max_output=LARGEST_DIFF)
    if done.code:
        raise UsageError(
            f"git does not know {wanted!r}, or there are no commits yet", "git log shows revisions"
        )
    found = [redact(clean(each.strip())) for each in done.stdout.split("\x01") if each.strip()]
    if not found:
        raise UsageError(f"there is no commit in {wanted}", "name another range, such as v1.2..HEAD")
    text = "\n".join(found)
    if len(text) > limit:
        text = "\n".join(each.partition("\n")[0] for each in found)  # bodies go first
    kept = text if len(text) <= limit else text[:limit].rpartition("\n")[0]
    return Material(f"The commits of {wanted}, newest first", kept, len(kept) == len(text))


def subject_of(workspace: Workspace, word: str, start: Path, limit: int) -> Material:
    """What ``word`` stands for: a file, its lines (``FILE:LINE``, ``FILE:FIRST-LAST``), a commit, a range.

    A file needs no repository. Raises UsageError for a word that is none of these.
    """
    match = _LINE.match(word)
    if (start / word).is_file():
        return _file(workspace, start / word, 0, 0, limit)
    if match and (start / match["path"]).is_file():
        first = int(match["first"])
        return _file(workspace, start / match["path"], first, int(match["last"] or first), limit)
    if not workspace.is_git:
        raise UsageError(f"{word!r} is no file, and this folder is no git repository", "git init")
    return _revision(workspace, word, limit)


def _file(workspace: Workspace, path: Path, first: int, last: int, limit: int) -> Material:
    name = workspace.relative(workspace.locate(str(path)))
    if why := workspace.sensitive(name):
        raise UsageError(f"{name} is not sent to a model: {why}")
    lines = workspace.read(name).text.split("\n")
    if first > len(lines):
        raise UsageError(f"{name} has only {len(lines)} lines")
    start, end = (max(0, first - 1 - _AROUND), min(len(lines), last + _AROUND)) if first else (0, len(lines))
    rows = [f"{number:>5} {lines[number - 1]}" for number in range(start + 1, end + 1)]
    text = redact("\n".join(rows))
    if first:
        what = f"Explain line {first}" if first == last else f"Explain lines {first}-{last}"
        what += f" of {name}, shown with what is around"
        text = f"{_last_change(workspace, name, first, last)}{text}"
    else:
        what = f"Explain the file {name}"
    kept = text if len(text) <= limit else text[:limit].rpartition("\n")[0]
    return Material(what, kept, len(kept) == len(text))


def _last_change(workspace: Workspace, name: str, first: int, last: int) -> str:
    """Why these lines are as they are: the message of the commit that changed them last."""
    if not workspace.is_git:
        return ""
    lines = f"-L{first},{last}:{name}"
    done = repo.git_sync(workspace.root, "log", "-1", "--no-patch", "--format=%h %s%n%n%b", lines)
    said = redact(clean(done.stdout.strip()))[:1_000] if done.code == 0 else ""
    return f"Last changed by the commit {said}\n\n" if said else ""


def _revision(workspace: Workspace, word: str, limit: int) -> Material:
    root = workspace.root
    bad = UsageError(f"{word!r} is neither a file here nor a revision", "git log shows revisions")
    if word.startswith("-") or any(char.isspace() for char in word):
        raise bad
    repo.check(repo.git_sync(root, "rev-parse", "--git-dir"), "git rev-parse")
    message = ""
    if ".." in word:
        diff = repo.git_sync(root, *diff_arguments(word), "--", max_output=LARGEST_DIFF)
    else:
        found = repo.git_sync(root, "rev-parse", "--quiet", "--verify", f"{word}^{{commit}}")
        if found.code:
            raise bad
        commit = found.stdout.strip()
        told = repo.git_sync(root, "log", "-1", "--format=%h %an: %s%n%n%b", commit)
        message = redact(clean(told.stdout.strip()))[:4_000] + "\n\n"
        shown = diff_arguments()[1:]
        diff = repo.git_sync(
            root, "show", "--format=", "--first-parent", *shown, commit, max_output=LARGEST_DIFF
        )
    if diff.code:
        raise bad
    withheld: Withheld = workspace.withheld
    seen = excerpt(parse(diff.stdout), max(1_000, limit - len(message)), withheld)
    whole = seen.shown == seen.hunks and not diff.cut_bytes
    return Material(f"Explain the change {word}", message + seen.text, whole)


def _since_last_tag(root: Path) -> str:
    done = repo.git_sync(root, "describe", "--tags", "--abbrev=0", "HEAD")
    return f"{done.stdout.strip()}..HEAD" if done.code == 0 and done.stdout.strip() else "HEAD"
