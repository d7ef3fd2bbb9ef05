"""The request body, spelled from bytes that are already there.

Order is the prefix law's: model, tools, messages, and only then what may vary from step to step. So the
body of step N+1 begins byte for byte with the body of step N up to the end of its last message.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from kcode.providers.base import Request
from kcode.providers.catalog import Model
from kcode.providers.dialect import Dialect

THINKING_FLOOR = 16000
"""Least room for an answer of a thinking model, tokens: reasoning counts in it (facts F.3)."""


def spell(request: Request, model: Model, dialect: Dialect, *, stream: bool = True) -> bytes:
    """The body of a chat request. ``request.model`` wins over ``model.id``."""
    tools = b',"tools":' + request.tools if request.tools not in (b"", b"[]") else b""
    head = b'{"model":' + _json(request.model or model.id) + tools + b',"messages":['
    tail = b"".join(
        b"," + _json(name) + b":" + _json(value)
        for name, value in _tail(request, model, dialect, stream).items()
    )
    messages = request.messages
    if request.partial:
        messages = (*messages, _to_be_continued(request.partial, dialect))
    return head + b",".join(messages) + b"]" + tail + b"}"


def _to_be_continued(message: bytes, dialect: Dialect) -> bytes:
    """The last message as its dialect marks it: Moonshot on the message, others beside the messages."""
    return message[:-1] + b',"partial":true}' if dialect.partial == "partial" else message


def answer_room(request: Request, model: Model) -> int:
    """Tokens the answer may have. By these rules, in this order:

    - what was asked for, else the model's default: never the maximum for its own sake, because prompt and
      reserved answer together count against the tokens of a minute before anything is written (facts A.4);
    - a thinking model gets at least ``THINKING_FLOOR``, as far as the window surely allows: no server counts
      more than one token for two bytes of JSON;
    - never more than the model can, nor than the window leaves beside the prompt, taken for one token in four
      bytes. That is a guard for callers that measure nothing: a session measures by what servers counted,
      and a tighter guess here would take room from it. A prompt that seems to fill the window leaves what
      was asked for, up to 256: whether it does, the server knows.
    """
    wanted = request.max_output_tokens or model.default_output
    size = len(request.tools) + sum(map(len, request.messages)) + len(request.partial)
    if model.thinking != "no":
        wanted = max(wanted, min(THINKING_FLOOR, model.context - size // 2))
    beside = max(model.context - size // 4, min(wanted, 256))
    return min(wanted, model.max_output, beside)


def spells_reasoning(request: Request, name: str) -> bool:
    """Whether a message of the request carries reasoning under this name, as the projection spells it."""
    head = _reasoning_head(name)
    return any(message.startswith(head) for message in (*request.messages, request.partial))


def reasoning_renamed(request: Request, name: str, new: str) -> Request:
    """The request with all its reasoning under another name; everything else byte for byte."""
    if name == new:
        return request
    old, head = _reasoning_head(name), _reasoning_head(new)

    def renamed(message: bytes) -> bytes:
        return head + message[len(old) :] if message.startswith(old) else message

    messages = tuple(map(renamed, request.messages))
    return replace(request, messages=messages, partial=renamed(request.partial))


def _reasoning_head(name: str) -> bytes:
    return b'{"role":"assistant",' + _json(name) + b":"


def temperature(request: Request, model: Model, dialect: Dialect) -> float | None:
    """The temperature to send, None for none.

    A model without one in the catalogue refuses the field; a thinking model's is fixed (facts G).
    """
    if dialect.sampling == "none" or model.temperature is None:
        return None
    if model.thinking == "forced" or request.temperature is None:
        return model.temperature
    return request.temperature


def _tail(request: Request, model: Model, dialect: Dialect, stream: bool) -> dict[str, Any]:
    tail: dict[str, Any] = {dialect.max_tokens_field: answer_room(request, model)}
    degree = temperature(request, model, dialect)
    if degree is not None:
        tail["temperature"] = degree
        if dialect.sampling == "full":
            tail["top_p"] = 1.0
    tail["stream"] = stream
    if stream and dialect.stream_usage:
        tail["stream_options"] = {"include_usage": True}
    if dialect.prompt_cache_key and request.session_id:
        tail["prompt_cache_key"] = request.session_id
    if request.no_calls and request.tools and dialect.tool_choice:
        tail["tool_choice"] = "none"
    if request.partial and dialect.partial == "continue":
        tail |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.response_schema is not None and not request.partial:  # facts B.5: not together
        tail["response_format"] = _response_format(request, model, dialect)
    if request.keep_reasoning:
        tail.update(dialect.keep_reasoning)
    tail.update(dialect.extra_body)
    return tail


def _response_format(request: Request, model: Model, dialect: Dialect) -> dict[str, Any]:
    """A schema goes to models that are known to follow one; the others are asked for JSON of any shape."""
    if dialect.structured == "json_object" or not model.json_schema:
        return {"type": "json_object"}
    schema = {"name": "answer", "strict": True, "schema": dict(request.response_schema or {})}
    return {"type": "json_schema", "json_schema": schema}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
