"""The chain of a session on disk, so that the session continued tomorrow continues the server's copy too.

One small JSON file a session in the state folder, readable by the user alone: ids, digests and times, never
a message's text. It only saves money: whatever is wrong with it, the conversation is sent in full.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kcode.config.jsontext import read_json
from kcode.config.paths import make_private, state_dir
from kcode.providers.ark_chain import Chain, Link

_VERSION = 1
_KEPT_S = 8 * 24 * 3600.0  # longer than any response is stored


def owner(*facts: str) -> str:
    """Whose responses they are, by address, key, model and settings, as a short digest."""
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]


def load(session_id: str, owned_by: str) -> Chain:
    """The session's chain; an empty one where there is none, or it is another owner's."""
    try:
        data = read_json(_path(session_id).read_text("utf-8"))
        if data["version"] == _VERSION and data["owner"] == owned_by:
            return _chain(data)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return Chain(owner=owned_by)


def save(session_id: str, chain: Chain) -> None:
    """Written beside and renamed, so that a reader never sees half of it. A disk that refuses costs only the
    next process a full resend, so it is not an error."""
    path = _path(session_id)
    text = json.dumps({"version": _VERSION, **asdict(chain)})
    with contextlib.suppress(OSError):
        make_private(path.parent)
        descriptor, beside = tempfile.mkstemp(dir=path.parent, suffix=".new")  # made with mode 600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(beside).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(beside).unlink()
            raise


def prune(now: float | None = None) -> None:
    """Remove the files of sessions whose responses are all gone."""
    limit = (time.time() if now is None else now) - _KEPT_S
    with contextlib.suppress(OSError):
        for path in _folder().iterdir():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < limit:
                    path.unlink()


def _folder() -> Path:
    return state_dir() / "responses"


def _path(session_id: str) -> Path:
    return _folder() / f"{hashlib.sha256(session_id.encode()).hexdigest()[:32]}.json"


def _chain(data: dict[str, Any]) -> Chain:
    links = tuple(
        Link(
            response_id=str(link["response_id"]),
            covered=int(link["covered"]),
            sent=str(link["sent"]),
            answer=str(link["answer"]),
            call_ids=tuple(map(str, link["call_ids"])),
            expires=float(link["expires"]),
        )
        for link in data["links"]
    )
    return Chain(
        owner=str(data["owner"]),
        links=links,
        gaps=tuple(map(float, data["gaps"])),
        last_request=float(data["last_request"]),
        caching_refused=bool(data["caching_refused"]),
    )
