"""Batch chat against the simulator's Ark, over HTTP."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from kcode.errors import ConfigError
from kcode.providers.ark_batch import BatchPolicy, BatchProvider, complete, open_batch
from kcode.providers.base import (
    CallDelta,
    ConnectionLost,
    Finish,
    HttpFacts,
    ModelNotFound,
    QuotaExhausted,
    RateLimited,
    ReasoningDelta,
    Retrying,
    TextDelta,
    Usage,
)
from kcode.providers.registry import resolve
from kcode.providers.retry import LONGEST_WAIT_S, RetryPolicy
from tests.k2sim import call, fail, say, use

from .support import KEY, make_request, make_settings
from .test_against_k2sim import TOOLS

MODEL = "kimi-k2-thinking-251104"


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def batch_for(sim, *, timeout_s: float = 30.0, model: str = MODEL) -> BatchProvider:
    settings = make_settings(name="ark", base_url=sim.base_url, model=model, api_key=KEY)
    return BatchProvider(resolve(settings, {}), timeout_s=timeout_s, policy=RetryPolicy(base_s=0.01))


def ask(sim, request=None, **options):
    async def story():
        provider = batch_for(sim, **options)
        try:
            return await complete(provider, request or make_request())
        finally:
            await provider.close()

    return run(story())


def test_an_answer_comes_whole_with_the_batch_price_marked(k2sim):
    sim = k2sim([use(call("read_file", path="a.py"), text="Let me see.", reasoning="Hm.")], shape="ark")
    chunks = ask(sim, make_request(tools=TOOLS.json.encode(), max_output_tokens=20_000))
    assert [type(c) for c in chunks] == [ReasoningDelta, TextDelta, CallDelta, Usage, Finish]
    usage = next(c for c in chunks if isinstance(c, Usage))
    assert usage.batch
    assert usage.prompt == sim.chats[0].prompt_tokens
    assert chunks[-1] == Finish("tool_calls")


def test_the_body_is_the_chat_body_without_any_word_of_streaming(k2sim):
    sim = k2sim([say("Done.", reasoning="")], shape="ark")
    ask(sim)
    [record] = sim.chats
    assert record.path == "/api/v3/batch/chat/completions"
    assert not {"stream", "stream_options", "tool_choice", "max_completion_tokens"} & set(record.json)
    assert record.json["max_tokens"] == 16_000
    assert (record.json["temperature"], record.json["top_p"]) == (1.0, 1.0)


def test_the_simulated_batch_refuses_a_stream_even_where_it_says_no(k2sim):
    sim = k2sim([say("never")], shape="ark")
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "stream": False}
    url = f"{sim.base_url}/batch/chat/completions"
    answer = httpx2.post(url, json=body, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
    assert answer.status_code == 400
    assert "stream" in answer.text


def test_limits_are_waited_out_however_often(k2sim):
    limits = [fail("rate_limit_rpm", retry_after="0") for _ in range(9)]
    sim = k2sim([*limits, say("At last.")], shape="ark")
    chunks = ask(sim)
    assert sum(isinstance(c, Retrying) for c in chunks) == 9
    assert "".join(c.text for c in chunks if isinstance(c, TextDelta)) == "At last."


def test_a_retry_after_that_would_pass_the_deadline_ends_the_wait(k2sim):
    sim = k2sim([fail("rate_limit_rpm", retry_after="3600"), say("never")], shape="ark")
    with pytest.raises(RateLimited):
        ask(sim)
    assert len(sim.chats) == 1


def test_an_hour_asked_for_is_an_hour_waited():
    hour = RateLimited("busy", facts=HttpFacts(status=429, retry_after_s=3600.0))
    policy = BatchPolicy(deadline=time.monotonic() + 7200)
    assert LONGEST_WAIT_S < 3600.0
    assert 3600.0 <= (policy.wait_before(1, hour) or 0) < 3601.0
    assert BatchPolicy(deadline=time.monotonic() + 60).wait_before(1, hour) is None


@pytest.mark.parametrize(
    ("fault", "expected"), [("quota_exceeded", QuotaExhausted), ("model_gone", ModelNotFound)]
)
def test_what_stays_is_asked_once(k2sim, fault, expected):
    sim = k2sim([fail(fault), say("never")], shape="ark")
    with pytest.raises(expected):
        ask(sim)
    assert len(sim.chats) == 1


def test_a_gateway_that_hangs_up_is_asked_again(k2sim):
    sim = k2sim([fail("close_before"), say("Here.")], shape="ark")
    chunks = ask(sim)
    assert any(isinstance(c, Retrying) for c in chunks)
    assert TextDelta("Here.") in chunks


def test_the_patience_is_the_settings_and_its_end_is_an_error(k2sim):
    sim = k2sim([fail("stall_before", seconds=5.0)], shape="ark")
    with pytest.raises(ConnectionLost):
        ask(sim, timeout_s=0.3)


def test_opening_takes_the_batch_time_limit_and_refuses_who_has_none(k2sim):
    sim = k2sim([say("ok", reasoning="")], shape="ark")
    wanted = make_settings(name="ark", base_url=sim.base_url, model=MODEL, api_key=KEY, batch_timeout_s=5.0)
    provider = open_batch(resolve(wanted, {}), wanted)

    async def story():
        try:
            return await complete(provider, make_request())
        finally:
            await provider.close()

    assert TextDelta("ok") in run(story())
    elsewhere = make_settings(name="moonshot", base_url=sim.base_url, api_key=KEY)
    with pytest.raises(ConfigError, match="no batch chat"):
        open_batch(resolve(elsewhere, {}), elsewhere)
