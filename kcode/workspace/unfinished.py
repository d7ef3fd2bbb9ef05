"""What git has begun in a repository and not finished: which operation, whose two sides, how it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import UsageError
from kcode.safety.process import Finished, child_environment, run
from kcode.workspace import repo

HOOKS_TIMEOUT_S = 1_800.0  # what is continued runs the user's hooks
_LOG = 5  # commits of a side that say what it was about


@dataclass(frozen=True, slots=True)
class Operation:
    """``name`` is git's, ``""`` where only the index knows of conflicts (``stash pop``, ``checkout -m``).

    ``theirs`` and ``base`` are revisions that git understands, or ``""``. ``ours_is`` and ``theirs_is`` say
    in words what the sides are: in a rebase "ours" is what is rebased onto.
    """

    name: str = ""
    theirs: str = ""
    base: str = ""
    ours_is: str = "what is checked out"
    theirs_is: str = "what is being brought in"
    resume: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Row:
    sign: str
    name: str
    theirs: str
    base: str
    ours_is: str
    theirs_is: str
    resume: tuple[str, ...]


_ROWS: Sequence[_Row] = (
    _Row(
        "rebase-merge", "rebase", "REBASE_HEAD", "REBASE_HEAD^",
        "what the commit is put onto", "the commit that is being rebased", ("rebase", "--continue"),
    ),
    _Row(
        "rebase-apply/applying", "am", "", "",
        "what is checked out", "the patch that is being applied", ("am", "--continue"),
    ),
    _Row(
        "rebase-apply", "rebase", "REBASE_HEAD", "REBASE_HEAD^",
        "what the commit is put onto", "the commit that is being rebased", ("rebase", "--continue"),
    ),
    _Row(
        "MERGE_HEAD", "merge", "MERGE_HEAD", "",
        "the branch that is checked out", "what is being merged", ("merge", "--continue"),
    ),
    _Row(
        "CHERRY_PICK_HEAD", "cherry-pick", "CHERRY_PICK_HEAD", "CHERRY_PICK_HEAD^",
        "what is checked out", "the commit that is being picked", ("cherry-pick", "--continue"),
    ),
    _Row(
        "REVERT_HEAD", "revert", "", "",
        "what is checked out", "the state before the commit that is being reverted", ("revert", "--continue"),
    ),
)  # fmt: skip


def operation(root: Path) -> Operation:
    """Raises EnvironmentProblem where git cannot tell where its folder is."""
    folder = git_dir(root)
    row = next((row for row in _ROWS if (folder / row.sign).exists()), None)
    if row is None:
        return Operation()
    theirs = row.theirs if row.theirs and _known(root, row.theirs) else ""
    base = row.base if theirs and row.base and _known(root, row.base) else ""
    if row.name == "merge":
        base = repo.git_sync(root, "merge-base", "HEAD", "MERGE_HEAD").stdout.strip()
    return Operation(row.name, theirs, base, row.ours_is, row.theirs_is, row.resume)


def git_dir(root: Path) -> Path:
    done = repo.git_sync(root, "rev-parse", "--absolute-git-dir")
    repo.check(done, "git rev-parse")
    return Path(done.stdout.rstrip("\n"))


def messages(root: Path, found: Operation, path: str) -> tuple[str, str]:
    """What the commits of (our, their) side say that touched ``path``, the latest first; ``""`` for none."""
    ours = _log(root, f"{found.base}..HEAD", path) if found.base else _log(root, "HEAD", path)
    if not found.theirs:
        return ours, ""
    theirs = f"{found.base}..{found.theirs}" if found.base else found.theirs
    return ours, _log(root, theirs, path)


async def resume(root: Path, found: Operation) -> Finished:
    """Let git go on, with the user's hooks, identity and signing; the messages stay as git wrote them.

    Raises UsageError where nothing is under way.
    """
    if not found.resume:
        raise UsageError("no merge, rebase, cherry-pick or revert is under way here", "git commit")
    return await run(
        ["git", *found.resume],
        cwd=root,
        env=child_environment({"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":", "GIT_SEQUENCE_EDITOR": ":"}),
        timeout_s=HOOKS_TIMEOUT_S,
        merge_stderr=True,
    )


def _known(root: Path, revision: str) -> bool:
    return repo.git_sync(root, "rev-parse", "--quiet", "--verify", f"{revision}^{{commit}}").code == 0


def _log(root: Path, revisions: str, path: str) -> str:
    done = repo.git_sync(
        root, "log", f"--max-count={_LOG}", "--no-merges", "--format=%h %s%n%w(0,4,4)%b", revisions, "--",
        f":(top,literal){path}",
    )  # fmt: skip
    return done.stdout.strip() if done.code == 0 else ""
