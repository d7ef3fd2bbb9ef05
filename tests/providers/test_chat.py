from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kcode.providers.base import (
    CallDelta,
    ConnectionLost,
    Finish,
    ModelNotFound,
    ReasoningDelta,
    Retrying,
    ServerFailed,
    TextDelta,
    Unreachable,
    Usage,
    WrongAddress,
)

from .loopback import HELLO, Reply, call, delta, event, loopback, refusal, stream, whole
from .support import KEY, ask, make_provider, make_request


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_text_usage_and_finish_arrive_in_this_order():
    async def story():
        async with loopback(HELLO) as server:
            return await ask(make_provider(server.url))

    assert run(story()) == [
        TextDelta("Hel"),
        TextDelta("lo"),
        Usage(prompt=19, completion=2, cached=8),
        Finish("stop"),
    ]


def test_the_next_steps_body_begins_with_the_bytes_of_this_one():
    first = (b'{"role":"system","content":"\xe4\xbd\xa0"}', b'{"role":"user","content":"a"}')
    more = (b'{"role":"assistant","content":"b"}', b'{"role":"user","content":"c"}')
    tools = b'[{"type":"function","function":{"name":"read_file"}}]'

    async def story():
        async with loopback(HELLO) as server:
            provider = make_provider(server.url)
            for messages, limit in ((first, 100), (first + more, 4000)):
                request = make_request(*messages, tools=tools, max_output_tokens=limit, session_id="s")
                async for _ in provider.stream(request):
                    pass
            await provider.close()
            return [r.body for r in server.chats()]

    one, two = run(story())
    end = one.index(first[-1]) + len(first[-1])
    assert two[:end] == one[:end]
    assert one.startswith(b'{"model":"kimi-k2-0905-preview","tools":' + tools + b',"messages":[' + first[0])


def test_moonshot_is_asked_in_its_own_words():
    async def story():
        async with loopback(HELLO) as server:
            await ask(make_provider(server.url), make_request(session_id="abc"))
            return server.chats()[0]

    received = run(story())
    assert received.json == {
        "model": "kimi-k2-0905-preview",
        "messages": [{"role": "user", "content": "hi"}],
        "max_completion_tokens": 256,
        "temperature": 0.6,
        "stream": True,
        "stream_options": {"include_usage": True},
        "prompt_cache_key": "abc",
    }
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["user-agent"].startswith("kcode/")


def test_ark_gets_max_tokens_and_explicit_sampling_and_a_request_id():
    async def story():
        async with loopback(HELLO) as server:
            await ask(make_provider(server.url, name="ark", model="kimi-k2-250905"))
            return server.chats()[0]

    received = run(story())
    assert received.json["max_tokens"] == 256
    assert "max_completion_tokens" not in received.json
    assert (received.json["temperature"], received.json["top_p"]) == (0.6, 1.0)
    assert "prompt_cache_key" not in received.json
    assert len(received.headers["x-client-request-id"]) == 32


def test_a_thinking_model_gets_room_and_its_own_temperature():
    async def story():
        async with loopback(HELLO) as server:
            request = make_request(temperature=0.2, max_output_tokens=500)
            await ask(make_provider(server.url, model="kimi-k2-thinking"), request)
            return server.chats()[0].json

    body = run(story())
    assert body["max_completion_tokens"] == 16000
    assert body["temperature"] == 1.0


def test_a_model_that_refuses_sampling_fields_gets_none():
    async def story():
        async with loopback(HELLO) as server:
            await ask(make_provider(server.url, model="kimi-k2.6"), make_request(temperature=0.2))
            return server.chats()[0].json

    assert not {"temperature", "top_p"} & set(run(story()))


def test_no_key_means_no_authorization_header():
    async def story():
        async with loopback(HELLO) as server:
            await ask(make_provider(server.url, name="openai-compatible", key=""))
            return server.chats()[0].headers

    assert "authorization" not in run(story())


def test_reasoning_comes_under_either_name_and_empty_is_not_absent():
    async def story(*fields):
        async with loopback(stream(*fields, delta(content="x"), delta(finish="stop"))) as server:
            return await ask(make_provider(server.url))

    assert run(story(delta(reasoning_content="a"), delta(reasoning="b")))[:2] == [
        ReasoningDelta("a"),
        ReasoningDelta("b"),
    ]
    assert run(story(delta(reasoning_content="")))[0] == ReasoningDelta("")
    assert run(story(delta(reasoning_content=None)))[0] == TextDelta("x")


