"""What git runs or obeys, put back where a confined command changed it.

Bubblewrap and Seatbelt keep it from being written; Landlock cannot, and none can guard a repository that is
only made by the command. What is harmless (a branch's upstream, a remote's fetch line) stays.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

ASIDE = ".kcode-put-aside"  # git runs and reads nothing of that name
_CONFIGS = ("config", "config.worktree")
_LARGEST = 1_000_000  # bytes; git's own are a few hundred
_SECTION = re.compile(r"^\s*\[\s*([\w.-]+)(?:\s+\"((?:[^\"\\]|\\.)*)\"|\.[\w.-]+)?\s*\]")
_SETTING = re.compile(r"^\s*(?:\[[^\]]*\]\s*)?([A-Za-z][\w-]*)\s*(?:=|$)")
_RUNS = re.compile(
    r"core\.(fsmonitor|hookspath|sshcommand|pager|editor|askpass|gitproxy|attributesfile|worktree|alternaterefscommand"
    r"|notesref|excludesfile)|alias\..*|pager\..*|include(if)?\..*|filter\..*|diff\.(external|.*textconv|.*command)|difftool\..*"
    r"|mergetool\..*|merge\..*driver|credential\..*|gpg\..*|sequence\.editor|interactive\.difffilter|browser\..*"
    r"|web\.browser|man\..*|sendemail\..*|uploadpack\..*|protocol\..*|remote\..*(uploadpack|receivepack|vcs|proxy|url)"
    r"|submodule\..*update|url\..*|http\..*|trailer\..*(cmd|command)|init\.templatedir|ssh\..*|extensions\..*"
    r"|receive\..*|transfer\..*|tar\..*command|rebase\..*|commit\.template|safe\..*|user\.signingkey|bisect\..*"
    r"|lfs\..*|core\.(bare|repositoryformatversion)"
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """One file as it was: None where there was none."""

    content: bytes | None
    mode: int = 0


class Guard:
    """The state before a command; :meth:`put_back` compares.

    While one command runs, the state before it counts for others too: what it has planted by then is not
    how things were.
    """

    _active: ClassVar[list[Guard]] = []
    _lock = threading.Lock()

    def __init__(self, roots: Sequence[Path]) -> None:
        self._before: dict[Path, dict[Path, _Kept]] = {}
        with self._lock:
            for root in roots:
                known = next((each._before[root] for each in self._active if root in each._before), None)
                found = {path: _kept(path) for path in _files(root)}
                self._before[root] = found if known is None else known
            self._active.append(self)

    def put_back(self) -> list[str]:
        """Undo what was planted; the files, relative to their folder, for people. What was there is beside
        them with the ending ``ASIDE``; what cannot be undone is left as it is."""
        undone = []
        with self._lock:
            for root, known in self._before.items():
                for path in sorted({*known, *_files(root)}):
                    before, now = known.get(path, _Kept(None)), _kept(path)
                    if before == now or not _worth_undoing(path, before, now):
                        continue
                    with suppress(OSError):
                        _write(path, before)
                        undone.append(path.relative_to(root).as_posix())
            if self in self._active:
                self._active.remove(self)
        return undone


def _files(root: Path) -> list[Path]:
    git = root / ".git"
    if git.is_symlink() or not git.is_dir():
        return []
    found = [git / name for name in _CONFIGS]
    with suppress(OSError):
        found += [each for each in (git / "hooks").iterdir() if not each.name.endswith((".sample", ASIDE))]
    return [path for path in found if os.path.lexists(path)]


def _kept(path: Path) -> _Kept:
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return _Kept(str(path.readlink()).encode("utf-8", "surrogateescape"), stat.S_IFLNK)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return _Kept(b"", found.st_mode)
        return _Kept(path.read_bytes(), found.st_mode)
    except OSError:
        return _Kept(None)


def _worth_undoing(path: Path, before: _Kept, now: _Kept) -> bool:
    if path.name not in _CONFIGS or path.parent.name == "hooks":
        return now.content is not None  # one that was removed runs nothing
    if now.content is None:
        return False
    if not stat.S_ISREG(now.mode):
        return True
    return bool(_powers(now.content) - _powers(before.content or b""))


def _powers(config: bytes) -> set[str]:
    """The lines of a config that name programs, or say where git finds or sends things."""
    found, section = set(), ""
    for line in re.sub(r"\\\n", "", config.decode("utf-8", "replace")).splitlines():
        if opening := _SECTION.match(line):
            section = opening[1].casefold() + (f".{opening[2]}" if opening[2] is not None else "")
        if setting := _SETTING.match(line):
            name = f"{section}.{setting[1]}".casefold()
            if _RUNS.fullmatch(name) and not _is_plain(name, line):
                found.add(f"{name}: {line.strip()}")
    return found


def _is_plain(name: str, line: str) -> bool:
    """What `git init` writes."""
    plain = {"core.bare": "false", "core.repositoryformatversion": "[01]"}
    return name in plain and bool(re.fullmatch(plain[name], line.partition("=")[2].strip()))


def _write(path: Path, kept: _Kept) -> None:
    try:  # a person may have made it, in another window
        path.replace(path.with_name(path.name + ASIDE))
    except OSError:
        path.unlink(missing_ok=True)
    if kept.content is None:
        return
    if stat.S_ISLNK(kept.mode):
        path.symlink_to(kept.content.decode("utf-8", "surrogateescape"))
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(kept.content)
        os.fchmod(handle, stat.S_IMODE(kept.mode))
