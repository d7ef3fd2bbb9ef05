"""Chat messages as items of the Responses API (facts C.3).

The ledger spells chat messages; a responses request carries the same conversation as a flat list of
``message``, ``function_call``, ``function_call_output`` and ``reasoning`` items. System text is an item too:
``instructions`` cannot be cached.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Item = dict[str, Any]
Message = Mapping[str, Any]


def read_messages(spelled: Sequence[bytes]) -> list[Message]:
    return [json.loads(message) for message in spelled]


def to_items(
    messages: Sequence[Message], call_ids: Mapping[str, str], reasoning_field: str | None = None
) -> list[Item]:
    """The items of these messages, in order.

    ``call_ids`` maps the ids of calls that the server already holds to the server's own. Reasoning under
    ``reasoning_field`` becomes a reasoning item where it belongs to the running tool loop, the only place
    where K2's template renders it (facts F); None sends none.
    """
    loop = running_loop_start(messages)
    items: list[Item] = []
    for position, message in enumerate(messages):
        role = message["role"]
        if role == "tool":
            call_id = str(message["tool_call_id"])
            items.append(
                {
                    "type": "function_call_output",
                    "call_id": call_ids.get(call_id, call_id),
                    "output": plain_text(message.get("content")),
                }
            )
            continue
        reasoning = message.get(reasoning_field) if reasoning_field and position >= loop else None
        if isinstance(reasoning, str) and reasoning:
            summary = [{"type": "summary_text", "text": reasoning}]
            items.append({"type": "reasoning", "summary": summary})
        if message.get("content"):
            items.append({"type": "message", "role": role, "content": _content(message["content"])})
        items.extend(_call(call) for call in message.get("tool_calls") or ())
    return items


def to_tools(spelled: bytes) -> list[Item]:
    """Chat declarations in the flat form. ``strict`` is always said: this API's default is true, which
    refuses every schema with an optional property."""
    tools: list[Item] = []
    for tool in json.loads(spelled) if spelled else ():
        function = tool["function"]
        flat: Item = {"type": "function", "name": function["name"]}
        if function.get("description"):
            flat["description"] = function["description"]
        flat["parameters"] = function.get("parameters") or {"type": "object", "properties": {}}
        flat["strict"] = bool(function.get("strict", False))
        tools.append(flat)
    return tools


def running_loop_start(messages: Sequence[Message]) -> int:
    """The position after the last assistant message that has no tool calls."""
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if message["role"] == "assistant" and not message.get("tool_calls"):
            return position + 1
    return 0


def plain_text(content: object) -> str:
    """A chat message's content as text; parts without text are left out."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _call(call: Message) -> Item:
    return {
        "type": "function_call",
        "call_id": call["id"],
        "name": call["function"]["name"],
        "arguments": call["function"]["arguments"],
    }


def _content(content: object) -> object:
    if not isinstance(content, list):
        return content
    return [_part(part) for part in content]


def _part(part: Message) -> Item:
    if part.get("type") == "image_url":
        image = part["image_url"]
        return {"type": "input_image", "image_url": image["url"] if isinstance(image, dict) else image}
    return {"type": "input_text", "text": str(part.get("text", ""))}
