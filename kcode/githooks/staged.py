"""What a commit would add: the lines of the staged diff, with their numbers in the new file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem
from kcode.safety.process import child_environment, run_sync
from kcode.workspace.repo import PLAIN
from kcode.workspace.unidiff import unquoted

LARGEST_FILE = "2m"  # git treats larger ones as binary then: no diff, no time
_LARGEST_DIFF = 64_000_000  # bytes
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Added:
    """The added lines of one file: (line number, text without its end)."""

    path: str
    lines: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Staged:
    """``whole`` is False where the diff was too large and only a part of it was read."""

    files: tuple[Added, ...]
    whole: bool = True


def read_staged(top: Path) -> Staged:
    """One ``git diff --cached``; binary files and those over 2 MB have no lines.

    Git's own variables (``GIT_INDEX_FILE`` of a partial commit) reach it unchanged. Raises
    :class:`EnvironmentProblem`.
    """
    argv = ["git", *PLAIN, "-c", "core.quotePath=true", "-c", f"core.bigFileThreshold={LARGEST_FILE}"]
    argv += ["diff", "--cached", "--unified=0", "--no-color", "--no-ext-diff", "--no-textconv"]
    argv += ["--diff-filter=d", "--find-renames", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"]
    done = run_sync(
        argv,
        cwd=top,
        env=child_environment({"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"}),
        timeout_s=_TIMEOUT_S,
        max_output=_LARGEST_DIFF,
    )
    if done.code != 0:
        reason = "it took too long" if done.timed_out else done.stderr.strip()[-300:]
        raise EnvironmentProblem(f"git could not show what is staged: {reason}", "try `git diff --cached`")
    return Staged(tuple(parse(done.stdout)), done.cut_bytes == 0)


_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d{1,9})(?:,(\d{1,9}))? @@")


def parse(diff: str) -> list[Added]:
    """The added lines of a unified diff, file by file."""
    files: list[Added] = []
    path, lines = "", []  # type: str, list[tuple[int, str]]
    number, left = 0, 0
    for line in diff.split("\n"):
        if left and line.startswith("+"):
            lines.append((number, line[1:].removesuffix("\r")))
            number += 1
            left -= 1
        elif left and line[:1] in (" ", ""):  # context, where hunks near each other are one
            number += 1
            left -= 1
        elif line.startswith("diff --git "):
            _keep(files, path, lines)
            path, lines, left = "", [], 0
        elif line.startswith("+++ ") and not left:
            path = unquoted(line[4:].removesuffix("\t")).removeprefix("b/")
        elif hunk := _HUNK.match(line):
            number, left = int(hunk[1]), int(hunk[2]) if hunk[2] is not None else 1
    _keep(files, path, lines)
    return files


def _keep(files: list[Added], path: str, lines: list[tuple[int, str]]) -> None:
    if path and lines:
        files.append(Added(path, tuple(lines)))
