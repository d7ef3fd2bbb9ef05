"""The only way out of a confined command's network: an HTTP proxy that lets through to allowed hosts.

``CONNECT`` for what is encrypted, whole addresses for plain HTTP. It reads no more of either than the first
header. Names are looked up here, not inside, and only once they are allowed (:mod:`kcode.safety.hosts`).
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import selectors
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from kcode.safety.hosts import Gate, NoWay, Passage, addresses, is_near, literal, plain_name

_HEADER_BYTES = 64_000
_HEADER_S = 30.0
_CONNECT_S = 20.0
_IDLE_S = 600.0  # a connection over which nothing goes for that long is closed
_AT_ONCE = 128
_CHUNK = 65_536
_HOP = re.compile(rb"(?i)(proxy-[\w-]+|connection|keep-alive|host)\s*:")


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    host: str
    port: int
    head: bytes  # what goes on to the other side; empty for a tunnel
    rest: bytes


class Proxy:
    """Serves ``listener`` until :meth:`close`. With a ``token`` only those who know it: where the network
    inside is the machine's own, others could use it."""

    def __init__(self, listener: socket.socket, gate: Gate, *, token: str = "") -> None:
        self.gate = gate
        self._listener, self._token = listener, token
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        threading.Thread(target=self._serve, name="way out", daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._room.acquire(blocking=False):
                client.close()
                continue
            threading.Thread(target=self._answer, args=(client,), name="connection out", daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        try:
            with client:
                try:
                    request = _read(client, self._token)
                    with _connected(request, self.gate(request.host, request.port)) as server:
                        if not request.head:
                            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                        server.sendall(request.head + request.rest)
                        _relay(client, server)
                except _Unwilling as problem:
                    client.sendall(problem.answer)
                except NoWay as problem:
                    client.sendall(_answer("403 Forbidden", f"kcode: {problem}"))
        except OSError:
            pass  # one of the two has gone
        finally:
            self._room.release()


class _Unwilling(Exception):
    def __init__(self, status: str, text: str) -> None:
        self.answer = _answer(status, text)


def _answer(status: str, text: str) -> bytes:
    body = f"{text}\n".encode("utf-8", "replace")
    more = "Proxy-Authenticate: Basic realm=kcode\r\n" if status.startswith("407") else ""
    head = (
        f"HTTP/1.1 {status}\r\n{more}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}"
    )
    return f"{head}\r\nConnection: close\r\n\r\n".encode() + body


def _read(client: socket.socket, token: str) -> _Request:
    client.settimeout(_HEADER_S)
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = client.recv(_CHUNK)
        if not chunk:
            raise OSError("it has gone")
        data += chunk
        if len(data) > _HEADER_BYTES:
            raise _Unwilling("431 Request Header Fields Too Large", "kcode: the header is too long")
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    if token and not _knows(token, lines):
        raise _Unwilling("407 Proxy Authentication Required", "kcode: this way out is another command's")
    try:
        method, target, version = first.decode("ascii").split(" ")
        if method == "CONNECT":
            parts = urlsplit(f"//{target}")
            port, sent = parts.port or 443, b""
        else:
            parts = urlsplit(target)
            port = parts.port or 80
            if parts.scheme != "http":
                raise ValueError(target)
    except ValueError:
        raise _Unwilling("400 Bad Request", "kcode: this is an HTTP proxy") from None
    host = plain_name(parts.hostname or "")
    if method != "CONNECT":
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        named = parts.netloc.rpartition("@")[2]
        kept = [line for line in lines if not _HOP.match(line)]
        top = [f"{method} {path} {version}".encode(), f"Host: {named}".encode(), b"Connection: close"]
        sent = b"\r\n".join([*top, *kept]) + b"\r\n\r\n"
    return _Request(method, host, port, sent, rest)


def _knows(token: str, lines: list[bytes]) -> bool:
    for line in lines:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"proxy-authorization":
            said = value.strip().rpartition(b" ")[2]
            return hmac.compare_digest(said, base64.b64encode(f"kcode:{token}".encode()))
    return False


def _connected(request: _Request, passage: Passage) -> socket.socket:
    if not passage.allowed:
        raise NoWay(f"{request.host} is not reached from the sandbox: {passage.why}")
    address = literal(request.host)
    if address is not None and is_near(address) and not passage.near:
        raise NoWay(f"{request.host} is an address of this machine or of a private network")
    if (above := _above(request.host)) is not None:
        return _through(above, request)
    problem: OSError | None = None
    for family, where in addresses(request.host, request.port, passage):
        server = socket.socket(family, socket.SOCK_STREAM)
        server.settimeout(_CONNECT_S)
        try:
            server.connect(where)
            return server
        except OSError as failed:
            server.close()
            problem = failed
    raise _Unwilling("502 Bad Gateway", f"kcode: {request.host}:{request.port} cannot be reached: {problem}")


# --- where the machine itself reaches the network through a proxy --------------------------------


def _above(host: str, environ: Mapping[str, str] = os.environ) -> tuple[str, int, str] | None:
    """Host, port and authorization of the proxy that this machine's own connections go through."""
    from urllib.parse import unquote

    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    found = next((environ[name] for name in names if environ.get(name)), "")
    parts = urlsplit(found if "//" in found else f"http://{found}")
    if not found or parts.scheme != "http" or not parts.hostname or _bypassed(host, environ):
        return None
    said = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else ""
    return parts.hostname, parts.port or 80, said


def _bypassed(host: str, environ: Mapping[str, str]) -> bool:
    for entry in (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(","):
        name = entry.strip().casefold().removeprefix("*").lstrip(".")
        if entry.strip() == "*" or (name and (host == name or host.endswith(f".{name}"))):
            return True
    return False


def _through(above: tuple[str, int, str], request: _Request) -> socket.socket:
    host, port, said = above
    target = f"[{request.host}]" if ":" in request.host else request.host
    words = [f"CONNECT {target}:{request.port} HTTP/1.1", f"Host: {target}:{request.port}"]
    if said:
        words.append(f"Proxy-Authorization: Basic {base64.b64encode(said.encode()).decode()}")
    try:
        server = socket.create_connection((host, port), _CONNECT_S)
        server.sendall("\r\n".join([*words, "", ""]).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n") and len(answer) < _HEADER_BYTES:
            byte = server.recv(1)  # what follows the header belongs to the command
            if not byte:
                break
            answer += byte
    except OSError as problem:
        raise _Unwilling("502 Bad Gateway", f"kcode: the proxy {host} cannot be reached: {problem}") from None
    if not re.match(rb"HTTP/1\.\d 200\b", answer):
        server.close()
        first = answer.split(b"\r\n")[0].decode("latin-1")
        raise _Unwilling("502 Bad Gateway", f"kcode: the proxy {host} says: {first}")
    return server


def _relay(client: socket.socket, server: socket.socket) -> None:
    """Both ways, until both have ended, or nothing went for long."""
    other = {client: server, server: client}
    for end in other:
        end.settimeout(_IDLE_S)
    with selectors.DefaultSelector() as ready:
        for end in other:
            ready.register(end, selectors.EVENT_READ)
        while ready.get_map():
            events = ready.select(_IDLE_S)
            if not events:
                return
            for key, _ in events:
                end = client if key.fileobj is client else server
                chunk = end.recv(_CHUNK)
                if chunk:
                    other[end].sendall(chunk)
                    continue
                ready.unregister(end)
                with suppress(OSError):
                    other[end].shutdown(socket.SHUT_WR)
