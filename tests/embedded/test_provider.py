from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from kcode.config.paths import cache_dir
from kcode.config.settings import EmbeddedSettings
from kcode.providers.base import (
    CallDelta,
    Chunk,
    ContextOverflow,
    EmbeddedUnavailable,
    Finish,
    Infiller,
    Request,
    TextDelta,
    Usage,
)
from kcode.providers.embedded.provider import EmbeddedProvider
from kcode.tools.registry import all_tools, declarations
from tests.embedded.conftest import MODEL, weights

pytestmark = pytest.mark.embedded
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

SYSTEM = {
    "role": "system",
    "content": "You are a careful assistant. " + "Look at files before you answer. " * 60,
}


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def request(*messages: dict[str, Any], tools: bytes = b"", limit: int = 24, **more: Any) -> Request:
    return Request("test", tools, tuple(json.dumps(m).encode() for m in messages), limit, **more)


async def collect(provider: EmbeddedProvider, asked: Request) -> list[Chunk]:
    return [chunk async for chunk in provider.stream(asked)]


def usage(chunks: list[Chunk]) -> Usage:
    return next(chunk for chunk in chunks if isinstance(chunk, Usage))


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, TextDelta))


def run(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def test_an_answer_streams_and_ends_with_its_usage(provider: EmbeddedProvider) -> None:
    chunks = asyncio.run(collect(provider, request(user("Count from 1 to 5."))))
    assert len([chunk for chunk in chunks if isinstance(chunk, TextDelta)]) > 3
    assert usage(chunks).completion > 3
    assert isinstance(chunks[-1], Finish)
    assert chunks[-1].reason in ("stop", "length")


def test_the_length_limit_is_told(provider: EmbeddedProvider) -> None:
    chunks = asyncio.run(collect(provider, request(user("Write a long story."), limit=3)))
    assert chunks[-1] == Finish("length")
    assert usage(chunks).completion == 3


def test_the_next_turn_reads_the_earlier_ones_from_the_cache(provider: EmbeddedProvider) -> None:
    async def story() -> None:
        first = await collect(provider, request(SYSTEM, user("Say yes."), limit=3))
        said = {"role": "assistant", "content": text(first)}
        second = await collect(provider, request(SYSTEM, user("Say yes."), said, user("Again."), limit=3))
        assert usage(second).cached > usage(first).prompt - 10
        assert usage(second).prompt > usage(second).cached

    run(story)


def test_a_new_process_reads_the_prefix_from_disk(provider: EmbeddedProvider) -> None:
    async def story() -> None:
        await collect(provider, request(SYSTEM, user("Say yes."), limit=3))
        await provider.close()
        chunks = await collect(provider, request(SYSTEM, user("Something else."), limit=3))
        assert usage(chunks).cached > 300

    run(story)
    saved = list((cache_dir() / "kv").glob("*.kv"))
    assert saved
    assert all(path.stat().st_mode & 0o077 == 0 for path in saved)


def test_a_resumed_session_reads_its_conversation_from_disk(provider: EmbeddedProvider) -> None:
    conversation = [SYSTEM, user("Remember the numbers " + ", ".join(map(str, range(150))))]

    async def story() -> None:
        first = await collect(provider, request(*conversation, limit=3, session_id="s1"))
        await provider.close()
        again = [*conversation, {"role": "assistant", "content": text(first)}, user("Thanks.")]
        chunks = await collect(provider, request(*again, limit=3, session_id="s1"))
        assert usage(chunks).cached >= usage(first).prompt - 10

    run(story)


def test_a_damaged_saved_prefix_costs_time_and_nothing_else(provider: EmbeddedProvider) -> None:
    async def story() -> None:
        await collect(provider, request(SYSTEM, user("Say yes."), limit=3))
        await provider.close()
        for path in (cache_dir() / "kv").glob("*.kv"):
            path.write_bytes(path.read_bytes()[:100])
        chunks = await collect(provider, request(SYSTEM, user("Say yes."), limit=3))
        assert text(chunks)

    run(story)


def test_tools_are_called_through_the_schema(provider: EmbeddedProvider) -> None:
    tools = declarations(all_tools()).encode()
    asked = request(SYSTEM, user("Read the file src/main.py with read_file."), tools=tools, limit=80)
    chunks = asyncio.run(collect(provider, asked))
    deltas = [chunk for chunk in chunks if isinstance(chunk, CallDelta)]
    assert deltas[0].name == "read_file"
    assert "path" in json.loads("".join(delta.arguments for delta in deltas))
    assert chunks[-1] == Finish("tool_calls")


def test_a_response_schema_is_followed(provider: EmbeddedProvider) -> None:
    schema = {
        "type": "object",
        "properties": {"verdict": {"enum": ["good", "bad"]}},
        "required": ["verdict"],
        "additionalProperties": False,
    }
    asked = request(user("Is 2 + 2 = 5? Judge."), response_schema=schema)
    assert json.loads(text(asyncio.run(collect(provider, asked))))["verdict"] in ("good", "bad")


def test_a_prompt_longer_than_the_window_is_an_overflow(provider: EmbeddedProvider) -> None:
    with pytest.raises(ContextOverflow, match="window"):
        asyncio.run(collect(provider, request(user("word " * 6000))))


def test_cancelling_ends_the_request_and_the_next_one_is_answered(provider: EmbeddedProvider) -> None:
    async def story() -> None:
        await provider.warm_up()
        long = request(user("Numbers: " + " ".join(map(str, range(900)))), limit=400)
        task = asyncio.create_task(collect(provider, long))
        await asyncio.sleep(0.5)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=0.1)
        assert task in done
        pid = provider.worker_pid
        assert text(await collect(provider, request(user("Say hi."), limit=4)))
        assert provider.worker_pid == pid

    run(story)


