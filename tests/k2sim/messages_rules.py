"""What the Anthropic-shaped endpoint refuses, and the request in the chat form of the other modules."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tests.k2sim.models import SimModel
from tests.k2sim.shapes import Refusal
from tests.k2sim.tool_rules import MAX_TOOLS, check_function_name, check_schema

FIELDS = frozenset(
    [
        "model", "messages", "max_tokens", "system", "tools", "tool_choice", "temperature", "top_p", "stream",
        "stop_sequences", "thinking", "metadata",
    ]
)  # fmt: skip
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_IN_ROLE = {
    "user": {"text", "image", "tool_result"},
    "assistant": {"text", "thinking", "tool_use"},
}
_BLOCK_FIELDS = {
    "text": {"type", "text"},
    "image": {"type", "source"},
    "thinking": {"type", "thinking", "signature"},
    "tool_use": {"type", "id", "name", "input"},
    "tool_result": {"type", "tool_use_id", "content", "is_error"},
}


def signature_of(thinking: str) -> str:
    """The server's seal on a thinking block."""
    return base64.b64encode(hashlib.sha256(f"k2sim seal {thinking}".encode()).digest()).decode()


def check_body(body: Any) -> None:
    """Raise :class:`Refusal` for what is wrong with the request as a whole, the model's own rules aside."""
    if not isinstance(body, dict):
        raise Refusal("invalid", "the request body must be a JSON object")
    for key in body:
        if key not in FIELDS:
            raise Refusal("invalid", f"{key}: Extra inputs are not permitted", key)
    limit = body.get("max_tokens")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise Refusal("invalid", "max_tokens: Field required, a positive integer", "max_tokens")
    for key in ("temperature", "top_p"):
        value = body.get(key)
        if value is not None and (not isinstance(value, (int, float)) or not 0 <= value <= 1):
            raise Refusal("invalid", f"{key}: range: 0..1, got {value!r}", key)
    if "system" in body and (not isinstance(body["system"], str) or not body["system"]):
        raise Refusal("invalid", "system: must be a non-empty string", "system")
    if not isinstance(body.get("stream", False), bool):
        raise Refusal("invalid", "stream: must be a boolean", "stream")
    _check_tools(body)


def check_model_rules(body: Mapping[str, Any], model: SimModel) -> None:
    """The model's sampling, and the reasoning that a thinking model's running loop must show."""
    if model.fixed_sampling and body.get("temperature") not in (None, 1):
        raise Refusal("invalid", "invalid temperature: only 1 is allowed for this model", "temperature")
    if "thinking" in body and not model.takes_thinking_field:
        raise Refusal("invalid", f"thinking is not supported by model {model.id}", "thinking")
    if not model.requires_reasoning:
        return
    messages = body["messages"]
    for position in range(_loop_start(messages), len(messages)):
        kinds = [block["type"] for block in _blocks(messages[position])]
        if "tool_use" in kinds and "thinking" not in kinds:
            raise Refusal(
                "invalid",
                "thinking is enabled but reasoning_content is missing in assistant tool call message at index"
                f" {position}",
                f"messages.{position}",
            )


def check_messages(messages: Any, sealed: Collection[str]) -> None:
    """Raise :class:`Refusal` at the first message that breaks the form. ``sealed`` are the thinking texts
    that this server has signed: they come back with their signature or not at all."""
    if not isinstance(messages, list) or not messages:
        raise Refusal("invalid", "messages: at least one message is required", "messages")
    open_ids: list[str] = []
    seen: set[str] = set()
    for position, message in enumerate(messages):
        where = f"messages.{position}"
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            raise Refusal("invalid", f"{where}: a message has a role and a content, nothing else", where)
        if message["role"] not in _IN_ROLE:
            raise Refusal("invalid", f"{where}.role: Input should be 'user' or 'assistant'", where)
        if position == 0 and message["role"] != "user":
            raise Refusal("invalid", "messages: first message must use the 'user' role", where)
        blocks = _checked_blocks(message, where, sealed)
        _check_results(blocks, open_ids, where)
        open_ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if len(set(open_ids)) < len(open_ids) or seen & set(open_ids):
            raise Refusal("invalid", f"{where}: `tool_use` ids must be unique", where)
        seen.update(open_ids)
    _check_results([], open_ids, "the end of messages")


def to_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """The request as chat completions would have it: what the template renders, and what scripts look at."""
    messages: list[dict[str, Any]] = []
    if "system" in body:
        messages.append({"role": "system", "content": body["system"]})
    for message in body["messages"]:
        messages += _chat_messages(message)
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool["name"],
                "description": tool.get("description", ""),
                "parameters": tool["input_schema"],
            },
        }
        for tool in body.get("tools") or ()
    ]
    return {"model": body["model"], "messages": messages, "max_tokens": body["max_tokens"], "tools": tools}


