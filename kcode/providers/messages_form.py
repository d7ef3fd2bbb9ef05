"""Requests in the Messages (Anthropic) form, spelled from the chat-form bytes of the ledger.

A fold over the messages, like the projection before it: each wire message depends on nothing that comes
after it, so a longer conversation extends the bytes of a shorter one. Sources: facts B.7, F.4, G.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kcode.config.jsontext import read_json
from kcode.errors import ConfigError
from kcode.providers.base import Request
from kcode.providers.body import answer_room, temperature
from kcode.providers.catalog import Model
from kcode.providers.dialect import Dialect

_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)
_SEVERAL = "\x1f"  # before each seal of an answer with several thinking blocks; no server's seal has it
BLANK = "(no text)"
_JOINED = re.compile(r"(\x1f[0-9]+ [^\x1f]*){2,}")


def spell(request: Request, model: Model, dialect: Dialect, *, stream: bool = True) -> bytes:
    """The body of a Messages request. ``request.model`` wins over ``model.id``.

    Order is the prefix law's: model, tools, system, messages, then what may vary from step to step.
    Raises ConfigError for a temperature that the endpoint cannot give.
    """
    chat = [json.loads(message) for message in (*request.messages, *filter(None, [request.partial]))]
    tools = spell_tools(request.tools)
    system, messages = convert(chat, dialect)
    head = [b'{"model":' + _json(request.model or model.id)]
    if tools:
        head.append(b'"tools":' + tools)
    if system:
        head.append(b'"system":' + _json(system))
    head.append(b'"messages":[' + b",".join(messages) + b"]")
    tail = _tail(request, model, dialect, stream, bool(tools))
    return b",".join([*head, *(_json(name) + b":" + _json(value) for name, value in tail.items())]) + b"}"


def spell_tools(declarations: bytes) -> bytes:
    """Chat-form tool declarations as ``name``, ``description``, ``input_schema``; ``b""`` for none.

    Built-in functions of the chat wire have no counterpart here and are left out.
    """
    tools = []
    for tool in json.loads(declarations or b"[]"):
        function = tool.get("function") or {}
        if tool.get("type", "function") != "function":
            continue
        declared = {"name": function.get("name", "")}
        if function.get("description"):
            declared["description"] = function["description"]
        declared["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
        tools.append(declared)
    return _json(tools) if tools else b""


def convert(chat: Sequence[Mapping[str, Any]], dialect: Dialect) -> tuple[str, list[bytes]]:
    """The system text and the wire messages of a chat-form conversation.

    System messages at the start are the system text. One further on is said in the user's role: moving it
    to the top would rewrite the prefix. A user's text after tool results is a message of its own for the
    same reason.
    """
    start = next((n for n, m in enumerate(chat) if m.get("role") != "system"), len(chat))
    system = "\n\n".join(text for m in chat[:start] if (text := _plain(m.get("content"))))
    fold = _Fold(dialect)
    fold.feed(chat[start:])
    return system, fold.messages


def join_seals(seals: Sequence[tuple[str, str]]) -> str:
    """One seal for an answer's thinking blocks, given as (text, signature): the signature itself for one
    block; for several, each with its text's length in characters, so that they can be told apart again."""
    if len(seals) == 1:
        return seals[0][1]
    return "".join(f"{_SEVERAL}{len(text)} {signature}" for text, signature in seals)


def split_seals(reasoning: str, seal: str) -> list[tuple[str, str]]:
    """The thinking blocks (text, signature) that :func:`join_seals` sealed."""
    if not _JOINED.fullmatch(seal):
        return [(reasoning, seal)]
    blocks, place = [], 0
    for piece in seal.split(_SEVERAL)[1:]:
        length, _, signature = piece.partition(" ")
        blocks.append((reasoning[place : place + int(length)], signature))
        place += int(length)
    return blocks


def sent_temperature(real: float, model: Model, dialect: Dialect) -> float:
    """What to send so that the real temperature is ``real``: the server multiplies by the dialect's scale
    and takes 0 to 1 (facts B.7, G). Raises ConfigError where no such value exists."""
    highest = dialect.temperature_scale
    if real <= highest + 1e-9:
        return min(round(real / highest, 6), 1.0)
    whose = f"`{model.id}` wants" if real == model.temperature else "provider.temperature asks for"
    lower = "" if model.thinking == "forced" else f" Or set provider.temperature to {highest:g} or less."
    raise ConfigError(
        f"{whose} a temperature of {real:g}, which this endpoint cannot give: it multiplies what is sent by"
        f" {highest:g} and takes 0 to 1, so {highest:g} is the highest.",
        f"Use `--provider moonshot`, whose chat completions take it as it is.{lower} Where your server does"
        " not multiply, say so with `temperature_scale=1` in provider.dialect.",
    )


def check_temperature(wanted: float | None, model: Model, dialect: Dialect) -> None:
    """Raises ConfigError where the temperature that requests will have cannot be had from the endpoint."""
    request = Request(model.id, b"", (), 0, temperature=wanted)
    real = temperature(request, model, dialect)
    if real is not None and dialect.wire == "messages":
        sent_temperature(real, model, dialect)


