"""What a commit is to hold: the index as it is, or a choice of changes tried in an index of its own.

Nothing of the user's repository changes before :func:`commit`: a choice is made in a copy of the index, and
a commit that does not come about leaves the index and HEAD as they were.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kcode.errors import EnvironmentProblem, NotAchieved
from kcode.safety.process import Finished, child_environment, run
from kcode.workspace import repo
from kcode.workspace.repo import NO_PROGRAMS, Changed

LARGEST_DIFF = 8_000_000  # bytes read of one diff; beyond that its middle is left out
HOOKS_TIMEOUT_S = 1_800.0  # a pre-commit hook may run a whole test suite
KEPT_MESSAGE = "KCODE_EDITMSG"
_SIGNING = re.compile(
    r"failed to sign|signature|signing|(public|private|secret) key|passphrase|gpg|ssh-keygen", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Changes:
    """``git status`` sorted by what a commit would take. A file can be staged and unstaged at once."""

    staged: tuple[Changed, ...]
    unstaged: tuple[Changed, ...]  # untracked files included
    conflicts: tuple[str, ...]

    @property
    def partly(self) -> tuple[str, ...]:
        """Staged files of which the work tree holds more."""
        rest = {change.path for change in self.unstaged}
        return tuple(change.path for change in self.staged if change.path in rest)


@dataclass(frozen=True, slots=True)
class Draftable:
    """What would be committed. ``tree`` is its content's hash; ``paths`` is None for the index as it is,
    empty for all changes, else the chosen files. ``whole``: nothing of the diff was left out."""

    tree: str
    diff: str
    stat: str
    paths: tuple[str, ...] | None
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Committed:
    """``commit`` is the new commit's short id, or ``""`` where git or a hook said no; ``output`` is all that
    git and the hooks printed; ``tree`` is what was committed."""

    commit: str
    output: str
    code: int = 0
    tree: str = ""


def changes(root: Path) -> Changes:
    """Raises EnvironmentProblem in git's own words."""
    found = repo.changed_files(root)
    conflicts = [c for c in found if "U" in c.code or c.code in ("AA", "DD")]
    rest = [c for c in found if c not in conflicts and c.code != "!!"]
    return Changes(
        tuple(c for c in rest if c.code[0] not in " ?"),
        tuple(c for c in rest if c.code[1] != " "),
        tuple(c.path for c in conflicts),
    )


@contextlib.asynccontextmanager
async def trial_index(
    root: Path, paths: Sequence[str] = (), *, names_only: bool = False
) -> AsyncIterator[Mapping[str, str]]:
    """Variables for git that name a copy of the index with ``paths`` (empty: all changes) added to it.

    ``names_only`` adds only that new files are there, so that ``git diff`` shows them: no content, however
    large, is written to the repository for a mere look.
    """
    real = _git_path(root, "index")
    with tempfile.TemporaryDirectory(prefix="kcode-index-") as folder:
        copy = Path(folder) / "index"
        if real.exists():
            shutil.copy2(real, copy)  # git compares files with the index's own time: a copy must have it, too
        more = {"GIT_INDEX_FILE": str(copy)}
        await _add(root, paths, more, "--intent-to-add" if names_only else "--all")
        yield more


async def draftable(root: Path, paths: Sequence[str] | None = None) -> Draftable:
    """What a commit of the index (``paths`` None), of all changes (empty) or of these files would hold."""
    if paths is None:
        return await _seen(root, None, {})
    async with trial_index(root, paths) as more:
        return await _seen(root, tuple(paths), more)


async def _seen(root: Path, paths: tuple[str, ...] | None, more: Mapping[str, str]) -> Draftable:
    tree = (await _git(root, "write-tree", more=more)).stdout.strip()
    diff = await _git(root, *diff_arguments("--cached"), more=more)
    stat = await _git(root, "diff", "--cached", "--stat=100,80", "--find-renames", *NO_PROGRAMS, more=more)
    return Draftable(tree, diff.stdout, stat.stdout.rstrip(), paths, diff.cut_bytes == 0)


