from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from kcode.config.paths import state_dir
from kcode.providers import limiter as module
from kcode.providers.base import Finish, HttpFacts, RateLimited, Retrying, TextDelta, Waiting
from kcode.providers.chat import ChatProvider
from kcode.providers.limiter import Limiter, read_headers, read_limits
from kcode.providers.process_id import alive, this_process
from kcode.providers.registry import resolve
from kcode.providers.retry import RetryPolicy
from tests.k2sim import Chunking, fail, say
from tests.k2sim.account import Account

from .support import KEY, ask, make_provider, make_request, make_settings

ROOT = Path(__file__).parents[2]
HELLO = say("Hello.", repeat=True)


# --- what servers say --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            "Your account org-1 reached organization max RPM: 3, please try again after 1 seconds",
            [("rpm", 3)],
        ),
        ("reached max organization concurrency: 1, please try again", [("concurrency", 1)]),
        ("reached organization TPM rate limit, current:500001, limit:500000", [("tpm", 500_000)]),
        ("RPM rate limit, current: 4, limit: 3", [("rpm", 3)]),
        ("Requests are too frequent", []),
        ("TPD rate limit, current:1500001, limit:1500000", []),
    ],
)
def test_a_refusal_names_the_limit(text, meant):
    assert read_limits(text) == meant


@pytest.mark.parametrize(
    ("headers", "meant"),
    [
        ({"x-ratelimit-limit": "3"}, [("rpm", 3, None, None)]),
        (
            {"x-ratelimit-limit": "3", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "20"},
            [("rpm", 3, 0, 20.0)],
        ),
        (
            {
                "x-ratelimit-limit-requests": "200",
                "x-ratelimit-remaining-tokens": "1000",
                "x-ratelimit-reset-tokens": "1m2.5s",
            },
            [("rpm", 200, None, None), ("tpm", None, 1000, 62.5)],
        ),
        ({"x-ratelimit-limit": "3", "x-ratelimit-reset": "1700000030"}, [("rpm", 3, None, 30.0)]),
        ({"x-ratelimit-limit": "3", "x-ratelimit-reset": "1700000030000"}, [("rpm", 3, None, 30.0)]),
        ({"x-ratelimit-limit": "3", "x-ratelimit-reset": "250ms"}, [("rpm", 3, None, 0.25)]),
        ({"x-ratelimit-limit": "many", "x-ratelimit-reset": "soon"}, []),
        ({"content-type": "text/plain"}, []),
    ],
)
def test_the_headers_forms_are_read(headers, meant):
    assert list(read_headers(headers, 1_700_000_000.0)) == meant


# --- the file ----------------------------------------------------------------------------------


def account(url: str = "https://api.moonshot.cn/v1", key: str = KEY, **more: str) -> Limiter:
    settings = make_settings(name="moonshot", base_url=url, api_key=key, model="kimi-k2-0905-preview", **more)
    return Limiter.of(resolve(settings, {}))


@pytest.fixture
def sim(k2sim):
    return lambda **options: k2sim([HELLO], account=Account(**options))


def test_the_file_is_the_users_alone_and_holds_no_key(k2sim):
    server = k2sim([HELLO])
    asyncio.run(ask(make_provider(server.base_url)))
    (file,) = (state_dir() / "limits").glob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert KEY not in file.read_text() + file.name
    assert "127.0.0.1" not in file.read_text() + file.name


def test_each_address_and_key_is_an_account_of_its_own_and_models_share_it():
    one = account("http://127.0.0.1:1/v1")
    assert one.file == account("http://127.0.0.1:1/v1").file
    assert one.file != account("http://127.0.0.1:2/v1").file
    assert one.file != account("http://127.0.0.1:1/v1", key="sk-test-not-a-real-key-2").file
    settings = make_settings(name="ark", base_url="http://127.0.0.1:1/api/v3", api_key=KEY)
    endpoint = resolve(settings, {})
    other = replace(endpoint, model=replace(endpoint.model, id="another"))
    assert Limiter.of(endpoint).file != Limiter.of(other).file


def test_a_server_of_the_users_is_held_to_what_it_says_is_left_and_not_to_a_minute(tmp_path):
    mine = Limiter(tmp_path / "a.json", hosted=False)
    mine.heard({"x-ratelimit-limit": "10", "x-ratelimit-remaining": "5", "x-ratelimit-reset": "1"})
    with mine.state() as state:
        assert state.limit("rpm") == 0
        assert state.left["rpm"].amount == 5


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"limits":{}}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_begun_anew(k2sim, damage):
    server = k2sim([HELLO])
    provider = make_provider(server.base_url)
    provider.limiter.file.parent.mkdir(parents=True)
    provider.limiter.file.write_bytes(damage)
    chunks = asyncio.run(ask(provider))
    assert any(isinstance(chunk, Finish) for chunk in chunks)
    assert json.loads(provider.limiter.file.read_bytes())["sent"]


