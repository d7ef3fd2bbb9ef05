"""What git runs or obeys, put back where a confined command changed it: in the workspace's repository, its
submodules and worktrees, and in repositories near the top of it.

Bubblewrap and Seatbelt keep it from being written; Landlock cannot, and none can guard a repository that is
only made by the command. What is harmless (a branch's upstream, a remote's fetch line) stays.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

ASIDE = ".kcode-put-aside"  # git runs and reads nothing of that name
_CONFIGS = ("config", "config.worktree")
_SHARED = "commondir"  # where a repository's config and hooks are, if not in itself
_DEEP, _MANY = 2, 80  # folders looked through for repositories, before and after each command: 1 to 2 ms
_PASSED_OVER = frozenset(
    ("node_modules", "venv", ".venv", "target", "__pycache__", "site-packages", "vendor")
)
_LARGEST = 1_000_000  # bytes; git's own are a few hundred
_CLONED_FROM = re.compile(
    r"remote\.[\w-]+\.url: url = (?:(?:https?|ssh|git|file)://|[\w.-]+@[\w.-]+:|\.*/)\S*"
)
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
                    if before == now or not _worth_undoing(path, before, now, root):
                        continue
                    with suppress(OSError):
                        _write(path, before)
                        undone.append(path.relative_to(root).as_posix())
            if self in self._active:
                self._active.remove(self)
        return undone


def _files(root: Path) -> list[Path]:
    """What is looked at: the ``.git`` of every repository here, and in it what git runs or obeys."""
    found = []
    for git in _repositories(root):
        if git.name == ".git":
            found.append(git)
        if git.is_symlink() or not git.is_dir():
            continue
        found += [git / name for name in (*_CONFIGS, _SHARED)]
        with suppress(OSError):
            found += [
                each for each in (git / "hooks").iterdir() if not each.name.endswith((".sample", ASIDE))
            ]
    return [path for path in found if os.path.lexists(path)]


def _repositories(root: Path) -> Iterator[Path]:
    """The ``.git`` here and in folders below, and the data of submodules and worktrees."""
    yield root / ".git"
    yield from (root / ".git" / "worktrees").glob("*")
    modules = root / ".git" / "modules"
    for head in (*modules.glob("*/HEAD"), *modules.glob("*/*/HEAD"), *modules.glob("*/modules/*/HEAD")):
        yield head.parent
    waiting, seen = [(root, 0)], 0
    while waiting and seen < _MANY:
        folder, depth = waiting.pop(0)
        seen += 1
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name == ".git" and depth:
                    yield Path(entry.path)
                elif depth < _DEEP and _may_hold_one(entry):
                    waiting.append((Path(entry.path), depth + 1))


def _may_hold_one(entry: os.DirEntry[str]) -> bool:
    plain = entry.name[0] != "." and entry.name not in _PASSED_OVER
    return plain and entry.is_dir(follow_symlinks=False)


def _kept(path: Path) -> _Kept:
    try:
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode):
            return _Kept(str(found.st_ino).encode(), stat.S_IFDIR)
        if stat.S_ISLNK(found.st_mode):
            return _Kept(str(path.readlink()).encode("utf-8", "surrogateescape"), stat.S_IFLNK)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return _Kept(b"", found.st_mode)
        return _Kept(path.read_bytes(), found.st_mode)
    except OSError:
        return _Kept(None)


def _worth_undoing(path: Path, before: _Kept, now: _Kept, root: Path) -> bool:
    if now.content is None:
        return path.name == ".git" and stat.S_ISDIR(before.mode)  # the repository was moved away
    if path.name == ".git":
        return not (stat.S_ISDIR(now.mode) or _leads_into_a_repository(path, now))
    if path.name == _SHARED and path.parent.parent.name == "worktrees":
        return now.content.strip() != b"../.."  # as git writes it
    if path.name not in _CONFIGS or path.parent.name == "hooks" or not stat.S_ISREG(now.mode):
        return True
    powers = _powers(now.content) - _powers(before.content or b"")
    if before.content is None and path.parent != root / ".git":  # a clone says where it comes from
        powers = {power for power in powers if not _CLONED_FROM.fullmatch(power)}
    return bool(powers)


def _leads_into_a_repository(path: Path, now: _Kept) -> bool:
    """Whether a file ``.git`` is that of a worktree or a submodule: what it leads to is looked at too."""
    said = re.fullmatch(rb"gitdir: (.+?)\n?", now.content or b"")
    if not said or not stat.S_ISREG(now.mode):
        return False
    named = Path(os.path.normpath(path.parent / os.fsdecode(said[1])))
    return any(
        above.name in ("modules", "worktrees") and above.parent.name == ".git" and above.parent.is_dir()
        and not above.parent.is_symlink()
        for above in named.parents
    )  # fmt: skip


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
    except FileNotFoundError:
        pass
    except OSError:
        path.unlink(missing_ok=True)
    if kept.content is None:
        return
    if stat.S_ISDIR(kept.mode):
        _brought_back(path, int(kept.content))
        return
    if stat.S_ISLNK(kept.mode):
        path.symlink_to(kept.content.decode("utf-8", "surrogateescape"))
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(kept.content)
        os.fchmod(handle, stat.S_IMODE(kept.mode))


def _brought_back(path: Path, inode: int) -> None:
    """A repository's folder that was moved within its folder is where it was."""
    for each in path.parent.iterdir():
        if each.lstat().st_ino == inode and each.is_dir() and not each.is_symlink():
            each.rename(path)
            return
