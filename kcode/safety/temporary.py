"""Folders for what commands write and nobody keeps; what a killed kcode left of them is removed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

when_removed: list[Callable[[Path], None]] = []  # told of each folder before it goes
_NAME = re.compile(r"kcode-run-(\d+)-\w+")
_STALE_S = 86_400.0  # in a shared folder the owner may live where its process id means nothing to us


def made() -> Path:
    """A new private folder, to be removed with :func:`remove`. What killed ones left a day ago goes now."""
    above = Path(tempfile.gettempdir())
    with suppress(OSError):
        for folder in above.iterdir():
            if (name := _NAME.fullmatch(folder.name)) and _is_left(folder, int(name[1])):
                remove(folder)
    return Path(tempfile.mkdtemp(prefix=f"kcode-run-{os.getpid()}-"))


def remove(folder: Path) -> None:
    """With all that is in it; what a command made unreadable or unwritable goes too."""
    for tell in when_removed:
        tell(folder)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for here, folders, _ in os.walk(folder):
            for name in folders:
                if not (inner := Path(here) / name).is_symlink():
                    with suppress(OSError):
                        inner.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path, owner: int) -> bool:
    try:
        found = folder.lstat()
        mine = found.st_uid == os.getuid()
    except (OSError, AttributeError):
        return False
    return mine and time.time() - found.st_mtime > _STALE_S and not _lives(owner)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
