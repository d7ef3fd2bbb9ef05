"""Batch chat at Ark: the same answers at the batch price, for who can wait.

``POST /batch/chat/completions`` takes a chat request without any ``stream`` field and blocks until it is
served, hours later if need be (facts C.5). So the only time limit is the caller's whole patience, a
``Retry-After`` of any length within it is obeyed, and kcode's limiter is passed by: batch requests have
limits of their own, and one that waits for hours must not hold a place of the account's live requests.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from kcode.config.settings import Settings
from kcode.errors import ConfigError
from kcode.providers.answer import AnswerReader
from kcode.providers.base import Chunk, ProviderError, Request, ServerFailed, Unreachable
from kcode.providers.body import spell
from kcode.providers.endpoint import Endpoint
from kcode.providers.retry import RetryPolicy, with_retries
from kcode.providers.service import HttpProvider, facts, lower


@dataclass(frozen=True, slots=True)
class BatchPolicy(RetryPolicy):
    """Tries again until ``deadline`` (on the monotonic clock), however often, and waits as long as it is
    asked to within it."""

    deadline: float = 0.0

    def wait_before(self, attempt: int, error: ProviderError) -> float | None:
        if isinstance(error, Unreachable):
            return RetryPolicy.wait_before(self, attempt, error)
        if not error.retryable or error.facts.headers.get("x-should-retry") == "false":
            return None
        asked = error.facts.retry_after_s
        growth = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 16))
        wait = growth * random.uniform(0.75, 1.0) if asked is None else asked + random.uniform(0, 0.1)  # noqa: S311 - spreads retries
        return None if time.monotonic() + wait > self.deadline else wait


class BatchProvider(HttpProvider):
    """A provider whose answers come whole, late and at the batch price."""

    async def stream(self, request: Request) -> AsyncGenerator[Chunk, None]:
        """The whole answer's chunks, once it is there; ``Usage.batch`` is set. Raises ProviderError."""
        if not (request.model or self.model.id):
            await self.discover()
        policy = BatchPolicy(
            self._policy.retries, base_s=self._policy.base_s, deadline=time.monotonic() + self._timeout_s
        )
        async with aclosing(with_retries(lambda: self._attempt(request), policy)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _attempt(self, request: Request) -> AsyncGenerator[Chunk, None]:
        reader = AnswerReader()
        path, body = self.dialect.batch_path, batch_body(request, self)
        async with self.post(path, body, stream=False) as (response, number):
            for chunk in reader.read(await self.whole(response, number)):
                yield chunk
            if not reader.anything:
                raise ServerFailed(
                    f"{self._endpoint.label} answered without an answer.",
                    "Try again.",
                    facts(lower(response)),
                )
        if reader.usage is not None:
            reader.usage = replace(reader.usage, batch=True)
        for chunk in reader.ending():
            yield chunk


def batch_body(request: Request, provider: HttpProvider) -> bytes:
    """The chat body without ``stream``, which batch chat refuses even when it says no."""
    body = json.loads(spell(request, provider.model, provider.dialect, stream=False))
    del body["stream"]
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def open_batch(endpoint: Endpoint, settings: Settings) -> BatchProvider:
    """A batch provider for an Ark endpoint, waiting up to ``provider.batch_timeout_s`` for each answer.

    Raises ConfigError for an endpoint that has no batch chat.
    """
    if not endpoint.dialect.batch_path:
        raise ConfigError(
            f"{endpoint.profile.title} has no batch chat.", "Use `--provider ark`, or ask without batch."
        )
    wanted = settings.provider
    return BatchProvider(endpoint, timeout_s=wanted.batch_timeout_s, policy=RetryPolicy(wanted.retries))


async def complete(provider: BatchProvider, request: Request) -> list[Chunk]:
    """The chunks of one batch answer, all at once. Raises ProviderError."""
    return [chunk async for chunk in provider.stream(request)]