# --- the fold ----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Fold:
    dialect: Dialect
    messages: list[bytes] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)  # id as received -> id as sent
    asked: list[str] = field(default_factory=list)  # the ids of the last answer's calls

    def feed(self, chat: Iterable[Mapping[str, Any]]) -> None:
        results: dict[str, bytes] = {}
        for message in chat:
            if message.get("role") == "tool":
                call_id = str(message.get("tool_call_id", ""))
                results[call_id] = self._result(call_id, message.get("content"))
                continue
            self._results(results)
            if message.get("role") == "assistant":
                self._assistant(message)
            else:
                self._user(message.get("content"))
        self._results(results)

    def _user(self, content: object) -> None:
        """What the user said; white space alone, which is refused, is said in words: nothing is left out."""
        if isinstance(content, list):
            blocks = [block for part in content if (block := _block(part)) is not None]
            self._add("user", _json(blocks or BLANK))
        else:
            self._add("user", _json(content if isinstance(content, str) and content.strip() else BLANK))

    def _assistant(self, message: Mapping[str, Any]) -> None:
        said = _plain(message.get("content"))
        calls = message.get("tool_calls") or ()
        if not said.strip() and not calls:
            return
        blocks = list(self._thinking(message))
        if said.strip():  # blocks of white space are refused
            blocks.append(_json({"type": "text", "text": said}))
        blocks += [self._call(call) for call in calls]
        self.asked = [str(call.get("id", "")) for call in calls]
        self._add("assistant", b"[" + b",".join(blocks) + b"]")

    def _thinking(self, message: Mapping[str, Any]) -> Iterator[bytes]:
        """The reasoning as it came, each block under its own seal.

        Reasoning without a seal (of a session begun elsewhere, or an empty one that fills a gap) goes
        without the field: the endpoint asks for the reasoning, not for the seal (facts B.7).
        """
        reasoning = message.get(self.dialect.reasoning_field or "")
        if not isinstance(reasoning, str):
            return
        seal = str(message.get(self.dialect.signature_field or "", ""))
        for text, signature in split_seals(reasoning, seal):
            block = {"type": "thinking", "thinking": text}
            yield _json(block | {"signature": signature} if signature else block)

    def _call(self, call: Mapping[str, Any]) -> bytes:
        function = call.get("function") or {}
        head = {"type": "tool_use", "id": self._id(str(call.get("id", ""))), "name": function.get("name", "")}
        # the model's own spelling of the arguments is kept: it is JSON already
        return _json(head)[:-1] + b',"input":' + _object(function.get("arguments")) + b"}"

    def _result(self, call_id: str, content: object) -> bytes:
        given = content
        if isinstance(content, list):
            given = [block for part in content if (block := _block(part)) is not None]
        return _json({"type": "tool_result", "tool_use_id": self._id(call_id), "content": given or ""})

    def _results(self, results: dict[str, bytes]) -> None:
        """The results of one step as one message, in call order."""
        if results:
            order = [*(i for i in self.asked if i in results), *(i for i in results if i not in self.asked)]
            self._add("user", b"[" + b",".join(results[call_id] for call_id in order) + b"]")
            results.clear()

    def _id(self, call_id: str) -> str:
        """The id as sent: letters, digits, ``_`` and ``-`` are what this form allows. Moonshot takes any;
        raw engines need K2's own ids, and with those nothing is changed."""
        if self.dialect.call_ids == "k2":
            return call_id
        if call_id not in self.ids:
            legal = _NOT_IN_IDS.sub("_", call_id) or "call"
            while legal in self.ids.values():
                legal += "_"
            self.ids[call_id] = legal
        return self.ids[call_id]

    def _add(self, role: str, content: bytes) -> None:
        self.messages.append(b'{"role":"' + role.encode() + b'","content":' + content + b"}")


def _block(part: object) -> dict[str, Any] | None:
    """A chat-form content part as a block; None for an empty text and for what has no counterpart."""
    if not isinstance(part, Mapping):
        return None
    if part.get("type") == "text":
        text = part.get("text")
        return {"type": "text", "text": text} if isinstance(text, str) and text.strip() else None
    if part.get("type") != "image_url":
        return None
    given = part.get("image_url")
    url = str(given.get("url", "") if isinstance(given, Mapping) else given or "")
    if data := _DATA_URL.fullmatch(url):
        return {"type": "image", "source": {"type": "base64", "media_type": data[1], "data": data[2]}}
    return {"type": "image", "source": {"type": "url", "url": url}}


def _plain(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def _object(arguments: object) -> bytes:
    """Arguments as a JSON object; what is none is kept as the value of ``malformed``."""
    text = arguments if isinstance(arguments, str) else ""
    try:
        if isinstance(read_json(text), dict):
            return text.encode("utf-8", "replace")
    except ValueError:
        pass
    return _json({"malformed": text} if text.strip() else {})


def _tail(request: Request, model: Model, dialect: Dialect, stream: bool, tools: bool) -> dict[str, Any]:
    tail: dict[str, Any] = {"max_tokens": answer_room(request, model)}
    real = temperature(request, model, dialect)
    if real is not None:
        tail["temperature"] = sent_temperature(real, model, dialect)
    tail["stream"] = stream
    if request.no_calls and tools and dialect.tool_choice:
        tail["tool_choice"] = {"type": "none"}
    tail.update(dialect.extra_body)
    return tail


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
