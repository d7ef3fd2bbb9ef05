"""A response of the Responses API as bytes: the object, and the stream's events in order (facts C.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.k2sim import wire
from tests.k2sim.answers import Answer
from tests.k2sim.shapes import ARK

Event = dict[str, Any]


def output_items(answer: Answer, number: int) -> list[dict[str, Any]]:
    """What the model said, as the response holds it."""
    items: list[dict[str, Any]] = []
    if answer.reasoning is not None:
        summary = [{"type": "summary_text", "text": answer.reasoning}]
        items.append({"id": f"rs_{number:06d}", "type": "reasoning", "summary": summary})
    if answer.text:
        content = [{"type": "output_text", "text": answer.text}]
        items.append({"id": f"msg_{number:06d}", "type": "message", "role": "assistant", "content": content})
    for index, call in enumerate(answer.calls):
        items.append(
            {
                "id": f"fc_{number:06d}_{index}",
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }
        )
    return [{**item, "status": "completed"} for item in items]


def response_object(
    base: Mapping[str, Any],
    answer: Answer,
    items: Sequence[Mapping[str, Any]],
    usage: Mapping[str, Any] | None,
) -> dict[str, Any]:
    cut = answer.finish_reason in ("length", "content_filter")
    reason = "max_output_tokens" if answer.finish_reason == "length" else "content_filter"
    return {
        **base,
        "status": "incomplete" if cut else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if cut else None,
        "output": list(items),
        "usage": usage,
    }


def events(answer: Answer, begun: Mapping[str, Any], response: Mapping[str, Any]) -> list[Event]:
    """The stream's events without their sequence numbers."""
    opening = {**begun, "status": "in_progress", "output": [], "usage": None}
    found: list[Event] = [
        {"type": "response.created", "response": opening},
        {"type": "response.in_progress", "response": opening},
    ]
    for index, item in enumerate(response["output"]):
        found += _item_events(answer, index, item)
    found.append({"type": f"response.{response['status']}", "response": response})
    return found


def _item_events(answer: Answer, index: int, item: Mapping[str, Any]) -> Iterable[Event]:
    at = {"output_index": index}
    part = {**at, "item_id": item["id"]}
    if item["type"] == "reasoning":
        opened = {**item, "status": "in_progress", "summary": []}
        part["summary_index"] = 0
        text, name, outer = item["summary"][0]["text"], "reasoning_summary_text", "reasoning_summary_part"
    elif item["type"] == "message":
        opened = {**item, "status": "in_progress", "content": []}
        part["content_index"] = 0
        text, name, outer = item["content"][0]["text"], "output_text", "content_part"
    else:
        opened = {**item, "status": "in_progress", "arguments": ""}
        text, name, outer = item["arguments"], "function_call_arguments", ""
    size = answer.chunking.text_chars if outer else answer.chunking.argument_chars
    key = "text" if outer else "arguments"
    yield {"type": "response.output_item.added", **at, "item": opened}
    if outer:
        yield {"type": f"response.{outer}.added", **part}
    for piece in wire.split_text(text, size):
        yield {"type": f"response.{name}.delta", **part, "delta": piece}
    yield {"type": f"response.{name}.done", **part, key: text}
    if outer:
        yield {"type": f"response.{outer}.done", **part}
    yield {"type": "response.output_item.done", **at, "item": item}


def spoiled(answer: Answer, found: list[Event]) -> list[Event]:
    """The faults that concern this API's events; ``error_mid_stream`` with the body ``failed`` is a
    ``response.failed``, else a flat ``error`` event."""
    if answer.fault("no_finish"):
        found = found[:-1]
    if answer.fault("empty_deltas"):
        found = [event for event in found if not event["type"].endswith(".delta")]
    if fault := answer.fault("error_mid_stream"):
        text, code = "The engine failed in the middle of the answer", "InternalServiceError"
        broken: Event = {"type": "error", "code": code, "message": text, "param": None}
        if fault.body == "failed":
            error = {"code": code, "message": text}
            broken = {
                "type": "response.failed",
                "response": {**found[0]["response"], "status": "failed", "error": error},
            }
        found = [*found[: min(fault.after_chunks, len(found) - 1)], broken]
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(found)]
    if answer.fault("duplicate_deltas"):
        numbered = [e for event in numbered for e in [event] * (2 if event["type"].endswith("delta") else 1)]
    return numbered


def stream(
    answer: Answer, found: list[Event], headers: list[tuple[str, str]], *, named: bool
) -> wire.Program:
    """``named`` gives each event its ``event:`` line; what decides is the payload's ``type``."""
    lines = [wire.dumps(event) for event in found]
    if fault := answer.fault("malformed_json"):
        place = min(fault.after_chunks, len(lines) - 1)
        lines[place] = lines[place][: len(lines[place]) // 2]
    framed = [
        (b"event: " + event["type"].encode() + b"\n" if named else b"") + b"data:" + line
        for event, line in zip(found, lines, strict=True)
    ]
    if not (answer.fault("no_done") or answer.fault("error_mid_stream")):
        framed.append(b"data:[DONE]")
    return wire.stream_program(answer, framed, replace(ARK, data_prefix=b""), headers, done=False)
