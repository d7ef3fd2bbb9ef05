"""The conflicts of a repository: what the index holds of each side, and how a resolution is put there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kcode.errors import EnvironmentProblem, UsageError
from kcode.workspace import repo
from kcode.workspace.conflictmarks import USUAL_SIZE, Piece, hunks, pieces, stray, with_bases
from kcode.workspace.encoding import decode
from kcode.workspace.files import Stored, read_stored
from kcode.workspace.private_git import USERS, git_bytes
from kcode.workspace.workspace import Workspace

BASE, OURS, THEIRS = 1, 2, 3
_LINK, _SUBMODULE, _PROGRAM = "120000", "160000", "100755"
_LARGEST = 20_000_000  # bytes of a side that is compared line by line

Kind = Literal[
    "text",  # hunks between markers
    "edited",  # no markers are left in the file, and it is not added yet
    "stray",  # markers are left that do not belong together
    "binary",  # nothing that could be merged by lines: one side or the other
    "link",
    "submodule",
    "deleted by them",
    "deleted by us",
    "both deleted",
    "added by us",
    "added by them",
]


@dataclass(frozen=True, slots=True)
class Stage:
    """One side in the index: git's mode (``100644``) and object name."""

    mode: str
    sha: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One path. ``parts`` are those of the file in the work tree where ``kind`` is ``text``; ``stages`` has
    what there is of :data:`BASE`, :data:`OURS` and :data:`THEIRS`. ``encoding`` is the text's."""

    path: str
    kind: Kind
    stages: Mapping[int, Stage]
    parts: tuple[Piece, ...] = ()
    encoding: str = "utf-8"
    marker: int = USUAL_SIZE
    stray: tuple[int, ...] = ()

    @property
    def mode(self) -> str:
        """The mode both sides lead to, ``""`` where they disagree: what one side changed is meant."""
        base, ours, theirs = (self.stages[n].mode if n in self.stages else "" for n in (BASE, OURS, THEIRS))
        if not ours or not theirs or ours == theirs:
            return ours or theirs
        return theirs if ours == base else ours if theirs == base else ""


@dataclass(frozen=True, slots=True)
class Settled:
    """How a path is to be: ``content`` for the work tree (None: not there), or, for a submodule, ``entry``.

    ``leave``: the file in the work tree is right as it is.
    """

    path: str
    content: Stored | None = None
    entry: Stage | None = None
    leave: bool = False


def conflicts(workspace: Workspace, only: Sequence[str] = ()) -> list[Conflict]:
    """What is in conflict, by path; ``only`` are paths and folders from the root, empty: all.

    Raises UsageError for a path that is in no conflict, EnvironmentProblem in git's own words.
    """
    root = workspace.root
    raw = _git(root, "ls-files", "--unmerged", "--full-name", "-z", "--", ":/")
    stages: dict[str, dict[int, Stage]] = {}
    for row in raw.split(b"\0"):
        if row:
            info, _, name = row.partition(b"\t")
            mode, sha, stage = info.decode("ascii").split()
            stages.setdefault(os.fsdecode(name), {})[int(stage)] = Stage(mode, sha)
    for wanted in only:
        if not any(_below(path, wanted) for path in stages):
            raise UsageError(f"{wanted or '.'} has no conflict", "git status says where they are")
    chosen = [path for path in stages if not only or any(_below(path, wanted) for wanted in only)]
    attributes = _attributes(root, chosen)
    return [_conflict(workspace, path, stages[path], attributes.get(path, {})) for path in sorted(chosen)]


def side_content(root: Path, conflict: Conflict, which: int) -> Stored | None:
    """What a side would be in the work tree: filters (line endings, LFS) applied; None where it has none."""
    stage = conflict.stages.get(which)
    if stage is None or stage.mode == _SUBMODULE:
        return None
    if stage.mode == _LINK:
        return Stored(_git(root, "cat-file", "blob", stage.sha), 0o777, link=True)
    data = _git(root, "cat-file", "--filters", f"--path={conflict.path}", stage.sha)
    return Stored(data, permissions(stage.mode))


def permissions(mode: str) -> int:
    from kcode.workspace.workspace import umask

    return (0o777 if mode == _PROGRAM else 0o666) & ~umask()


def put(workspace: Workspace, settled: Sequence[Settled], *, label: str) -> str:
    """Bring the work tree to what was settled, after a checkpoint: its id, ``""`` where nothing changes."""
    wanted = {each.path: each.content for each in settled if each.entry is None and not each.leave}
    return workspace.put(wanted, label=label, announce=True) if wanted else ""


def mark(root: Path, settled: Sequence[Settled]) -> None:
    """Tell the index that these are resolved, as they are in the work tree. Raises EnvironmentProblem."""
    gone, there = [], []
    for each in settled:
        if each.entry is not None:
            _git(root, "update-index", "--cacheinfo", f"{each.entry.mode},{each.entry.sha},{each.path}")
        elif each.content is None and not each.leave:
            gone.append(each.path)
        else:
            there.append(each.path)
    if gone:
        _git(root, "rm", "--cached", "--quiet", "--ignore-unmatch", "--", *map(_literal, gone))
    if there:
        _git(root, "add", "--", *map(_literal, there))


