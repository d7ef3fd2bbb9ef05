"""The project as it was before an edit, in a folder of ours, for checkers that see only what is on disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from kcode.errors import KcodeError
from kcode.workspace.workspace import Workspace

MOST_FILES = 4_000
MOST_BYTES = 60_000_000
_LINKED = ("node_modules", ".venv", "venv", "env", "vendor")  # which git ignores, and checkers look into


@contextmanager
def mirror(workspace: Workspace, before: Mapping[str, str | None], below: Path) -> Iterator[Path | None]:
    """A copy of the workspace in which these files have their former texts (None: not there), in a new folder
    below ``below``; it is gone afterwards. None where the workspace is too large, or cannot be copied."""
    names = workspace.list_files()
    if len(names) > MOST_FILES:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="was-", dir=below, ignore_cleanup_errors=True) as folder:
        top = Path(os.path.realpath(folder))
        try:
            whole = _copied(workspace, [name for name in names if name not in before], top)
            for path, text in before.items():
                if text is not None:
                    _write(workspace, path, text, top / path)
        except OSError:
            whole = False
        yield top if whole else None


def _copied(workspace: Workspace, names: list[str], top: Path) -> bool:
    root = workspace.root
    room = MOST_BYTES
    folders = {""}
    for name in names:
        above, _, _ = name.rpartition("/")
        if above not in folders:
            (top / above).mkdir(parents=True, exist_ok=True)
            while above not in folders:
                folders.add(above)
                above = above.rpartition("/")[0]
        with suppress(FileNotFoundError):  # gone since it was listed
            info = (root / name).lstat()
            room -= info.st_size
            if room < 0:
                return False
            shutil.copyfile(root / name, top / name, follow_symlinks=False)
    for above in folders:
        for name in _LINKED:
            if (root / above / name).is_dir() and not (top / above / name).exists():
                (top / above / name).symlink_to(root / above / name)
    return True


def _write(workspace: Workspace, path: str, text: str, target: Path) -> None:
    """The former text in the encoding that the file has now; a checker reads bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        data = workspace.read(path).encode(text)
    except KcodeError:  # it is gone, or cannot be read any more
        data = text.encode("utf-8", "replace")
    target.write_bytes(data)
