from __future__ import annotations

import asyncio

import pytest

from kcode.providers.base import (
    AuthError,
    ConnectionLost,
    HttpFacts,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Retrying,
    ServerFailed,
    TextDelta,
    Unreachable,
)
from kcode.providers.retry import RetryPolicy, with_retries

from .loopback import HELLO, loopback, refusal
from .support import ask, make_provider


@pytest.mark.parametrize("kind", [AuthError, QuotaExhausted])
def test_what_waiting_cannot_mend_is_never_tried_again(kind):
    assert RetryPolicy().wait_before(1, kind("x", facts=HttpFacts(retry_after_s=1))) is None


@pytest.mark.parametrize("kind", [ServerFailed, Overloaded, ConnectionLost])
def test_waits_double_and_jitter_only_shortens_them(kind):
    waits = [RetryPolicy(base_s=1).wait_before(n, kind("x")) for n in (1, 2, 3, 4)]
    for wait, longest in zip(waits, (1, 2, 4, 8), strict=True):
        assert 0.75 * longest <= wait <= longest
    assert RetryPolicy().wait_before(5, kind("x")) is None


def test_rate_limits_are_given_a_minute_in_all():
    waits = [RetryPolicy().wait_before(n, RateLimited("x")) or 0.0 for n in (1, 2, 3, 4)]
    assert sum(waits) >= 40
    assert waits[0] <= 1.5


def test_the_servers_own_wait_is_kept_unless_it_is_absurd():
    policy = RetryPolicy()
    assert 7 <= policy.wait_before(1, RateLimited("x", facts=HttpFacts(retry_after_s=7))) < 7.2
    assert policy.wait_before(1, RateLimited("x", facts=HttpFacts(retry_after_s=3600))) is None


def test_a_server_that_forbids_trying_again_is_obeyed():
    facts = HttpFacts(headers={"x-should-retry": "false"})
    assert RetryPolicy().wait_before(1, ServerFailed("x", facts=facts)) is None


def test_a_refused_connection_is_tried_twice_and_a_bad_certificate_never():
    policy = RetryPolicy(retries=9)
    refused = Unreachable("x", facts=HttpFacts(code="refused"))
    assert [policy.wait_before(n, refused) is None for n in (1, 2, 3)] == [False, False, True]
    assert policy.wait_before(1, Unreachable("x", facts=HttpFacts(code="tls"))) is None


def test_an_endpoint_that_opens_or_closes_is_tried_briefly():
    policy = RetryPolicy(retries=9)
    closed = Overloaded("x", facts=HttpFacts(status=400, code="InvalidEndpoint.ClosedEndpoint"))
    assert [policy.wait_before(n, closed) is None for n in (1, 2, 3)] == [False, False, True]


def test_no_retries_means_none():
    assert RetryPolicy(0).wait_before(1, ServerFailed("x")) is None
    assert RetryPolicy(0).wait_before(1, Unreachable("x", facts=HttpFacts(code="refused"))) is None


def test_each_retry_is_announced_and_the_last_error_is_raised():
    async def failing():
        yield TextDelta("half")
        raise ServerFailed("broken")

    async def story():
        seen = []
        with pytest.raises(ServerFailed):
            async for chunk in with_retries(failing, RetryPolicy(2, base_s=0.001)):
                seen.append(chunk)
        return seen

    seen = asyncio.run(story())
    assert [type(c) for c in seen] == [TextDelta, Retrying, TextDelta, Retrying, TextDelta]
    assert [c.attempt for c in seen if isinstance(c, Retrying)] == [1, 2]
    assert all("broken" in c.why for c in seen if isinstance(c, Retrying))


def test_a_rate_limit_over_http_is_waited_out_as_the_server_asks():
    async def story():
        busy = refusal(429, "slow down", "rate_limit_reached_error", retry_after="0")
        async with loopback(busy, busy, HELLO) as server:
            chunks = await ask(make_provider(server.url, retries=4))
            return chunks, len(server.chats())

    chunks, requests = asyncio.run(story())
    assert requests == 3
    assert [c.attempt for c in chunks if isinstance(c, Retrying)] == [1, 2]


def test_a_used_up_quota_over_http_is_asked_once():
    async def story():
        broke = refusal(429, "You exceeded your current token quota", "exceeded_current_quota_error")
        async with loopback(broke) as server:
            with pytest.raises(QuotaExhausted):
                await ask(make_provider(server.url, retries=4))
            return len(server.chats())

    assert asyncio.run(story()) == 1