def _chat_messages(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    blocks = _blocks(message)
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    if message["role"] == "user":
        results = [
            {"role": "tool", "tool_call_id": block["tool_use_id"], "content": _text_of(block.get("content"))}
            for block in blocks
            if block["type"] == "tool_result"
        ]
        return [*results, {"role": "user", "content": text}] if text else results
    said: dict[str, Any] = {"role": "assistant", "content": text}
    thoughts = [block["thinking"] for block in blocks if block["type"] == "thinking"]
    if thoughts:
        said["reasoning_content"] = "".join(thoughts)
    calls = [
        {
            "id": block["id"],
            "type": "function",
            "function": {"name": block["name"], "arguments": json.dumps(block["input"], ensure_ascii=False)},
        }
        for block in blocks
        if block["type"] == "tool_use"
    ]
    return [said | {"tool_calls": calls} if calls else said]


def _checked_blocks(
    message: Mapping[str, Any], where: str, sealed: Collection[str]
) -> Sequence[Mapping[str, Any]]:
    content = message["content"]
    if not isinstance(content, (str, list)) or not content:
        raise Refusal("invalid", f"{where}.content: must not be empty", where)
    for index, block in enumerate(content if isinstance(content, list) else ()):
        _check_block(block, message["role"], f"{where}.content.{index}", sealed)
    blocks = _blocks(message)
    if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
        raise Refusal("invalid", f"{where}: text content blocks must contain non-whitespace text", where)
    return blocks


def _check_block(block: Any, role: str, where: str, sealed: Collection[str]) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in _IN_ROLE[role]:
        raise Refusal("invalid", f"{where}: block type {kind!r} is not for the role {role}", where)
    if extra := set(block) - _BLOCK_FIELDS[kind]:
        raise Refusal("invalid", f"{where}: {sorted(extra)[0]}: Extra inputs are not permitted", where)
    if kind == "thinking":
        _check_thinking(block, where, sealed)
    elif kind == "tool_use":
        if not _ID.fullmatch(str(block.get("id", ""))):
            raise Refusal("invalid", f"{where}.id: String should match pattern '^[a-zA-Z0-9_-]+$'", where)
        check_function_name(block.get("name"), where)
        if not isinstance(block.get("input"), dict):
            raise Refusal("invalid", f"{where}.input: Input should be a valid dictionary", where)
    elif kind == "tool_result" and not isinstance(block.get("tool_use_id"), str):
        raise Refusal("invalid", f"{where}.tool_use_id: Field required", where)
    elif kind == "text" and not isinstance(block.get("text"), str):
        raise Refusal("invalid", f"{where}.text: Field required", where)


def _check_thinking(block: Mapping[str, Any], where: str, sealed: Collection[str]) -> None:
    thinking = block.get("thinking")
    if not isinstance(thinking, str):
        raise Refusal("invalid", f"{where}.thinking: Field required", where)
    if "signature" in block and block["signature"] != signature_of(thinking):
        raise Refusal("invalid", f"{where}: Invalid `signature` in `thinking` block", where)
    if "signature" not in block and thinking in sealed:
        raise Refusal("invalid", f"{where}.signature: Field required", where)


def _check_results(blocks: Sequence[Mapping[str, Any]], open_ids: Sequence[str], where: str) -> None:
    """The results of all calls of the message before, once each, before anything else, in this message."""
    given = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    if [block["type"] for block in blocks[: len(given)]] != ["tool_result"] * len(given):
        raise Refusal("invalid", f"{where}: `tool_result` blocks must come first", where)
    for call_id in given:
        if call_id not in open_ids:
            raise Refusal("invalid", f"{where}: unexpected `tool_use_id` {call_id}: no call before it", where)
    missing = [call_id for call_id in open_ids if call_id not in given]
    if missing:
        raise Refusal(
            "invalid",
            f"{where}: `tool_use` ids without `tool_result` blocks immediately after: {missing[0]}",
            where,
        )
    if len(set(given)) < len(given):
        raise Refusal("invalid", f"{where}: each tool_use must have a single result", where)


def _check_tools(body: Mapping[str, Any]) -> None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if choice is not None:
        kind = choice.get("type") if isinstance(choice, dict) else None
        if kind not in ("auto", "any", "none"):
            raise Refusal("invalid", f"tool_choice: type {kind!r} is not supported", "tool_choice")
        if not tools:
            raise Refusal("invalid", "tool_choice: may only be given with tools", "tool_choice")
    if tools is None:
        return
    if not isinstance(tools, list) or not 1 <= len(tools) <= MAX_TOOLS:
        raise Refusal("invalid", f"tools: must be an array of 1 to {MAX_TOOLS}", "tools")
    for index, tool in enumerate(tools):
        where = f"tools.{index}"
        if not isinstance(tool, dict) or set(tool) - {"name", "description", "input_schema"}:
            raise Refusal("invalid", f"{where}: takes name, description and input_schema", where)
        check_function_name(tool.get("name"), where)
        check_schema(tool.get("input_schema"), f"{where}.input_schema")
    if len({tool["name"] for tool in tools}) < len(tools):
        raise Refusal("invalid", "tools: Tool names must be unique", "tools")


def _loop_start(messages: Sequence[Mapping[str, Any]]) -> int:
    """The position after the last assistant message without calls."""
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        kinds = [block["type"] for block in _blocks(message)]
        if message["role"] == "assistant" and "tool_use" not in kinds:
            return position + 1
    return 0


def _blocks(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(block.get("text", "<|media_pad|>")) for block in content)
    return str(content or "")
