"""A raw loopback server: answers each request with the bytes a test gives it and records what was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Reply:
    """``pieces`` are sent one by one; ``cut`` closes without ending the chunked body; ``hang`` waits."""

    status: int = 200
    pieces: Sequence[bytes] = ()
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    cut: bool = False
    hang: bool = False
    drop: bool = False  # close before any byte of the response


Answer = Reply | Callable[[Received], Reply]


class Loopback:
    def __init__(self, replies: Sequence[Answer]) -> None:
        self.replies = list(replies)
        self.received: list[Received] = []
        self.closed_early = asyncio.Event()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def chats(self) -> list[Received]:
        return [r for r in self.received if r.path.endswith("/chat/completions")]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                received = await self._read(reader)
                self.received.append(received)
                reply = self._reply(received)
                if reply.drop or not await self._send(reply, reader, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _reply(self, received: Received) -> Reply:
        if received.method == "GET" and not any(callable(r) for r in self.replies[:1]):
            return whole({"object": "list", "data": [{"id": "kimi-k2.6"}, {"id": "kimi-k2.7-code"}]})
        answer = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return answer(received) if callable(answer) else answer

    async def _read(self, reader: asyncio.StreamReader) -> Received:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        method, path, _ = line.split(" ")
        headers = {k.lower(): v for k, v in (row.split(": ", 1) for row in rest)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Received(method, path, headers, body)

    async def _send(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines = [f"HTTP/1.1 {reply.status} Whatever", "transfer-encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        for piece in reply.pieces:
            if piece:
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)
        if reply.hang:
            if not await reader.read(1):
                self.closed_early.set()
            return False
        if reply.cut:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def loopback(*replies: Answer) -> AsyncIterator[Loopback]:
    box = Loopback(replies)
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0, limit=64 * 1024 * 1024)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()


def stream(*payloads: object, done: bool = True) -> Reply:
    return Reply(pieces=[*(event(p) for p in payloads), *([b"data: [DONE]\n\n"] if done else [])])


def event(payload: object) -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False).encode() + b"\n\n"


def delta(finish: str | None = None, usage: object = None, **fields: object) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "delta": fields, "finish_reason": finish}
    if usage is not None:
        choice["usage"] = usage
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "kimi-k2-0905-preview",
        "choices": [choice],
    }


def call(
    index: int | None, arguments: str, call_id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": arguments}
    if name:
        function["name"] = name
    fragment: dict[str, Any] = {"function": function}
    if index is not None:
        fragment["index"] = index
    if call_id:
        fragment |= {"id": call_id, "type": "function"}
    return fragment


def whole(payload: object, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, [json.dumps(payload).encode()], {"content-type": "application/json", **named})


def refusal(status: int, message: str, kind: str = "", code: str | None = None, **headers: str) -> Reply:
    error: dict[str, Any] = {"message": message, "type": kind}
    if code:
        error["code"] = code
    return whole({"error": error}, status, **headers)


HELLO = stream(
    delta(role="assistant", content=""),
    delta(content="Hel"),
    delta(content="lo"),
    delta(
        finish="stop",
        usage={"prompt_tokens": 19, "completion_tokens": 2, "total_tokens": 21, "cached_tokens": 8},
    ),
)
