from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from kcode.errors import ConfigError, EnvironmentProblem
from kcode.providers import transport
from kcode.providers.base import TextDelta, Unreachable

from .loopback import HELLO, loopback
from .support import ask, make_provider


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_a_proxy_of_the_environment_is_used_for_other_machines(monkeypatch):
    async def story():
        async with loopback(HELLO) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
            return await ask(make_provider("http://k2.example.invalid/v1")), proxy.received

    chunks, received = run(story())
    assert TextDelta("Hel") in chunks
    assert received[0].path == "http://k2.example.invalid/v1/chat/completions"


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch):
    async def story():
        async with loopback(HELLO) as server:
            for name in ("HTTP_PROXY", "ALL_PROXY"):
                monkeypatch.setenv(name, "http://127.0.0.1:9")
            return await ask(make_provider(server.url.replace("127.0.0.1", "localhost")))

    assert TextDelta("Hel") in run(story())


def test_a_proxy_variable_that_cannot_be_used_is_named(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:9")
    with pytest.raises(ConfigError, match="proxy"):
        run(ask(make_provider("http://k2.example.invalid/v1")))


def test_a_socks_proxy_works_or_says_what_is_missing(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises((EnvironmentProblem, Unreachable)) as caught:
        run(ask(make_provider("http://k2.example.invalid/v1")))
    assert caught.value.remedy


def test_tls_towards_a_plain_server_says_so():
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        writer.close()

    async def story():
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            await ask(make_provider(f"https://127.0.0.1:{port}/v1", retries=3))
        finally:
            server.close()

    with pytest.raises(Unreachable) as caught:
        run(story())
    assert "http://" in caught.value.remedy
    assert caught.value.facts.code == "tls"


def test_all_clients_share_one_tls_context():
    assert isinstance(transport._tls(), ssl.SSLContext)
    assert transport._tls() is transport._tls()


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://127.8.8.8/v1", True),
        ("http://[::1]:1/v1", True),
        ("http://localhost/v1", True),
        ("http://localhost.example.com/v1", False),
        ("https://api.moonshot.cn/v1", False),
        ("http://10.0.0.1/v1", False),
    ],
)
def test_this_machine_is_recognised(url, local):
    assert transport.is_loopback(url) is local


def test_a_wire_log_that_cannot_be_written_is_said_with_its_path(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("KCODE_WIRE_LOG", str(tmp_path / "missing" / "wire.log"))

    async def story():
        async with loopback(HELLO) as server:
            await ask(make_provider(server.url))

    with pytest.raises(EnvironmentProblem, match=r"wire\.log"):
        run(story())
