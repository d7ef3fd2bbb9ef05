"""The one retry policy: what is tried again, how often, and after which wait."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from kcode.providers.base import Chunk, ProviderError, RateLimited, Retrying, Unreachable

LONGEST_WAIT_S = 120.0
"""A server that asks for more than this is not waited for; the error says how long it asked."""

_BRIEF_CODES = ("InvalidEndpoint.ClosedEndpoint",)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """``retries`` times at most. Waits in seconds double from ``base_s``; for rate limits they treble from
    one and a half times that, because Moonshot counts requests by the minute. What is tried ``brief_retries``
    times only is not expected to last: nothing listens, an Ark endpoint opens or closes (facts D.2)."""

    retries: int = 4
    base_s: float = 1.0
    cap_s: float = 60.0
    brief_retries: int = 2

    def wait_before(self, attempt: int, error: ProviderError) -> float | None:
        """Seconds to wait before sending again for the ``attempt``-th time (from 1); None: give up."""
        if attempt > self.retries:
            return None
        if isinstance(error, Unreachable):
            brief = error.facts.code in ("refused", "timeout", "name", "unreachable")
            return 0.5 * self.base_s * attempt if brief and attempt <= self.brief_retries else None
        if not error.retryable or error.facts.headers.get("x-should-retry") == "false":
            return None
        if error.facts.code.startswith(_BRIEF_CODES) and attempt > self.brief_retries:
            return None
        asked = error.facts.retry_after_s
        if asked is not None:
            return None if asked > LONGEST_WAIT_S else asked + random.uniform(0, 0.1)  # noqa: S311 - spreads retries
        growth = 1.5 * 3 ** (attempt - 1) if isinstance(error, RateLimited) else 2.0 ** (attempt - 1)
        return min(self.cap_s, self.base_s * growth) * random.uniform(0.75, 1.0)  # noqa: S311 - spreads retries


async def with_retries(
    attempt: Callable[[], AsyncGenerator[Chunk, None]], policy: RetryPolicy
) -> AsyncGenerator[Chunk, None]:
    """The chunks of the first attempt that succeeds, with a :class:`Retrying` before each new one."""
    tried = 0
    while True:
        try:
            async with aclosing(attempt()) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        except ProviderError as error:
            tried += 1
            wait = policy.wait_before(tried, error)
            if wait is None:
                raise
            why = error.message.rstrip(".")  # shown inside a sentence
        yield Retrying(tried, wait, why)
        await asyncio.sleep(wait)
