"""Which folders the user trusts: kept in the user's own state, by real path, never in the folder itself."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from kcode.config.paths import make_private
from kcode.config.trusted import folder_key, is_trusted, read_trusted, trusted_file
from kcode.errors import EnvironmentProblem

__all__ = ["distrust", "is_trusted", "trust", "trusted_folders"]


def trusted_folders() -> list[str]:
    """Real paths, sorted. Raises EnvironmentProblem where the list cannot be read."""
    return sorted(read_trusted())


def trust(root: Path) -> bool:
    """Returns whether it was new. Raises EnvironmentProblem."""
    known = read_trusted()
    if folder_key(root) in known:
        return False
    _write(known | {folder_key(root)})
    return True


def distrust(root: Path) -> bool:
    """Returns whether it was trusted. Raises EnvironmentProblem."""
    known = read_trusted()
    if folder_key(root) not in known:
        return False
    _write(known - {folder_key(root)})
    return True


def _write(folders: set[str]) -> None:
    path = trusted_file()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        make_private(path.parent)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump({"folders": sorted(folders)}, stream, indent=1)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EnvironmentProblem(
            f"{path}: cannot be written ({error.strerror})", "check the folder, its permissions and the disk"
        ) from error
