"""Which change somebody means by a few words: a range, a revision, paths, or nothing at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import UsageError
from kcode.workspace import repo
from kcode.workspace.staging import LARGEST_DIFF, diff_arguments, head, trial_index

_SMALL_FILES = ("-c", "core.bigFileThreshold=2m")  # larger ones are binary to git: no diff, no time


@dataclass(frozen=True, slots=True)
class NamedChange:
    """``what`` names it in words; ``whole`` is False where the diff is so large that a part was left out."""

    what: str
    diff: str
    whole: bool = True


async def named_change(
    root: Path, words: Sequence[str], *, staged: bool = False, start: Path | None = None
) -> NamedChange:
    """The diff that ``words`` name, paths being meant from ``start``.

    ``A..B`` and ``A...B`` are git's ranges. One revision is everything since it, uncommitted changes and new
    files included; no revision is everything since HEAD. Raises UsageError for words that are neither
    revisions nor paths; a change may be empty.
    """
    revision, paths = _sorted_out(root, list(words), start or root)
    if staged and revision:
        raise UsageError("--staged and a range do not go together", "leave one of them out")
    limits = ["--", *(f":(top,literal){path}" for path in paths)]
    if staged:
        what, arguments, more = "what is staged", diff_arguments("--cached"), None
        done = await repo.git(root, *arguments, *limits, max_output=LARGEST_DIFF)
    elif ".." in revision:
        what = revision
        done = await repo.git(root, *diff_arguments(revision), *limits, max_output=LARGEST_DIFF)
    else:
        what = f"everything since {revision}" if revision else "everything that is not committed"
        since = revision or ("HEAD" if head(root) else _empty_tree(root))
        async with trial_index(root, names_only=True) as more:
            arguments = [*_SMALL_FILES, *diff_arguments(since)]
            done = await repo.git(root, *arguments, *limits, max_output=LARGEST_DIFF, more=more)
    repo.check(done, "git diff")
    if paths:
        what += f", in {', '.join(paths)}"
    return NamedChange(what, done.stdout, done.cut_bytes == 0)


def _sorted_out(root: Path, words: list[str], start: Path) -> tuple[str, list[str]]:
    """The revision or range (first, if there is one) and the paths from the root."""
    if any(word.startswith("-") for word in words):
        bad = next(word for word in words if word.startswith("-"))
        raise UsageError(f"{bad!r} is neither a revision nor a path")
    revision = ""
    if words and _is_revision(root, words[0]):
        if (start / words[0]).exists():
            raise UsageError(
                f"{words[0]!r} is both a revision and a path",
                f"./{words[0]} is the path; {words[0]}^0 is not",
            )
        revision = words.pop(0)
    paths = []
    for word in words:
        path = os.path.relpath(os.path.realpath(start / word), os.path.realpath(root)).replace(os.sep, "/")
        if path.startswith("../") or not (os.path.lexists(start / word) or _was_there(root, path)):
            raise UsageError(f"{word!r} is neither a revision nor a path here", "git log shows revisions")
        paths.append(path)
    return revision, ["" if path == "." else path for path in paths]


def _is_revision(root: Path, word: str) -> bool:
    ends = [end for end in word.replace("...", "..").split("..") if end] if ".." in word else [word]
    return bool(ends) and all(
        repo.git_sync(root, "rev-parse", "--quiet", "--verify", f"{end}^{{commit}}").code == 0 for end in ends
    )


def _empty_tree(root: Path) -> str:
    """What a repository without commits is compared with."""
    return repo.git_sync(root, "hash-object", "-t", "tree", "--stdin", input=b"").stdout.strip()


def _was_there(root: Path, path: str) -> bool:
    """Whether a path that is gone was committed: a deletion can be looked at, too."""
    return repo.git_sync(root, "cat-file", "-e", f"HEAD:{path}").code == 0
