"""Answers that kcode itself reads: one JSON object of a given shape.

A model that follows schemas gets the schema (strict), another JSON mode, and where the wire has neither the
prompt has to do. The shape is said in the prompt in any case, and what comes is checked in any case: JSON
mode promises no shape, and an answer that is cut is no JSON (facts B.5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from kcode.config.prompts import load_prompt
from kcode.errors import ExitCode
from kcode.providers.base import (
    ContentFiltered,
    Finish,
    Provider,
    ProviderError,
    Request,
    Retrying,
    TextDelta,
    Usage,
)
from kcode.providers.mfjs import normal

_SHOWN = 200  # characters of a fault in a message
_KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


class NoStructuredAnswer(ProviderError):
    """The model did not give the JSON it was asked for, not even when told what was wrong."""

    exit_code = ExitCode.NOT_ACHIEVED


async def ask_json(
    provider: Provider,
    request: Request,
    schema: Mapping[str, Any],
    on_usage: Callable[[Usage], None] = lambda usage: None,
) -> dict[str, Any]:
    """The answer to ``request`` as an object that follows ``schema``.

    ``request.messages`` end with the question; how to answer is added here. An answer that is no such
    object is sent back once with what is wrong with it, one that was cut is asked for again with twice the
    room. ``on_usage`` gets the tokens of each request, for the bill. Raises NoStructuredAnswer where both
    answers are useless, ValueError for a schema that cannot be sent, ProviderError.
    """
    shape = normal(schema)
    spelled = json.dumps(shape, ensure_ascii=False)
    asked = replace(
        request,
        messages=(*request.messages, _user(load_prompt("json_answer").replace("{schema}", spelled))),
        response_schema=shape,
        partial=b"",
        no_calls=bool(request.tools),
    )
    fault = ""
    for _ in range(2):
        answer = await _ask(provider, asked, on_usage)
        value, fault = read_object(answer.text, shape)
        if value is not None:
            return value
        if answer.cut:
            room = asked.max_output_tokens or provider.model.default_output
            fault = f"it was cut off at {room} tokens"
            asked = replace(asked, max_output_tokens=min(2 * room, provider.model.max_output))
        else:
            asked = replace(asked, messages=(*asked.messages, *_again(answer.text, fault)))
    raise NoStructuredAnswer(
        f"{provider.model.id} did not answer with the JSON it was asked for: {fault[:_SHOWN]}",
        "Try again, or choose another model with --model.",
    )


def read_object(text: str, shape: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The JSON object in an answer and what is wrong with it: one of the two is empty.

    Words or a code fence around the object are tolerated, a second object is not.
    """
    start = text.find("{")
    if start < 0:
        return None, "there is no JSON object in it" if text.strip() else "it is empty"
    try:
        value, end = json.JSONDecoder(parse_constant=_refuse).raw_decode(text, start)
    except (ValueError, RecursionError) as error:
        return None, f"it is not valid JSON ({error})"
    if re.search(r"\{\s*\"", text[end:]):
        return None, "there is more than one JSON object in it"
    fault = _fault(value, shape, "")
    return (None, fault) if fault else (value, "")


# --- one answer --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Answer:
    text: str = ""
    cut: bool = False


async def _ask(provider: Provider, request: Request, on_usage: Callable[[Usage], None]) -> _Answer:
    answer = _Answer()
    stream: Any = provider.stream(request)
    async with aclosing(stream) as chunks:
        async for chunk in chunks:
            if isinstance(chunk, Retrying):
                answer = _Answer()
            elif isinstance(chunk, TextDelta):
                answer.text += chunk.text
            elif isinstance(chunk, Usage):
                on_usage(chunk)
            elif isinstance(chunk, Finish):
                answer.cut = chunk.reason == "length"
                if chunk.reason == "content_filter":
                    raise ContentFiltered("the provider filtered the answer", "Rephrase what is asked.")
    return answer


def _again(text: str, fault: str) -> tuple[bytes, ...]:
    told = _user(load_prompt("json_repair").replace("{fault}", fault))
    return (_message("assistant", text), told) if text.strip() else (told,)


def _user(text: str) -> bytes:
    return _message("user", text)


def _message(role: str, text: str) -> bytes:
    message = {"role": role, "content": text}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


# --- does it follow the schema -----------------------------------------------------------------


def _fault(value: Any, shape: Mapping[str, Any], at: str) -> str:
    """The first thing in ``value`` that the schema does not allow, in words; ``""`` for none."""
    if "anyOf" in shape:
        faults = [_fault(value, option, at) for option in shape["anyOf"]]
        return "" if "" in faults else faults[0]
    kind, where = shape["type"], at or "the answer"
    if not _is(kind, value):
        return f"{where} must be of type {kind}"
    if "enum" in shape and value not in shape["enum"]:
        return f"{where} must be one of {json.dumps(shape['enum'], ensure_ascii=False)}"
    if kind == "array":
        found = (_fault(item, shape["items"], f"{at}[{n}]") for n, item in enumerate(value))
        return next(filter(None, found), "")
    return _fault_in_object(value, shape, at) if kind == "object" else ""


def _fault_in_object(value: Mapping[str, Any], shape: Mapping[str, Any], at: str) -> str:
    properties = shape.get("properties", {})
    for name in shape.get("required", ()):
        if name not in value:
            return f"{_join(at, name)} is missing"
    for name, inner in value.items():
        if inner is None and name not in shape.get("required", ()):
            continue  # many models spell "not given" so
        if name in properties:
            allowed = properties[name]
        elif shape.get("additionalProperties") is False:
            return f"{_join(at, name)} is not asked for"
        else:
            extra = shape.get("additionalProperties")
            allowed = extra if isinstance(extra, Mapping) else None
        fault = _fault(inner, allowed, _join(at, name)) if allowed is not None else ""
        if fault:
            return fault
    return ""


def _is(kind: str, value: object) -> bool:
    """A bool is an int in Python and not in JSON."""
    return isinstance(value, _KINDS.get(kind, (object,))) and (
        kind == "boolean" or not isinstance(value, bool)
    )


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
