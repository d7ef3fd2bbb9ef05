"""A client that hides nothing: requests over http.client, SSE lines as they came."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from tests.k2sim import TEST_KEY, Answer, Simulator

DEFAULT_MODEL = {"moonshot": "kimi-k2-0905-preview", "ark": "kimi-k2-250905", "openai": "kimi-k2"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])

    @property
    def payloads(self) -> list[bytes]:
        lines = [line for line in self.data.split(b"\n") if line.startswith(b"data:")]
        return [line[len(b"data:") :].strip() for line in lines]

    @property
    def chunks(self) -> list[Any]:
        return [json.loads(payload) for payload in self.payloads if payload != b"[DONE]"]


def request(
    sim: Simulator,
    method: str,
    path: str,
    body: bytes | None = None,
    key: str | None = TEST_KEY,
    kind: str = "application/json",
) -> Reply:
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=20)
    try:
        headers = {"Content-Type": kind}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        connection.request(method, sim.shape.base_path + path, body, headers)
        response = connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def chat_body(sim: Simulator, messages: Any = None, **fields: Any) -> dict[str, Any]:
    body = {
        "model": DEFAULT_MODEL[sim.shape.name],
        "messages": [{"role": "user", "content": "hi"}] if messages is None else messages,
    }
    return {key: value for key, value in (body | fields).items() if value is not ...}


def chat(sim: Simulator, messages: Any = None, **fields: Any) -> Reply:
    """POST a chat request; ``...`` as a field's value leaves the field out."""
    return request(sim, "POST", "/chat/completions", json.dumps(chat_body(sim, messages, **fields)).encode())


def server(shape: str = "moonshot", **options: Any) -> Simulator:
    """A server that says "ok" to whatever its rules let through."""
    return Simulator([Answer(text="ok", repeat=True)], shape=shape, **options)


def assistant_call(
    name: str = "read_file", id: str = "read_file:0", arguments: str = "{}", **more: Any
) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": function}], **more}


def result(id: str = "read_file:0", content: Any = "ok", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content, **more}


def tool(name: str = "read_file", parameters: Any = ..., **more: Any) -> dict[str, Any]:
    function: dict[str, Any] = {"name": name, "description": "d", **more}
    function["parameters"] = (
        {"type": "object", "properties": {"path": {"type": "string"}}} if parameters is ... else parameters
    )
    return {"type": "function", "function": function}


def props(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}
