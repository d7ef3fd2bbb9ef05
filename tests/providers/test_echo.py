"""Ark's chat completions: reasoning in history is sent, and given up where it is refused."""

from __future__ import annotations

import asyncio
import json

import pytest

from kcode.providers.base import InvalidRequest, Retrying, TextDelta
from kcode.providers.dialect import DIALECTS
from kcode.providers.echo import without_reasoning
from tests.k2sim import fail, say

from .support import make_provider, make_request

HISTORY = (
    b'{"role":"user","content":"hi"}',
    '{"role":"assistant","reasoning_content":"想","content":"Hello: \\"reasoning_content\\""}'.encode(),
    b'{"role":"user","content":"go on"}',
)
REFUSED = {"error": {"code": "InvalidParameter", "message": "unknown field messages[1].reasoning_content"}}
OTHER = {"error": {"code": "InvalidParameter", "message": "unknown field top_q"}}


def ark(sim):
    return make_provider(sim.base_url, name="ark", model="kimi-k2-thinking-251104", retries=2)


def conversation(sim, times=1):
    async def story():
        provider = ark(sim)
        try:
            return [[c async for c in provider.stream(make_request(*HISTORY))] for _ in range(times)]
        finally:
            await provider.close()

    return asyncio.run(asyncio.wait_for(story(), 60))


def reasoning_sent(record):
    return "reasoning_content" in record.json["messages"][1]


def test_it_is_sent_where_it_is_taken(k2sim):
    sim = k2sim([say("ok")], shape="ark")
    conversation(sim)
    assert [reasoning_sent(r) for r in sim.chats] == [True]


def test_a_refusal_that_names_it_is_answered_without_it_and_remembered(k2sim):
    sim = k2sim(
        [fail("http", status=400, body=json.dumps(REFUSED)), say("one", reasoning="x"), say("two")],
        shape="ark",
    )
    first, second = conversation(sim, 2)
    assert [reasoning_sent(r) for r in sim.chats] == [True, False, False]
    assert any(isinstance(c, Retrying) and "reasoning" in c.why for c in first)
    assert TextDelta("two") in second
    others = [[m for n, m in enumerate(r.json["messages"]) if n != 1] for r in sim.chats]
    assert others[0] == others[1] == others[2]


def test_another_refusal_is_raised_at_once(k2sim):
    sim = k2sim([fail("http", status=400, body=json.dumps(OTHER)), say("never")], shape="ark")
    with pytest.raises(InvalidRequest):
        conversation(sim)
    assert len(sim.chats) == 1


def test_what_has_no_reasoning_keeps_its_bytes():
    dialect = DIALECTS["ark"]
    plain = make_request(HISTORY[0], b'{"role":"assistant","content":"\\"reasoning_content\\":"}')
    assert without_reasoning(plain, dialect) is plain
    bare = without_reasoning(make_request(*HISTORY), dialect)
    assert bare.messages[0] == HISTORY[0]
    assert json.loads(bare.messages[1]) == {"role": "assistant", "content": 'Hello: "reasoning_content"'}


def test_servers_that_insist_on_it_are_never_sent_less():
    request = make_request(*HISTORY)
    assert without_reasoning(request, DIALECTS["moonshot"]) is request
