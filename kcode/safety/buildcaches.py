"""What builds keep from one time to the next, apart from what is used outside of the sandbox.

A confined command reads the caches below the home folder and does not write there: what it planted would be
run later, by a build that nothing confines. It has folders of its own for each workspace, used only inside.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from kcode.config.paths import cache_dir, make_private
from kcode.config.project import workspace_key

KEEP_DAYS = 30
_USED = ".used"


@cache
def folder_for(root: Path) -> Path | None:
    """The folder for the workspace ``root``, there and private; those of others that nobody used for long
    go. None where none can be made."""
    above = cache_dir() / "builds"
    own = above / workspace_key(root)
    try:
        make_private(own)
        (own / _USED).touch()
    except OSError:
        return None
    _tidy(above, own)
    return Path(os.path.realpath(own))


def variables(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What tells build tools of it."""
    home = Path(environ.get("HOME") or Path.home())
    gradle = Path(environ.get("GRADLE_USER_HOME") or home / ".gradle")
    found = {
        "XDG_CACHE_HOME": str(folder),
        "GOCACHE": str(folder / "go-build"),
        "npm_config_cache": str(folder / "npm"),
        "GRADLE_USER_HOME": str(folder / "gradle"),
    }
    if (gradle / "caches" / "modules-2").is_dir():
        found["GRADLE_RO_DEP_CACHE"] = str(gradle / "caches")
    with suppress(OSError):
        _lend_distributions(gradle, folder / "gradle")
    return found


def _lend_distributions(theirs: Path, own: Path) -> None:
    """The Gradles that wrappers have downloaded, but for their locks, which are written even to read."""
    for done in theirs.glob("wrapper/dists/*/*/*.ok"):
        place = own / done.parent.relative_to(theirs)
        if (place / done.name).exists():
            continue
        place.mkdir(parents=True, exist_ok=True)
        for entry in done.parent.iterdir():
            if not entry.name.endswith(".lck") and entry != done and not (place / entry.name).exists():
                (place / entry.name).symlink_to(entry)
        (place / done.name).touch()


def _tidy(above: Path, own: Path) -> None:
    oldest = time.time() - KEEP_DAYS * 86_400
    with suppress(OSError):
        for folder in above.iterdir():
            used = folder / _USED
            if folder != own and (used if used.exists() else folder).stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)