def test_the_middle_is_filled_in(provider: EmbeddedProvider) -> None:
    assert isinstance(provider, Infiller)
    before, after = "def add(a, b):\n    ", "\n\n\nassert add(2, 3) == 5\n"
    (best,) = asyncio.run(provider.infill(before, after))
    assert best.text.strip() == "return a + b"
    assert best.logprob is not None
    assert best.logprob <= 0


def test_samples_are_distinct_and_more_than_the_slots_may_be_asked_for(provider: EmbeddedProvider) -> None:
    found = asyncio.run(provider.infill("import ", "\n\nprint(", n=12, temperature=1.2, max_tokens=12))
    texts = [completion.text for completion in found]
    assert len(texts) == len(set(texts)) > 1


def test_many_places_are_filled_in_at_once_in_order(provider: EmbeddedProvider) -> None:
    operators = {"add": "+", "multiply": "*", "subtract": "-"}
    pairs = [(f"def {name}(a, b):\n    ", "\n\n") for name in operators]
    results = asyncio.run(provider.infill_many(pairs))
    assert [r[0].text.strip() for r in results] == [f"return a {sign} b" for sign in operators.values()]


def test_special_tokens_in_code_are_text(provider: EmbeddedProvider) -> None:
    before = 'STOP = "<|im_end|>"\nSUFFIX = "<|fim_suffix|>"\n\n\ndef add(a, b):\n    '
    (best,) = asyncio.run(provider.infill(before, "\n\n\nassert add(2, 3) == 5\n"))
    assert best.text.strip() == "return a + b"


@posix
def test_a_killed_worker_is_an_error_and_the_next_request_starts_another(provider: EmbeddedProvider) -> None:
    async def story() -> None:
        await provider.warm_up()
        first = provider.worker_pid
        assert first is not None
        stream = provider.stream(request(user("Write a long story."), limit=400))
        with pytest.raises(EmbeddedUnavailable, match="killed") as failure:
            async for _ in stream:
                os.kill(first, signal.SIGKILL)
        assert "try again" in failure.value.remedy
        assert text(await collect(provider, request(user("Say hi."), limit=4)))
        assert provider.worker_pid not in (None, first)

    run(story)


@posix
def test_the_worker_dies_with_its_parent(tmp_path: Path) -> None:
    script = """
        import asyncio, sys
        from pathlib import Path
        from kcode.config.settings import EmbeddedSettings
        from kcode.providers.catalog import Model
        from kcode.providers.embedded.provider import EmbeddedProvider
        async def main():
            model = Model("m", "embedded", 0, 9, 9)
            provider = EmbeddedProvider(Path(sys.argv[1]), model, EmbeddedSettings())
            await provider.warm_up()
            print(provider.worker_pid, flush=True)
            await asyncio.sleep(600)
        asyncio.run(main())
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(weights())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.kill()
    for _ in range(500):
        if not _alive(worker):
            return
        asyncio.run(asyncio.sleep(0.05))
    pytest.fail("the worker outlived its parent")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_model_file_that_ends_early_is_a_clear_error(tmp_path: Path) -> None:
    whole = weights()
    assert whole is not None
    cut = tmp_path / "cut.gguf"
    with whole.open("rb") as source:
        cut.write_bytes(source.read(20_000_000))
    provider = EmbeddedProvider(cut, MODEL, EmbeddedSettings())
    with pytest.raises(EmbeddedUnavailable, match="cannot be loaded") as failure:
        asyncio.run(collect(provider, request(user("hi"))))
    assert "verify" in failure.value.remedy


@posix
def test_the_port_of_the_runtime_answers_nobody_without_the_key(provider: EmbeddedProvider) -> None:
    asyncio.run(provider.warm_up())
    assert provider.worker_pid is not None
    answers = {path: _ask_port(provider.worker_pid, path) for path in ("/slots", "/props", "/v1/models")}
    assert set(answers.values()) == {401}


def _ask_port(pid: int, path: str) -> int:
    import http.client

    sockets = {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        host, port = fields[1].split(":")
        if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
            assert host == "0100007F"
            connection = http.client.HTTPConnection("127.0.0.1", int(port, 16))
            connection.request("GET", path)
            return connection.getresponse().status
    pytest.skip("the listening socket cannot be seen here")
