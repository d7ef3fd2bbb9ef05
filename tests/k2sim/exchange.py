"""What is kept of each request: the bytes, the parsed body, the answer, the tokens."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.k2sim.tokens import plain_text

if TYPE_CHECKING:
    from tests.k2sim.answers import Answer


@dataclass(frozen=True)
class ChatRequest:
    """A chat request the rules let through, as a script's callable sees it. ``step`` counts from 1."""

    body: Mapping[str, Any]
    step: int

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def messages(self) -> Sequence[Mapping[str, Any]]:
        messages: Sequence[Mapping[str, Any]] = self.body["messages"]
        return messages

    @property
    def tool_names(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.body.get("tools") or ()]

    @property
    def last_user(self) -> str:
        """The text of the last user message."""
        users = [m for m in self.messages if m["role"] == "user"]
        return plain_text(users[-1].get("content")) if users else ""

    @property
    def last_tool(self) -> str:
        """The name of the tool whose result is the last message, "" when that is no tool result."""
        last = self.messages[-1]
        if last["role"] != "tool":
            return ""
        for message in reversed(self.messages):
            for call in message.get("tool_calls") or ():
                if call["id"] == last["tool_call_id"]:
                    return str(call["function"]["name"])
        return ""

    @property
    def last_result(self) -> str:
        last = self.messages[-1]
        return plain_text(last.get("content")) if last["role"] == "tool" else ""

    @property
    def calls_so_far(self) -> int:
        return sum(len(message.get("tool_calls") or ()) for message in self.messages)


@dataclass
class Record:
    """One HTTP request and what came of it.

    ``raw`` is the body byte for byte, ``json`` the same parsed (None when it is not JSON), ``headers`` have
    lower-case names, ``time`` is in seconds since the epoch. ``sent`` is the answer's body as it went
    out, without chunk framing. ``client_left`` says that the client closed the connection before the end.
    ``over`` is set once the answer has ended, however it ended, and is in the log.
    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    time: float
    json: Any = None
    answer: Answer | None = None
    status: int = 0
    refusal: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    sent: bytes = b""
    answer_headers: list[tuple[str, str]] = field(default_factory=list)
    client_left: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def is_probe(self) -> bool:
        """One token asked of one message: whether a listed model answers, which Ark's list is no proof of
        (facts 0.3). It uses up no scripted answer."""
        body = self.json if isinstance(self.json, dict) else {}
        limits = {body.get("max_tokens"), body.get("max_completion_tokens")} - {None}
        return (
            self.path.startswith("/api/")
            and limits == {1}
            and len(body.get("messages") or ()) == 1
            and "tools" not in body
        )

    @property
    def is_chat(self) -> bool:
        return self.path.endswith(("/chat/completions", "/v1/messages"))


_SECRET = re.compile(r"(?i)^(authorization|x-api-key|api-key)$")


class Log:
    """The files ``0001.request.json``, ``.headers`` and ``.answer`` of every request."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def request(self, record: Record) -> None:
        """Written before the answer starts."""
        self._path(record, "request.json").write_bytes(record.raw)
        lines = [f"{record.method} {record.path}"]
        for name, value in record.headers.items():
            shown = f"…{value[-4:]}" if _SECRET.match(name) else value
            lines.append(f"{name}: {shown}")
        self._path(record, "headers").write_text("\n".join(lines) + "\n", "utf-8")

    def answer(self, record: Record) -> None:
        """Written when the answer is over, however it ended."""
        head = [f"status {record.status}", *(f"{name}: {value}" for name, value in record.answer_headers)]
        if record.refusal:
            head.append(f"refused: {record.refusal}")
        if record.client_left:
            head.append("the client closed the connection before the end")
        self._path(record, "answer").write_bytes("\n".join(head).encode() + b"\n\n" + record.sent)

    def _path(self, record: Record, suffix: str) -> Path:
        return self._folder / f"{record.number:04d}.{suffix}"
