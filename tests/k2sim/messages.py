"""The Anthropic-shaped endpoint: `/anthropic/v1/messages`, and `/v1/messages` of a self-hosted engine.

It multiplies the temperature by 0.6 (facts B.7): ``real_temperature`` tells what came of a request. A call's
input comes whole in its block's start where the script's ``argument_chars`` is 0, else in fragments.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from tests.k2sim import faults, tokens, wire
from tests.k2sim.answers import Answer
from tests.k2sim.exchange import ChatRequest
from tests.k2sim.limits import completion_tokens, cut_to
from tests.k2sim.messages_rules import check_body, check_messages, check_model_rules, signature_of, to_chat
from tests.k2sim.route import Route
from tests.k2sim.rules import check_window, find_model
from tests.k2sim.shapes import MOONSHOT, Refusal, Shape

if TYPE_CHECKING:
    from tests.k2sim.exchange import Record
    from tests.k2sim.simulator import Simulator

SCALE = 0.6
_ERRORS = {
    "invalid": (400, "invalid_request_error"),
    "context_overflow": (400, "invalid_request_error"),
    "content_filter": (400, "content_filter"),
    "no_key": (401, "authentication_error"),
    "wrong_key": (401, "authentication_error"),
    "forbidden": (403, "permission_error"),
    "model_not_found": (404, "not_found_error"),
    "too_large": (413, "request_too_large"),
    "engine_overloaded": (529, "overloaded_error"),
    "rate_limit_rpm": (429, "rate_limit_error"),
    "rate_limit_tpm": (429, "rate_limit_error"),
    "rate_limit_tpd": (429, "rate_limit_error"),
    "rate_limit_concurrency": (429, "rate_limit_error"),
    "quota_exceeded": (429, "exceeded_current_quota_error"),
    "server_error": (500, "api_error"),
    "unavailable": (503, "api_error"),
    "script": (500, "k2sim_script_error"),
}
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


class _MessagesShape(Shape):
    """Moonshot's limits with the Anthropic error body."""

    def error(
        self, kind: str, message: str, param: str = "", request_id: str = ""
    ) -> tuple[int, dict[str, Any]]:
        status, type_ = _ERRORS[kind]
        return status, {"type": "error", "error": {"type": type_, "message": message}}


SHAPE = _MessagesShape(**{f.name: getattr(MOONSHOT, f.name) for f in fields(Shape)} | {"data_prefix": b""})


def real_temperature(record: Record) -> float | None:
    """The temperature that the model ran at, None for its own."""
    sent = record.json.get("temperature")
    return None if sent is None else round(sent * SCALE, 6)


def _serve(sim: Simulator, record: Record) -> wire.Program:
    try:
        return _answered(sim, record)
    except Refusal as refusal:
        record.refusal = refusal.message
        status, body = SHAPE.error(refusal.kind, refusal.message)
        return wire.json_program(status, body, _trace(record))


def _answered(sim: Simulator, record: Record) -> wire.Program:
    if not record.headers.get("anthropic-version"):
        raise Refusal("invalid", "anthropic-version: header is required")
    if sim.api_key is not None and record.headers.get("x-api-key") != sim.api_key:
        raise Refusal("wrong_key", "invalid x-api-key")
    if record.json is None:
        raise Refusal("invalid", "the request body is not valid JSON")
    body = record.json
    check_body(body)
    model = find_model(body.get("model"), sim.shape, sim.models)
    sealed = {r.answer.reasoning for r in sim.requests if r.answer is not None and r.answer.reasoning}
    check_messages(body.get("messages"), sealed)
    check_model_rules(body, model)
    chat = to_chat(body)
    prompt = tokens.tokenize(
        tokens.render(
            chat["messages"],
            chat["tools"],
            thinking=model.thinking != "no",
            keep_reasoning=model.requires_reasoning,
        )
    )
    record.prompt_tokens = len(prompt)
    check_window(len(prompt), chat, sim.shape, model)
    request = sim.asked(chat)
    answer = sim.said(request)
    record.answer = answer
    for fault in answer.faults:
        program = faults.http_error(fault, SHAPE, model.id, f"k2sim-{record.number:06d}")
        if program is not None:
            record.refusal = fault.kind
            return program
    record.cached_tokens = sim.cache.cached(model.id, prompt)
    sim.cache.remember(model.id, prompt)
    return _program(record, request, answer)


