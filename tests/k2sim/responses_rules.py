"""What Ark's Responses API refuses, and its items as chat messages (facts C.3)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.k2sim.message_rules import HistoryRules, check_messages
from tests.k2sim.models import SimModel
from tests.k2sim.responses_store import ArkState, Stored
from tests.k2sim.shapes import ARK, Refusal
from tests.k2sim.tool_rules import MAX_TOOLS, check_function_name, check_schema

LONGEST_S = 259_200
DEFAULT_OUTPUT = 4096
_FIELDS = frozenset(
    [
        "model",
        "input",
        "instructions",
        "previous_response_id",
        "store",
        "caching",
        "expire_at",
        "max_output_tokens",
        "thinking",
        "reasoning",
        "text",
        "tools",
        "tool_choice",
        "max_tool_calls",
        "parallel_tool_calls",
        "include",
        "context_management",
        "session",
        "service_tier",
        "temperature",
        "top_p",
        "stream",
    ]
)
_BUILT_IN = ("web_search", "mcp", "image_process", "knowledge_search", "doubao_app")
_ITEM_FIELDS = {
    "message": {"type", "role", "content", "partial", "id", "status"},
    "function_call": {"type", "call_id", "name", "arguments", "id", "status"},
    "function_call_output": {"type", "call_id", "output", "id", "status"},
    "reasoning": {"type", "summary", "id", "status"},
}


class ArkRefusal(Exception):
    """A refusal with a code that the shape's table does not have."""

    def __init__(self, status: int, code: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.param = status, code, message, param


def caches(body: Mapping[str, Any]) -> bool:
    caching = body.get("caching")
    return isinstance(caching, dict) and caching.get("type") == "enabled"


def find_previous(body: Mapping[str, Any], state: ArkState) -> Stored | None:
    """The response to continue. Raises :class:`ArkRefusal` where it is not there any more, or never was."""
    named = body.get("previous_response_id")
    if named is None:
        return None
    found = state.find(named) if isinstance(named, str) else None
    if found is None:
        status, code, text = state.gone
        raise ArkRefusal(status, code, text.format(id=named), "previous_response_id")
    return found


def check_body(body: Any) -> None:
    """The fields by themselves."""
    if not isinstance(body, dict):
        raise Refusal("invalid", "the request body must be a JSON object")
    for key in body:
        if key not in _FIELDS:
            raise Refusal("invalid", f"unknown field '{key}'", key)
    for key, kind in (("store", bool), ("stream", bool), ("instructions", str)):
        if key in body and not isinstance(body[key], kind):
            raise Refusal("invalid", f"{key} must be {kind.__name__}", key)
    for key, high in (("temperature", 2), ("top_p", 1)):
        value = body.get(key, 0)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= high:
            raise Refusal("invalid", f"invalid {key}: must be between 0 and {high}", key)
    _check_caching(body)
    _check_expiry(body.get("expire_at"))
    _check_format(body.get("text"))


def check_model_rules(body: Mapping[str, Any], model: SimModel) -> None:
    for key in ("tool_choice", "parallel_tool_calls", "reasoning"):
        if key in body:
            raise Refusal("invalid", f"{key} is not supported by model {model.id}", key)
    if "thinking" in body and not model.takes_thinking_field:
        raise Refusal("invalid", f"thinking is not supported by model {model.id}", "thinking")
    limit = body.get("max_output_tokens", DEFAULT_OUTPUT)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= model.max_output:
        raise Refusal("invalid", f"max_output_tokens must be between 1 and {model.max_output}, got {limit!r}")


def check_chain(body: Mapping[str, Any], previous: Stored | None, state: ArkState) -> None:
    """What must agree with the rounds before, and whether caching may be used at all."""
    if caches(body) and not state.caching:
        raise ArkRefusal(
            403, "AccessDenied.CacheService", "The cache service is not activated for this model."
        )
    if previous is None or not previous.caching:
        return
    if body.get("model") != previous.model:
        raise Refusal("invalid", "model must be the one of the previous response", "model")
    if "tools" in body:
        raise Refusal("invalid", "tools can only be set in the first round when caching is enabled", "tools")
    if body.get("thinking") != previous.thinking:
        raise Refusal("invalid", "thinking must be consistent with the previous response", "thinking")
    if ((body.get("text") or {}).get("format") or {}).get("type") == "json_schema":
        raise Refusal("invalid", "json_schema is not supported when caching is enabled", "text.format")


def check_tools(tools: Any) -> list[dict[str, Any]]:
    """The declarations in chat form. ``strict`` defaults to true here, so it is judged unless it is false."""
    if tools is None:
        return []
    if not isinstance(tools, list) or not 0 < len(tools) <= MAX_TOOLS:
        raise Refusal("invalid", f"tools must be an array of 1 to {MAX_TOOLS}", "tools")
    found = []
    for position, tool in enumerate(tools):
        where = f"tools[{position}]"
        if not isinstance(tool, dict) or tool.get("type") != "function":
            raise Refusal("invalid", f"{where}.type must be 'function'", where)
        if set(tool) - {"type", "name", "description", "parameters", "strict"}:
            raise Refusal("invalid", f"unknown field in {where}; a function is flat", where)
        check_function_name(tool.get("name"), where)
        check_schema(tool.get("parameters"), f"{where}.parameters")
        if tool.get("strict", True) is not False:
            _check_strict(tool["parameters"], where)
        function = {key: tool[key] for key in ("name", "description", "parameters") if key in tool}
        found.append({"type": "function", "function": function})
    names = [tool["function"]["name"] for tool in found]
    if len(set(names)) < len(names):
        raise Refusal("invalid", "function names must be unique", "tools")
    return found


def to_messages(items: Any, takes_reasoning: bool) -> list[dict[str, Any]]:
    """Items as chat messages: neighbouring reasoning, text and calls of the assistant's are one message."""
    if isinstance(items, str):
        items = [{"type": "message", "role": "user", "content": items}]
    if not isinstance(items, list) or not items:
        raise Refusal("invalid", "input must be a non-empty string or array", "input")
    messages: list[dict[str, Any]] = []
    joins = False
    for position, item in enumerate(items):
        where = f"input[{position}]"
        kind = _check_item(item, where)
        if kind == "reasoning" and not takes_reasoning:
            raise Refusal("invalid", f"{where}: reasoning items are not supported by this model", where)
        if kind == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]})
            joins = False
            continue
        if kind == "message" and item["role"] != "assistant":
            messages.append({"role": item["role"], "content": _content(item["content"], where)})
            joins = False
            continue
        fits = joins and not (
            kind == "message" and ("content" in messages[-1] or "tool_calls" in messages[-1])
        )
        if not fits or (kind == "reasoning" and len(messages[-1]) > 1):
            messages.append({"role": "assistant"})
        joins = True
        _add(messages[-1], item, kind, where)
    return messages


