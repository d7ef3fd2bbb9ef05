"""One HTTP endpoint and everything about it that does not depend on the wire spoken to it.

The connection, the model list, failed responses, streams of events, retries. The wires (chat completions,
responses, messages, raw completions) are subclasses that say what one attempt sends and how its answer is
read; how servers of one wire differ is data (:mod:`kcode.providers.dialect`).
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any

import httpx2

from kcode.config.jsontext import read_json
from kcode.providers import account_list, catalog
from kcode.providers.account_list import LIST_TIMEOUT_S, window
from kcode.providers.base import (
    Chunk,
    ConnectionLost,
    HttpFacts,
    ModelNotFound,
    ProviderError,
    RateLimited,
    Request,
    ServerFailed,
    Usage,
    WrongAddress,
)
from kcode.providers.catalog import Model
from kcode.providers.dialect import Dialect
from kcode.providers.endpoint import Endpoint
from kcode.providers.error_facts import request_id
from kcode.providers.http_errors import classify, classify_payload, is_error
from kcode.providers.limiter import Limiter
from kcode.providers.retry import RetryPolicy, with_retries
from kcode.providers.sse import Event, EventDecoder, EventTooLarge
from kcode.providers.transport import open_client, transport_error
from kcode.providers.wire_log import WireLog

_ERROR_BODY_LIMIT = 256 * 1024


class HttpProvider(ABC):
    """A service reached over HTTP. Cancelling a ``stream`` closes its connection at once."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float = 600.0,
        policy: RetryPolicy | None = None,
        wire_log: WireLog | None = None,
        limiter: Limiter | None = None,
    ) -> None:
        """``timeout_s`` is the longest silence of the server that is waited for, in seconds."""
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._policy = policy or RetryPolicy()
        self._log = wire_log or WireLog(os.environ.get("KCODE_WIRE_LOG", ""))
        self._limiter = limiter
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
        announced by ``Retrying`` and made again as the settings allow. Each attempt is held back, with
        ``Waiting``, until the account's known limits allow it."""
        if not (request.model or self.model.id):
            await self.discover()
        attempts = with_retries(lambda: self._in_turn(request), self._policy)
        async with aclosing(attempts) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _in_turn(self, request: Request) -> AsyncGenerator[Chunk, None]:
        turn = self.limiter.turn(request)
        try:
            async with aclosing(turn.admitted()) as waits:
                async for waiting in waits:
                    yield waiting
            async with aclosing(self._attempt(request)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, Usage):
                        turn.used(chunk)
                    yield chunk
        except RateLimited as error:
            self.limiter.refused(error.facts)
            raise
        finally:
            turn.leave()

    @property
    def limiter(self) -> Limiter:
        """The account's limits; known once the model is."""
        if self._limiter is None:
            self._limiter = Limiter.of(self._endpoint)
        return self._limiter

    @abstractmethod
    def _attempt(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """One attempt at the request: its chunks up to the Finish, or a ProviderError."""

    async def list_models(self) -> list[str]:
        return [str(row["id"]) for row in await self.model_rows() if row.get("status") != "Shutdown"]

    async def discover(self, timeout_s: float | None = None) -> Endpoint:
        """The endpoint with the model and window that the server's list names, and uses it from now on.

        For servers of the user's that were configured without a model (the best listed one is taken) or
        without a window. Raises ProviderError where there is no list or nothing in it.
        """
        rows = await self.model_rows(timeout_s)
        if not rows:
            raise ModelNotFound(
                f"{self._endpoint.label} serves no model.", "Load one there, or name one with --model."
            )
        wanted = self.model.id
        row = next((r for r in rows if r["id"] == wanted), None) or max(rows, key=self._rank)
        if not wanted or row["id"] == wanted:
            model = self._described(str(row["id"]), await self._window(row))
            self._endpoint = replace(self._endpoint.serving(model), ask_server=False)
        return self._endpoint

    async def prepare(self) -> None:
        """Loads what the first request needs (TLS certificates, the client), so that it is not waited for."""
        await asyncio.to_thread(import_module, "filelock")
        await self.connected()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
        self._log.close()

    def url(self, path: str) -> str:
        """Where an endpoint of this wire lies."""
        return f"{self._endpoint.base_url}{path}"

    # --- requests --------------------------------------------------------------------------------

    @asynccontextmanager
    async def post(
        self, path: str, body: bytes, *, stream: bool, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[httpx2.Response, int]]:
        """An open response with status 200 to ``body`` posted at ``path`` below the base URL, and its number
        in the wire log. Raises the ProviderError that any other response means."""
        client = await self.connected()
        sent = {"Accept": "text/event-stream" if stream else "application/json", **(headers or {})}
        if self.dialect.request_id_header:
            sent[self.dialect.request_id_header] = uuid.uuid4().hex
        self.limiter.sending()
        number = self._log.request(body)
        url = self.url(path)
        try:
            async with client.stream("POST", url, content=body, headers=sent) as response:
                self.limiter.heard(lower(response))
                if response.status_code != 200:
                    raise await self._refused(response, number)
                yield response, number
        except httpx2.HTTPError as problem:
            raise transport_error(problem, self._endpoint, self._timeout_s) from problem

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        timeout_s: float | None = None,
        files: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """A whole successful response of one of the service's other endpoints (balance, files, …).

        ``body`` is sent as JSON; ``files`` and ``data`` as a multipart form. Not tried again. Raises the
        ProviderError that a failure means.
        """
        client = await self.connected()
        url = self.url(path)
        content: bytes | None = None
        headers: dict[str, str] = {}
        if files is not None:
            form = httpx2.Request(method, url, files=files, data=dict(data or {}))
            content, headers = form.read(), {"Content-Type": form.headers["Content-Type"]}
        elif body is not None:
            content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        try:
            response = await client.request(
                method, url, content=content, headers=headers, timeout=timeout_s or min(self._timeout_s, 60.0)
            )
        except httpx2.HTTPError as problem:
            raise transport_error(problem, self._endpoint, self._timeout_s) from problem
        if not 200 <= response.status_code < 300:
            raise classify(response.status_code, lower(response), response.content, self._endpoint)
        return response

    async def call_json(
        self, method: str, path: str, body: object = None, *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """As ``call``, with the response's JSON object."""
        response = await self.call(method, path, body, timeout_s=timeout_s)
        payload = self.payload(response.text, "", lower(response))
        if is_error(payload):
            raise classify_payload(payload, self._endpoint, lower(response))
        return payload

    # --- what comes back ---------------------------------------------------------------------------

    async def events(self, response: httpx2.Response, number: int) -> AsyncGenerator[Event, None]:
        """The events of a stream as they come, logged. An event without end is a ServerFailed."""
        decoder = EventDecoder()
        try:
            async for piece in response.aiter_bytes():
                self._log.response(number, piece)
                for event in decoder.feed(piece):
                    yield event
            for event in decoder.end():
                yield event
        except EventTooLarge:
            raise ServerFailed(f"{self._endpoint.label} sent an event without end.", "Try again.") from None

    async def payloads(
        self, response: httpx2.Response, number: int, finished: Callable[[], bool]
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The JSON payloads of a response: a stream up to its [DONE], or one whole body.

        ``finished`` says whether what was yielded so far is a complete answer. Raises ConnectionLost for a
        truncated stream and the ProviderError of an error object.
        """
        headers = lower(response)
        if "event-stream" not in headers.get("content-type", "event-stream"):
            yield await self.whole(response, number)
            return
        async with aclosing(self.events(response, number)) as events:
            async for event in events:
                if event.data.strip() == "[DONE]":
                    if not finished():
                        raise self.truncated(headers)
                    return
                yield self._checked(event, headers, cut_is_truncation=event.unfinished)
        if self.dialect.needs_done or not finished():
            raise self.truncated(headers)

    async def whole(self, response: httpx2.Response, number: int) -> dict[str, Any]:
        """The payload of a response that is not a stream."""
        headers = lower(response)
        raw = await response.aread()
        self._log.response(number, raw)
        if "html" in headers.get("content-type", "") or raw.lstrip()[:1] == b"<":
            raise WrongAddress(
                f"{self._endpoint.label} answered with a web page.",
                "provider.base_url must be the API's address; it mostly ends in /v1.",
            )
        payload = self.payload(raw.decode("utf-8", "replace"), "", headers)
        if is_error(payload):
            raise classify_payload(payload, self._endpoint, headers)
        return payload

    def payload(self, data: str, event_type: str, headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            payload = read_json(data)
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            raise ServerFailed(
                f"{self._endpoint.label} sent something that is not JSON in its answer.",
                "Try again.",
                facts(headers),
            )
        if event_type == "error" and not is_error(payload):
            return {"error": payload}
        return payload

    def truncated(self, headers: Mapping[str, str]) -> ConnectionLost:
        return ConnectionLost(
            f"The answer of {self._endpoint.label} ended in the middle.", "Try again.", facts(headers)
        )

    def _checked(
        self, event: Event, headers: Mapping[str, str], *, cut_is_truncation: bool
    ) -> dict[str, Any]:
        try:
            payload = self.payload(event.data, event.type, headers)
        except ServerFailed:
            if cut_is_truncation:
                raise self.truncated(headers) from None
            raise
        if is_error(payload):
            raise classify_payload(payload, self._endpoint, headers)
        return payload

    async def _refused(self, response: httpx2.Response, number: int) -> ProviderError:
        raw = b""
        async for piece in response.aiter_bytes():
            raw += piece
            if len(raw) > _ERROR_BODY_LIMIT:
                break
        self._log.response(number, raw)
        error = classify(response.status_code, lower(response), raw, self._endpoint)
        if isinstance(error, ModelNotFound):
            account_list.forget(self._endpoint)
            error.remedy = f"{await self._live_ids()} {error.remedy}".strip()
        return error

    # --- the model list ----------------------------------------------------------------------------

    async def model_rows(self, timeout_s: float | None = None) -> list[dict[str, Any]]:
        """The rows of the server's model list that have an id."""
        payload = await self.call_json("GET", "/models", timeout_s=timeout_s or min(self._timeout_s, 30.0))
        rows = payload.get("data")
        return [r for r in rows if isinstance(r, dict) and r.get("id")] if isinstance(rows, list) else []

    async def _live_ids(self) -> str:
        """Which models there are instead, asked of the server within a few seconds, else as known."""
        try:
            rows = [r for r in await self.model_rows(LIST_TIMEOUT_S) if r.get("status") != "Shutdown"]
            ids = [str(r["id"]) for r in sorted(rows, key=self._rank, reverse=True)]
            source = "It lists"
        except ProviderError:
            ids = []
        if not ids:
            ids = [m.id for m in catalog.live_models(self.name) if m.id != self.model.id]
            source = "Known there are"
        shown = ", ".join(ids[:12]) + (", …" if len(ids) > 12 else "")
        return f"{source}: {shown}." if ids else ""

    def _rank(self, row: Mapping[str, Any]) -> int:
        known = catalog.find(str(row["id"]), self.name) or catalog.find(str(row["id"]))
        return known.coding_rank if known else 0

    def _described(self, model_id: str, window: int) -> Model:
        known = catalog.find(model_id, self.name)
        if known is None:
            return catalog.unknown_model(model_id, self.name, window or self.model.context)
        return replace(known, context=window, max_output=min(known.max_output, window)) if window else known

    async def _window(self, row: Mapping[str, Any]) -> int:
        """Tokens: as configured, as the server runs, as its list says, else the engine's own default."""
        endpoint = self._endpoint
        return endpoint.window or await self._running_window() or window(row) or endpoint.profile.window

    async def _running_window(self) -> int:
        """The window that the server was started with, where only its properties tell it: llama-server's
        model list names the training's instead (facts I). 0 where there is no answer."""
        if not self.dialect.props_path:
            return 0
        url = f"{self._endpoint.base_url.removesuffix('/v1')}{self.dialect.props_path}"
        try:
            response = await (await self.connected()).get(url, timeout=LIST_TIMEOUT_S)
            settings = response.json()["default_generation_settings"]
            size = settings.get("n_ctx", 0)
        except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError):
            return 0
        return size if isinstance(size, int) and size > 0 else 0

    async def connected(self) -> httpx2.AsyncClient:
        async with self._connecting:
            if self._client is None:
                self._client = await open_client(self._endpoint, self._timeout_s)
            return self._client


def ask_server(wire: type[HttpProvider], endpoint: Endpoint) -> Endpoint:
    """The endpoint completed from its server's model list, for callers without an event loop."""

    async def ask() -> Endpoint:
        provider = wire(endpoint, timeout_s=LIST_TIMEOUT_S)
        try:
            return await provider.discover(LIST_TIMEOUT_S)
        finally:
            await provider.close()

    return asyncio.run(ask())


def lower(response: httpx2.Response) -> dict[str, str]:
    """The response's headers, names in lower case."""
    return {name.lower(): value for name, value in response.headers.items()}


def facts(headers: Mapping[str, str]) -> HttpFacts:
    return HttpFacts(status=200, request_id=request_id(headers))
