from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.k2sim import TEST_KEY, Answer, Chunking, Simulator, call, say, use
from tests.k2sim.models import LIVE_ON_MOONSHOT
from tests.k2sim_tests.client import DEFAULT_MODEL, chat, chat_body, request
from tests.k2sim_tests.raw import exchange

ROOT = Path(__file__).parents[2]
ANSWER = use(
    call("read_file", path="src/你好.py"),
    call("grep", pattern="def .*"),
    text="Let me look at 你好 🙂.",
    reasoning="First the file, then the pattern.",
)


def sdk(sim: Simulator) -> openai.OpenAI:
    return openai.OpenAI(base_url=sim.base_url, api_key=TEST_KEY, max_retries=0)


def collected(stream: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"text": "", "reasoning": "", "calls": {}, "finish": None}
    for chunk in stream:
        for choice in chunk.choices:
            found["text"] += choice.delta.content or ""
            found["reasoning"] += (choice.delta.model_extra or {}).get("reasoning_content") or ""
            for delta in choice.delta.tool_calls or ():
                name, text = found["calls"].get(delta.index, ("", ""))
                found["calls"][delta.index] = (
                    name + (delta.function.name or ""),
                    text + (delta.function.arguments or ""),
                )
            found["finish"] = choice.finish_reason or found["finish"]
    return found


CHUNKINGS = [
    Chunking(),
    Chunking(1, 1),
    Chunking(0, 0),
    Chunking(wire_bytes=1),
    Chunking(wire_bytes=7, comments=True),
]


@pytest.mark.parametrize("shape", ["moonshot", "ark", "openai"])
@pytest.mark.parametrize("chunking", CHUNKINGS, ids=str)
def test_the_openai_sdk_reads_the_same_answer_however_it_is_cut(shape: str, chunking: Chunking) -> None:
    with Simulator(shape=shape) as sim:
        sim.add(ANSWER, chunking=chunking)
        stream = sdk(sim).chat.completions.create(
            model=DEFAULT_MODEL[shape], messages=[{"role": "user", "content": "hi"}], stream=True
        )
        assert collected(stream) == {
            "text": ANSWER.text,
            "reasoning": ANSWER.reasoning,
            "calls": {
                0: (ANSWER.calls[0].name, ANSWER.calls[0].arguments),
                1: ("grep", '{"pattern": "def .*"}'),
            },
            "finish": "tool_calls",
        }


@pytest.mark.parametrize("shape", ["moonshot", "ark", "openai"])
def test_the_openai_sdk_reads_an_answer_that_is_not_streamed(shape: str) -> None:
    with Simulator([ANSWER], shape=shape) as sim:
        choice = (
            sdk(sim)
            .chat.completions.create(model=DEFAULT_MODEL[shape], messages=[{"role": "user", "content": "hi"}])
            .choices[0]
        )
    assert (choice.message.content, choice.finish_reason) == (ANSWER.text, "tool_calls")
    assert (choice.message.model_extra or {})["reasoning_content"] == ANSWER.reasoning


def test_reasoning_can_come_under_another_name() -> None:
    with Simulator([ANSWER], shape="openai", reasoning_field="reasoning") as sim:
        assert chat(sim).json["choices"][0]["message"]["reasoning"] == ANSWER.reasoning


def test_empty_reasoning_is_sent_and_differs_from_none() -> None:
    with Simulator([say("x", reasoning=""), say("x")]) as sim:
        with_empty, without = chat(sim, stream=True), chat(sim, stream=True)
    assert b'"reasoning_content":""' in with_empty.data
    assert b"reasoning_content" not in without.data


def test_ark_writes_its_data_lines_without_a_space() -> None:
    with Simulator([say("x")], shape="ark") as sim:
        assert b"data:[DONE]\n\n" in exchange(sim).data


def test_one_connection_serves_many_requests() -> None:
    with Simulator([Answer(text="ok", repeat=True)]) as sim:
        connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=20)
        headers = {"Authorization": f"Bearer {TEST_KEY}"}
        sockets = set()
        for streamed in (True, False, True):
            body = json.dumps(chat_body(sim, stream=streamed))
            connection.request("POST", "/v1/chat/completions", body, headers)
            sockets.add(connection.sock)
            assert connection.getresponse().read()
        connection.close()
    assert len(sockets) == 1
    assert len(sim.answered) == 3


def test_a_chunked_request_body_is_read_whole() -> None:
    with Simulator([say("ok")]) as sim:
        raw = json.dumps(chat_body(sim)).encode()
        connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=20)
        headers = {"Authorization": f"Bearer {TEST_KEY}", "Transfer-Encoding": "chunked"}
        connection.request(
            "POST", "/v1/chat/completions", iter([raw[:10], raw[10:]]), headers, encode_chunked=True
        )
        assert connection.getresponse().status == 200
        connection.close()
    assert sim.requests[0].raw == raw