def is_partial(items: Any) -> bool:
    """The last item is the beginning of an answer."""
    last = items[-1] if isinstance(items, list) else {}
    if last.get("partial") and last.get("role") != "assistant":
        raise Refusal("invalid", "partial is allowed on the assistant's message only", "input")
    return bool(last.get("partial"))


def check_conversation(
    messages: Sequence[Mapping[str, Any]], model: SimModel, rules: HistoryRules, *, partial: bool
) -> None:
    """The whole conversation as the model will see it; its ids are whatever they are. Only where the last
    item is ``partial`` it may be the assistant's."""
    kept = HistoryRules(json_arguments=rules.json_arguments, k2_ids=False)
    check_messages([dict(message) for message in messages], ARK, model, kept)
    if messages[-1]["role"] == "assistant" and not partial:
        raise Refusal("invalid", "the last item must not be the assistant's", "input")


# --- inside -------------------------------------------------------------------------------------


def _check_caching(body: Mapping[str, Any]) -> None:
    caching = body.get("caching")
    if caching is None:
        return
    if not isinstance(caching, dict) or set(caching) - {"type", "prefix"}:
        raise Refusal("invalid", "caching takes type and prefix", "caching")
    if caching.get("type", "disabled") not in ("enabled", "disabled"):
        raise Refusal("invalid", "caching.type must be enabled or disabled", "caching.type")
    if not caches(body):
        return
    if "instructions" in body:
        raise Refusal("invalid", "caching is not supported for instructions", "instructions")
    if caching.get("prefix") and body.get("stream"):
        raise Refusal("invalid", "caching.mode.prefix is not supported when stream is true", "caching.prefix")
    for tool in body.get("tools") or ():
        if isinstance(tool, dict) and tool.get("type") in _BUILT_IN:
            raise Refusal("invalid", f"caching is not supported for {tool['type']}", "tools")


