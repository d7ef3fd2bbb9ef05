"""Where a repository's hooks are, and what state the repository is in. Asks git itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kcode.errors import UsageError
from kcode.safety.process import run_sync

_GIT_TIMEOUT_S = 30.0
_UNFINISHED = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A repository as git sees it from a folder.

    ``hooks`` is the folder git runs hooks from (``core.hooksPath`` and worktrees respected);
    ``redirected`` tells that ``core.hooksPath`` chose it; ``unfinished`` names a merge, rebase,
    cherry-pick or revert under way, or is ``""``.
    """

    top: Path
    git_dir: Path
    hooks: Path
    redirected: bool
    unfinished: str


def find_place(start: Path) -> Place:
    """Raises :class:`UsageError` outside a work tree, EnvironmentProblem without git."""
    wanted = ("--show-toplevel", "--absolute-git-dir", "--git-path", "hooks")
    found = run_sync(["git", "rev-parse", *wanted], cwd=start, timeout_s=_GIT_TIMEOUT_S)
    lines = found.stdout.splitlines()
    if found.code != 0 or len(lines) != 3:
        reason = found.stderr.strip().removeprefix("fatal: ") or "no work tree here"
        raise UsageError(
            f"{start} is not inside a git work tree ({reason})", "change into one, or `git init`"
        )
    top, git_dir, hooks = lines
    configured = run_sync(["git", "config", "core.hooksPath"], cwd=start, timeout_s=_GIT_TIMEOUT_S)
    return Place(
        Path(top),
        Path(git_dir),
        (start / Path(hooks).expanduser()).absolute(),
        configured.code == 0 and bool(configured.stdout.strip()),
        next((word for name, word in _UNFINISHED.items() if (Path(git_dir) / name).exists()), ""),
    )
