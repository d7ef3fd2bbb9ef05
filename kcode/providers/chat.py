"""The Chat-Completions client: bytes of the ledger out, typed chunks back, over one HTTP connection.

The openai SDK is not on this path (it would spend its import and 5 to 90 ms a request); it is the oracle
of the tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2

from kcode.providers import catalog
from kcode.providers.answer import AnswerReader
from kcode.providers.base import (
    Chunk,
    ConnectionLost,
    HttpFacts,
    ModelNotFound,
    ProviderError,
    Request,
    Retrying,
    ServerFailed,
    WrongAddress,
)
from kcode.providers.body import spell
from kcode.providers.catalog import Model
from kcode.providers.dialect import Dialect
from kcode.providers.endpoint import Endpoint, dialect_for
from kcode.providers.error_facts import request_id
from kcode.providers.http_errors import classify, classify_payload, is_error
from kcode.providers.retry import RetryPolicy, with_retries
from kcode.providers.sse import EventDecoder, EventTooLarge
from kcode.providers.transport import open_client, transport_error
from kcode.providers.wire_log import WireLog

_LIST_TIMEOUT_S = 3.0
_ERROR_BODY_LIMIT = 256 * 1024


class ChatProvider:
    """A service that speaks Chat Completions. Cancelling a ``stream`` closes its connection at once."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float = 600.0,
        policy: RetryPolicy | None = None,
        wire_log: WireLog | None = None,
    ) -> None:
        """``timeout_s`` is the longest silence of the server that is waited for, in seconds."""
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._policy = policy or RetryPolicy()
        self._log = wire_log or WireLog(os.environ.get("KCODE_WIRE_LOG", ""))
        self._client: httpx2.AsyncClient | None = None
        self._connecting = asyncio.Lock()

    @property
    def name(self) -> str:
        return self._endpoint.profile.name

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    @property
    def dialect(self) -> Dialect:
        return self._endpoint.dialect

    @property
    def model(self) -> Model:
        return self._endpoint.model

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """The answer's chunks, as :class:`kcode.providers.base.Provider` says. Failed attempts are
        announced by ``Retrying`` and made again as the settings allow."""
        if not (request.model or self.model.id):
            await self.discover()
        attempts = with_retries(lambda: self._attempt(request), self._policy)
        async with aclosing(attempts) as chunks:
            async for chunk in chunks:
                yield chunk

    async def list_models(self) -> list[str]:
        return [str(row["id"]) for row in await self._model_rows() if row.get("status") != "Shutdown"]

    async def discover(self, timeout_s: float | None = None) -> Endpoint:
        """The endpoint with the model and window that the server's list names, and uses it from now on.

        For servers of the user's that were configured without a model (the best listed one is taken) or
        without a window. Raises ProviderError where there is no list or nothing in it.
        """
        rows = await self._model_rows(timeout_s)
        if not rows:
            raise ModelNotFound(
                f"{self._endpoint.label} serves no model.", "Load one there, or name one with --model."
            )
        wanted = self.model.id
        row = next((r for r in rows if r["id"] == wanted), None) or max(rows, key=self._rank)
        if not wanted or row["id"] == wanted:
            model = self._described(str(row["id"]), _window(row))
            dialect = dialect_for(self._endpoint.profile, model)
            self._endpoint = replace(self._endpoint, model=model, dialect=dialect, ask_server=False)
        return self._endpoint

    async def prepare(self) -> None:
        """Loads what the first request needs (TLS certificates, the client), so that it is not waited for."""
        await self._connected()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        self._log.close()

    # --- one attempt ---------------------------------------------------------------------------

    async def _attempt(self, request: Request) -> AsyncGenerator[Chunk, None]:
        reader = AnswerReader()
        async with aclosing(self._exchange(request, reader, stream=True)) as chunks:
            async for chunk in chunks:
                yield chunk
        if reader.finish_reason == "tool_calls" and not reader.call_count:
            # some vLLM versions lose the calls under load, only when streaming (facts E.6)
            if reader.usage is not None:
                yield reader.usage
            yield Retrying(1, 0.0, f"{self._endpoint.label} announced tool calls and sent none")
            reader = AnswerReader()
            async with aclosing(self._exchange(request, reader, stream=False)) as chunks:
                async for chunk in chunks:
                    yield chunk
        for chunk in reader.ending():
            yield chunk

    async def _exchange(
        self, request: Request, reader: AnswerReader, *, stream: bool
    ) -> AsyncGenerator[Chunk, None]:
        body = spell(request, self.model, self.dialect, stream=stream)
        number = self._log.request(body)
        async with self._post(body, stream) as response:
            headers = _headers(response)
            if response.status_code != 200:
                raise await self._refused(response, number)
            if "event-stream" in headers.get("content-type", "event-stream"):
                payloads = self._stream(response, headers, reader, number)
            else:
                payloads = self._whole(response, headers, number)
            async with aclosing(payloads) as parts:
                async for payload in parts:
                    if is_error(payload):
                        raise classify_payload(payload, self._endpoint, headers)
                    for chunk in reader.read(payload):
                        yield chunk

    @asynccontextmanager
    async def _post(self, body: bytes, stream: bool) -> AsyncIterator[httpx2.Response]:
        client = await self._connected()
        headers = {"Accept": "text/event-stream" if stream else "application/json"}
        if self.dialect.request_id_header:
            headers[self.dialect.request_id_header] = uuid.uuid4().hex
        url = f"{self._endpoint.base_url}/chat/completions"
        try:
            async with client.stream("POST", url, content=body, headers=headers) as response:
                yield response
        except httpx2.HTTPError as problem:
            raise transport_error(problem, self._endpoint, self._timeout_s) from problem

    async def _stream(
        self, response: httpx2.Response, headers: Mapping[str, str], reader: AnswerReader, number: int
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The payloads of an event stream up to its [DONE]. Raises ConnectionLost for a truncated one."""
        decoder = EventDecoder()
        try:
            async for piece in response.aiter_bytes():
                self._log.response(number, piece)
                for event in decoder.feed(piece):
                    if event.data.strip() == "[DONE]":
                        if not reader.finish_reason:
                            raise self._truncated(headers)
                        return
                    yield self._payload(event.data, event.type, headers)
            for event in decoder.end():
                if event.data.strip() != "[DONE]":
                    yield self._last_payload(event.data, event.type, headers)
                elif reader.finish_reason:
                    return
        except EventTooLarge:
            raise ServerFailed(f"{self._endpoint.label} sent an event without end.", "Try again.") from None
        if self.dialect.needs_done or not reader.finish_reason:
            raise self._truncated(headers)

    async def _whole(
        self, response: httpx2.Response, headers: Mapping[str, str], number: int
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The one payload of a response that is not a stream."""
        raw = await response.aread()
        self._log.response(number, raw)
        if "html" in headers.get("content-type", "") or raw.lstrip()[:1] == b"<":
            raise WrongAddress(
                f"{self._endpoint.label} answered with a web page.",
                "provider.base_url must be the API's address; it mostly ends in /v1.",
            )
        payload = self._payload(raw.decode("utf-8", "replace"), "", headers)
        if not is_error(payload) and not payload.get("choices"):
            raise ServerFailed(
                f"{self._endpoint.label} answered without an answer.", "Try again.", _facts(headers)
            )
        yield payload

    def _payload(self, data: str, event_type: str, headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            payload = json.loads(data)
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            raise ServerFailed(
                f"{self._endpoint.label} sent something that is not JSON in its answer.",
                "Try again.",
                _facts(headers),
            )
        if event_type == "error" and not is_error(payload):
            return {"error": payload}
        return payload

    def _last_payload(self, data: str, event_type: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """As ``_payload``, for the event that the end of the stream cut: half a payload is a truncation."""
        try:
            return self._payload(data, event_type, headers)
        except ServerFailed:
            raise self._truncated(headers) from None

    def _truncated(self, headers: Mapping[str, str]) -> ConnectionLost:
        return ConnectionLost(
            f"The answer of {self._endpoint.label} ended in the middle.", "Try again.", _facts(headers)
        )

    # --- what else is asked ----------------------------------------------------------------------

    async def _refused(self, response: httpx2.Response, number: int) -> ProviderError:
        raw = b""
        async for piece in response.aiter_bytes():
            raw += piece
            if len(raw) > _ERROR_BODY_LIMIT:
                break
        self._log.response(number, raw)
        error = classify(response.status_code, _headers(response), raw, self._endpoint)
        if isinstance(error, ModelNotFound):
            error.remedy = f"{await self._live_ids()} {error.remedy}".strip()
        return error

    async def _live_ids(self) -> str:
        """Which models there are instead, asked of the server within a few seconds, else as known."""
        try:
            rows = [r for r in await self._model_rows(_LIST_TIMEOUT_S) if r.get("status") != "Shutdown"]
            ids = [str(r["id"]) for r in sorted(rows, key=self._rank, reverse=True)]
            source = "It lists"
        except ProviderError:
            ids = []
        if not ids:
            ids = [m.id for m in catalog.live_models(self.name) if m.id != self.model.id]
            source = "Known there are"
        shown = ", ".join(ids[:12]) + (", …" if len(ids) > 12 else "")
        return f"{source}: {shown}." if ids else ""

    async def _model_rows(self, timeout_s: float | None = None) -> list[dict[str, Any]]:
        client = await self._connected()
        try:
            response = await client.get(
                f"{self._endpoint.base_url}/models", timeout=timeout_s or min(self._timeout_s, 30.0)
            )
        except httpx2.HTTPError as problem:
            raise transport_error(problem, self._endpoint, self._timeout_s) from problem
        if response.status_code != 200:
            raise classify(response.status_code, _headers(response), response.content, self._endpoint)
        payload = self._payload(response.text, "", _headers(response))
        if is_error(payload):
            raise classify_payload(payload, self._endpoint, _headers(response))
        rows = payload.get("data")
        return [r for r in rows if isinstance(r, dict) and r.get("id")] if isinstance(rows, list) else []

    def _rank(self, row: Mapping[str, Any]) -> int:
        known = catalog.find(str(row["id"]), self.name) or catalog.find(str(row["id"]))
        return known.coding_rank if known else 0

    def _described(self, model_id: str, window: int) -> Model:
        known = catalog.find(model_id, self.name)
        if known is None:
            return catalog.unknown_model(model_id, self.name, window or self.model.context)
        return replace(known, context=window, max_output=min(known.max_output, window)) if window else known

    async def _connected(self) -> httpx2.AsyncClient:
        async with self._connecting:
            if self._client is None:
                self._client = await open_client(self._endpoint, self._timeout_s)
            return self._client


def ask_server(endpoint: Endpoint) -> Endpoint:
    """The endpoint completed from its server's model list, for callers without an event loop."""

    async def ask() -> Endpoint:
        provider = ChatProvider(endpoint, timeout_s=_LIST_TIMEOUT_S)
        try:
            return await provider.discover(_LIST_TIMEOUT_S)
        finally:
            await provider.close()

    return asyncio.run(ask())


def _headers(response: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _facts(headers: Mapping[str, str]) -> HttpFacts:
    return HttpFacts(status=200, request_id=request_id(headers))


def _window(row: Mapping[str, Any]) -> int:
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
