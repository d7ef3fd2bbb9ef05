"""What the API refuses in a message history: roles, empty contents, open calls, ids, reasoning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.k2sim.models import SimModel
from tests.k2sim.shapes import Refusal, Shape
from tests.k2sim.tokens import running_loop_start
from tests.k2sim.tool_rules import check_function_name


@dataclass(frozen=True)
class HistoryRules:
    """``json_arguments``: arguments in history must be JSON objects. ``k2_ids``: ids must be
    ``functions.name:index`` with one counter over the conversation, as raw K2 engines need them."""

    json_arguments: bool = True
    k2_ids: bool = False


def check_messages(messages: Any, shape: Shape, model: SimModel, rules: HistoryRules) -> None:
    """Raise :class:`Refusal` at the first message the server would refuse."""
    if not isinstance(messages, list) or not messages:
        raise Refusal("invalid", "messages must be a non-empty array", "messages")
    for position, message in enumerate(messages):
        _check_message(message, position, shape, last=position == len(messages) - 1, rules=rules)
    _check_order(messages, in_call_order=rules.k2_ids)
    if rules.k2_ids:
        _check_k2_ids(messages)
    if model.requires_reasoning:
        _check_reasoning(messages)


def _check_message(message: Any, position: int, shape: Shape, *, last: bool, rules: HistoryRules) -> None:
    where = f"messages[{position}]"
    if not isinstance(message, dict):
        raise Refusal("invalid", f"{where} must be an object", where)
    role = message.get("role")
    if role not in shape.roles:
        raise Refusal("invalid", f"role {role!r} of the message at position {position} is unknown", where)
    for key in message:
        if key not in shape.message_fields:
            raise Refusal("invalid", f"unknown field '{key}' in {where}", f"{where}.{key}")
    if "name" in message and (not isinstance(message["name"], str) or not message["name"]):
        raise Refusal("invalid", f"{where}.name must be a non-empty string", where)
    _check_content(message, position, role)
    _check_role_fields(message, role, where)
    if role == "assistant" and "tool_calls" in message:
        _check_calls(message["tool_calls"], where, rules)
    if "partial" in message:
        _check_partial(message, role, where, last=last)


def _check_content(message: Mapping[str, Any], position: int, role: str) -> None:
    content = message.get("content")
    where = f"messages[{position}].content"
    if isinstance(content, list):
        for part in content:
            _check_part(part, where)
    elif content is not None and not isinstance(content, str):
        raise Refusal("invalid", f"{where} must be a string or an array of parts", where)
    if not content and not (role == "assistant" and message.get("tool_calls")):
        raise Refusal(
            "invalid", f"the message at position {position} with role '{role}' must not be empty", where
        )


def _check_part(part: Any, where: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        if not isinstance(part.get("text"), str) or not part["text"]:
            raise Refusal("invalid", "text content is empty", where)
    elif kind not in ("image_url", "video_url"):
        raise Refusal("invalid", f"{where}: part type {kind!r} is unknown", where)


def _check_role_fields(message: Mapping[str, Any], role: str, where: str) -> None:
    if role == "tool":
        if not isinstance(message.get("tool_call_id"), str):
            raise Refusal("invalid", f"{where}: tool_call_id is missing", where)
    elif "tool_call_id" in message:
        raise Refusal("invalid", f"{where}: only tool messages have a tool_call_id", where)
    if role != "assistant":
        for key in ("tool_calls", "reasoning_content", "reasoning", "partial"):
            if key in message:
                raise Refusal("invalid", f"{where}: only assistant messages have {key}", where)
    for key in ("reasoning_content", "reasoning"):
        if key in message and not isinstance(message[key], str):
            raise Refusal("invalid", f"{where}.{key} must be a string", where)


def _check_calls(calls: Any, where: str, rules: HistoryRules) -> None:
    if not isinstance(calls, list) or not calls:
        raise Refusal("invalid", f"{where}.tool_calls must be a non-empty array", where)
    ids: set[str] = set()
    for index, call in enumerate(calls):
        at = f"{where}.tool_calls[{index}]"
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise Refusal("invalid", f"{at} must be an object with a function", at)
        if set(call) - {"id", "type", "function"} or set(function) - {"name", "arguments"}:
            raise Refusal("invalid", f"unknown field in {at}", at)
        if not isinstance(call.get("id"), str) or not call["id"]:
            raise Refusal("invalid", f"{at}.id must be a non-empty string", at)
        if call["id"] in ids:
            raise Refusal("invalid", f"{at}.id {call['id']} is duplicated", at)
        ids.add(call["id"])
        if call.get("type") not in ("function", "builtin_function"):
            raise Refusal("invalid", f"{at}.type must be 'function'", at)
        if call["type"] == "function":
            check_function_name(function.get("name"), at)
        _check_arguments(function.get("arguments"), at, rules)


def _check_arguments(arguments: Any, where: str, rules: HistoryRules) -> None:
    if not isinstance(arguments, str):
        raise Refusal("invalid", f"{where}.function.arguments must be a JSON string", where)
    if not rules.json_arguments:
        return
    try:
        value = json.loads(arguments, parse_constant=refuse_constant)
    except ValueError as error:
        raise Refusal("invalid", f"{where}.function.arguments is not valid JSON: {error}", where) from error
    if not isinstance(value, dict):
        raise Refusal("invalid", f"{where}.function.arguments must be a JSON object", where)


def refuse_constant(name: str) -> None:
    """Python's JSON takes NaN and Infinity; servers do not."""
    raise ValueError(f"{name} is not JSON")