def test_parallel_calls_are_kept_apart_by_index_id_or_both():
    by_index = [call(0, "{", "a", "read_file"), call(1, "[", "b", "grep"), call(0, "}"), call(1, "]")]
    by_id = [
        call(None, "{", "a", "read_file"),
        call(None, "}"),
        call(None, "[", "b", "grep"),
        call(None, "]"),
    ]
    always_zero = [call(0, "{", "a", "read_file"), call(0, "}"), call(0, "[", "b", "grep"), call(0, "]")]

    async def story(fragments):
        payloads = [delta(tool_calls=[fragment]) for fragment in fragments]
        async with loopback(stream(*payloads, delta(finish="tool_calls"))) as server:
            return await ask(make_provider(server.url))

    for fragments in (by_index, by_id, always_zero):
        text: dict[int, str] = {}
        names: dict[int, tuple[str | None, str | None]] = {}
        for chunk in run(story(fragments)):
            if isinstance(chunk, CallDelta):
                text[chunk.index] = text.get(chunk.index, "") + chunk.arguments
                names.setdefault(chunk.index, (chunk.id, chunk.name))
        assert text == {0: "{}", 1: "[]"}
        assert names == {0: ("a", "read_file"), 1: ("b", "grep")}


@pytest.mark.parametrize(
    "payloads",
    [
        [delta(finish="stop", usage={"prompt_tokens": 7, "completion_tokens": 1, "cached_tokens": 3})],
        [delta(finish="stop") | {"usage": {"prompt_tokens": 7, "completion_tokens": 1, "cached_tokens": 3}}],
        [
            delta(finish="stop", usage={"prompt_tokens": 1, "completion_tokens": 0}),
            {
                "choices": [],
                "usage": {
                    "prompt_tokens": 7,
                    "completion_tokens": 1,
                    "prompt_tokens_details": {"cached_tokens": 3},
                },
            },
            {"choices": [], "usage": None},
        ],
    ],
)
def test_usage_is_found_wherever_it_stands(payloads):
    async def story():
        async with loopback(stream(delta(content="x"), *payloads)) as server:
            return await ask(make_provider(server.url))

    assert Usage(prompt=7, completion=1, cached=3) in run(story())


@pytest.mark.parametrize(
    "reply",
    [
        stream(delta(content="half"), done=False),
        stream(delta(content="half")),
        stream(delta(content="x"), delta(finish="stop"), done=False),
        Reply(pieces=[event(delta(content="half"))], cut=True),
        Reply(pieces=[event(delta(content="half")), b'data: {"choices":[{"ind']),
        Reply(drop=True),
    ],
    ids=["no end", "no finish", "no done", "cut", "half a payload", "dropped"],
)
def test_a_truncated_answer_is_a_lost_connection(reply):
    async def story():
        async with loopback(reply) as server:
            await ask(make_provider(server.url))

    with pytest.raises(ConnectionLost):
        run(story())


def test_a_compatible_server_may_end_without_done_once_it_has_finished():
    async def story():
        async with loopback(stream(delta(content="x"), delta(finish="stop"), done=False)) as server:
            return await ask(make_provider(server.url, name="openai-compatible"))

    assert run(story()) == [TextDelta("x"), Finish("stop")]


def test_a_lost_connection_is_tried_again_and_the_retry_is_announced():
    async def story():
        async with loopback(stream(delta(content="half"), done=False), HELLO) as server:
            chunks = await ask(make_provider(server.url, retries=2))
            return chunks, server.chats()

    chunks, chats = run(story())
    assert [type(c) for c in chunks] == [TextDelta, Retrying, TextDelta, TextDelta, Usage, Finish]
    assert chats[0].body == chats[1].body


def test_announced_calls_that_never_came_are_asked_for_once_without_streaming():
    answer = {
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [call(None, "{}", "a", "git_status")],
                },
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 4},
    }

    async def story():
        empty = stream(delta(tool_calls=[]), delta(finish="tool_calls"))
        async with loopback(empty, whole(answer)) as server:
            return await ask(make_provider(server.url)), server.chats()

    chunks, chats = run(story())
    assert [c.json["stream"] for c in chats] == [True, False]
    assert "stream_options" not in chats[1].json
    assert chunks[-3:] == [CallDelta(0, "a", "git_status", "{}"), Usage(5, 4), Finish("tool_calls")]


