"""The Messages (Anthropic) client: chat-form bytes of the ledger out in their form, typed chunks back.

Both key headers are sent: Moonshot documents the bearer token, Kimi Code ``x-api-key``, other servers of this
form one or the other. Nothing is sent about caching, which is automatic there (facts B.7, B.8).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx2

from kcode.providers.base import (
    Chunk,
    ModelNotFound,
    Request,
    Retrying,
    ServerFailed,
    WrongAddress,
)
from kcode.providers.messages_answer import MessageReader
from kcode.providers.messages_form import spell
from kcode.providers.service import HttpProvider, facts, lower

VERSION = "2023-06-01"
_BESIDE = "/anthropic"  # where a service has its chat API beside this one, as Moonshot does


class MessagesProvider(HttpProvider):
    """A service that speaks the Anthropic Messages API, whether its address is given with /v1 or without."""

    _list_beside = False

    async def _attempt(self, request: Request) -> AsyncGenerator[Chunk, None]:
        reader = MessageReader()
        async with aclosing(self._exchange(request, reader, stream=True)) as chunks:
            async for chunk in chunks:
                yield chunk
        if reader.finish_reason == "tool_calls" and not reader.call_count:
            # calls announced and lost under streaming: seen behind vLLM (facts E.6)
            if reader.usage is not None:
                yield reader.usage
            yield Retrying(1, 0.0, f"{self._endpoint.label} announced tool calls and sent none")
            reader = MessageReader()
            async with aclosing(self._exchange(request, reader, stream=False)) as chunks:
                async for chunk in chunks:
                    yield chunk
        for chunk in reader.ending():
            yield chunk

    async def _exchange(
        self, request: Request, reader: MessageReader, *, stream: bool
    ) -> AsyncGenerator[Chunk, None]:
        body = spell(request, self.model, self.dialect, stream=stream)
        async with self.post("/messages", body, stream=stream) as (response, number):
            payloads = self.payloads(response, number, lambda: bool(reader.finish_reason))
            async with aclosing(payloads) as parts:
                async for payload in parts:
                    for chunk in reader.read(payload):
                        yield chunk
                    if reader.stopped:
                        break
            if not reader.anything:
                raise ServerFailed(
                    f"{self._endpoint.label} answered without an answer.",
                    "Try again.",
                    facts(lower(response)),
                )

    def url(self, path: str) -> str:
        base = self._endpoint.base_url.removesuffix("/v1")
        if path == "/models" and self._list_beside:
            base = base.removesuffix(_BESIDE)
        return f"{base}/v1{path}"

    async def model_rows(self, timeout_s: float | None = None) -> list[dict[str, Any]]:
        """The rows of the model list, which some services have only at their chat API beside this one."""
        try:
            return await super().model_rows(timeout_s)
        except (WrongAddress, ModelNotFound):
            if self._list_beside or not self._endpoint.base_url.removesuffix("/v1").endswith(_BESIDE):
                raise
        self._list_beside = True
        return await super().model_rows(timeout_s)

    async def connected(self) -> httpx2.AsyncClient:
        client = await super().connected()
        client.headers["anthropic-version"] = VERSION
        if self._endpoint.api_key:
            client.headers["x-api-key"] = self._endpoint.api_key
        return client
