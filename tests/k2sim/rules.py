"""What the API refuses in a chat request as a whole: fields, sampling, limits, thinking, formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.k2sim.message_rules import HistoryRules, check_messages
from tests.k2sim.models import SimModel
from tests.k2sim.platform import check_web_search
from tests.k2sim.shapes import Refusal, Shape
from tests.k2sim.tokens import plain_text
from tests.k2sim.tool_rules import check_schema, check_tools

DEFAULT_OUTPUT = {"moonshot": 1024, "ark": 4096, "openai": 0}
"""Tokens reserved for the answer when the request does not say."""


def check_chat(body: Any, shape: Shape, models: Mapping[str, SimModel], rules: HistoryRules) -> SimModel:
    """Raise :class:`Refusal` where the server would; else return the model that was asked for."""
    if not isinstance(body, dict):
        raise Refusal("invalid", "the request body must be a JSON object")
    for key in body:
        if key not in shape.fields:
            raise Refusal("invalid", f"unknown field '{key}'", key)
    model = find_model(body.get("model"), shape, models)
    check_messages(body.get("messages"), shape, model, rules)
    check_tools(body.get("tools"), shape)
    _check_tool_choice(body, shape, model)
    _check_thinking(body, shape, model)
    _check_sampling(body, shape, model)
    _check_stop(body, shape, model)
    _check_stream(body)
    _check_continuation(body)
    _check_format(body, shape, model)
    _check_output_limit(body, shape, model)
    check_web_search(body, model)
    return model


def find_model(name: Any, shape: Shape, models: Mapping[str, SimModel]) -> SimModel:
    if not isinstance(name, str) or not name:
        raise Refusal("invalid", "model is missing", "model")
    if name not in models:
        raise Refusal("model_not_found", model_not_found_text(name, shape), "model")
    return models[name]


def model_not_found_text(name: str, shape: Shape) -> str:
    if shape.name == "moonshot":
        return f"Not found the model {name} or Permission denied"
    if shape.name == "ark":
        return f"The model or endpoint {name} does not exist or you do not have access to it."
    return f"The model `{name}` does not exist."


def output_limit(body: Mapping[str, Any], shape: Shape) -> int:
    """Tokens reserved for the answer; with both fields Moonshot takes ``max_completion_tokens``."""
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    return DEFAULT_OUTPUT[shape.name] if limit is None else int(limit)


def check_window(prompt_tokens: int, body: Mapping[str, Any], shape: Shape, model: SimModel) -> None:
    wanted = prompt_tokens + output_limit(body, shape)
    if wanted <= model.context:
        return
    if shape.name == "openai":
        text = (
            f"This model's maximum context length is {model.context} tokens. However, you requested {wanted} "
            f"tokens ({prompt_tokens} in the messages, {wanted - prompt_tokens} in the completion)."
        )
    else:
        text = (
            f"Input token length too long: {prompt_tokens} prompt tokens and {wanted - prompt_tokens} "
            f"for the answer exceed the model's context of {model.context}"
        )
    raise Refusal("context_overflow", text, "messages")


def _check_tool_choice(body: Mapping[str, Any], shape: Shape, model: SimModel) -> None:
    if shape.name == "ark":
        for key in ("tool_choice", "parallel_tool_calls"):
            if key in body:
                raise Refusal("invalid", f"{key} is not supported by model {model.id}", key)
    choice = body.get("tool_choice")
    if choice in (None, "auto", "none"):
        return
    if shape.name == "openai" and (choice == "required" or isinstance(choice, dict)):
        return
    if choice == "required":
        if model.family == "k3":
            return
        raise Refusal("invalid", "tool_choice 'required' is not supported by this model", "tool_choice")
    if isinstance(choice, dict):
        raise Refusal(
            "invalid", "tool_choice 'specified' is incompatible with thinking enabled", "tool_choice"
        )
    raise Refusal("invalid", f"tool_choice {choice!r} is unknown", "tool_choice")


def _check_thinking(body: Mapping[str, Any], shape: Shape, model: SimModel) -> None:
    if "reasoning_effort" in body:
        if model.family != "k3":
            raise Refusal("invalid", "reasoning_effort is not supported by this model", "reasoning_effort")
        if body["reasoning_effort"] not in ("low", "high", "max"):
            raise Refusal("invalid", "reasoning_effort must be low, high or max", "reasoning_effort")
    if "thinking" not in body:
        return
    thinking = body["thinking"]
    if not isinstance(thinking, dict):
        raise Refusal(
            "invalid", "the thinking field in the request (expected type object) is illegal", "thinking"
        )
    if not model.takes_thinking_field:
        raise Refusal("invalid", f"thinking is not supported by model {model.id}", "thinking")
    if set(thinking) - {"type", "keep"} or thinking.get("keep") not in (None, "all"):
        raise Refusal("invalid", "thinking takes type and keep, and keep is null or 'all'", "thinking")
    kind = thinking.get("type", "enabled")
    if kind not in ("enabled", "disabled"):
        raise Refusal("invalid", f"invalid thinking: type {kind!r}", "thinking")
    if kind == "disabled" and model.thinking == "forced":
        raise Refusal("invalid", "invalid thinking: only type=enabled is allowed for this model", "thinking")


def _check_sampling(body: Mapping[str, Any], shape: Shape, model: SimModel) -> None:
    _check_range(body, "temperature", 0, shape.temperature_max)
    _check_range(body, "top_p", 0, 1)
    _check_range(body, "presence_penalty", -2, 2)
    _check_range(body, "frequency_penalty", -2, 2)
    _check_range(body, "n", 1, 5, whole=True)
    if shape.name == "openai":
        return
    if model.fixed_sampling:
        off = isinstance(body.get("thinking"), dict) and body["thinking"].get("type") == "disabled"
        for key, only in (
            ("temperature", 0.6 if off else 1),
            ("top_p", 0.95),
            ("n", 1),
            ("presence_penalty", 0),
            ("frequency_penalty", 0),
        ):
            if body.get(key) is not None and body[key] != only:
                raise Refusal("invalid", f"invalid {key}: only {only} is allowed for this model", key)
    if body.get("n", 1) > 1 and body.get("temperature") is not None and body["temperature"] < 0.01:
        raise Refusal("invalid", "n must be 1 when temperature is close to 0", "n")


def _check_range(body: Mapping[str, Any], key: str, low: float, high: float, *, whole: bool = False) -> None:
    value = body.get(key)
    if value is None:
        return
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise Refusal("invalid", f"invalid {key}: must be between {low} and {high}, got {value!r}", key)


def _check_stop(body: Mapping[str, Any], shape: Shape, model: SimModel) -> None:
    stop = body.get("stop")
    if stop is None:
        return
    if shape.name == "ark" and model.thinking != "no":
        raise Refusal("invalid", f"stop is not supported by model {model.id}", "stop")
    words = [stop] if isinstance(stop, str) else stop
    if not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        raise Refusal("invalid", "stop must be a string or an array of non-empty strings", "stop")
    if len(words) > shape.stop_max:
        raise Refusal("invalid", f"stop: at most {shape.stop_max} strings", "stop")
    if shape.name == "moonshot" and any(len(word.encode()) > 32 for word in words):
        raise Refusal("invalid", "stop: a string may have at most 32 bytes", "stop")


def _check_stream(body: Mapping[str, Any]) -> None:
    if not isinstance(body.get("stream", False), bool):
        raise Refusal("invalid", "stream must be a boolean", "stream")
    options = body.get("stream_options")
    if options is None:
        return
    if not body.get("stream"):
        raise Refusal("invalid", "stream_options is only allowed when stream is true", "stream_options")
    if not isinstance(options, dict) or set(options) - {"include_usage", "chunk_include_usage"}:
        raise Refusal("invalid", "stream_options takes include_usage", "stream_options")


def _check_continuation(body: Mapping[str, Any]) -> None:
    """vLLM goes on with a last assistant message only where no new one is begun."""
    if not body.get("continue_final_message"):
        return
    if body.get("add_generation_prompt", True):
        raise Refusal(
            "invalid", "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
        )
    if body["messages"][-1]["role"] != "assistant":
        raise Refusal("invalid", "continue_final_message needs an assistant message at the end", "messages")


def _check_format(body: Mapping[str, Any], shape: Shape, model: SimModel) -> None:
    wanted = body.get("response_format")
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind not in ("text", "json_object", "json_schema"):
        raise Refusal("invalid", f"response_format.type {kind!r} is unknown", "response_format")
    messages = body["messages"]
    if kind != "text" and messages[-1].get("partial"):
        raise Refusal("invalid", "partial and response_format cannot be combined", "response_format")
    if kind == "json_object" and shape.name == "ark":
        if "json" not in " ".join(plain_text(m.get("content")) for m in messages).lower():
            raise Refusal("invalid", "the prompt must contain the word 'json'", "response_format")
    elif kind == "json_schema":
        if shape.name == "ark" and model.thinking == "no":
            raise Refusal("invalid", f"json_schema is not supported by model {model.id}", "response_format")
        schema = wanted.get("json_schema")
        if not isinstance(schema, dict) or not isinstance(schema.get("name"), str):
            raise Refusal("invalid", "response_format.json_schema needs a name", "response_format")
        if schema.get("strict", shape.name == "moonshot"):
            check_schema(schema.get("schema"), "response_format.json_schema.schema")


def _check_output_limit(body: Mapping[str, Any], shape: Shape, model: SimModel) -> None:
    given = [key for key in ("max_completion_tokens", "max_tokens") if body.get(key) is not None]
    if shape.name == "ark" and len(given) == 2:
        raise Refusal("invalid", "max_tokens and max_completion_tokens are mutually exclusive", "max_tokens")
    for key in given:
        value = body[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise Refusal("invalid", f"{key} must be a positive integer, got {value!r}", key)
        ceiling = 65_536 if key == "max_completion_tokens" else model.max_output
        if shape.name == "ark" and value > ceiling:
            raise Refusal("invalid", f"{key} must be at most {ceiling}, got {value}", key)
