"""What servers were found to do, kept between sessions: the name under which a server sends reasoning.

A resumed session must send the bytes that it sent before, and the name is not in its ledger.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from kcode.config.jsontext import read_json
from kcode.config.paths import make_private, state_dir
from kcode.providers.error_facts import without_login


def recalled(base_url: str) -> str:
    """The name under which this server got its reasoning back, ``""`` where that is the dialect's own."""
    return _read().get(without_login(base_url), "")


def remember(base_url: str, reasoning_name: str) -> None:
    """Keep it. A disk that cannot be written costs at most a prefix cache."""
    known, server = _read(), without_login(base_url)
    if known.get(server) == reasoning_name:
        return
    path = _path()
    staging = path.with_name(f".{path.name}.{os.getpid()}")
    text = json.dumps({**known, server: reasoning_name}, indent=1, sort_keys=True)
    with contextlib.suppress(OSError):
        make_private(path.parent)
        staging.write_text(text + "\n", "utf-8")
        staging.replace(path)


def _path() -> Path:
    return state_dir() / "servers.json"


def _read() -> dict[str, str]:
    try:
        known = read_json(_path().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in known.items() if isinstance(v, str)} if isinstance(known, dict) else {}
