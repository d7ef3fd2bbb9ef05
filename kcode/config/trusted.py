"""Which folders the user trusts, as the user's own state says: by real path, never in the folder itself."""

from __future__ import annotations

import os
from pathlib import Path

from kcode.config.jsontext import read_json
from kcode.config.paths import state_dir
from kcode.errors import EnvironmentProblem


def is_trusted(root: Path) -> bool:
    """False also where the list cannot be read: trust that cannot be shown is none."""
    try:
        return folder_key(root) in read_trusted()
    except EnvironmentProblem:
        return False


def trusted_file() -> Path:
    return state_dir() / "trusted.json"


def folder_key(root: Path) -> str:
    return os.path.realpath(root)


def read_trusted() -> set[str]:
    """Real paths. Raises EnvironmentProblem where the list is there and cannot be read."""
    try:
        value = read_json(trusted_file().read_text("utf-8"))
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"{trusted_file()}: the list of trusted folders cannot be read ({error})", "remove the file"
        ) from error
    folders = value.get("folders") if isinstance(value, dict) else None
    if not isinstance(folders, list):
        raise EnvironmentProblem(f"{trusted_file()}: not a list of trusted folders", "remove the file")
    return {folder for folder in folders if isinstance(folder, str)}
