"""Brings the chat slot to a known beginning: from disk where it was saved, else by reading it once.

Two things are kept. The stable prefix (system text and tools), for every new session; and the whole
conversation of a session that was closed, for its resumption.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from kcode.providers.base import EmbeddedUnavailable, InvalidRequest, ProviderError
from kcode.providers.embedded.client import WorkerClient
from kcode.providers.embedded.kvcache import KvCache

CHAT_SLOT = 0
WORTH_SAVING = 1500  # characters of prefix; a shorter one is read in the time the file takes


class SavedPrefix:
    """What the chat slot of the current worker holds, and the files it can come from."""

    def __init__(self, cache: KvCache) -> None:
        self._cache = cache
        self._worker: WorkerClient | None = None
        self._brought = ""  # the file of the prefix that the slot begins with
        self._session = ""  # the file for the conversation in the slot

    async def bring(
        self, worker: WorkerClient, prefix: Sequence[dict[str, str]], session_id: str
    ) -> int | None:
        """Have the chat slot begin with ``prefix`` and return it; costs nothing where it does already.

        None where the prefix is not worth it: such a request takes any slot and leaves this one alone.
        """
        if worker is not self._worker:
            self._worker, self._brought, self._session = worker, "", ""
        text = json.dumps(list(prefix), ensure_ascii=False)
        if not self._cache.enabled or not worker.facts.get("slots") or len(text) < WORTH_SAVING:
            return None
        runtime = f"{worker.facts['runtime']}{worker.facts['version']}"
        name = self._cache.name(text, runtime)
        session = self._cache.name(f"session {session_id}\0{text}", runtime) if session_id else ""
        resumable = session and session != self._session
        self._session = session
        if resumable and await self._restore(worker, session):
            self._brought = name
        if name != self._brought:
            self._brought = name
            if not await self._restore(worker, name):
                await self._read_and_save(worker, prefix, name)
        return CHAT_SLOT

    def give_up_slot(self) -> None:
        """Sampling may take any slot: what the chat slot holds afterwards is not the conversation."""
        self._session = ""

    async def keep_conversation(self, worker: WorkerClient) -> None:
        """Save the slot for the resumption of the session whose requests it answered."""
        if worker is self._worker and self._session:
            with suppress(ProviderError):
                await worker.ask("save", slot=CHAT_SLOT, filename=self._session)
                self._cache.evict(keep=self._session)

    async def _restore(self, worker: WorkerClient, name: str) -> bool:
        if not self._cache.has(name):
            return False
        try:
            await worker.ask("restore", slot=CHAT_SLOT, filename=name)
        except InvalidRequest:
            self._cache.forget(name)  # of another build, or damaged: read the prompt instead
            return False
        return True

    async def _read_and_save(self, worker: WorkerClient, prefix: Sequence[dict[str, str]], name: str) -> None:
        try:
            await worker.ask("chat", body={"messages": list(prefix), "max_tokens": 1, "id_slot": CHAT_SLOT})
            await worker.ask("save", slot=CHAT_SLOT, filename=name)
        except EmbeddedUnavailable:
            raise
        except ProviderError:
            return  # the real request will say what is wrong, with its own words
        self._cache.evict(keep=name)
