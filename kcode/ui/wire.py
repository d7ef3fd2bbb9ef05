"""Events and results as JSON objects: schemas ``kcode.event/1`` and ``kcode.result/1`` (docs/headless.md)."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from kcode.agent.events import (
    AnswerDiscarded,
    AnswerText,
    BackgroundEnded,
    CallAnswered,
    CallFinished,
    CallProgress,
    CallStarted,
    Event,
    Notice,
    ReasoningText,
    RequestStarted,
    Steered,
    TodoChanged,
    TurnFinished,
    TurnStarted,
    UsageReported,
    WaitingToSend,
)
from kcode.conversation.cost import SessionCost, plain
from kcode.safety.sanitize import inert

_NOTHING: Mapping[str, Decimal] = MappingProxyType({})
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
    CallProgress: "call_progress",
    CallAnswered: "call_answered",
    CallFinished: "call_finished",
    TodoChanged: "todo",
    Steered: "steered",
    BackgroundEnded: "background_ended",
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
            "allowed": event.allowed,
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
    if isinstance(event, TodoChanged):
        return head | {"items": [{"text": text, "status": status} for text, status in event.items]}
    fields = {field.name: getattr(event, field.name) for field in dataclasses.fields(event)}
    if isinstance(event, BackgroundEnded):
        fields["seconds"] = round(event.seconds, 3)
    if isinstance(event, UsageReported):
        fields["hit_rate"] = round(event.hit_rate, 4)
    return head | fields


def result_object(
    *,
    reason: str,
    code: int,
    answer: str = "",
    session: str = "",
    provider: str = "",
    model: str = "",
    detail: str = "",
    remedy: str = "",
    steps: int = 0,
    files_changed: Sequence[str] = (),
    spent: SessionCost | None = None,
    session_cost: Mapping[str, Decimal] = _NOTHING,
    seconds: float = 0.0,
    masked_secrets: int = 0,
) -> dict[str, Any]:
    """The result of a run as JSON data. ``spent`` is the turn's, fees and cut-off requests included."""
    spent = spent or SessionCost()
    return {
        "schema": RESULT_SCHEMA,
        "type": "result",
        "answer": answer,
        "session_id": session,
        "provider": provider,
        "model": model,
        "exit_reason": reason,
        "exit_code": code,
        "detail": detail,
        "remedy": remedy,
        "steps": steps,
        "files_changed": list(files_changed),
        "usage": {
            "requests": spent.requests,
            "prompt_tokens": spent.prompt,
            "cached_tokens": spent.cached,
            "completion_tokens": spent.completion,
            "reasoning_tokens": spent.reasoning,
        },
        "cost": [
            {
                "amount": plain(money.total),
                "currency": currency,
                "fees": plain(money.fees),
                "saved_by_caching": plain(money.saved),
            }
            for currency, money in spent.by_currency.items()
        ],
        "cost_complete": not spent.unpriced,
        "session_cost": [
            {"amount": plain(amount), "currency": currency} for currency, amount in session_cost.items()
        ],
        "seconds": round(seconds, 3),
        "masked_secrets": masked_secrets,
    }


def encode(data: Mapping[str, Any]) -> bytes:
    """One line of UTF-8 JSON. A lone surrogate, which UTF-8 cannot carry, becomes a question mark."""
    return inert(json.dumps(data, ensure_ascii=False, default=str)).encode("utf-8", "replace") + b"\n"
