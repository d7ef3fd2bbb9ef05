"""Ark's Responses API: `/responses`, its chain of stored responses and its caching rules (facts C.3)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.k2sim import faults, responses_wire, tokens, wire
from tests.k2sim.answers import Answer
from tests.k2sim.cache import BLOCK
from tests.k2sim.exchange import ChatRequest
from tests.k2sim.limits import completion_tokens, cut_to
from tests.k2sim.models import SimModel
from tests.k2sim.responses_rules import (
    DEFAULT_OUTPUT,
    LONGEST_S,
    ArkRefusal,
    caches,
    check_body,
    check_chain,
    check_conversation,
    check_model_rules,
    check_tools,
    find_previous,
    is_partial,
    to_messages,
)
from tests.k2sim.responses_store import Stored, ark
from tests.k2sim.route import Route
from tests.k2sim.rules import check_window, find_model
from tests.k2sim.shapes import Refusal

if TYPE_CHECKING:
    from tests.k2sim.exchange import Record
    from tests.k2sim.simulator import Simulator


def _create(sim: Simulator, record: Record) -> wire.Program:
    if not ark(sim).served:
        raise Refusal("path_not_found", "POST /responses: no such endpoint")
    try:
        return _created(sim, record)
    except ArkRefusal as refusal:
        record.refusal = refusal.message
        return _refused(record, refusal)


def _created(sim: Simulator, record: Record) -> wire.Program:
    body, state = record.json, ark(sim)
    if body is None:
        raise Refusal("invalid", "the request body is not valid JSON")
    check_body(body)
    model = find_model(body.get("model"), sim.shape, sim.models)
    previous = find_previous(body, state)
    check_chain(body, previous, state)
    check_model_rules(body, model)
    declared = check_tools(body.get("tools"))
    tools = declared or (previous.tools if previous and previous.caching else [])
    new = to_messages(body.get("input"), state.takes_reasoning)
    conversation = [*(previous.messages if previous else ()), *new]
    check_conversation(conversation, model, sim.rules, partial=is_partial(body["input"]))
    prompt = tokens.tokenize(_rendered(conversation, tools, model))
    record.prompt_tokens = len(prompt)
    limit = body.get("max_output_tokens", DEFAULT_OUTPUT)
    check_window(len(prompt), {"max_tokens": limit}, sim.shape, model)
    if (body.get("caching") or {}).get("prefix"):
        return _prefix_only(sim, record, conversation, tools, model)
    request = sim.asked({"model": body["model"], "messages": conversation, "tools": tools})
    scripted = sim.said(request)
    record.answer = scripted
    for fault in scripted.faults:
        program = faults.http_error(fault, sim.shape, model.id, _request_id(record))
        if program is not None:
            record.refusal = fault.kind
            return program
    if previous and previous.caching and caches(body):
        record.cached_tokens = _shared(previous.cached_prompt, prompt)
    return _answered(sim, record, request, cut_to(scripted, limit), model)


def _prefix_only(
    sim: Simulator,
    record: Record,
    conversation: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    model: SimModel,
) -> wire.Program:
    """A prefix to be cached: the model is not asked."""
    if record.prompt_tokens < BLOCK:
        raise Refusal("invalid", f"a prefix cache needs at least {BLOCK} tokens", "input")
    request = ChatRequest(
        {"model": record.json["model"], "messages": list(conversation), "tools": list(tools)}, 0
    )
    nothing = Answer()
    response = responses_wire.response_object(_begun(record), nothing, [], _usage(record, nothing))
    _store(sim, record, request, nothing, response, model)
    return wire.json_program(200, response)


def _answered(
    sim: Simulator, record: Record, request: ChatRequest, given: Answer, model: SimModel
) -> wire.Program:
    body = record.json
    answer = _with_ids(sim, faults.apply_to_answer(given), request, record)
    record.answer = answer
    record.completion_tokens = completion_tokens(answer)
    usage = _usage(record, answer)
    begun = _begun(record)
    items = responses_wire.output_items(answer, record.number)
    response = responses_wire.response_object(begun, answer, items, usage)
    if body.get("store", True):
        _store(sim, record, request, answer, response, model)
    trace = [("X-Request-Id", _request_id(record))]
    if not body.get("stream"):
        return faults.apply_to_program(answer, wire.json_program(200, response, trace))
    found = responses_wire.spoiled(answer, responses_wire.events(answer, begun, response))
    program = responses_wire.stream(answer, found, trace, named=record.number % 2 == 0)
    return faults.apply_to_program(answer, program)


def _begun(record: Record) -> dict[str, Any]:
    body = record.json
    created = int(record.time)
    return {
        "id": f"resp_{int(record.time * 1000)}{record.number:06d}",
        "object": "response",
        "created_at": created,
        "model": body["model"],
        "previous_response_id": body.get("previous_response_id"),
        "store": body.get("store", True),
        "caching": body.get("caching", {"type": "disabled"}),
        "expire_at": body.get("expire_at", created + LONGEST_S),
        "max_output_tokens": body.get("max_output_tokens", DEFAULT_OUTPUT),
    }


def _store(
    sim: Simulator,
    record: Record,
    request: ChatRequest,
    answer: Answer,
    response: Mapping[str, Any],
    model: SimModel,
) -> None:
    """Keeps the conversation with its answer; reasoning is not kept."""
    body = record.json
    said: dict[str, Any] = {"role": "assistant"}
    if answer.reasoning is not None and model.requires_reasoning:
        said["reasoning_content"] = answer.reasoning
    if answer.text:
        said["content"] = answer.text
    if answer.calls:
        said["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in answer.calls
        ]
    messages = [*request.messages, said] if len(said) > 1 else list(request.messages)
    kept = _rendered(messages, request.body["tools"], model).removesuffix(tokens.GENERATION_PROMPT)
    entered = body["input"] if isinstance(body["input"], list) else [body["input"]]
    ark(sim).stored[response["id"]] = Stored(
        id=response["id"],
        model=body["model"],
        messages=messages,
        tools=request.body["tools"],
        caching=caches(body),
        thinking=body.get("thinking"),
        expires=float(response["expire_at"]),
        input_items=[
            {"id": f"in_{record.number:06d}_{n}", **item} if isinstance(item, dict) else {"content": item}
            for n, item in enumerate(entered)
        ],
        body=response,
        cached_prompt=tokens.tokenize(kept) if caches(body) else (),
    )


def _rendered(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], model: SimModel
) -> str:
    """Without reasoning: what is cached excludes it."""
    bare = [{k: v for k, v in message.items() if k != "reasoning_content"} for message in messages]
    return tokens.render(bare, tools, thinking=model.thinking != "no")


def _shared(before: Sequence[str], now: Sequence[str]) -> int:
    """Tokens of whole blocks that both begin with, never the whole prompt."""
    same = next(
        (n for n, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now))
    )
    return min(same, max(len(now) - 1, 0)) // BLOCK * BLOCK


def _usage(record: Record, answer: Answer) -> dict[str, Any] | None:
    if answer.fault("usage_missing"):
        return None
    cached = 999_999 if answer.fault("usage_wrong") else record.cached_tokens
    return {
        "input_tokens": record.prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": record.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": tokens.count(answer.reasoning or "")},
        "total_tokens": record.prompt_tokens + record.completion_tokens,
    }


def _with_ids(sim: Simulator, answer: Answer, request: ChatRequest, record: Record) -> Answer:
    start = request.calls_so_far
    calls = (
        call if call.id else replace(call, id=sim.shape.call_id(call.name, start + index, str(record.number)))
        for index, call in enumerate(answer.calls)
    )
    return replace(answer, calls=tuple(calls))


# --- what is stored, asked for by id ----------------------------------------------------------------


def _find(sim: Simulator, record: Record) -> Stored:
    named = record.path.partition("?")[0].partition("/responses/")[2].partition("/")[0]
    found = ark(sim).find(named)
    if found is None:
        _, code, text = ark(sim).gone
        raise ArkRefusal(404, code, text.format(id=named), "response_id")
    return found


def _get(sim: Simulator, record: Record) -> wire.Program:
    try:
        return wire.json_program(200, _find(sim, record).body)
    except ArkRefusal as refusal:
        return _refused(record, refusal)


def _items(sim: Simulator, record: Record) -> wire.Program:
    try:
        rows = list(_find(sim, record).input_items)
    except ArkRefusal as refusal:
        return _refused(record, refusal)
    given = dict(pair.partition("=")[::2] for pair in record.path.partition("?")[2].split("&") if pair)
    if given.get("order", "desc") == "desc":
        rows.reverse()
    limit = int(given.get("limit", 20))
    if not 1 <= limit <= 100:
        raise Refusal("invalid", "limit must be between 1 and 100", "limit")
    body = {"object": "list", "data": rows[:limit], "has_more": len(rows) > limit}
    return wire.json_program(200, body)


def _delete(sim: Simulator, record: Record) -> wire.Program:
    try:
        found = _find(sim, record)
    except ArkRefusal as refusal:
        return _refused(record, refusal)
    del ark(sim).stored[found.id]
    return wire.json_program(200, {"id": found.id, "object": "response", "deleted": True})


def _refused(record: Record, refusal: ArkRefusal) -> wire.Program:
    record.refusal = refusal.message
    error = {"code": refusal.code, "message": refusal.message, "param": refusal.param, "type": ""}
    return wire.json_program(refusal.status, {"error": error}, [("X-Request-Id", _request_id(record))])


def _request_id(record: Record) -> str:
    return f"k2sim-{record.number:06d}-{int(time.time())}"


_PATH = r"/api(/coding|/plan)?/v3/responses"
ROUTES: tuple[Route, ...] = (
    Route("POST", _PATH, ("ark",), _create),
    Route("GET", _PATH + r"/[^/]+", ("ark",), _get),
    Route("GET", _PATH + r"/[^/]+/input_items", ("ark",), _items),
    Route("DELETE", _PATH + r"/[^/]+", ("ark",), _delete),
)
