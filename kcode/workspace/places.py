"""Where a path leads: into the workspace, into a folder that was added to it, or out of both."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kcode.config.paths import config_dir, data_dir, state_dir
from kcode.errors import UsageError
from kcode.safety import sensitive
from kcode.workspace.errors import NotThere, PathOutside, WorkspaceError
from kcode.workspace.nearest import nearest_names

_LONGEST = 4_096  # characters of a path: more, no system takes
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates that stand for no byte of a name


class Places:
    """The folders that may be worked in: ``root``, and ``added`` ones, which are named by absolute paths."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.added: tuple[Path, ...] = ()

    @property
    def roots(self) -> tuple[Path, ...]:
        return (self.root, *self.added)

    def add(self, path: Path) -> Path:
        """Let ``path`` be worked in too; its real path. Raises :class:`UsageError` where that cannot be."""
        real = Path(os.path.realpath(path.expanduser()))
        if not real.is_dir():
            raise UsageError(f"{path} is not a folder", "name an existing one")
        if real == Path(real.anchor):
            raise UsageError(f"{path} is the whole disk", "name a folder in it")
        if why := sensitive.reason(real.as_posix()) or self._own(real):
            raise UsageError(f"this folder cannot be added: {why}")
        if not any(real.is_relative_to(top) for top in self.roots):
            self.added = (*self.added, real)
        return real

    def top_of(self, path: Path) -> Path:
        """The one of :attr:`roots` that ``path`` is under; the workspace's own where it is under none."""
        return next((top for top in self.roots if path.is_relative_to(top)), self.root)

    def resolve(self, path: str, *, must_exist: bool = False) -> Path:
        """The real path of ``path`` (relative to the workspace, or absolute inside it), links followed.

        Raises :class:`PathOutside`, and :class:`NotThere` with ``must_exist``.
        """
        real = Path(os.path.realpath(self._join(path)))
        if not self._inside(real):
            raise self._outside(path)
        if must_exist and not real.exists():
            raise self._not_there(path)
        return real

    def locate(self, path: str) -> Path:
        """Like :meth:`resolve`, but a symlink at ``path`` itself is not followed: for moving and deleting."""
        joined = Path(os.path.normpath(self._join(path)))
        if joined in self.roots:
            return joined
        real = Path(os.path.realpath(joined.parent)) / joined.name
        if not self._inside(real) or real in self.roots:
            raise self._outside(path)
        return real

    def relative(self, path: Path) -> str:
        """``path`` relative to the workspace with forward slashes, ``.`` for the root; as it is in an added
        folder."""
        if path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        if self._inside(path):
            return path.as_posix()
        raise self._outside(str(path)) from None

    def sensitive(self, path: str) -> str:
        """Why ``path`` needs a yes in every mode, or an empty string."""
        why = sensitive.reason(path.replace(os.sep, "/"))
        try:
            real = self.resolve(path)
        except WorkspaceError:
            return why
        return why or sensitive.reason(self.relative(real)) or self._own(real, path)

    def list_files(self, top: Path | None = None) -> list[str]:
        """Names of files, among which a path that is not there is looked for."""
        return []

    def _own(self, real: Path, shown: str = "") -> str:
        if any(real.is_relative_to(own()) for own in (config_dir, state_dir, data_dir)):
            return f"{shown or real}: kcode's own data"
        return ""

    def _inside(self, real: Path) -> bool:
        return any(real.is_relative_to(top) for top in self.roots)

    def _join(self, path: str) -> Path:
        if "\0" in path:
            raise WorkspaceError("the path has a NUL character")
        if len(path) > _LONGEST or any(len(part) > 255 for part in path.split("/")) or _HALVES.search(path):
            raise WorkspaceError(f"{path[:60]}… is no path that a file can have")
        if path.startswith("~"):
            raise PathOutside(f"{path}: give paths relative to the workspace, not to a home folder")
        try:
            return self.root / path
        except (ValueError, OSError) as problem:
            raise WorkspaceError(f"{path!r} is not a path: {problem}") from None

    def _outside(self, path: str) -> PathOutside:
        inside = self._inside(Path(os.path.normpath(self.root / path)))
        why = "is a link that leads outside the workspace" if inside else "is outside the workspace"
        return PathOutside(f"{path} {why}", "paths are relative to the workspace and stay inside it")

    def _not_there(self, path: str) -> NotThere:
        near = nearest_names(path, self.list_files())
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return NotThere(f"{path} does not exist{hint}")