def test_a_server_that_does_not_stream_is_understood():
    answer = {
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 4, "cached_tokens": 1},
    }

    async def story():
        async with loopback(whole(answer)) as server:
            return await ask(make_provider(server.url))

    assert run(story()) == [TextDelta("hello"), Usage(5, 4, 1), Finish("stop")]


def test_an_error_in_the_middle_of_a_stream_is_classified():
    async def story(error):
        async with loopback(stream(delta(content="x"), {"error": error}, done=False)) as server:
            await ask(make_provider(server.url))

    with pytest.raises(ServerFailed, match="oh no"):
        run(story({"code": "InternalServiceError", "message": "oh no", "type": ""}))


def test_something_that_is_not_json_is_the_servers_failure():
    async def story():
        async with loopback(Reply(pieces=[b"data: {nonsense}\n\n"])) as server:
            await ask(make_provider(server.url))

    with pytest.raises(ServerFailed, match="not JSON"):
        run(story())


def test_a_web_page_means_a_wrong_address():
    async def story():
        page = Reply(pieces=[b"<html><title>Welcome</title>"], headers={"content-type": "text/html"})
        async with loopback(page) as server:
            await ask(make_provider(server.url))

    with pytest.raises(WrongAddress) as caught:
        run(story())
    assert "/v1" in caught.value.remedy


def test_a_missing_model_names_the_ones_the_server_lists():
    async def story():
        gone = refusal(
            404, "Not found the model kimi-k2-0905-preview or Permission denied", "resource_not_found_error"
        )
        async with loopback(gone) as server:
            await ask(make_provider(server.url))

    with pytest.raises(ModelNotFound) as caught:
        run(story())
    assert "kimi-k2.7-code, kimi-k2.6" in caught.value.remedy


def test_nothing_listening_is_tried_again_only_briefly():
    async def story():
        async with loopback(HELLO) as server:
            url = server.url
        provider = make_provider(url, retries=9)
        seen = []
        try:
            async for chunk in provider.stream(make_request()):
                seen.append(chunk)
        except Unreachable as error:
            return seen, error
        finally:
            await provider.close()

    seen, error = run(story())
    assert [type(c) for c in seen] == [Retrying, Retrying]
    assert "refused" in error.message
    assert "running" in error.remedy


def test_cancelling_closes_the_connection():
    async def story():
        async with loopback(Reply(pieces=[event(delta(content="x"))], hang=True)) as server:
            provider = make_provider(server.url)
            started = asyncio.Event()

            async def consume():
                async for _ in provider.stream(make_request()):
                    started.set()

            task = asyncio.create_task(consume())
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(server.closed_early.wait(), 10)
            await provider.close()

    run(story())


def test_a_silent_server_is_given_up():
    async def story():
        async with loopback(Reply(pieces=[event(delta(content="x"))], hang=True)) as server:
            await ask(make_provider(server.url, timeout_s=0.2))

    with pytest.raises(ConnectionLost, match="silent"):
        run(story())


def test_a_server_without_a_configured_model_is_asked_for_its_own():
    models = {"data": [{"id": "moonshotai/Kimi-K2-Instruct", "max_model_len": 30000}]}

    async def story():
        async with loopback(lambda r: whole(models) if r.method == "GET" else HELLO) as server:
            provider = make_provider(server.url, name="vllm", model="")
            await ask(provider)
            return provider.model, server.chats()[0].json

    model, body = run(story())
    assert body["model"] == model.id == "moonshotai/Kimi-K2-Instruct"
    assert model.context == 30000


def test_the_wire_log_holds_bodies_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = tmp_path / "wire.log"
    monkeypatch.setenv("KCODE_WIRE_LOG", str(log))

    async def story():
        async with loopback(HELLO) as server:
            await ask(make_provider(server.url))

    run(story())
    text = log.read_text()
    assert '"role":"user"' in text
    assert "[DONE]" in text
    assert KEY not in text
    assert log.stat().st_mode & 0o077 == 0


def test_the_client_never_loads_the_openai_sdk():
    code = "import sys, kcode.providers.chat, kcode.providers.registry; print('openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_resolving_an_endpoint_loads_no_network_library():
    code = (
        "import json, sys; from kcode.providers.registry import resolve;"
        "from kcode.config.settings import Settings; resolve(Settings(), {});"
        "print(json.dumps([m for m in ('httpx2', 'ssl', 'openai') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
