"""A bare socket against the simulator: what really came over the wire, and how it ended."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

from tests.k2sim import TEST_KEY, Simulator
from tests.k2sim_tests.client import chat_body


@dataclass(frozen=True)
class Wire:
    """``ending`` is ``eof`` (closed properly), ``reset`` (TCP reset) or ``open`` (silence, still open)."""

    data: bytes
    ending: str

    @property
    def events(self) -> int:
        return self.data.count(b"data:")

    @property
    def whole_body(self) -> bool:
        return self.data.endswith(b"0\r\n\r\n")


def post(sim: Simulator, body: Any = None, **fields: Any) -> socket.socket:
    """Send a streamed chat request and return the socket, nothing read yet."""
    fields = {"stream": True, **fields}
    raw = json.dumps(chat_body(sim, **fields) if body is None else body).encode()
    connection = socket.create_connection(("127.0.0.1", sim.port), timeout=20)
    head = (
        f"POST {sim.shape.base_path}/chat/completions HTTP/1.1\r\nHost: k2sim\r\n"
        f"Authorization: Bearer {TEST_KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(raw)}\r\n\r\n"
    )
    connection.sendall(head.encode() + raw)
    return connection


def read(connection: socket.socket, patience_s: float = 20.0) -> Wire:
    """Read to the body's end, to the connection's end, or until it is silent for ``patience_s``."""
    connection.settimeout(patience_s)
    data = b""
    while not data.endswith(b"\r\n0\r\n\r\n"):
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return Wire(data, "reset")
        except TimeoutError:
            return Wire(data, "open")
        if not piece:
            return Wire(data, "eof")
        data += piece
    return Wire(data, "open")


def read_events(connection: socket.socket, events: int) -> bytes:
    """Read until that many whole events have come."""
    connection.settimeout(20)
    data = b""
    while data.count(b"\n\n") < events:
        data += connection.recv(1)
    return data


def exchange(sim: Simulator, patience_s: float = 20.0, **fields: Any) -> Wire:
    with post(sim, **fields) as connection:
        return read(connection, patience_s)
