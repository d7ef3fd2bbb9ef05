"""The text of a document, read by Moonshot: upload, take the text, delete (facts B.1).

``POST /files`` with the purpose ``file-extract``, ``GET /files/{id}/content``, ``DELETE /files/{id}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import mimetypes
from typing import TYPE_CHECKING, Any

from kcode.config.jsontext import read_json
from kcode.errors import UsageError
from kcode.providers.base import InvalidRequest, ModelNotFound, Provider, ProviderError, ServerFailed
from kcode.providers.moonshot.platform import PROFILES_THAT_CAN, site

if TYPE_CHECKING:
    from kcode.providers.service import HttpProvider

LARGEST = 100_000_000
"""Bytes. The page says 100 MB; this is the smaller reading of it."""

_UPLOAD_SILENCE_S = 300.0  # a long scan is read before the upload is answered
_TIMEOUT_S = 120.0
_DELETE_TIMEOUT_S = 10.0
_LAST_CHANCE_S = 3.0  # for an upload that was interrupted to say which file it made


def can_extract(provider: Provider) -> bool:
    return site(provider) is not None


def check_size(name: str, size: int) -> None:
    """Raises UsageError for a file the service would refuse, before anything is sent."""
    if size > LARGEST:
        raise UsageError(
            f"{name} has {size / 1e6:.0f} MB; Moonshot takes files of at most {LARGEST // 1_000_000} MB",
            "split it, or export the part that matters",
        )
    if size == 0:
        raise UsageError(f"{name} is empty", "name a file with something in it")


async def extract(provider: Provider, name: str, data: bytes) -> str:
    """The text that Moonshot reads in the document ``data``, whose ``name`` tells its kind.

    The file is deleted there afterwards, also where this is interrupted. Raises UsageError for a profile
    that cannot, a size that is not taken and a document that is refused or has no text; ProviderError where
    the service fails.
    """
    found = site(provider)
    if found is None:
        raise UsageError(
            f"{name}: this provider cannot read documents", f"documents are read by {PROFILES_THAT_CAN}"
        )
    service = found[0]
    check_size(name, len(data))
    identity = await _upload(service, name, data)
    try:
        text = await _content(service, name, identity)
    finally:
        await _to_its_end(_delete(service, identity))
    if not text.strip():
        raise UsageError(f"{name}: no text was found in it", "is it a scan of pictures, or protected?")
    return text


async def _upload(service: HttpProvider, name: str, data: bytes) -> str:
    """The id of the uploaded file. Interrupted, it is asked for a moment longer, to be deleted."""
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    upload = asyncio.ensure_future(
        service.call(
            "POST",
            "/files",
            files={"file": (name, data, kind)},
            data={"purpose": "file-extract"},
            timeout_s=_UPLOAD_SILENCE_S,
        )
    )
    try:
        response = await asyncio.shield(upload)
    except asyncio.CancelledError:
        await _to_its_end(_forget(service, upload))
        raise
    except (InvalidRequest, ModelNotFound) as refused:
        raise _refused(service, name, refused) from None
    payload = service.payload(response.text, "", {})
    identity = payload.get("id")
    if not isinstance(identity, str) or not identity:
        raise ServerFailed(f"{service.endpoint.label} took {name} and gave no id for it.", "Try again.")
    if payload.get("status") == "error":
        await _to_its_end(_delete(service, identity))
        raise _refused(service, name, None, str(payload.get("status_details") or ""))
    return identity


async def _forget(service: HttpProvider, upload: asyncio.Future[Any]) -> None:
    with contextlib.suppress(ProviderError, asyncio.TimeoutError, ValueError):
        response = await asyncio.wait_for(upload, _LAST_CHANCE_S)
        payload = read_json(response.text)
        if isinstance(payload, dict) and payload.get("id"):
            await _delete(service, str(payload["id"]))


async def _content(service: HttpProvider, name: str, identity: str) -> str:
    try:
        response = await service.call("GET", f"/files/{identity}/content", timeout_s=_TIMEOUT_S)
    except (InvalidRequest, ModelNotFound) as refused:
        raise _refused(service, name, refused) from None
    return _plain(response.content.decode("utf-8", "replace"))


async def _delete(service: HttpProvider, identity: str) -> None:
    """Best effort: a file that stays is the account's own and named in its console."""
    with contextlib.suppress(ProviderError):
        await service.call("DELETE", f"/files/{identity}", timeout_s=_DELETE_TIMEOUT_S)


async def _to_its_end(work: Any) -> None:
    """Await ``work`` even where this task is cancelled meanwhile; the cancellation comes after it."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _plain(text: str) -> str:
    """The text itself: some answers wrap it as ``{"content": …, "file_type": …}``."""
    if text.startswith("{"):
        try:
            wrapped = read_json(text)
        except ValueError:
            return text
        if isinstance(wrapped, dict) and "file_type" in wrapped and isinstance(wrapped.get("content"), str):
            return str(wrapped["content"])
    return text


def _refused(service: HttpProvider, name: str, refused: ProviderError | None, words: str = "") -> UsageError:
    said = (refused.facts.message if refused else words) or "no reason given"
    return UsageError(
        f"{name}: {service.endpoint.label} could not read it: {said}",
        "it reads pdf, docx, xlsx, pptx, epub and pictures of text, among others; export it as PDF",
    )
