"""The openai SDK as oracle: it must send the same body in meaning and read every stream as we do."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcode.providers.base import CallDelta, Finish, ReasoningDelta, Request, TextDelta, Usage

from .loopback import HELLO, Loopback, Reply, call, delta, loopback
from .support import KEY, ask, make_provider, make_request

MESSAGES: list[dict[str, Any]] = [
    {"role": "system", "content": "你是 kcode. «quotes» \\ and \n newlines"},
    {"role": "user", "content": "read a.py"},
    {
        "role": "assistant",
        "reasoning_content": "",
        "tool_calls": [
            {
                "id": "functions.read_file:0",
                "type": "function",
                "function": {"name": "read_file", "arguments": '{"path": "a.py"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "functions.read_file:0", "name": "read_file", "content": "x = 1\n"},
]
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "read_file",
            "description": "Read a file.",
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"],
            },
            "strict": False,
        },
    }
]


@dataclass
class Reading:
    """What an answer comes to, whoever read it."""

    text: str = ""
    reasoning: str | None = None
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int, int] | None = None


def spelled(values: list[dict[str, Any]]) -> tuple[bytes, ...]:
    return tuple(json.dumps(v, ensure_ascii=False, separators=(",", ":")).encode() for v in values)


async def ours(server: Loopback, request: Request | None = None, **options: Any) -> Reading:
    reading = Reading()
    calls: dict[int, list[str]] = {}
    for chunk in await ask(make_provider(server.url, **options), request):
        match chunk:
            case TextDelta(text):
                reading.text += text
            case ReasoningDelta(text):
                reading.reasoning = (reading.reasoning or "") + text
            case CallDelta(index, call_id, name, arguments):
                slot = calls.setdefault(index, ["", "", ""])
                slot[0] += call_id or ""
                slot[1] += name or ""
                slot[2] += arguments
            case Usage(prompt, completion, cached):
                reading.usage = (prompt, completion, cached)
            case Finish(reason):
                reading.finish = reason
    reading.calls = [(a, b, c) for _, (a, b, c) in sorted(calls.items())]
    return reading


async def theirs(server: Loopback, **fields: Any) -> Reading:
    from openai import AsyncOpenAI

    reading = Reading()
    calls: dict[int, list[str]] = {}
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]} | fields
    async with AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
        async for chunk in await client.chat.completions.create(**asked, stream=True):
            usage = chunk.usage.model_dump() if chunk.usage else None
            for choice in chunk.choices:
                usage = (choice.model_extra or {}).get("usage") or usage
                extra = choice.delta.model_extra or {}
                thought = extra.get("reasoning_content", extra.get("reasoning"))
                if thought is not None:
                    reading.reasoning = (reading.reasoning or "") + thought
                reading.text += choice.delta.content or ""
                for fragment in choice.delta.tool_calls or ():
                    slot = calls.setdefault(fragment.index, ["", "", ""])
                    slot[0] += fragment.id or ""
                    slot[1] += (fragment.function and fragment.function.name) or ""
                    slot[2] += (fragment.function and fragment.function.arguments) or ""
                reading.finish = choice.finish_reason or reading.finish
            if usage:
                cached = usage.get("cached_tokens")
                if cached is None:
                    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
                reading.usage = (usage["prompt_tokens"], usage["completion_tokens"], cached)
    reading.calls = [(a, b, c) for _, (a, b, c) in sorted(calls.items())]
    return reading


# --- the same body ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "model", "fields"),
    [
        (
            "moonshot",
            "kimi-k2-0905-preview",
            {"max_completion_tokens": 4096, "temperature": 0.6, "prompt_cache_key": "session-1"},
        ),
        ("moonshot", "kimi-k2.6", {"max_completion_tokens": 16000, "prompt_cache_key": "session-1"}),
        ("ark", "kimi-k2-250905", {"max_tokens": 4096, "temperature": 0.6, "top_p": 1.0}),
        ("vllm", "moonshotai/Kimi-K2-Thinking", {"max_tokens": 16000, "temperature": 1.0}),
        ("openai-compatible", "other", {"max_tokens": 4096, "temperature": 0.6}),
    ],
)
def test_the_sdk_sends_the_same_body(profile, model, fields):
    tools = json.dumps(TOOLS, ensure_ascii=False).encode()
    request = make_request(*spelled(MESSAGES), tools=tools, max_output_tokens=4096, session_id="session-1")

    async def story():
        async with loopback(HELLO) as server:
            await ours(server, request, name=profile, model=model)
            await theirs(
                server,
                model=model,
                messages=MESSAGES,
                tools=TOOLS,
                stream_options={"include_usage": True},
                **fields,
            )
            return server.chats()

    mine, sdk = asyncio.run(story())
    assert mine.json == sdk.json
    assert mine.path == sdk.path
    for header in ("authorization", "content-type"):
        assert mine.headers[header] == sdk.headers[header]


def test_the_sdk_asks_for_structure_in_the_same_words():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    named = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}

    async def story():
        async with loopback(HELLO) as server:
            await ours(server, make_request(response_schema=schema))
            await theirs(server, response_format=named)
            return server.chats()

    mine, sdk = asyncio.run(story())
    assert mine.json["response_format"] == sdk.json["response_format"]


# --- the same reading ------------------------------------------------------------------------


def recorded(*payloads: object, newline: bytes = b"\n", field_name: bytes = b"data: ") -> bytes:
    lines = [field_name + json.dumps(p, ensure_ascii=False).encode() for p in payloads]
    return b"".join(line + newline * 2 for line in [*lines, field_name + b"[DONE]"])


USAGE = {"prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320}
STREAMS = {
    "moonshot text": recorded(
        delta(role="assistant", content=""),
        delta(content="你好"),
        delta(content=", world"),
        delta(finish="stop", usage={**USAGE, "cached_tokens": 256}),
    ),
    "moonshot thinking and parallel calls": recorded(
        delta(role="assistant", content=""),
        delta(reasoning_content="let me"),
        delta(reasoning_content=" look"),
        delta(content="I look."),
        delta(tool_calls=[call(0, "", "functions.read_file:0", "read_file")]),
        delta(tool_calls=[call(0, '{"path":')]),
        delta(tool_calls=[call(1, '{"patt', "functions.grep:1", "grep")]),
        delta(tool_calls=[call(0, '"a.py"}'), call(1, 'ern":"é"}')]),
        delta(finish="tool_calls", usage={**USAGE, "cached_tokens": 0}),
    ),
    "ark": recorded(
        delta(role="assistant", content="", reasoning_content="hm"),
        delta(content="x"),
        delta(finish="length"),
        {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [],
            "usage": {
                **USAGE,
                "prompt_tokens_details": {"cached_tokens": 7},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        },
        field_name=b"data:",
    ),
    "vllm": recorded(
        delta(role="assistant", content="") | {"usage": None},
        delta(reasoning="why"),
        delta(content="\n"),
        delta(tool_calls=[call(0, "{}", "functions.git_status:0", "git_status")]),
        delta(finish="tool_calls", content=""),
        {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": [],
            "usage": USAGE,
        },
        newline=b"\r\n",
    ),
    "llama-server": b": ping\n\n"
    + recorded(
        delta(role="assistant", content=None),
        delta(content="ok"),
        delta(finish="stop") | {"usage": USAGE},
    ),
}


@settings(max_examples=20)
@given(name=st.sampled_from(sorted(STREAMS)), data=st.data())
def test_the_sdk_reads_every_recorded_stream_as_we_do(name, data):
    raw = STREAMS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=12)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    async def story():
        async with loopback(Reply(pieces=pieces)) as server:
            return await ours(server), await theirs(server)

    mine, sdk = asyncio.run(story())
    assert mine == sdk
    assert mine.usage is not None
    assert mine.finish
