"""``kcode changelog`` and ``kcode explain``: what is asked about, in bounds, and one question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.agent import narrow
from kcode.agent.aside import ask_text, room_for_text
from kcode.agent.excerpt import Withheld, excerpt
from kcode.agent.grouping import Logged
from kcode.agent.narrow import is_narrow, whole_sentences
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
_LINE = re.compile(r"^(?P<path>.+?):(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?$")
_COMMIT_FORMAT = "--format=%H%x00%h%x00%s%x00%b%x01"


@dataclass(frozen=True, slots=True)
class Material:
    """``what`` names it, ``text`` is what a model sees of it; ``whole``: nothing was left out for length."""

    what: str
    text: str
    whole: bool = True


async def ask_about(session: Session, purpose: str, material: Material) -> str:
    """The answer to the prompt ``purpose`` about ``material``. Raises ProviderError, LimitReached."""
    part = f"{material.what}:\n\n{material.text}"
    if is_narrow(session):
        short = await ask_text(
            session, purpose, load_prompt(f"{purpose}_short"), part, reserve=narrow.ANSWER_TOKENS
        )
        return whole_sentences(clean(short).strip())
    answer = await ask_text(session, purpose, load_prompt(purpose), part, reserve=ANSWER_TOKENS)
    return clean(answer).strip()


def room(session: Session) -> int:
    """Characters of material that one question can carry."""
    return room_for_text(session, ANSWER_TOKENS, LARGEST)


def logged(root: Path, revisions: str) -> tuple[str, list[Logged]]:
    """The range meant and its commits without merges, newest first; empty: since the last tag, or all.

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
    rows = [row.strip("\n").split("\0") for row in done.stdout.split("\x01")]
    found = [
        Logged(row[0], row[1], redact(clean(row[2])).strip(), redact(clean(row[3])).strip())
        for row in rows
        if len(row) == 4
    ]
    if not found:
        raise UsageError(f"there is no commit in {wanted}", "name another range, such as v1.2..HEAD")
    return wanted, found


def commits(root: Path, revisions: str, limit: int) -> Material:
    """The commits of a range as a question carries them, bodies first to go. Raises as :func:`logged`."""
    wanted, found = logged(root, revisions)
    text = "\n".join(f"{each.short} {each.subject}\n{each.body}".strip() for each in found)
    if len(text) > limit:
        text = "\n".join(f"{each.short} {each.subject}" for each in found)
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
    if not path.resolve().is_relative_to(workspace.root.resolve()):
        workspace = type(workspace).open(path.resolve().parent)  # named by the user: another project's file
    name = workspace.relative(workspace.locate(str(path)))
    if why := workspace.sensitive(name):
        raise UsageError(f"{name} is not sent to a model: {why}")
    lines = workspace.read(name).text.split("\n")
    if first > len(lines):
        raise UsageError(f"{name} has only {len(lines)} lines")
    start, end = _around(lines, first, last, limit) if first else (0, len(lines))
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


def _around(lines: Sequence[str], first: int, last: int, limit: int) -> tuple[int, int]:
    """Where what is shown begins and ends: on both sides as many lines as fit into ``limit`` characters."""
    start, end = first - 1, min(len(lines), last)
    room = limit * 3 // 4 - sum(len(line) + 7 for line in lines[start:end])
    for _ in range(_AROUND):
        before = len(lines[start - 1]) + 7 if start else 0
        after = len(lines[end]) + 7 if end < len(lines) else 0
        if not before + after or (room := room - before - after) < 0:
            break
        start, end = start - (start > 0), end + (end < len(lines))
    return start, end


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
        _has_its_parent(root, commit, word)
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


def _has_its_parent(root: Path, commit: str, word: str) -> None:
    """Raises UsageError for the last commit of a shallow clone: its diff would be the whole tree."""
    raw = repo.git_sync(root, "cat-file", "commit", commit).stdout.partition("\n\n")[0]
    if "\nparent " in raw and repo.git_sync(root, "rev-parse", "--quiet", "--verify", f"{commit}^").code:
        raise UsageError(
            f"this clone is shallow: what {word} changed is not here", "git fetch --deepen 10, then again"
        )


def _since_last_tag(root: Path) -> str:
    done = repo.git_sync(root, "describe", "--tags", "--abbrev=0", "HEAD")
    return f"{done.stdout.strip()}..HEAD" if done.code == 0 and done.stdout.strip() else "HEAD"