def test_where_the_file_cannot_be_kept_requests_go_on_and_it_is_said_once(k2sim, monkeypatch, tmp_path):
    blocked = tmp_path / "state"
    blocked.write_text("a file, not a folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    monkeypatch.setattr(module, "_told", set())
    server = k2sim([HELLO])

    async def story():
        provider = make_provider(server.base_url)
        first = [chunk async for chunk in provider.stream(make_request())]
        second = [chunk async for chunk in provider.stream(make_request())]
        await provider.close()
        return first, second

    first, second = asyncio.run(story())
    (said,) = [chunk for chunk in first if isinstance(chunk, Waiting)]
    assert said.wait_s == 0
    assert "cannot be shared" in said.why
    assert not any(isinstance(chunk, Waiting) for chunk in second)
    assert any(isinstance(chunk, Finish) for chunk in second)


# --- a request ---------------------------------------------------------------------------------


def short(server, window_s: float, retries: int = 4) -> ChatProvider:
    settings = make_settings(
        name="moonshot", base_url=server.base_url, model="kimi-k2-0905-preview", api_key=KEY
    )
    endpoint = resolve(settings, {})
    limiter = Limiter(Limiter.of(endpoint).file, window_s=window_s)
    return ChatProvider(endpoint, policy=RetryPolicy(retries, base_s=0.05), limiter=limiter)


async def several(provider: ChatProvider, count: int) -> list[object]:
    chunks: list[object] = []
    for _ in range(count):
        chunks += [chunk async for chunk in provider.stream(make_request())]
    await provider.close()
    return chunks


def test_a_limit_told_in_headers_is_never_met(sim):
    server = sim(rpm=2, window_s=1.0)
    chunks = asyncio.run(several(short(server, 1.0), 5))
    assert server.account.refused == 0
    assert sum(isinstance(chunk, Finish) for chunk in chunks) == 5
    assert any(isinstance(chunk, Waiting) for chunk in chunks)
    assert not any(isinstance(chunk, Retrying) for chunk in chunks)


def test_a_limit_told_in_a_refusal_is_met_once(sim):
    server = sim(rpm=2, window_s=1.0, headers=False)
    chunks = asyncio.run(several(short(server, 1.0), 6))
    assert server.account.refused == 1
    assert sum(isinstance(chunk, Finish) for chunk in chunks) == 6


def test_a_refused_burst_slows_everybody_of_the_account_down(k2sim):
    refusal = {"error": {"code": "RequestBurstTooFast", "message": "slower", "param": "", "type": ""}}
    server = k2sim([fail("http", status=429, body=json.dumps(refusal))], shape="ark")
    provider = make_provider(server.base_url, name="ark", model="kimi-k2-250905")
    with pytest.raises(RateLimited):
        asyncio.run(ask(provider))
    other = make_provider(server.base_url, name="ark", model="kimi-k2-250905")
    with other.limiter.state() as state:
        assert state.ramp_until > time.time()


def test_a_retry_counts_as_a_request(k2sim):
    server = k2sim([fail("server_error"), HELLO])
    provider = short(server, 60.0)
    assert any(isinstance(chunk, Retrying) for chunk in asyncio.run(several(provider, 1)))
    with provider.limiter.state() as state:
        assert len(state.sent) == 2


def test_a_second_request_within_an_attempt_counts_too(k2sim):
    server = k2sim([fail("finish_without_calls"), HELLO])
    provider = make_provider(server.base_url)
    asyncio.run(ask(provider))
    assert len(server.chats) == 2
    with provider.limiter.state() as state:
        assert len(state.sent) == 2


def test_tokens_a_minute_are_reserved_before_the_server_reserves_them(sim):
    server = sim(tpm=1_000, window_s=1.0, headers=False)
    provider = short(server, 1.0)
    provider.limiter.refused(HttpFacts(message="TPM rate limit, current:1001, limit:1000"))
    chunks = asyncio.run(several(provider, 6))
    assert server.account.refused == 0
    assert any("1,000 tokens a minute" in c.why for c in chunks if isinstance(c, Waiting))


def test_one_request_at_once_is_kept_within_a_process_and_all_come_to_their_turn(sim):
    server = sim(concurrency=1)
    provider = short(server, 60.0)
    provider.limiter.refused(HttpFacts(message="max organization concurrency: 1"))

    async def story():
        asked = [several_open(provider) for _ in range(5)]
        done = await asyncio.gather(*asked)
        await provider.close()
        return done

    assert asyncio.run(story()) == [1] * 5
    assert server.account.refused == 0
    assert server.account.most_at_once == 1


async def several_open(provider: ChatProvider) -> int:
    return sum([isinstance(chunk, Finish) async for chunk in provider.stream(make_request())])


def test_cancelling_while_held_back_sends_nothing_and_gives_the_place_up(sim):
    server = sim()
    provider = make_provider(server.base_url)
    provider.limiter.refused(HttpFacts(message="slow down", retry_after_s=100.0))

    async def story():
        waiting = asyncio.Event()

        async def one():
            async for chunk in provider.stream(make_request()):
                if isinstance(chunk, Waiting):
                    waiting.set()

        task = asyncio.create_task(one())
        await asyncio.wait_for(waiting.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)
        await provider.close()
        with provider.limiter.state() as state:
            return state.queue, state.running

    assert asyncio.run(story()) == ([], [])
    assert server.chats == []


def test_an_interrupted_answer_gives_its_lease_back(k2sim):
    server = k2sim([say("a long answer", chunking=Chunking(text_chars=1, delay_ms=50))])
    provider = make_provider(server.base_url)

    async def story():
        async with aclosing(provider.stream(make_request())) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextDelta):
                    break
        await provider.close()
        with provider.limiter.state() as state:
            return [lease for lease in state.running if not lease.ended]

    assert asyncio.run(story()) == []