def diff_arguments(*what: str) -> list[str]:
    """``git diff`` spelled so that :mod:`kcode.workspace.unidiff` reads it, whatever the user's settings."""
    fixed = ["--find-renames", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--submodule=short"]
    return ["diff", *what, "--unified=3", *fixed, *NO_PROGRAMS]


async def commit(root: Path, wanted: Draftable, message: str) -> Committed:
    """Commit exactly ``wanted`` with the user's own identity, signing and hooks.

    The message is kept in the file :func:`kept_message` names until the commit is there; where it does not
    come about, cancellation included, the index is as before. Raises NotAchieved where what would be
    committed is no longer what was shown.
    """
    keep = kept_message(root)
    _write(keep, message)
    before = head(root)
    saved = _Saved.of(root) if wanted.paths is not None else None
    try:
        if wanted.paths is not None:
            await _add(root, wanted.paths, {})
        if (await _git(root, "write-tree")).stdout.strip() != wanted.tree:
            raise NotAchieved(
                "what would be committed changed meanwhile: nothing was committed", "look at it again"
            )
        done = await run(
            ["git", "commit", "--quiet", "--cleanup=whitespace", f"--file={keep}"],
            cwd=root,
            env=child_environment({"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": ":"}),
            timeout_s=HOOKS_TIMEOUT_S,
            merge_stderr=True,
        )
    finally:
        now = head(root)
        if saved is not None and now == before:
            saved.restore()
    if now == before:
        return Committed("", done.stdout, done.code)
    keep.unlink(missing_ok=True)
    short = (await _git(root, "rev-parse", "--short", "HEAD")).stdout.strip()
    tree = (await _git(root, "rev-parse", "HEAD^{tree}")).stdout.strip()
    return Committed(short, done.stdout, done.code, tree)


def could_not_sign(output: str) -> bool:
    """Whether what git printed says that a signature failed: its key, its program or its passphrase."""
    return "failed to write commit object" in output and _SIGNING.search(output) is not None


def head(root: Path) -> str:
    """The commit of HEAD, ``""`` before the first one."""
    done = repo.git_sync(root, "rev-parse", "--quiet", "--verify", "HEAD^{commit}")
    return done.stdout.strip() if done.code == 0 else ""


def kept_message(root: Path) -> Path:
    """Where a drafted message waits until its commit is there: inside the repository's own git folder."""
    return _git_path(root, KEPT_MESSAGE)


@dataclass(frozen=True, slots=True)
class _Saved:
    """The index as it was; None where there was none."""

    path: Path
    content: bytes | None
    at: int = 0  # nanoseconds: git tells changed files by the index's own time

    @classmethod
    def of(cls, root: Path) -> _Saved:
        path = _git_path(root, "index")
        if not path.exists():
            return cls(path, None)
        return cls(path, path.read_bytes(), path.stat().st_mtime_ns)

    def restore(self) -> None:
        """Put it back as git itself would: written under the lock's name, then renamed."""
        if self.content is None:
            self.path.unlink(missing_ok=True)
            return
        lock = self.path.with_name("index.lock")
        try:
            with lock.open("xb") as file:
                file.write(self.content)
            os.utime(lock, ns=(self.at, self.at))
            lock.replace(self.path)
        except OSError as error:
            raise EnvironmentProblem(
                f"the index could not be put back as it was ({error.strerror}); the changes are still staged",
                "git restore --staged . takes them out again",
            ) from None


async def _add(root: Path, paths: Sequence[str], more: Mapping[str, str], how: str = "--all") -> None:
    chosen = [f":(top,literal){path}" for path in paths] or [":/"]
    await _git(root, "add", how, "--", *chosen, more=more)


async def _git(root: Path, *arguments: str, more: Mapping[str, str] | None = None) -> Finished:
    done = await repo.git(root, *arguments, max_output=LARGEST_DIFF, more=more)
    repo.check(done, f"git {arguments[0]}")
    return done


def _git_path(root: Path, name: str) -> Path:
    done = repo.git_sync(root, "rev-parse", "--git-path", name)
    repo.check(done, "git rev-parse")
    return root / done.stdout.strip()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text.rstrip() + "\n", encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be written ({error.strerror})") from None
