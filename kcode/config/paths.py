"""Where kcode keeps things: the XDG folders, on every platform.

Own lines rather than a library: this is on the path of every start, and XDG variables are honoured
on macOS and Windows too, which is what people with dotfiles expect.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path


def _folder(variable: str, unix: str, windows: str) -> Path:
    named = os.environ.get(variable, "")
    if named and Path(named).is_absolute():  # the XDG specification ignores relative ones
        return Path(named) / "kcode"
    if sys.platform == "win32":
        return (
            Path(os.environ.get("LOCALAPPDATA", str(Path.home() / windows)))
            / "kcode"
            / unix.rsplit("/", 1)[-1]
        )
    return Path.home() / unix / "kcode"


def config_dir() -> Path:
    return _folder("XDG_CONFIG_HOME", ".config", "AppData/Local")


def data_dir() -> Path:
    """Models and checkpoints live here."""
    return _folder("XDG_DATA_HOME", ".local/share", "AppData/Local")


def state_dir() -> Path:
    """Sessions, history and logs live here."""
    return _folder("XDG_STATE_HOME", ".local/state", "AppData/Local")


def cache_dir() -> Path:
    return _folder("XDG_CACHE_HOME", ".cache", "AppData/Local")


def make_private(folder: Path) -> None:
    """Make ``folder`` and all that is missing above it, each for its owner alone. Raises OSError.

    ``mkdir(parents=True, mode=…)`` gives the mode to the last folder only. One of kcode's own that is there
    and open to others (made by hand, or unpacked from a backup) is closed.
    """
    try:
        folder.mkdir(mode=0o700)
    except FileNotFoundError:
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        if not folder.is_dir():
            raise
        if any(folder.is_relative_to(own()) for own in (config_dir, state_dir, data_dir)):
            with contextlib.suppress(OSError):  # another's: what is in it is mode 600 all the same
                if folder.stat().st_mode & 0o077:
                    folder.chmod(0o700)


def user_config_file() -> Path:
    """The user's TOML; ``KCODE_CONFIG`` names another."""
    named = os.environ.get("KCODE_CONFIG", "")
    return Path(named).expanduser() if named else config_dir() / "config.toml"


def project_config_file(root: Path) -> Path:
    return root / ".kcode" / "config.toml"


def project_root(start: Path) -> Path:
    """The nearest folder at or above ``start`` that holds ``.git``; ``start`` where there is none.

    Looks at names only and starts no git: this is on the path of ``kcode config``.
    """
    start = Path.cwd() / start
    for folder in (start, *start.parents):
        if os.path.lexists(folder / ".git"):
            return folder
    return start
