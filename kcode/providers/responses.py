"""The Responses wire, as Ark speaks it: the server keeps the conversation, kcode sends what is new.

Each answered request is a link of the session's chain (:mod:`kcode.providers.ark_chain`); the next request
names it and sends only the items since. Whatever the server cannot continue is sent again in full, and where
the service has no such wire or no cache, the provider goes on without it and says so. Rules: facts C.3.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from kcode.providers import ark_body, ark_chain, ark_chain_file, ark_storage, ark_tokens
from kcode.providers.ark_answer import ResponseReader
from kcode.providers.ark_chain import Chain, Link
from kcode.providers.ark_items import Item, read_messages, to_items
from kcode.providers.ark_refusals import (
    cache_refused,
    names_reasoning,
    wire_missing,
    worth_sending_in_full,
)
from kcode.providers.base import (
    Chunk,
    ConnectionLost,
    ProviderError,
    Request,
    Retrying,
    ServerFailed,
    Waiting,
)
from kcode.providers.chat import ChatProvider
from kcode.providers.endpoint import Endpoint
from kcode.providers.http_errors import classify_payload
from kcode.providers.service import HttpProvider, facts, lower


@dataclass(frozen=True, slots=True)
class _Plan:
    """How one request is sent. ``sent`` are the digests of its messages; ``full_because`` says why a chain
    that exists is not continued. ``started`` is in unix seconds."""

    items: list[Item]
    sent: list[str]
    started: float
    link: Link | None = None
    storage: ark_body.Storage | None = None
    full_because: str = ""


class ResponsesProvider(HttpProvider):
    """A service that speaks Responses. Not for use by several conversations of one session at once."""

    def __init__(self, endpoint: Endpoint, **options: Any) -> None:
        """``options`` are :class:`HttpProvider`'s."""
        super().__init__(endpoint, **options)
        self._options = options
        self._chat: ChatProvider | None = None
        self._chains: dict[str, Chain] = {}
        self._caching_refused = False
        self._with_reasoning = True
        self._answered_at = 0.0  # on the monotonic clock

    async def close(self) -> None:
        if self._chat is not None:
            await self._chat.close()
        await super().close()

    async def count_tokens(self, request: Request) -> int:
        """Tokens of the prompt, with an allowance for the template's markers."""
        return await ark_tokens.count_tokens(self, request)

    async def _attempt(self, request: Request) -> AsyncGenerator[Chunk, None]:
        while self._chat is None:
            plan = self._plan(request)
            if plan.full_because:
                yield Waiting(0.0, f"sending the whole conversation: {plan.full_because}")
            try:
                async with aclosing(self._exchange(request, plan)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except ProviderError as error:
                why = self._adapted(request, plan, error)
                if not why:
                    raise
            yield Retrying(1, 0.0, why)
        async with aclosing(self._chat._attempt(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    # --- what is sent ------------------------------------------------------------------------------

    def _plan(self, request: Request) -> _Plan:
        now = time.time()
        messages = read_messages(request.messages)
        chain = self._chain(request)
        sent = ark_chain.digests(request.model or self.model.id, request.tools, request.messages)
        caching = bool(request.session_id) and self.dialect.response_cache
        reasoning = self._reasoning_field()
        begun = self._begun(request)
        if not caching or chain.caching_refused or self._caching_refused:
            return _Plan(to_items(messages, {}, reasoning) + begun, sent, now)
        storage = self._storage(chain, now)
        link = ark_chain.find_link(chain, sent, messages, now)
        if link is None:
            why = ark_chain.why_not(chain, sent, now)
            return _Plan(to_items(messages, {}, reasoning) + begun, sent, now, None, storage, why)
        ids = ark_chain.server_ids(link, messages)
        new = messages[link.covered + 1 :]
        return _Plan(to_items(new, ids, reasoning) + begun, sent, now, link, storage)

    def _begun(self, request: Request) -> list[Item]:
        """The answer that is to be continued, where the dialect has a way to say so."""
        if not request.partial or self.dialect.partial != "partial":
            return []
        return [{**item, "partial": True} for item in to_items(read_messages([request.partial]), {})]

    def _reasoning_field(self) -> str | None:
        thinks = self.model.thinking != "no"
        return self.dialect.reasoning_field if thinks and self._with_reasoning else None

    def _storage(self, chain: Chain, now: float) -> ark_body.Storage:
        gap = ark_storage.mean_gap_s(chain.gaps_until(now))
        hours = ark_storage.hours_to_store(ark_storage.prices_of(self.model), gap)
        return ark_body.Storage(hours, int(now) + hours * 3600 - ark_storage.ROUNDING_SLACK_S)

    # --- one exchange ------------------------------------------------------------------------------

    async def _exchange(self, request: Request, plan: _Plan) -> AsyncGenerator[Chunk, None]:
        previous = plan.link.response_id if plan.link else ""
        body = ark_body.spell(
            request, plan.items, self.model, self.dialect, previous_id=previous, storage=plan.storage
        )
        if previous:
            await self._pause()
        reader = ResponseReader()
        async with self.post("/responses", body, stream=True) as (response, number):
            headers = lower(response)
            async with aclosing(self._payloads(response, number, reader)) as payloads:
                async for payload in payloads:
                    for chunk in reader.read(payload):
                        yield chunk
                    if reader.failure is not None:
                        error = {"error": dict(reader.failure)}
                        raise classify_payload(error, self._endpoint, headers)
            if not reader.finished:
                raise self.truncated(headers)
            if not reader.anything and not reader.kept()[0]:
                raise ServerFailed(
                    f"{self._endpoint.label} answered without an answer.", "Try again.", facts(headers)
                )
        self._answered_at = time.monotonic()
        self._remember(request, plan, reader)
        for chunk in reader.ending(plan.storage.hours if plan.storage else 0):
            yield chunk

    async def _payloads(
        self, response: Any, number: int, reader: ResponseReader
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The response's payloads. Its last event ends the answer; only a stream that breaks before it is
        truncated, with or without its [DONE]."""
        try:
            async with aclosing(self.payloads(response, number, lambda: reader.finished)) as payloads:
                async for payload in payloads:
                    yield payload
        except ConnectionLost:
            if not reader.finished:
                raise

    async def _pause(self) -> None:
        """The server files a response a moment after it has sent it (facts C.3)."""
        left = self._answered_at + self.dialect.chain_pause_s - time.monotonic()
        if self._answered_at and left > 0:
            await asyncio.sleep(left)

    # --- what is remembered ------------------------------------------------------------------------

    def _chain(self, request: Request) -> Chain:
        session = request.session_id
        if not session:
            return Chain()
        model = request.model or self.model.id
        asked = repr(self.dialect.extra_body)  # such as `thinking`, which must stay what it was (facts C.3)
        owner = ark_chain_file.owner(self._endpoint.base_url, self._endpoint.api_key, model, asked)
        known = self._chains.get(session)
        if known is None or known.owner != owner:
            if not self._chains:
                ark_chain_file.prune()
            known = self._chains[session] = ark_chain_file.load(session, owner)
        return known

    def _keep(self, request: Request, chain: Chain) -> None:
        self._chains[request.session_id] = chain
        ark_chain_file.save(request.session_id, chain)

    def _remember(self, request: Request, plan: _Plan, reader: ResponseReader) -> None:
        """The answered request becomes a link; an answer that was cut off is nothing to build upon."""
        response_id, said, call_ids = reader.kept()
        if plan.storage is None or not response_id or not reader.complete:
            return
        expires = reader.expires(plan.storage.expire_at)
        link = Link(response_id, len(request.messages), plan.sent[-1], said, call_ids, expires)
        self._keep(request, self._chain(request).extended(link, plan.started))

    # --- what is refused ---------------------------------------------------------------------------

    def _adapted(self, request: Request, plan: _Plan, error: ProviderError) -> str:
        """Why the request is sent once more in another way; ``""`` where there is none left. Every answer
        takes something away that was tried, so this ends."""
        label = self._endpoint.label
        if plan.storage is not None and cache_refused(error):
            self._caching_refused = True
            self._keep(request, replace(self._chain(request), caching_refused=True, links=()))
            return f"{label} has caching switched off for this model; going on without it"
        if plan.link is not None and worth_sending_in_full(error):
            self._keep(request, replace(self._chain(request), links=()))
            return f"{label} no longer holds the conversation; sending it in full"
        if wire_missing(error):
            wire = replace(self._endpoint, dialect=replace(self.dialect, wire="chat"))
            self._chat = ChatProvider(wire, **self._options)
            return f"{label} has no Responses API for this model; going on with chat completions"
        if names_reasoning(error) and any(item["type"] == "reasoning" for item in plan.items):
            self._with_reasoning = False
            return f"{label} refuses reasoning in history; going on without it"
        return ""
