"""What programs that look at the project run in: environment, folders, whether they may at all."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kcode.config.paths import cache_dir, make_private
from kcode.config.project import workspace_key
from kcode.config.settings import Settings
from kcode.safety.process import child_environment
from kcode.safety.sandbox import Confinement, status
from kcode.safety.trust import is_trusted
from kcode.workspace.workspace import Workspace

KEEP_DAYS = 30  # that caches of a project stay which no session has used
KEEP_BYTES = 2_000_000_000  # of one project: beyond them its caches are begun anew
_USED = "used"


@dataclass(frozen=True, slots=True)
class Room:
    """One for a session. All that is written is below :meth:`cache`."""

    workspace: Workspace
    settings: Settings

    async def refusal(self, name: str, program: str, runs_code: bool) -> str:
        """Why this program may not run, in words for the model; empty where it may.

        Programs and configuration that come with a repository run where they are confined or trusted.
        """
        root = self.workspace.root
        theirs = runs_code or Path(program).is_relative_to(root)
        if not theirs or is_trusted(root):
            return ""
        if self.settings.safety.sandbox != "off" and (await asyncio.to_thread(status)).holds:
            return ""
        return f"{name} is not run after edits: commands are not confined, and this folder is not trusted"

    def cache(self, *parts: str) -> Path:
        """A private folder of ours for this project; it is there."""
        folder = _caches() / workspace_key(self.workspace.root)
        make_private(folder.joinpath(*parts))
        with suppress(OSError):
            (folder / _USED).touch()
        return folder.joinpath(*parts)

    def environment(self) -> dict[str, str]:
        return child_environment(
            {
                "NO_COLOR": "1",
                "TERM": "dumb",
                "PAGER": "cat",
                "CI": "1",
                "TMPDIR": str(self.cache("tmp")),
                "XDG_CACHE_HOME": str(self.cache("cache")),
                "CARGO_TARGET_DIR": str(self.cache("cargo")),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
        )

    def confinement(self) -> Confinement | None:
        if self.settings.safety.sandbox == "off":
            return None
        return Confinement((*self.workspace.roots, self.cache()), network=False)

    def tidy(self) -> None:
        """Remove what is left of checks that were killed, and caches that are old or too large."""
        tidy(self.cache())


def tidy(own: Path) -> None:
    """Beside ``own``, the caches of projects that were not used for long go; ``own`` is begun anew where it
    has grown too large, and what killed checks left in it goes."""
    for folder in _folders(_caches()):
        if folder != own and _age_days(folder) > KEEP_DAYS:
            shutil.rmtree(folder, ignore_errors=True)
    for part in ("before", "copy"):
        for left in _folders(own / part):
            if _age_days(left) > 1:
                shutil.rmtree(left, ignore_errors=True)
    if _size(own, KEEP_BYTES) > KEEP_BYTES:
        for folder in _folders(own):
            shutil.rmtree(folder, ignore_errors=True)


def _caches() -> Path:
    return cache_dir() / "diagnostics"


def _folders(above: Path) -> list[Path]:
    try:
        return [path for path in above.iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _age_days(folder: Path) -> float:
    used = folder / _USED
    try:
        return (time.time() - (used if used.exists() else folder).stat().st_mtime) / 86_400
    except OSError:
        return 0.0


def _size(folder: Path, enough: int) -> int:
    """Bytes below a folder; counting stops beyond ``enough``."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(above, name)).st_size  # noqa: PTH118 - many files
        if total > enough:
            break
    return total
