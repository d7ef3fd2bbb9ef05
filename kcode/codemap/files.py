"""The files that the map reads, and which of them have changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from kcode.codemap.languages import installed, language_for
from kcode.codemap.store import Known

MOST_LOOSE = 10_000  # files of a folder that is no repository: a home folder is not read whole
_LOOKED_AT = 100_000  # files of such a folder whose names are looked at
MOST = 300_000  # files of a repository


def listing(root: Path) -> tuple[list[str], str]:
    """The files, sorted: those that searches look into, of a language the map knows; and why some are left
    out, or "". Submodules and repositories within the repository are part of it.
    """
    from kcode.workspace.ignore import walk
    from kcode.workspace.listing import list_files

    if (root / ".git").exists():
        found = [path for path in list_files(root) if reads(path)]
        if len(found) <= MOST:
            return found, ""
        return found[:MOST], f"only the first {MOST:,} of {len(found):,} files are in the map"
    loose = list(islice(walk(root), _LOOKED_AT + 1))
    found = [path for path in loose[:_LOOKED_AT] if reads(path)]
    if len(found) > MOST_LOOSE or len(loose) > _LOOKED_AT:
        shown = min(len(found), MOST_LOOSE)
        return found[:shown], f"this is no git repository: only {shown:,} of its files are in the map"
    return found, ""


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
