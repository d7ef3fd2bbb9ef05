"""What goes wrong on demand, at four places: the answer, the chunks, the bytes, the HTTP status."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.k2sim import wire
from tests.k2sim.answers import Answer, Call, Fault
from tests.k2sim.rules import model_not_found_text
from tests.k2sim.shapes import Shape

# --- instead of an answer: an HTTP error -----------------------------------------------------

_ERROR_TEXTS = {
    "engine_overloaded": "The engine is currently overloaded, please try again later",
    "rate_limit_rpm": "Your account reached organization max RPM: 3, please try again after 1 seconds",
    "rate_limit_tpm": "Your account reached organization TPM rate limit, current:500001, limit:500000",
    "rate_limit_tpd": "Your account reached organization TPD rate limit, current:1500001, limit:1500000",
    "rate_limit_concurrency": "Your account reached max organization concurrency: 1, please try again",
    "quota_exceeded": "You exceeded your current token quota: insufficient balance, check your account",
    "server_error": "Internal server error",
    "unavailable": "The server is temporarily unavailable",
    "wrong_key": "Incorrect API key provided",
    "forbidden": "The API you are accessing is not open",
    "content_filter": "The request was rejected because it was considered high risk",
    "context_overflow": "Input token length too long",
    "too_large": "Request exceeds the maximum size",
}
_HTML = {
    "bad_gateway_html": (502, "Bad Gateway"),
    "unavailable_html": (503, "Service Temporarily Unavailable"),
    "gateway_timeout_html": (504, "Gateway Time-out"),
    "server_error_html": (500, "Internal Server Error"),
}


def http_error(fault: Fault, shape: Shape, model: str, request_id: str) -> wire.Program | None:
    """The program of an HTTP error, or None when this fault is of another place."""
    headers = [("Retry-After", fault.retry_after)] if fault.retry_after else []
    if fault.kind in _HTML:
        status, title = _HTML[fault.kind]
        page = (
            f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n"
            f"<center><h1>{status} {title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
            "</body>\r\n</html>\r\n"
        )
        return wire.plain_program(status, page.encode(), "text/html", headers)
    if fault.kind == "http":
        return wire.plain_program(fault.status, fault.body.encode(), "application/json", headers)
    if fault.kind == "model_gone":
        text = model_not_found_text(model, shape)
        return wire.json_program(*shape.error("model_not_found", text, "model", request_id), headers)
    if fault.kind in _ERROR_TEXTS:
        text = _ERROR_TEXTS[fault.kind]
        return wire.json_program(*shape.error(fault.kind, text, "", request_id), headers)
    return None


# --- in the answer itself --------------------------------------------------------------------


def _malformed_arguments(answer: Answer) -> Answer:
    calls = tuple(replace(call, arguments=call.arguments.replace("}", ",]", 1)) for call in answer.calls)
    return replace(answer, calls=calls)


def _truncated_arguments(answer: Answer) -> Answer:
    if not answer.calls:
        return answer
    last = answer.calls[-1]
    cut = replace(last, arguments=last.arguments[: max(len(last.arguments) * 2 // 3, 1)])
    return replace(answer, calls=(*answer.calls[:-1], cut), finish="length")


def _unknown_tool(answer: Answer) -> Answer:
    return replace(answer, calls=(Call("no_such_tool", '{"path":"a.py"}'), *answer.calls[1:]))


def _same_id(answer: Answer) -> Answer:
    return replace(answer, calls=tuple(replace(call, id="call_0") for call in answer.calls))


def _empty(answer: Answer) -> Answer:
    return replace(answer, text="", reasoning=None, calls=(), finish=answer.finish or "stop")


def _think_only(answer: Answer) -> Answer:
    return replace(answer, text="", calls=(), reasoning=answer.reasoning or "Let me think about this.")


def _finish_without_calls(answer: Answer) -> Answer:
    return replace(answer, calls=(), finish="tool_calls")


def _section(answer: Answer) -> str:
    inner = "".join(
        f"<|tool_call_begin|>functions.{call.name}:{index}<|tool_call_argument_begin|>{call.arguments}"
        "<|tool_call_end|>"
        for index, call in enumerate(answer.calls)
    )
    return f"<|tool_calls_section_begin|>{inner}<|tool_calls_section_end|>"


def _markup_in_text(answer: Answer) -> Answer:
    return replace(answer, calls=(), text=answer.text + _section(answer), finish="stop")


def _markup_announced(answer: Answer) -> Answer:
    return replace(answer, calls=(), text=answer.text + _section(answer), finish="tool_calls")


def _markup_in_reasoning(answer: Answer) -> Answer:
    return replace(answer, calls=(), reasoning=(answer.reasoning or "") + _section(answer), finish="stop")


def _markup_stripped(answer: Answer) -> Answer:
    inner = "".join(
        f"functions.{call.name}:{index}{call.arguments}" for index, call in enumerate(answer.calls)
    )
    return replace(answer, calls=(), text=answer.text + inner, finish="stop")


def _markup_beside_calls(answer: Answer) -> Answer:
    return replace(answer, text=answer.text + _section(answer))


def _thinking_in_text(answer: Answer) -> Answer:
    return replace(answer, reasoning=None, text=f"<think>{answer.reasoning or ''}</think>{answer.text}")


def _no_content(answer: Answer) -> Answer:
    return replace(answer, text="(no content)")


_IN_ANSWER: dict[str, Callable[[Answer], Answer]] = {
    "malformed_arguments": _malformed_arguments,
    "truncated_arguments": _truncated_arguments,
    "unknown_tool": _unknown_tool,
    "same_id": _same_id,
    "empty": _empty,
    "think_only": _think_only,
    "finish_without_calls": _finish_without_calls,
    "markup_in_text": _markup_in_text,
    "markup_announced": _markup_announced,
    "markup_in_reasoning": _markup_in_reasoning,
    "markup_stripped": _markup_stripped,
    "markup_beside_calls": _markup_beside_calls,
    "thinking_in_text": _thinking_in_text,
    "no_content": _no_content,
}


def apply_to_answer(answer: Answer) -> Answer:
    for fault in answer.faults:
        if fault.kind in _IN_ANSWER:
            answer = _IN_ANSWER[fault.kind](answer)
    return answer


# --- in the stream's chunks ------------------------------------------------------------------

Chunks = list[dict[str, Any]]


def _call_deltas(chunks: Chunks) -> list[tuple[int, dict[str, Any]]]:
    found = []
    for position, chunk in enumerate(chunks):
        for choice in chunk["choices"]:
            for delta in choice["delta"].get("tool_calls", ()):
                found.append((position, delta))
    return found


def _duplicate_deltas(chunks: Chunks) -> Chunks:
    return [copy.deepcopy(chunk) for chunk in chunks for _ in range(2 if _carries(chunk) else 1)]


def _out_of_order(chunks: Chunks) -> Chunks:
    """Swap each neighbouring pair of content-carrying chunks."""
    places = [position for position, chunk in enumerate(chunks) if _carries(chunk)]
    for first, second in zip(places[::2], places[1::2], strict=False):
        chunks[first], chunks[second] = chunks[second], chunks[first]
    return chunks


def _wrong_index(chunks: Chunks) -> Chunks:
    for _, delta in _call_deltas(chunks):
        delta["index"] += 7
    return chunks


def _missing_index(chunks: Chunks) -> Chunks:
    for _, delta in _call_deltas(chunks):
        del delta["index"]
    return chunks


def _missing_id(chunks: Chunks) -> Chunks:
    for _, delta in _call_deltas(chunks):
        delta.pop("id", None)
    return chunks


def _same_index(chunks: Chunks) -> Chunks:
    for _, delta in _call_deltas(chunks):
        delta["index"] = 0
    return chunks


def _empty_deltas(chunks: Chunks) -> Chunks:
    for chunk in chunks:
        for choice in chunk["choices"]:
            choice["delta"] = {}
    return chunks


def _no_finish(chunks: Chunks) -> Chunks:
    return [c for c in chunks if not (c["choices"] and c["choices"][0]["finish_reason"])]


def _carries(chunk: dict[str, Any]) -> bool:
    return bool(chunk["choices"]) and any(
        chunk["choices"][0]["delta"].get(key)
        for key in ("content", "reasoning_content", "reasoning", "tool_calls")
    )


_IN_CHUNKS: dict[str, Callable[[Chunks], Chunks]] = {
    "duplicate_deltas": _duplicate_deltas,
    "out_of_order": _out_of_order,
    "wrong_index": _wrong_index,
    "missing_index": _missing_index,
    "missing_id": _missing_id,
    "same_index": _same_index,
    "empty_deltas": _empty_deltas,
    "no_finish": _no_finish,
}


def apply_to_chunks(answer: Answer, chunks: Chunks) -> Chunks:
    for fault in answer.faults:
        if fault.kind in _IN_CHUNKS:
            chunks = _IN_CHUNKS[fault.kind](chunks)
    return chunks


def apply_to_lines(answer: Answer, lines: Sequence[bytes], shape: Shape) -> list[bytes]:
    """Spoil the payload of one event: not JSON any more, or an error object in its place."""
    changed = list(lines)
    for fault in answer.faults:
        place = min(fault.after_chunks, len(changed) - 1)
        if fault.kind == "malformed_json":
            changed[place] = changed[place][: len(changed[place]) // 2]
        elif fault.kind == "error_mid_stream":
            _, body = shape.error(
                "server_error", fault.body or "The engine failed in the middle of the answer"
            )
            changed = [*changed[:place], wire.dumps(body)]
    return changed


# --- on the connection -----------------------------------------------------------------------


def _reset_before(program: wire.Program, fault: Fault) -> wire.Program:
    return [wire.Reset()]


def _close_before(program: wire.Program, fault: Fault) -> wire.Program:
    return [wire.Hangup()]


def _reset(program: wire.Program, fault: Fault) -> wire.Program:
    return [*_until(program, fault.after_chunks), wire.Reset()]


def _cut(program: wire.Program, fault: Fault) -> wire.Program:
    return [*_until(program, fault.after_chunks), wire.End()]


def _hangup(program: wire.Program, fault: Fault) -> wire.Program:
    return [*_until(program, fault.after_chunks), wire.Hangup()]


def _stall(program: wire.Program, fault: Fault) -> wire.Program:
    kept = _until(program, fault.after_chunks)
    return [*kept, wire.Wait(fault.seconds), *program[len(kept) :]]


def _stall_before(program: wire.Program, fault: Fault) -> wire.Program:
    return [wire.Wait(fault.seconds), *program]


_ON_WIRE: dict[str, Callable[[wire.Program, Fault], wire.Program]] = {
    "reset_before": _reset_before,
    "close_before": _close_before,
    "reset": _reset,
    "cut": _cut,
    "hangup": _hangup,
    "stall": _stall,
    "stall_before": _stall_before,
}


def _until(program: wire.Program, events: int) -> wire.Program:
    """The program up to and with its event number ``events``; 0 keeps what comes before the first."""
    seen = 0
    for position, action in enumerate(program):
        if isinstance(action, (wire.Send, wire.End)) and seen >= events:
            return program[:position]
        if isinstance(action, wire.Send) and action.event:
            seen += 1
    return list(program)


def apply_to_program(answer: Answer, program: wire.Program) -> wire.Program:
    for fault in answer.faults:
        if fault.kind in _ON_WIRE:
            program = _ON_WIRE[fault.kind](program, fault)
    return program


# --- all of them -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    place: str
    about: str


KINDS: dict[str, Kind] = {
    **{name: Kind("http", text) for name, text in _ERROR_TEXTS.items()},
    **{name: Kind("http", f"{status} with an HTML page") for name, (status, _) in _HTML.items()},
    "http": Kind("http", "any `status` with any `body`"),
    "model_gone": Kind("http", "404: the model is not served any more"),
    **{name: Kind("answer", "the answer itself is wrong") for name in _IN_ANSWER},
    **{name: Kind("chunks", "the deltas are wrong") for name in _IN_CHUNKS},
    "malformed_json": Kind("chunks", "one data line is not JSON"),
    "error_mid_stream": Kind("chunks", "an error object ends the stream"),
    "no_done": Kind("chunks", "the stream ends without [DONE]"),
    **{name: Kind("wire", "the connection misbehaves") for name in _ON_WIRE},
    "usage_missing": Kind("usage", "no usage anywhere"),
    "usage_wrong": Kind("usage", "usage that cannot be: more cached than prompt tokens"),
}


def spoil_usage(answer: Answer, usage: dict[str, Any]) -> dict[str, Any] | None:
    """Overrides and usage faults applied to the computed usage, in the usage's own shape."""
    if answer.fault("usage_missing"):
        return None
    overrides = dict(answer.usage)
    if answer.fault("usage_wrong"):
        overrides = {
            "prompt_tokens": 1,
            "completion_tokens": -5,
            "total_tokens": 0,
            "cached_tokens": 999_999,
        }
    changed = copy.deepcopy(usage)
    for key, value in overrides.items():
        if key == "cached_tokens" and "prompt_tokens_details" in changed:
            changed["prompt_tokens_details"][key] = value
        elif key == "reasoning_tokens" and "completion_tokens_details" in changed:
            changed["completion_tokens_details"][key] = value
        else:
            changed[key] = value
    return changed