def resolved_earlier(root: Path) -> list[str]:
    """Paths whose conflict was resolved and added since the operation began, as the index remembers them."""
    raw = _git(root, "ls-files", "--resolve-undo", "--full-name", "-z", "--", ":/")
    names = (os.fsdecode(row.partition(b"\t")[2]) for row in raw.split(b"\0") if row)
    return list(dict.fromkeys(names))


def submodule_order(root: Path, conflict: Conflict) -> int:
    """Which side of a submodule contains the other: :data:`OURS`, :data:`THEIRS`, or 0 where neither does or
    it is not checked out."""
    ours, theirs = (conflict.stages.get(n) for n in (OURS, THEIRS))
    folder = root / conflict.path
    if ours is None or theirs is None or not (folder / ".git").exists():
        return 0
    for mine, other, answer in ((ours, theirs, THEIRS), (theirs, ours, OURS)):
        if repo.git_sync(folder, "merge-base", "--is-ancestor", mine.sha, other.sha).code == 0:
            return answer
    return 0


def _conflict(
    workspace: Workspace, path: str, stages: Mapping[int, Stage], attributes: Mapping[str, str]
) -> Conflict:
    modes = {stage.mode for stage in stages.values()}
    size = int(marker) if (marker := attributes.get("conflict-marker-size", "")).isdigit() else USUAL_SIZE
    alone: dict[tuple[int, ...], Kind] = {
        (BASE, OURS): "deleted by them",
        (BASE, THEIRS): "deleted by us",
        (BASE,): "both deleted",
        (OURS,): "added by us",
        (THEIRS,): "added by them",
    }
    if _SUBMODULE in modes:
        return Conflict(path, "submodule", stages)
    if one := alone.get(tuple(sorted(stages))):
        return Conflict(path, one, stages)
    if _LINK in modes:
        return Conflict(path, "link", stages)
    if attributes.get("merge") in ("unset", "binary"):
        return Conflict(path, "binary", stages)
    return _content(workspace, path, stages, size)


def _content(workspace: Workspace, path: str, stages: Mapping[int, Stage], size: int) -> Conflict:
    """A path that both sides have: by what is in the file now."""
    root = workspace.root
    blank = Conflict(path, "binary", stages, marker=size)
    sides = {n: found.data for n in stages if (found := side_content(root, blank, n)) is not None}
    readable = {n: decode(data) for n, data in sides.items()}
    largest = max(map(len, sides.values()), default=0)
    if any(text is None for text in readable.values()) or largest > _LARGEST:
        return blank
    file = workspace.root / path
    if not os.path.lexists(file):
        return blank
    data = read_stored(file, path).data
    parts = pieces(data, size, (sides[OURS], sides[THEIRS]))
    ours = readable[OURS]
    assert ours is not None
    encoding = ours.encoding
    left = stray(parts, size)
    if left and not _was_there(sides, size):
        return Conflict(path, "stray", stages, (), encoding, size, tuple(left))
    if not hunks(parts):
        return Conflict(path, "edited", stages, (), encoding, size)
    if any(hunk.base is None for hunk in hunks(parts)) and BASE in sides:
        parts = with_bases(parts, pieces(_merged(root, sides, size), size))
    return Conflict(path, "text", stages, tuple(parts), encoding, size)


def _was_there(sides: Mapping[int, bytes], size: int) -> bool:
    """Whether a side has such lines itself: a text about conflicts."""
    return any(stray(pieces(data, size), size) for data in sides.values())


def _merged(root: Path, sides: Mapping[int, bytes], size: int) -> bytes:
    """The three sides merged once more, with the base between the markers."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="kcode-merge-") as folder:
        names = []
        for number in (OURS, BASE, THEIRS):
            file = Path(folder) / str(number)
            file.write_bytes(sides[number])
            names.append(str(file))
        done = bytearray()
        found = repo.git_sync(
            root, "merge-file", "-p", "--quiet", "--diff3", f"--marker-size={size}", *names,
            max_output=4 * _LARGEST, on_output=done.extend,
        )  # fmt: skip
    return bytes(done) if 0 <= found.code < 128 else b""


def _attributes(root: Path, paths: Sequence[str]) -> dict[str, dict[str, str]]:
    if not paths:
        return {}
    asked = ["check-attr", "-z", "--stdin", "merge", "conflict-marker-size"]
    raw = _git(root, *asked, input=b"\0".join(os.fsencode(path) for path in paths) + b"\0")
    fields = raw.split(b"\0")
    found: dict[str, dict[str, str]] = {}
    for path, name, value in zip(fields[::3], fields[1::3], fields[2::3], strict=False):
        found.setdefault(os.fsdecode(path), {})[name.decode()] = value.decode("utf-8", "replace")
    return found


def _below(path: str, wanted: str) -> bool:
    return not wanted or path == wanted or path.startswith(wanted.rstrip("/") + "/")


def _literal(path: str) -> str:
    return f":(top,literal){path}"


def _git(root: Path, *arguments: str, input: bytes = b"") -> bytes:
    try:
        return git_bytes([*USERS, *arguments], root, input=input)
    except EnvironmentProblem as problem:
        words = problem.message.removeprefix("git: ")
        raise EnvironmentProblem(f"git {arguments[0]}: {words}", repo.remedy(words)) from None
