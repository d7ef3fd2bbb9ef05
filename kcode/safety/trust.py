"""Which folders the user trusts: kept in the user's own state, by real path, never in the folder itself."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from kcode.config.paths import make_private, state_dir
from kcode.errors import EnvironmentProblem


def is_trusted(root: Path) -> bool:
    """False also where the list cannot be read: trust that cannot be shown is none."""
    try:
        return _key(root) in _read()
    except EnvironmentProblem:
        return False


def trusted_folders() -> list[str]:
    """Real paths, sorted. Raises EnvironmentProblem where the list cannot be read."""
    return sorted(_read())


def trust(root: Path) -> bool:
    """Returns whether it was new. Raises EnvironmentProblem."""
    known = _read()
    if _key(root) in known:
        return False
    _write(known | {_key(root)})
    return True


def distrust(root: Path) -> bool:
    """Returns whether it was trusted. Raises EnvironmentProblem."""
    known = _read()
    if _key(root) not in known:
        return False
    _write(known - {_key(root)})
    return True


def _file() -> Path:
    return state_dir() / "trusted.json"


def _key(root: Path) -> str:
    return os.path.realpath(root)


def _read() -> set[str]:
    try:
        value = json.loads(_file().read_text("utf-8"))
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"{_file()}: the list of trusted folders cannot be read ({error})", "remove the file"
        ) from error
    folders = value.get("folders") if isinstance(value, dict) else None
    if not isinstance(folders, list):
        raise EnvironmentProblem(f"{_file()}: not a list of trusted folders", "remove the file")
    return {folder for folder in folders if isinstance(folder, str)}


def _write(folders: set[str]) -> None:
    path = _file()
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
