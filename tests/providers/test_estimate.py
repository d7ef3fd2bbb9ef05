from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kcode.providers.base import InvalidRequest, Request, TokenCounter
from kcode.providers.chat import ChatProvider
from kcode.providers.moonshot.estimate import count, counter, tool_tokens
from tests.k2sim import say
from tests.providers.support import ask, make_provider, make_request

from .loopback import loopback, whole

TOOLS = b'[{"type":"function","function":{"name":"read_file","description":"Reads.","parameters":{}}}]'


def counted(provider: ChatProvider, request: Request) -> int | None:
    async def whole() -> int | None:
        try:
            return await count(provider, request)
        finally:
            await provider.close()

    return asyncio.run(whole())


def test_the_count_is_what_the_server_bills_as_the_prompt(k2sim: Any) -> None:
    sim = k2sim([say("hello")])
    request = make_request(b'{"role":"user","content":"How many tokens are these?"}')
    total = counted(make_provider(sim.base_url), request)
    asyncio.run(ask(make_provider(sim.base_url), request))
    assert total == sim.answered[0].prompt_tokens


def test_tools_are_not_sent_and_are_added_by_an_estimate(k2sim: Any) -> None:
    sim = k2sim()
    without = counted(make_provider(sim.base_url), make_request())
    with_tools = counted(make_provider(sim.base_url), make_request(tools=TOOLS))
    assert without is not None
    assert with_tools == without + tool_tokens(TOOLS)
    assert all(set(record.json) == {"model", "messages"} for record in sim.requests)


def test_a_model_the_endpoint_does_not_know_has_no_count(k2sim: Any) -> None:
    sim = k2sim()
    provider = make_provider(sim.base_url, model="kimi-k2-thinking")
    assert counted(provider, make_request()) is None
    found = counter(make_provider(sim.base_url, model="kimi-k2-thinking"))
    assert isinstance(found, TokenCounter)
    with pytest.raises(InvalidRequest):
        asyncio.run(found.count_tokens(make_request()))


BOTH = {"error": {"message": "no", "type": "server_error"}, "data": {"total_tokens": 9}}


@pytest.mark.parametrize(
    "body", [BOTH, {"data": None}, {"data": {"total_tokens": "9"}}, {"data": {"total_tokens": 0}}, []]
)
def test_an_error_in_a_success_is_not_read_as_a_count(body: object) -> None:
    async def answered() -> int | None:
        async with loopback(whole(body)) as server:
            provider = make_provider(server.url)
            found = await count(provider, make_request())
            await provider.close()
            return found

    assert asyncio.run(answered()) is None


def test_other_providers_have_no_counter(k2sim: Any) -> None:
    sim = k2sim()
    assert counter(make_provider(sim.base_url, name="kimi-code", model="kimi-for-coding")) is None
    assert counter(make_provider(sim.base_url, name="vllm", model="kimi-k2")) is None


def test_declarations_without_any_tool_cost_nothing() -> None:
    assert tool_tokens(b"") == tool_tokens(b"[]") == 0
    assert tool_tokens("工具工具".encode()) == 2