def _program(record: Record, request: ChatRequest, scripted: Answer) -> wire.Program:
    answer = faults.apply_to_answer(cut_to(scripted, record.json["max_tokens"]))
    answer = _with_ids(answer, record)
    record.answer = answer
    record.completion_tokens = completion_tokens(answer)
    usage = _usage(record, answer)
    if not record.json.get("stream"):
        whole = {**_head(record, usage), **_tail(answer), "usage": usage or {}}
        whole["content"] = [_whole_block(block) for block in _blocks(answer)]
        return faults.apply_to_program(answer, wire.json_program(200, whole, _trace(record)))
    events = list(_events(record, answer, usage))
    if answer.fault("no_finish"):
        events = [event for event in events if event["type"] != "message_delta"]
    if answer.fault("no_done") or answer.fault("no_finish"):
        events = [event for event in events if event["type"] != "message_stop"]
    lines = faults.apply_to_lines(answer, [wire.dumps(event) for event in events], SHAPE)
    names = [str(event["type"]) for event in events]
    named = [
        b"event: %b\ndata: %b" % (b"error" if line.startswith(b'{"type":"error"') else name.encode(), line)
        for name, line in zip(names, lines, strict=False)
    ]
    program = wire.stream_program(answer, named, SHAPE, _trace(record), done=False)
    return faults.apply_to_program(answer, program)


def _events(record: Record, answer: Answer, usage: Mapping[str, int] | None) -> Iterator[dict[str, Any]]:
    start = dict(usage) if usage is not None else None
    if start is not None:
        start["output_tokens"] = min(1, start["output_tokens"])
    yield {"type": "message_start", "message": _head(record, start)}
    yield {"type": "ping"}
    chunking = answer.chunking
    for index, block in enumerate(_blocks(answer)):
        start_block, deltas = _cut(block, chunking.text_chars, chunking.argument_chars)
        yield {"type": "content_block_start", "index": index, "content_block": start_block}
        for delta in () if answer.fault("empty_deltas") else deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    last: dict[str, Any] = {"type": "message_delta", "delta": _tail(answer)}
    if usage is not None:
        last["usage"] = {"output_tokens": usage["output_tokens"]}
    yield last
    yield {"type": "message_stop"}


def _blocks(answer: Answer) -> list[dict[str, Any]]:
    """The answer's blocks; a call's ``input`` is its raw JSON text still."""
    blocks: list[dict[str, Any]] = []
    if answer.reasoning is not None:
        seal = signature_of(answer.reasoning)
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": seal})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    for call in answer.calls:
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments})
    return blocks


def _whole_block(block: Mapping[str, Any]) -> dict[str, Any]:
    return {**block, "input": _parsed(block["input"])} if block["type"] == "tool_use" else dict(block)


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def _cut(
    block: Mapping[str, Any], text_chars: int, argument_chars: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block's start and its deltas."""
    if block["type"] == "text":
        pieces = wire.split_text(block["text"], text_chars)
        return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    if block["type"] == "thinking":
        pieces = wire.split_text(block["thinking"], text_chars)
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
        seal = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, seal]
    if argument_chars == 0 and isinstance(_parsed(block["input"]), dict):
        return _whole_block(block), []
    pieces = ["", *wire.split_text(block["input"], argument_chars)]
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return {**block, "input": {}}, deltas


def _head(record: Record, usage: Mapping[str, int] | None) -> dict[str, Any]:
    head: dict[str, Any] = {
        "id": f"msg_{record.number:06d}",
        "type": "message",
        "role": "assistant",
        "model": record.json["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    return head if usage is None else head | {"usage": dict(usage)}


def _tail(answer: Answer) -> dict[str, Any]:
    return {"stop_reason": _STOP_REASONS[answer.finish_reason], "stop_sequence": None}


def _usage(record: Record, answer: Answer) -> dict[str, int] | None:
    """``input_tokens`` leaves out what was read from the cache and written to it."""
    if answer.fault("usage_missing"):
        return None
    usage = {
        "input_tokens": record.prompt_tokens - record.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": record.cached_tokens,
        "output_tokens": record.completion_tokens,
    }
    return usage | dict(answer.usage)


def _with_ids(answer: Answer, record: Record) -> Answer:
    calls = tuple(
        call if call.id else replace(call, id=_call_id(record.number, index))
        for index, call in enumerate(answer.calls)
    )
    return replace(answer, calls=calls)


def _call_id(number: int, index: int) -> str:
    return "toolu_" + hashlib.sha256(f"{number}/{index}".encode()).hexdigest()[:22]


def _trace(record: Record) -> list[tuple[str, str]]:
    return [("request-id", f"k2sim-{record.number:06d}")]


ROUTES: tuple[Route, ...] = (
    Route("POST", r"/anthropic/v1/messages", ("moonshot",), _serve),
    Route("POST", r"/v1/messages", ("openai",), _serve),
)