def test_requests_at_once_are_each_answered_and_recorded() -> None:
    slow = Answer(text="ok", repeat=True, chunking=Chunking(1, delay_ms=5))
    with Simulator([slow]) as sim, ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: chat(sim, stream=True), range(16)))
    assert {reply.status for reply in replies} == {200}
    assert sorted(record.number for record in sim.requests) == list(range(1, 17))


def test_a_record_tells_what_was_asked_and_answered() -> None:
    with Simulator([say("ok")]) as sim:
        reply = chat(sim)
        record = sim.requests[0]
    assert (record.method, record.path, record.status) == ("POST", "/v1/chat/completions", 200)
    assert json.loads(record.raw) == record.json == chat_body(sim)
    assert record.headers["authorization"] == f"Bearer {TEST_KEY}"
    assert record.answer is not None
    assert record.answer.text == "ok"
    assert record.sent == reply.data
    assert record.prompt_tokens == reply.json["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    ("shape", "field", "value"),
    [
        ("moonshot", "context_length", 262_144),
        ("ark", "status", "Active"),
        ("openai", "max_model_len", 262_144),
    ],
)
def test_the_model_list_has_each_shape_s_own_fields(shape: str, field: str, value: Any) -> None:
    with Simulator(shape=shape) as sim:
        rows = {row["id"]: row for row in request(sim, "GET", "/models").json["data"]}
    assert rows[DEFAULT_MODEL[shape]][field] == value


def test_the_live_list_is_what_moonshot_listed_last() -> None:
    with Simulator(model_ids=LIVE_ON_MOONSHOT) as sim:
        assert [m.id for m in sdk(sim).models.list()] == list(LIVE_ON_MOONSHOT)


def test_the_balance_is_told_in_moonshot_s_shape_only() -> None:
    with Simulator() as sim:
        sim.balance = -1.5
        assert request(sim, "GET", "/users/me/balance").json["data"]["available_balance"] == -1.5
    with Simulator(shape="ark") as sim:
        assert request(sim, "GET", "/users/me/balance").status == 404


def test_the_log_keeps_every_byte_and_no_key(tmp_path: Path) -> None:
    with Simulator([say("hello")], log=tmp_path / "log") as sim:
        raw = (
            b'{ "model":"kimi-k2-0905-preview",\n'
            b'"messages":[{"role":"user","content":"\\u4f60 \xe5\xa5\xbd"}]}'
        )
        reply = request(sim, "POST", "/chat/completions", raw)
        request(sim, "GET", "/models", key="sk-wrong-wxyz")
        assert all(record.over.wait(10) for record in sim.requests)
    files = {path.name: path.read_bytes() for path in (tmp_path / "log").iterdir()}
    assert sorted(files) == [
        f"000{n}.{kind}" for n in (1, 2) for kind in ("answer", "headers", "request.json")
    ]
    assert files["0001.request.json"] == raw
    assert files["0001.answer"].partition(b"\n\n")[2] == reply.data
    assert files["0001.answer"].startswith(b"status 200\n")
    assert b"refused: Incorrect API key" in files["0002.answer"]
    assert b"authorization: \xe2\x80\xa6-key\n" in files["0001.headers"]
    assert b"authorization: \xe2\x80\xa6wxyz\n" in files["0002.headers"]
    assert not any(b"sk-" in data for data in files.values())


def test_a_stopped_server_answers_nobody_and_its_port_is_free_again() -> None:
    with Simulator() as sim:
        port = sim.port
    with pytest.raises(ConnectionRefusedError):
        request(sim, "GET", "/models")
    with Simulator(port=port) as again:
        assert request(again, "GET", "/models").status == 200


def test_the_fixture_starts_servers_and_stops_them(k2sim: Callable[..., Simulator]) -> None:
    first, second = k2sim([say("a")]), k2sim([say("b")], shape="ark")
    assert first.port != second.port
    assert [chat(sim).json["choices"][0]["message"]["content"] for sim in (first, second)] == ["a", "b"]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.k2sim", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def test_as_a_process_it_tells_its_port_answers_and_ends_on_a_signal(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text('[[answer]]\ntext = "from a file"\n')
    port_file, log = tmp_path / "port", tmp_path / "log"
    process = start(
        "--script", str(script), "--log", str(log), "--port-file", str(port_file), "--shape", "ark"
    )
    try:
        while not port_file.exists() and process.poll() is None:
            time.sleep(0.02)
        url = f"http://127.0.0.1:{int(port_file.read_text())}/api/v3"
        assert process.stdout is not None
        assert process.stdout.readline() == f"k2sim listens on {url}\n"
        client = openai.OpenAI(base_url=url, api_key=TEST_KEY, max_retries=0)
        reply = client.chat.completions.create(
            model="kimi-k2-250905", messages=[{"role": "user", "content": "hi"}], max_tokens=99
        )
        assert reply.choices[0].message.content == "from a file"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert json.loads((log / "0001.request.json").read_bytes())["max_tokens"] == 99


def test_as_a_process_it_names_a_broken_script(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text("[[answer]]\ntxt = 1\n")
    process = start("--script", str(script))
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "answer 1: 'txt' is not known; did you mean 'text'?" in errors
