"""The body of a responses request: what is always the same first, what varies from step to step last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from kcode.providers.ark_items import Item, to_tools
from kcode.providers.base import Request
from kcode.providers.body import answer_room, temperature
from kcode.providers.catalog import Model
from kcode.providers.dialect import Dialect


@dataclass(frozen=True, slots=True)
class Storage:
    """The response is kept for ``hours``, to ``expire_at`` (unix seconds), so that it can be continued."""

    hours: int
    expire_at: int


def spell(
    request: Request,
    items: list[Item],
    model: Model,
    dialect: Dialect,
    *,
    previous_id: str = "",
    storage: Storage | None = None,
) -> bytes:
    """A request that continues ``previous_id`` with ``items``, or begins anew with them.

    Nothing of ``thinking``, ``tool_choice`` or ``instructions`` is sent: Kimi takes neither of the first two,
    and the third cannot be cached. Tools belong to a chain's first request; the server keeps them.
    """
    body: dict[str, Any] = {"model": request.model or model.id}
    if previous_id:
        body["previous_response_id"] = previous_id
    elif tools := to_tools(request.tools):
        body["tools"] = tools
    body["input"] = items
    body["store"] = storage is not None
    if storage is not None:
        body["caching"] = {"type": "enabled"}
        body["expire_at"] = storage.expire_at
    body["max_output_tokens"] = answer_room(request, model)
    degree = temperature(request, model, dialect)
    if degree is not None:
        body["temperature"] = degree
        body["top_p"] = 1.0
    body["stream"] = True
    if request.response_schema is not None:
        body["text"] = {"format": _format(request, dialect, cached=storage is not None or bool(previous_id))}
    body.update(dialect.extra_body)
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _format(request: Request, dialect: Dialect, *, cached: bool) -> dict[str, Any]:
    """Once a chain is cached, a schema is refused (facts C.3): JSON is asked for, and the schema in words is
    the caller's prompt."""
    if cached or dialect.structured == "json_object":
        return {"type": "json_object"}
    schema = dict(request.response_schema or {})
    return {"type": "json_schema", "name": "answer", "strict": True, "schema": schema}
