"""Whole model files over HTTPS: Hugging Face (or a mirror of its layout) and ModelScope, with resume.

Both serve the same bytes, so what one of them delivered is continued by the other.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kcode.providers.embedded.sources import Pull, SourceFailed, check, need_space

if TYPE_CHECKING:
    import httpx2

_BLOCK = 1024 * 1024
_TRIES = 4  # connections in a row that brought nothing
_SILENCE_S = 30.0


def huggingface(pull: Pull) -> Path:
    """From ``HF_ENDPOINT`` where set."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"
    return download(pull, f"{endpoint}/{pull.model.hub}/resolve/main/{pull.model.file}", "Hugging Face")


def modelscope(pull: Pull) -> Path:
    """From ``MODELSCOPE_ENDPOINT`` where set."""
    endpoint = os.environ.get("MODELSCOPE_ENDPOINT", "").rstrip("/") or "https://modelscope.cn"
    return download(
        pull, f"{endpoint}/models/{pull.model.hub}/resolve/master/{pull.model.file}", "ModelScope"
    )


def download(pull: Pull, url: str, source: str) -> Path:
    """Fetch ``url``, continuing what is there. Raises :class:`SourceFailed`; keeps what arrived."""
    import httpx2

    partial = pull.staging / "download.gguf"
    have = partial.stat().st_size if partial.exists() else 0
    if have > pull.model.size:
        partial.unlink()
        have = 0
    need_space(pull.staging, pull.model.size - have)
    fruitless = 0
    with httpx2.Client(follow_redirects=True, timeout=_SILENCE_S) as client:
        while have < pull.model.size:
            before = have
            try:
                have = _continue(client, url, partial, have, pull, source)
                reason = "the connection ended early"
            except httpx2.HTTPError as error:
                have = partial.stat().st_size if partial.exists() else 0
                reason = str(error) or type(error).__name__
            fruitless = 0 if have > before else fruitless + 1
            if have < pull.model.size and fruitless >= _TRIES:
                raise SourceFailed(f"{reason} ({have} of {pull.model.size} bytes are kept)")
            if fruitless:
                time.sleep(0.3 * 2**fruitless)
    check(pull.model, partial, have, _hash(partial))
    return partial


def _continue(client: httpx2.Client, url: str, partial: Path, have: int, pull: Pull, source: str) -> int:
    headers = {"Accept-Encoding": "identity"}  # the hash and the range count the file's own bytes
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code not in (200, 206):
            raise SourceFailed(f"HTTP status {answer.status_code}")
        resumed = answer.status_code == 206
        done = have if resumed else 0  # a server without ranges starts again
        with partial.open("ab" if resumed else "wb") as file:
            for block in answer.iter_raw():
                file.write(block)
                done += len(block)
                if done > pull.model.size:
                    break
                pull.progress(done, pull.model.size, source)
    return done


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(4 * _BLOCK):
            digest.update(block)
    return digest.hexdigest()