# --- several processes -------------------------------------------------------------------------


def start(server, mode: str, count: int, window_s: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.providers.limiter_worker"]
    command += [server.base_url, mode, str(count), str(window_s)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ))


def finished(workers: list[subprocess.Popen[str]]) -> list[dict[str, int]]:
    told = []
    for worker in workers:
        out, _ = worker.communicate(timeout=120)
        assert worker.returncode == 0
        told.append(json.loads(out))
    return told


def test_processes_share_an_accounts_requests_a_minute(sim):
    server = sim(rpm=4, window_s=2.0)
    asyncio.run(several(short(server, 2.0), 1))  # one answer is enough to learn the limit
    told = finished([start(server, "ask", 3, 2.0) for _ in range(4)])
    assert [worker["answers"] for worker in told] == [3] * 4
    assert server.account.refused == 0
    assert sum(worker["waits"] for worker in told) > 0
    assert sum(worker["retries"] for worker in told) == 0


def test_processes_share_an_accounts_turns_once_one_was_refused(sim):
    server = sim(concurrency=1)
    make_provider(server.base_url).limiter.refused(HttpFacts(message="max organization concurrency: 1"))
    told = finished([start(server, "ask", 3, 60.0) for _ in range(4)])
    assert [worker["answers"] for worker in told] == [3] * 4
    assert server.account.refused == 0
    assert server.account.most_at_once == 1


def test_a_killed_process_gives_its_lease_back(k2sim):
    slow = say("never ends " * 2_000, chunking=Chunking(text_chars=10, delay_ms=50))
    server = k2sim([slow, HELLO])
    provider = make_provider(server.base_url)
    provider.limiter.refused(HttpFacts(message="max organization concurrency: 1"))
    worker = start(server, "hold", 1, 60.0)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "holding\n"
    with provider.limiter.state() as state:
        assert len(state.running) == 1
    worker.kill()
    worker.wait()
    chunks = asyncio.run(ask(provider))
    assert any(isinstance(chunk, Finish) for chunk in chunks)


def test_a_process_is_known_by_its_start_too():
    pid, _, start = this_process().partition(":")
    assert alive(this_process())
    assert not alive(f"{pid}:{int(start) + 1}" if start else "999999999:")
    assert not alive("")
    assert not alive("0:")
    assert not alive("x:y")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not alive(f"{child.pid}:")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_stopped_process_holds_nothing_until_it_goes_on():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        start = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
        assert alive(f"{child.pid}:{start}")
        child.send_signal(signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)
        assert not alive(f"{child.pid}:{start}")
        child.send_signal(signal.SIGCONT)
        os.waitpid(child.pid, os.WCONTINUED)
        assert alive(f"{child.pid}:{start}")
    finally:
        child.kill()
        child.wait()