def _check_expiry(expires: Any) -> None:
    if expires is None:
        return
    now = time.time()
    if not isinstance(expires, int) or isinstance(expires, bool) or not now < expires <= now + LONGEST_S:
        raise Refusal("invalid", "expire_at must be in the future and within 259200 seconds", "expire_at")


def _check_format(text: Any) -> None:
    if text is None:
        return
    wanted = text.get("format") if isinstance(text, dict) else None
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        raise Refusal("invalid", f"text.format.type {kind!r} is unknown", "text.format")
    if kind == "json_schema" and not (isinstance(wanted.get("name"), str) and "schema" in wanted):
        raise Refusal("invalid", "text.format needs a name and a schema", "text.format")


def _check_strict(schema: Mapping[str, Any], where: str) -> None:
    properties = schema.get("properties") or {}
    if (
        set(schema.get("required") or ()) != set(properties)
        or schema.get("additionalProperties") is not False
    ):
        raise Refusal(
            "invalid",
            f"{where}: strict needs every property in required and additionalProperties false",
            where,
        )


def _check_item(item: Any, where: str) -> str:
    kind = item.get("type") if isinstance(item, dict) else None
    if kind not in _ITEM_FIELDS:
        raise Refusal("invalid", f"{where}.type {kind!r} is unknown", where)
    if set(item) - _ITEM_FIELDS[kind]:
        raise Refusal("invalid", f"unknown field in {where}", where)
    needs = {
        "message": ("role", "content"),
        "function_call": ("call_id", "name", "arguments"),
        "function_call_output": ("call_id", "output"),
        "reasoning": ("summary",),
    }[kind]
    for key in needs:
        if key not in item:
            raise ArkRefusal(400, "MissingParameter", f"{where}.{key} is missing", f"{where}.{key}")
        if key not in ("content", "summary") and not isinstance(item[key], str):
            raise Refusal("invalid", f"{where}.{key} must be a string", f"{where}.{key}")
    if kind == "message" and item["role"] not in ("system", "user", "assistant"):
        raise Refusal("invalid", f"role {item['role']!r} is unknown", f"{where}.role")
    return str(kind)


def _add(message: dict[str, Any], item: Mapping[str, Any], kind: str, where: str) -> None:
    if kind == "reasoning":
        message["reasoning_content"] = "".join(part.get("text", "") for part in item["summary"])
    elif kind == "message":
        message["content"] = _content(item["content"], where)
    else:
        function = {"name": item["name"], "arguments": item["arguments"]}
        call = {"id": item["call_id"], "type": "function", "function": function}
        message.setdefault("tool_calls", []).append(call)


def _content(content: Any, where: str) -> Any:
    if not isinstance(content, list):
        return content
    parts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("input_text", "output_text"):
            parts.append({"type": "text", "text": part.get("text")})
        elif kind == "input_image":
            parts.append({"type": "image_url", "image_url": {"url": part.get("image_url")}})
        else:
            raise Refusal("invalid", f"{where}.content: part type {kind!r} is unknown", where)
    return parts
