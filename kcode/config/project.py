"""Which project a folder is: its name under the state directory, also from a worktree and after a move.

Reads names and a few small files only, and starts no git: this is on the path of every session's start.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.config.paths import state_dir

_MARK = "project.json"
_TOP_ENTRIES = 12  # of a folder without git: how many it is recognised by


def project_home(root: Path) -> Path:
    """The folder that stands for the project of ``root``: the main worktree of a repository, else itself."""
    root = root.resolve()
    common = _common_dir(root)
    if common is None:
        return root
    return common.parent if common.name == ".git" else common


def project_key(home: Path) -> str:
    """A readable name, told apart by the path."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", home.name) or "root"
    return f"{name}-{hashlib.sha256(os.fsencode(str(home))).hexdigest()[:12]}"


def workspace_key(root: Path) -> str:
    """The name of a workspace's own data: each worktree has its own."""
    return hashlib.sha256(os.fsencode(root)).hexdigest()[:16]


def sessions_dir(root: Path) -> Path:
    """The folder of a project's sessions, shared by its worktrees; made by whoever writes there.

    A project whose folder was moved is recognised, and what was kept under its old name is renamed.
    """
    home = project_home(root)
    folder = state_dir() / "sessions" / project_key(home)
    if not folder.is_dir():
        _adopt(home, folder)
    return folder


def session_folders(root: Path) -> list[Path]:
    """Where a project's sessions may be: the shared folder, and the one a worktree had of its own before."""
    folders = [sessions_dir(root), state_dir() / "sessions" / project_key(root.resolve())]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def remember(root: Path) -> None:
    """Note beside the sessions what the project is recognised by; its failure is of no consequence."""
    home = project_home(root)
    folder = state_dir() / "sessions" / project_key(home)
    known = {"root": str(home), "marks": sorted(_marks(home))}
    with suppress(OSError, ValueError):
        if _read_mark(folder) == known:
            return
    with suppress(OSError):
        temporary = folder / f".{_MARK}.{secrets.token_hex(4)}"
        temporary.write_text(json.dumps(known), "utf-8")
        temporary.replace(folder / _MARK)


def branch_of(root: Path) -> str:
    """The checked-out branch, or the first digits of a detached commit, read from ``HEAD`` itself."""
    try:
        own = _git_dir(root)
        head = (own / "HEAD").read_text("utf-8", errors="replace").strip() if own else ""
    except OSError:
        return ""
    return head.removeprefix("ref: refs/heads/") if head.startswith("ref:") else head[:8]


def _adopt(home: Path, folder: Path) -> None:
    """Take over the data of a project that stood elsewhere and is recognised here."""
    marks = _marks(home)
    if not marks:
        return
    for other in _others(folder.parent):
        try:
            known = _read_mark(other)
            old = Path(known["root"])
            same = _recognised(marks, set(known["marks"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if not same or (old.exists() and _recognised(_marks(old), marks)):
            continue  # another project, or the original of a copy
        with suppress(OSError):
            other.rename(folder)
            for kind in ("checkpoints", "snapshots"):
                with suppress(OSError):
                    (state_dir() / kind / workspace_key(old)).rename(state_dir() / kind / workspace_key(home))
        return


def _others(sessions: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from sorted(entry for entry in sessions.iterdir() if (entry / _MARK).is_file())


def _read_mark(folder: Path) -> Any:
    return read_json((folder / _MARK).read_text("utf-8"))


def _recognised(one: set[str], other: set[str]) -> bool:
    """A repository by any strong mark; a plain folder by its number and most of what is in it."""
    if one & other and any(mark.startswith("git-") for mark in one & other):
        return True
    if any(mark.startswith("git-") for mark in one | other):
        return False
    own = {mark for mark in one & other if mark.startswith("folder-")}
    return bool(own) and len(one & other) * 2 > max(len(one), len(other))


def _marks(home: Path) -> set[str]:
    """What does not change when the folder is moved: the repository's beginning, numbers of its files."""
    common = home / ".git" if (home / ".git").is_dir() else home
    if (common / "HEAD").is_file():
        return set(_repository_marks(common))
    marks = set()
    with suppress(OSError):
        info = home.stat()
        marks.add(f"folder-{info.st_dev}-{info.st_ino}")
        for entry in sorted(home.iterdir())[:_TOP_ENTRIES]:
            marks.add(f"entry-{entry.name}-{entry.lstat().st_ino}")
    return marks if len(marks) > 1 else set()


def _repository_marks(common: Path) -> Iterator[str]:
    with suppress(OSError), (common / "logs" / "HEAD").open("rb") as log:
        first = log.readline(4_096)  # the first commit or the clone, with its moment: no other has it
        if first.endswith(b"\n"):
            yield f"git-log-{hashlib.sha256(first).hexdigest()[:24]}"
    with suppress(OSError):
        info = (common / "description").stat()  # written once, by init; a rename above leaves its times
        yield f"git-file-{info.st_dev}-{info.st_ino}-{info.st_mtime_ns}"


def _git_dir(root: Path) -> Path | None:
    own = root / ".git"
    if own.is_file():  # a worktree or a submodule
        pointer = own.read_text("utf-8", errors="surrogateescape").strip()
        if not pointer.startswith("gitdir:"):
            return None
        own = root / pointer.removeprefix("gitdir:").strip()
    return own if own.is_dir() else None


def _common_dir(root: Path) -> Path | None:
    """The directory that all worktrees of the repository share; a submodule has its own."""
    try:
        own = _git_dir(root)
        if own is None:
            return None
        shared = own / "commondir"
        if not shared.is_file():
            # A submodule's or a separate git dir belongs to this one working tree.
            return own.resolve() if (root / ".git").is_dir() else None
        return (own / shared.read_text("utf-8", errors="surrogateescape").strip()).resolve()
    except OSError:
        return None
