"""The files that the map reads, and which of them have changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from kcode.codemap.languages import installed, language_for
from kcode.codemap.store import Known

MOST_LOOSE = 10_000  # files of a folder that is no repository: a home folder is not read whole
_LOOKED_AT = 100_000  # files of such a folder whose names are looked at
MOST = 300_000  # files of a repository


class Listing(NamedTuple):
    """``paths`` are sorted. ``cut``: why some are left out, or ""; ``unread``: the languages whose files are,
    for want of their grammars."""

    paths: list[str]
    cut: str = ""
    unread: tuple[str, ...] = ()


def listing(root: Path) -> Listing:
    """The files that searches look into, of a language the map knows. Submodules and repositories within the
    repository are part of it."""
    from kcode.workspace.ignore import walk
    from kcode.workspace.listing import list_files

    if (root / ".git").exists():
        found, unread = _read_of(list_files(root))
        if len(found) <= MOST:
            return Listing(found, "", unread)
        return Listing(
            found[:MOST], f"only the first {MOST:,} of {len(found):,} files are in the map", unread
        )
    loose = list(islice(walk(root), _LOOKED_AT + 1))
    found, unread = _read_of(loose[:_LOOKED_AT])
    if len(found) > MOST_LOOSE or len(loose) > _LOOKED_AT:
        shown = min(len(found), MOST_LOOSE)
        cut = f"this is no git repository: only {shown:,} of its files are in the map"
        return Listing(found[:shown], cut, unread)
    return Listing(found, "", unread)


def _read_of(paths: Iterable[str]) -> tuple[list[str], tuple[str, ...]]:
    """The files that are read, and the languages whose grammar is missing."""
    found, unread = [], set()
    for path in paths:
        language = language_for(path)
        if language is None or not _spelled(path):
            continue
        if installed(language):
            found.append(path)
        else:
            unread.add(language.name)
    return found, tuple(sorted(unread))


def reads(path: str) -> bool:
    """Whether a file of this name is one that the map reads."""
    language = language_for(path)
    return language is not None and installed(language) and _spelled(path)


def changed_files(
    root: Path, paths: Iterable[str], known: Mapping[str, Known]
) -> tuple[list[str], list[str]]:
    """Of ``paths`` those whose size or time are not as known, and those known ones that are no files now."""
    changed, gone = [], []
    look = os.lstat
    prefix = f"{root}/"
    for path in paths:
        before = known.get(path)
        try:
            info = look(prefix + path)
        except (OSError, ValueError):
            info = None
        if info is None or not stat.S_ISREG(info.st_mode):
            if before is not None:
                gone.append(path)
        elif before is None or before.size != info.st_size or before.mtime_ns != info.st_mtime_ns:
            changed.append(path)
    return changed, gone


def _spelled(path: str) -> bool:
    """Whether the name is text: one of other bytes can neither be stored nor told to a model."""
    return path.isascii() or not any(char == "\ufffd" or "\ud800" <= char <= "\udfff" for char in path)
