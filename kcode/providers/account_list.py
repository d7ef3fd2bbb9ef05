"""Which models an account may use: its service's own list, kept for a day in the cache folder.

A file a list, named by a digest of address and key; the key itself is never written. What was found out by
probing (facts 0.3: on Ark, being listed is no proof) is kept with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kcode.config.jsontext import read_json
from kcode.config.paths import cache_dir, make_private
from kcode.providers.base import ModelNotFound, ProviderError, WrongAddress
from kcode.providers.endpoint import Endpoint
from kcode.providers.error_facts import without_login

if TYPE_CHECKING:
    from kcode.providers.chat import ChatProvider

FRESH_S = 24 * 3600.0
LIST_TIMEOUT_S = 3.0
_PROBE_TIMEOUT_S = 20.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of a service's ``/models``; ``probes`` says of an id whether a request to it was answered.

    ``absent``: the address has no such list. ``asked_at`` in seconds since the epoch.
    """

    rows: tuple[Mapping[str, Any], ...]
    asked_at: float
    absent: bool = False
    probes: Mapping[str, bool] = field(default_factory=dict)

    @property
    def usable(self) -> tuple[Mapping[str, Any], ...]:
        """The rows that are not on their way out, without those that did not answer a probe."""
        return tuple(
            row
            for row in self.rows
            if row.get("status") not in ("Shutdown", "Retired") and self.probes.get(str(row["id"]), True)
        )

    @property
    def ids(self) -> list[str]:
        return [str(row["id"]) for row in self.usable]

    @property
    def fresh(self) -> bool:
        return 0 <= time.time() - self.asked_at < FRESH_S


def window(row: Mapping[str, Any]) -> int:
    """Tokens of the window as servers name it: Moonshot, vLLM, llama-server; 0 where none does."""
    meta = row.get("meta")
    inner = meta if isinstance(meta, dict) else {}
    for value in (
        row.get("context_length"),
        row.get("max_model_len"),
        inner.get("n_ctx"),
        inner.get("n_ctx_train"),
    ):
        if isinstance(value, int) and value > 0:
            return value
    return 0


# --- asking ------------------------------------------------------------------------------------


def ask(endpoint: Endpoint) -> Listing:
    """The list as the service gives it now, and kept. Raises ProviderError where it does not answer."""

    async def rows(provider: ChatProvider) -> list[dict[str, Any]]:
        return await provider.model_rows(LIST_TIMEOUT_S)

    try:
        listing = Listing(tuple(_run(endpoint, rows)), time.time())
    except (WrongAddress, ModelNotFound):
        listing = Listing((), time.time(), absent=True)
    keep(endpoint, listing)
    return listing


def probe(endpoint: Endpoint, listing: Listing, model_id: str) -> Listing:
    """The listing with what one request for one token says of the model, kept.

    Raises the ProviderError of a failure that says nothing about the model.
    """

    async def call(provider: ChatProvider) -> bool:
        body = {
            "model": model_id,
            "messages": [{"role": "user", "content": "hi"}],
            endpoint.dialect.max_tokens_field: 1,
        }
        await provider.call_json("POST", "/chat/completions", body, timeout_s=_PROBE_TIMEOUT_S)
        return True

    try:
        answers = _run(endpoint, call)
    except ModelNotFound:
        answers = False
    listing = replace(listing, probes={**listing.probes, model_id: answers})
    keep(endpoint, listing)
    return listing


def in_background(work: Callable[[], object]) -> None:
    """Renew a list while it is already in use; a failure leaves the old one."""

    def renew() -> None:
        with contextlib.suppress(ProviderError, OSError):
            work()

    threading.Thread(target=renew, name="kcode-models", daemon=True).start()


def _run(endpoint: Endpoint, talk: Callable[[ChatProvider], Coroutine[Any, Any, T]]) -> T:
    """In a thread and an event loop of its own: the caller may have a loop running, and a client belongs to
    the loop that opened it."""
    from kcode.providers.chat import ChatProvider

    async def conversation() -> T:
        provider = ChatProvider(endpoint, timeout_s=_PROBE_TIMEOUT_S)
        try:
            return await talk(provider)
        finally:
            await provider.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, conversation()).result()


# --- on disk -----------------------------------------------------------------------------------


def kept(endpoint: Endpoint) -> Listing | None:
    """The list of this address and key as it was kept last; None for none or a damaged one."""
    try:
        data = read_json(_file(endpoint).read_bytes())
        rows = tuple(row for row in data["rows"] if isinstance(row, dict) and isinstance(row["id"], str))
        probes = {str(name): bool(answers) for name, answers in data["probes"].items()}
        return Listing(rows, float(data["asked_at"]), bool(data["absent"]), probes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep(endpoint: Endpoint, listing: Listing) -> None:
    """Written in one step, readable for the user alone. A cache that cannot be written is done without."""
    path = _file(endpoint)
    data = {
        "address": without_login(endpoint.base_url),
        "asked_at": listing.asked_at,
        "absent": listing.absent,
        "probes": dict(listing.probes),
        "rows": [{name: row[name] for name in _KEPT if name in row} for row in listing.rows],
    }
    with contextlib.suppress(OSError):
        make_private(path.parent)
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)  # mode 600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(data, file, ensure_ascii=False)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise


def forget(endpoint: Endpoint) -> None:
    """The kept list proved wrong: the next opening asks again."""
    with contextlib.suppress(OSError):
        _file(endpoint).unlink(missing_ok=True)


_KEPT = ("id", "status", "created", "context_length", "max_model_len", "meta")


def _file(endpoint: Endpoint) -> Path:
    digest = hashlib.sha256(f"kcode models\0{endpoint.base_url}\0{endpoint.api_key}".encode())
    return cache_dir() / "accounts" / f"{digest.hexdigest()[:32]}.json"
