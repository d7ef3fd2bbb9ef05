"""Events and results as JSON objects: schemas ``kcode.event/1`` and ``kcode.result/1`` (docs/headless.md)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    CallFinished,
    CallStarted,
    Event,
    Notice,
    ReasoningText,
    RequestStarted,
    TurnFinished,
    TurnStarted,
    UsageReported,
    WaitingToSend,
)

EVENT_SCHEMA = "kcode.event/1"
RESULT_SCHEMA = "kcode.result/1"

NAMES: dict[type[Event], str] = {
    TurnStarted: "turn_started",
    RequestStarted: "request_started",
    ReasoningText: "reasoning",
    AnswerText: "answer",
    AnswerDiscarded: "answer_discarded",
    WaitingToSend: "waiting_to_send",
    CallStarted: "call_started",
    CallFinished: "call_finished",
    UsageReported: "usage",
    Notice: "notice",
    TurnFinished: "turn_finished",
}


def event_object(event: Event) -> dict[str, Any]:
    """One event as JSON data: ``schema`` and ``type`` first, then its fields by name."""
    head: dict[str, Any] = {"schema": EVENT_SCHEMA, "type": NAMES[type(event)]}
    if isinstance(event, CallFinished):
        outcome = event.outcome
        return head | {
            "call_id": event.call_id,
            "name": event.name,
            "ok": outcome.ok,
            "brief": outcome.brief,
            "text": outcome.text,
            "changed": list(outcome.changed),
            "seconds": round(event.seconds, 3),
        }
    if isinstance(event, TurnFinished):
        error = event.error
        return head | {
            "reason": event.reason,
            "text": event.text,
            "steps": event.steps,
            "files_changed": list(event.files_changed),
            "detail": event.detail,
            "remedy": error.remedy if error is not None else "",
        }
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    if isinstance(event, UsageReported):
        fields["hit_rate"] = round(event.hit_rate, 4)
    return head | fields


def encode(data: Mapping[str, Any]) -> bytes:
    """One line of UTF-8 JSON. A lone surrogate, which UTF-8 cannot carry, becomes a question mark."""
    return json.dumps(data, ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