def _check_partial(message: Mapping[str, Any], role: str, where: str, *, last: bool) -> None:
    if not isinstance(message["partial"], bool):
        raise Refusal("invalid", f"{where}.partial must be a boolean", where)
    if message["partial"] and (role != "assistant" or not last):
        raise Refusal("invalid", f"{where}: partial is allowed on the last assistant message only", where)


def _check_order(messages: Sequence[Mapping[str, Any]], *, in_call_order: bool) -> None:
    """Each assistant message with calls is followed at once by its results, all of them, once each."""
    open_ids: list[str] = []
    for position, message in enumerate(messages):
        if message["role"] == "tool":
            call_id = message["tool_call_id"]
            if call_id not in open_ids:
                raise Refusal("invalid", f"tool_call_id {call_id} is not found", f"messages[{position}]")
            if in_call_order and call_id != open_ids[0]:
                raise Refusal(
                    "invalid",
                    f"tool results must follow in call order: {open_ids[0]} comes before {call_id}",
                    f"messages[{position}]",
                )
            open_ids.remove(call_id)
            continue
        _refuse_open(open_ids, position)
        open_ids = [call["id"] for call in message.get("tool_calls") or ()]
    _refuse_open(open_ids, len(messages))


def _refuse_open(open_ids: Sequence[str], position: int) -> None:
    if open_ids:
        raise Refusal(
            "invalid",
            f"tool_call_id {open_ids[0]} is not found: an assistant message with tool_calls must be followed "
            f"by a tool message for each of them before position {position}",
            f"messages[{position - 1}]",
        )


def _check_k2_ids(messages: Sequence[Mapping[str, Any]]) -> None:
    index = 0
    for position, message in enumerate(messages):
        for call in message.get("tool_calls") or ():
            wanted = f"functions.{call['function']['name']}:{index}"
            if call["id"] != wanted:
                raise Refusal(
                    "invalid",
                    f"tool call id {call['id']!r} must be {wanted!r} (one counter over the conversation)",
                    f"messages[{position}]",
                )
            index += 1


def _check_reasoning(messages: Sequence[Mapping[str, Any]]) -> None:
    for position in range(running_loop_start(messages), len(messages)):
        message = messages[position]
        if (
            message["role"] == "assistant"
            and message.get("tool_calls")
            and "reasoning_content" not in message
        ):
            raise Refusal(
                "invalid",
                "thinking is enabled but reasoning_content is missing in assistant tool call message "
                f"at index {position}",
                f"messages[{position}]",
            )
